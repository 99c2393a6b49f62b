//! Any bytes as a batch: how it is cut into lines, what each line asks, and what is answered in its place.

use auditq::fuzzing::{Answered, Engine, Filter, Key, Page, Query, Result};
use auditq::fuzzing::{answer_batch, escape_for_terminal, jsonl, parse_request};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::plain_batch as plain;

pub(crate) fn check(data: &[u8]) {
    let mut expected = plain::lines(data);
    for line in answer_batch(data, &NoEvents).unwrap() {
        let (number, text) = expected.next().unwrap();
        assert_eq!((line.number, line.text.as_deref()), (number, text));
        let query = text.and_then(is_parsed_as_the_help_says);
        is_answered(&line, query.as_ref());
    }
    assert_eq!(expected.next(), None);
}

fn is_parsed_as_the_help_says(text: &[u8]) -> Option<Query> {
    let shown = String::from_utf8_lossy(text);
    match parse_request(text) {
        Ok(request) => {
            assert_eq!(Some(&request), plain::parse(text).as_ref(), "{shown}");
            let (query, is_newest) = request;
            // The newest event of an empty log.
            let query = if is_newest { query.pinned(NO_EVENT) } else { query };
            let mut encoded = Vec::new();
            jsonl::request(&mut encoded, &query);
            assert!(encoded.iter().all(|byte| (b' '..=b'~').contains(byte)));
            assert_eq!(parse_request(&encoded).ok(), Some((query.clone(), false)));
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
fn is_answered(line: &Answered, query: Option<&Query>) {
    let shown = String::from_utf8_lossy(&line.answer);
    assert_eq!(line.is_good, query.is_some(), "{shown}");
    let (end, printed) = line.answer.split_last().unwrap();
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
            let echo = document.query.map(|echo| parse_request(echo.get().as_bytes()));
            let echo = echo.and_then(Result::ok);
            assert_eq!(echo.map(|(query, _)| query).as_ref(), Some(query), "{shown}");
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

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'line> {
    #[serde(borrow)]
    query: Option<&'line RawValue>,
    events: Option<[Value; 0]>,
    count: Option<u64>,
    error: Option<String>,
}

/// What no event comes before.
const NO_EVENT: Key = Key {
    created_at: i64::MIN,
    id: i64::MIN,
};

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

    fn maintain(&self, _: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
        Ok(())
    }
}
