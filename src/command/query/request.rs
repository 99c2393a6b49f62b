//! One line of a batch: the contract's `query` object.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;
use crate::model::{Filter, Key, Pin, Position, Query};

/// A request line. A missing member has the default of `auditq query`; an unknown one is refused, so that a misspelt
/// filter does not go unnoticed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wire {
    from_ts: i64,
    to_ts: i64,
    actor_id: Option<i64>,
    action: Option<String>,
    page: Option<u64>,
    after: Option<String>,
    page_size: u64,
    as_of: Option<String>,
}

/// A request as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Pinned already, if it is to be pinned to a known event.
    pub(super) query: Query,
    /// Whether it is to be pinned to the newest event that there is once it is answered.
    pub(super) is_pinned_to_newest: bool,
}

impl Default for Wire {
    fn default() -> Self {
        let Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
            as_of: _,
        } = Filter::ALL;
        Wire {
            from_ts,
            to_ts,
            actor_id,
            action,
            page: None,
            after: None,
            page_size: 20,
            as_of: None,
        }
    }
}

/// Reads a request.
///
/// # Errors
/// One line that says what is wrong with it and what is accepted.
pub(super) fn parse(line: &[u8]) -> Result<Parsed> {
    let not_understood = |problem: &str| {
        // It may repeat names and texts of the line.
        let problem = escape_for_terminal(problem);
        Error::usage(format!(
            "the request is not understood ({problem}): it is a JSON object with from_ts, to_ts, actor_id, action, \
             page (or after), page_size and as_of"
        ))
    };
    if let Some(problem) = other_encoding(line) {
        return Err(Error::usage(problem));
    }
    // serde would accept an array of the values.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(not_understood("no object"));
    }
    let wire: Wire = serde_json::from_slice(line).map_err(|error| not_understood(&error.to_string()))?;
    let position = match (wire.page, &wire.after) {
        (Some(_), Some(_)) => {
            return Err(Error::usage("page and after exclude each other: give one of them"));
        }
        (page, None) => Position::Page(page.unwrap_or(1)),
        (None, Some(after)) => Position::After(after.parse::<Key>()?),
    };
    let pin = wire.as_of.map(|as_of| as_of.parse::<Pin>()).transpose()?;
    let filter = Filter {
        from_ts: wire.from_ts,
        to_ts: wire.to_ts,
        actor_id: wire.actor_id,
        action: wire.action,
        as_of: pin.and_then(Pin::key),
    };
    Ok(Parsed {
        query: Query::new(filter, position, wire.page_size)?,
        is_pinned_to_newest: pin == Some(Pin::Newest),
    })
}

/// What is wrong with a line in another encoding than UTF-8, as editors of other systems save it.
fn other_encoding(line: &[u8]) -> Option<&'static str> {
    const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
    let is_utf_16 = line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff") || line.contains(&0);
    if line.starts_with(UTF_8_MARK) {
        Some("it starts with a byte order mark (EF BB BF), which is not JSON: save it as UTF-8 without one")
    } else if is_utf_16 {
        Some("it holds NUL bytes or the mark of UTF-16: save it as UTF-8 without a byte order mark")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::escape::escape_for_terminal;
    use crate::model::{Filter, Key, Position, Query};

    fn query(line: &[u8]) -> Query {
        let parsed = parse(line).unwrap();
        assert!(!parsed.is_pinned_to_newest);
        parsed.query
    }

    #[test]
    fn the_contracts_query_object_is_a_request() {
        let line = br#"{"from_ts": -1, "to_ts": 2, "actor_id": null, "action": "A", "page": 3, "page_size": 50}"#;
        let filter = Filter {
            from_ts: -1,
            to_ts: 2,
            actor_id: None,
            action: Some("A".to_owned()),
            as_of: None,
        };
        assert_eq!(query(line), Query::new(filter, Position::Page(3), 50).unwrap());
    }

    #[test]
    fn what_is_left_out_is_as_on_the_command_line() {
        assert_eq!(query(b"{}"), Query::new(Filter::ALL, Position::Page(1), 20).unwrap());
        let after = Position::After(Key { created_at: -5, id: 7 });
        assert_eq!(
            query(br#"{"after": "-5:7"}"#),
            Query::new(Filter::ALL, after, 20).unwrap()
        );
    }

    #[test]
    fn a_pin_is_an_event_or_the_newest() {
        let as_of = |line: &[u8]| query(line).filter().as_of;
        assert_eq!(as_of(br#"{"as_of": "-5:7"}"#), Some(Key { created_at: -5, id: 7 }));
        assert_eq!(as_of(br#"{"as_of": null}"#), None);
        let newest = parse(br#"{"as_of": "newest", "page": 3}"#).unwrap();
        assert!(newest.is_pinned_to_newest && newest.query == query(br#"{"page": 3}"#));
    }

    /// Who takes the error out of its JSON, as `jq -r .error` does, must not have it steer the terminal.
    #[test]
    fn no_refusal_repeats_what_steers_a_terminal() {
        for line in [
            r#"{"\u001b[31m\n": 1}"#,
            "{\"\u{202e}\": 1}",
            r#"{"page": "\u001b[2J"}"#,
            r#"{"after": "\u001b\u3164"}"#,
            r#"{"as_of": "\u001b\u3164"}"#,
        ] {
            let error = parse(line.as_bytes()).unwrap_err().to_string();
            assert_eq!(escape_for_terminal(&error), error, "{line}");
        }
    }

    #[test]
    fn every_refusal_is_one_line() {
        for line in [
            "",
            "7",
            "[]",
            "{",
            "{\"page\": 0}",
            "{\"page\": 1.5}",
            "{\"page_size\": 10001}",
            "{\"page\": -1}",
            "{\"actor\": 1}",
            "{\"page\": 1, \"after\": \"1:2\"}",
            "{\"after\": \"x\"}",
            "{\"as_of\": \"now\"}",
            "{\"as_of\": 7}",
            "{\"page\": 1, \"page\": 2}",
            "{\"page\": 18446744073709551615}",
            "{\"action\": 5}",
            "\u{fffd}",
        ] {
            let error = parse(line.as_bytes()).unwrap_err().to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{line}: {error}");
        }
    }
}
