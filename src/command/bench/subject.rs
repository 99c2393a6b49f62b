//! What is measured, and what each request was found to answer.

use sha2::{Digest, Sha256};

use crate::engine::{Engine, Floor};
use crate::error::Result;
use crate::model::{Event, Page, PayloadRef, Query};

/// Something that answers requests: an engine, or the floor that does no more than it must.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Engine(&'a dyn Engine),
    Floor(&'a Floor),
}

/// What a thread keeps from request to request.
#[derive(Default)]
pub(super) struct Scratch {
    page: Page,
    buffer: Vec<u8>,
}

impl Subject<'_> {
    /// Responses one request: how many events, `None` where it failed. The floor reads the payloads that `expected` names.
    pub(super) fn ask(self, query: &Query, expected: &Response, scratch: &mut Scratch) -> Option<usize> {
        match self {
            Subject::Engine(engine) => engine.page(query, &mut scratch.page).ok().map(|()| scratch.page.len()),
            Subject::Floor(floor) => {
                let read = floor.read(&expected.payload_refs, &mut scratch.buffer);
                read.ok().and(expected.events)
            }
        }
    }
}

/// What an engine answered to a request.
pub(super) struct Response {
    /// Of every field of every event with its payload, in order, or of the error's text.
    digest: [u8; 32],
    /// How many; `None` where the request failed.
    pub(super) events: Option<usize>,
    /// Where the payloads lie.
    payload_refs: Box<[PayloadRef]>,
}

/// The place of the first answer that is not the model's, and how many there are.
pub(super) fn differences(model: &[Response], other: &[Response]) -> Option<(usize, usize)> {
    let differs = |(_, (model, other)): &(usize, (&Response, &Response))| model.digest != other.digest;
    let mut places = model
        .iter()
        .zip(other)
        .enumerate()
        .filter(differs)
        .map(|(place, _)| place);
    places.next().map(|first| (first, 1 + places.count()))
}

impl Response {
    pub(super) fn of(result: Result<()>, page: &Page) -> Self {
        let mut digest = Sha256::new();
        let (events, payload_refs) = match result {
            Ok(()) => {
                digest.update(b"events");
                page.events().for_each(|event| digest_event(&mut digest, &event));
                (Some(page.len()), page.payload_refs().collect())
            }
            Err(error) => {
                digest.update(b"error");
                digest.update(error.to_string());
                (None, Box::default())
            }
        };
        Response {
            digest: digest.finalize().into(),
            events,
            payload_refs,
        }
    }
}

/// Every text behind its length, so that no two events have the same bytes.
pub(super) fn digest_event(digest: &mut Sha256, event: &Event<'_>) {
    for number in [event.id, event.created_at, event.actor_id] {
        digest.update(number.to_le_bytes());
    }
    let texts = [event.action, event.resource_type, event.resource_id].map(str::as_bytes);
    for text in texts.into_iter().chain([event.payload]) {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn differences_are_counted_from_the_first_on() {
        let answers = |texts: &str| -> Vec<_> {
            let failed = |text: char| Response::of(Err(Error::usage(text.to_string())), &Page::default());
            texts.chars().map(failed).collect()
        };
        for (other, found) in [("abcde", None), ("abcdX", Some((4, 1))), ("aXcXX", Some((1, 3)))] {
            assert_eq!(differences(&answers("abcde"), &answers(other)), found, "{other}");
        }
    }
}
