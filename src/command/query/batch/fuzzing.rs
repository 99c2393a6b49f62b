//! Any bytes as a batch: how it is cut into lines, what each line asks, and what is answered in its place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a fuzzer finds, it says by these")]

mod plain;

use std::io::BufReader;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Answerer, Line, Lines, MAX_LINE, PER_THREAD, request};
use crate::engine::Engine;
use crate::error::Result;
use crate::escape::escape_for_terminal;
use crate::model::{Filter, Page, Query};
use crate::output::jsonl::{self, Jsonl};
use crate::progress::Progress;

pub(crate) fn batch_request(data: &[u8]) {
    let mut lines = Lines {
        input: BufReader::with_capacity(MAX_LINE, data),
        number: 0,
    };
    let answerer = Answerer {
        engine: &NoEvents,
        jsonl: Jsonl::new(false),
    };
    let mut expected = plain::lines(data);
    loop {
        let chunk = lines.next_chunk(PER_THREAD).unwrap();
        if chunk.is_empty() {
            break;
        }
        for line in chunk {
            let (number, text) = expected.next().unwrap();
            assert_eq!((line.number, line.text.as_deref()), (number, text));
            let query = text.and_then(is_parsed_as_the_help_says);
            is_answered(&answerer, &line, query.as_ref());
        }
    }
    assert_eq!(expected.next(), None);
}

fn is_parsed_as_the_help_says(text: &[u8]) -> Option<Query> {
    let shown = String::from_utf8_lossy(text);
    match request::parse(text) {
        Ok(query) => {
            assert_eq!(Some(&query), plain::parse(text).as_ref(), "{shown}");
            let mut encoded = Vec::new();
            jsonl::request(&mut encoded, &query);
            assert!(encoded.iter().all(|byte| (b' '..=b'~').contains(byte)));
            assert_eq!(request::parse(&encoded).ok().as_ref(), Some(&query));
            Some(query)
        }
        Err(error) => {
            assert_eq!(plain::parse(text), None, "{shown} is refused: {error}");
            let message = error.to_string();
            assert_eq!(escape_for_terminal(&message), message, "{shown}");
            None
        }
    }
}

/// The answer is one line of JSON in printable characters, and names what was asked.
fn is_answered(answerer: &Answerer<'_>, line: &Line, query: Option<&Query>) {
    let answer = answerer.answer(line, &mut Page::default());
    let shown = String::from_utf8_lossy(&answer.line);
    assert_eq!(answer.is_good, query.is_some(), "{shown}");
    let (end, printed) = answer.line.split_last().unwrap();
    // A tab between the tokens of a request is shown as it came.
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    assert!(*end == b'\n' && printed.iter().all(is_printable), "{shown}");
    let Ok(document) = serde_json::from_slice::<Answer<'_>>(printed) else {
        panic!("no answer: {shown}");
    };
    match query {
        Some(query) => {
            assert_eq!((document.events, document.count), (Some([]), Some(0)), "{shown}");
            assert_eq!(document.error, None, "{shown}");
            let echo = document.query.map(|echo| request::parse(echo.get().as_bytes()));
            assert_eq!(echo.and_then(Result::ok).as_ref(), Some(query), "{shown}");
        }
        None => {
            let error = document.error.unwrap_or_default();
            let place = format!("line {}: ", line.number);
            assert!(error.starts_with(&place), "{shown}");
            // What was asked is shown as it came, where it can be.
            let text = line.text.as_deref().unwrap_or_default();
            if let (Some(echo), Ok(asked)) = (document.query, serde_json::from_slice::<Value>(text)) {
                assert_eq!(serde_json::from_str::<Value>(echo.get()).ok(), Some(asked), "{shown}");
            }
        }
    }
}

/// What no file of the corpus is long enough for.
#[cfg(test)]
#[test]
fn lines_about_the_longest() {
    for len in MAX_LINE - 1..MAX_LINE + 3 {
        for filler in [b' ', b'x'] {
            let line = vec![filler; len];
            batch_request(&line);
            batch_request(&[&line, &b"\n{}\n"[..], &line, b"\n", &line].concat());
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'line> {
    #[serde(borrow)]
    query: Option<&'line RawValue>,
    events: Option<[Value; 0]>,
    count: Option<u64>,
    error: Option<String>,
}

/// An engine whose log is empty.
struct NoEvents;

impl Engine for NoEvents {
    fn page(&self, _: &Query, page: &mut Page) -> Result<()> {
        page.clear();
        Ok(())
    }

    fn count(&self, _: &Filter) -> Result<u64> {
        Ok(0)
    }

    fn all(&self, _: &Filter, _: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn maintain(&self, _: Progress<'_>) -> Result<()> {
        Ok(())
    }
}
