//! JSON lines of events, byte for byte what CPython's `json.dumps` prints by default.

use crate::model::{Event, Filter, Key, Page, Position, Query};

/// Writes events and batch responses into a buffer that the caller keeps: the hot path of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jsonl {
    payloads: Payloads,
}

/// How a payload's own bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    /// As they are stored.
    AsStored,
    /// The same JSON value in ASCII: on a terminal, other characters could steer it.
    Ascii,
}

impl Jsonl {
    /// A writer for standard output, which is a terminal or not.
    #[must_use]
    pub fn new(stdout_is_terminal: bool) -> Self {
        let payloads = if stdout_is_terminal {
            Payloads::Ascii
        } else {
            Payloads::AsStored
        };
        Jsonl { payloads }
    }

    /// Appends `{"id": …, …, "payload": …}`, without a newline.
    pub fn event(self, out: &mut Vec<u8>, event: &Event<'_>) {
        out.extend_from_slice(b"{\"id\": ");
        integer(out, event.id);
        out.extend_from_slice(b", \"created_at\": ");
        integer(out, event.created_at);
        out.extend_from_slice(b", \"actor_id\": ");
        integer(out, event.actor_id);
        out.extend_from_slice(b", \"action\": ");
        string(out, event.action);
        out.extend_from_slice(b", \"resource_type\": ");
        string(out, event.resource_type);
        out.extend_from_slice(b", \"resource_id\": ");
        string(out, event.resource_id);
        out.extend_from_slice(b", \"payload\": ");
        match self.payloads {
            Payloads::AsStored => out.extend_from_slice(event.payload),
            Payloads::Ascii => ascii(out, event.payload),
        }
        out.push(b'}');
    }

    /// Appends each event of a page as a line of its own.
    pub fn events(self, out: &mut Vec<u8>, page: &Page) {
        for event in page.events() {
            self.event(out, &event);
            out.push(b'\n');
        }
    }

    /// Appends a batch response: `{"query": {…}, "events": […], "count": N}` and a newline.
    pub fn response(self, out: &mut Vec<u8>, query: &Query, page: &Page) {
        out.extend_from_slice(b"{\"query\": ");
        request(out, query);
        out.extend_from_slice(b", \"events\": [");
        for (place, event) in page.events().enumerate() {
            if place > 0 {
                out.extend_from_slice(b", ");
            }
            self.event(out, &event);
        }
        out.extend_from_slice(b"], \"count\": ");
        integer(out, page.len());
        out.extend_from_slice(b"}\n");
    }
}

/// Appends the line of a batch request that failed: `{"query": {…}, "error": "…"}` and a newline. The query is
/// shown as the given JSON, and null where there is none to show.
pub fn error(out: &mut Vec<u8>, query: Option<&[u8]>, message: &str) {
    out.extend_from_slice(b"{\"query\": ");
    // It comes from outside, and may go to a terminal.
    ascii(out, query.unwrap_or(b"null"));
    out.extend_from_slice(b", \"error\": ");
    string(out, message);
    out.extend_from_slice(b"}\n");
}

/// Appends `{"count": N}` and a newline.
pub fn count(out: &mut Vec<u8>, events: u64) {
    out.extend_from_slice(b"{\"count\": ");
    integer(out, events);
    out.extend_from_slice(b"}\n");
}

/// Appends the contract's `query` object, without a newline. A keyset query has `after` in the place of `page`; `as_of`
/// stands last, where there is one.
pub fn request(out: &mut Vec<u8>, query: &Query) {
    let Filter {
        from_ts,
        to_ts,
        actor_id,
        action,
        as_of,
    } = query.filter();
    out.extend_from_slice(b"{\"from_ts\": ");
    integer(out, *from_ts);
    out.extend_from_slice(b", \"to_ts\": ");
    integer(out, *to_ts);
    out.extend_from_slice(b", \"actor_id\": ");
    match actor_id {
        Some(actor_id) => integer(out, *actor_id),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b", \"action\": ");
    match action {
        Some(action) => string(out, action),
        None => out.extend_from_slice(b"null"),
    }
    match query.position() {
        Position::Page(page) => {
            out.extend_from_slice(b", \"page\": ");
            integer(out, page);
        }
        Position::After(key) => {
            out.extend_from_slice(b", \"after\": ");
            cursor(out, key);
        }
    }
    out.extend_from_slice(b", \"page_size\": ");
    integer(out, query.page_size());
    if let Some(key) = as_of {
        out.extend_from_slice(b", \"as_of\": ");
        cursor(out, *key);
    }
    out.push(b'}');
}

/// `"CREATED_AT:ID"`.
fn cursor(out: &mut Vec<u8>, key: Key) {
    out.push(b'"');
    integer(out, key.created_at);
    out.push(b':');
    integer(out, key.id);
    out.push(b'"');
}

fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A string as CPython writes it with `ensure_ascii`: everything but printable ASCII is escaped.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|character| escaped(out, character));
    }
    out.push(b'"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escaped(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        ' '..='~' => out.push(character as u8),
        _ => unicode_escape(out, character),
    }
}

/// `\uXXXX` in lower case, a surrogate pair beyond the first 65,536 characters.
pub(super) fn unicode_escape(out: &mut Vec<u8>, character: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for unit in character.encode_utf16(&mut [0; 2]) {
        let digit = |shift: u16| DIGITS[usize::from(*unit >> shift & 15)];
        out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
    }
}

/// A payload with everything but ASCII escaped. In JSON such characters stand in strings only, so the value
/// stays the same.
fn ascii(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return out.extend_from_slice(payload);
    }
    for character in String::from_utf8_lossy(payload).chars() {
        match character {
            '\0'..='~' => out.push(character as u8),
            _ => unicode_escape(out, character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PayloadRef, Row};

    fn printed(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn page(payload: &'static [u8], rows: usize) -> Page {
        let mut page = Page::default();
        for id in 0..rows {
            let row = Row {
                id: id as i64 - 1,
                created_at: i64::MIN,
                actor_id: 7,
                action: "A\"B",
                resource_type: "",
                resource_id: "Ü-1",
                payload_ref: PayloadRef { offset: 0, len: 0 },
            };
            page.push(&row, payload);
        }
        page
    }

    fn query(position: Position) -> Query {
        Query::new(
            Filter {
                from_ts: -1,
                to_ts: 2,
                actor_id: None,
                action: None,
                as_of: None,
            },
            position,
            20,
        )
        .unwrap()
    }

    #[test]
    fn strings_are_escaped_as_cpython_escapes_them() {
        // Each pair is what Python 3.11 printed for json.dumps(text).
        for (text, expected) in [
            ("plain ~", r#""plain ~""#),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#),
            ("\0\u{b}\u{1f}\u{7f}\u{80}", r#""\u0000\u000b\u001f\u007f\u0080""#),
            ("é€\u{2028}\u{ffff}", r#""\u00e9\u20ac\u2028\uffff""#),
            ("🦀\u{10ffff}", r#""\ud83e\udd80\udbff\udfff""#),
        ] {
            assert_eq!(printed(|out| string(out, text)), expected);
        }
    }

    #[test]
    fn an_event_has_the_contracts_keys_in_order() {
        let page = page(b"{\"a\": \"\xc3\xa9\"}", 1);
        let line = "{\"id\": -1, \"created_at\": -9223372036854775808, \"actor_id\": 7, \"action\": \"A\\\"B\", \
                    \"resource_type\": \"\", \"resource_id\": \"\\u00dc-1\", \"payload\": {\"a\": \"é\"}}\n";
        assert_eq!(printed(|out| Jsonl::new(false).events(out, &page)), line);
        let safe = line.replace('é', "\\u00e9");
        assert_eq!(printed(|out| Jsonl::new(true).events(out, &page)), safe);
    }

    #[test]
    fn a_payload_on_a_terminal_keeps_its_value() {
        let stored = "{\"\u{7f}k\u{202e}\": [1,\t\"\\u001b🦀\\n\"]}";
        let shown = printed(|out| ascii(out, stored.as_bytes()));
        assert_eq!(shown, "{\"\\u007fk\\u202e\": [1,\t\"\\u001b\\ud83e\\udd80\\n\"]}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(stored));
    }

    #[test]
    fn a_response_is_one_line() {
        let query = query(Position::Page(3));
        let empty = printed(|out| Jsonl::new(false).response(out, &query, &Page::default()));
        let object =
            "{\"from_ts\": -1, \"to_ts\": 2, \"actor_id\": null, \"action\": null, \"page\": 3, \"page_size\": 20}";
        assert_eq!(
            empty,
            format!("{{\"query\": {object}, \"events\": [], \"count\": 0}}\n")
        );
        let two = page(b"[]", 2);
        let event = printed(|out| Jsonl::new(false).event(out, &two.events().next().unwrap()));
        let full = printed(|out| Jsonl::new(false).response(out, &query, &two));
        let second = event.replace("\"id\": -1", "\"id\": 0");
        assert_eq!(
            full,
            format!("{{\"query\": {object}, \"events\": [{event}, {second}], \"count\": 2}}\n")
        );
    }

    #[test]
    fn a_keyset_query_names_its_cursor() {
        let after = Position::After(Key { created_at: -5, id: 9 });
        let mut filter = query(after).filter().clone();
        filter.actor_id = Some(-3);
        filter.action = Some("É".to_owned());
        let query = Query::new(filter, after, 20).unwrap();
        assert_eq!(
            printed(|out| request(out, &query)),
            r#"{"from_ts": -1, "to_ts": 2, "actor_id": -3, "action": "\u00c9", "after": "-5:9", "page_size": 20}"#
        );
    }

    #[test]
    fn a_failed_request_is_answered_in_its_place() {
        assert_eq!(
            printed(|out| error(out, None, "line 3: \"x\"")),
            "{\"query\": null, \"error\": \"line 3: \\\"x\\\"\"}\n"
        );
        let mut echo = Vec::new();
        request(&mut echo, &query(Position::Page(1)));
        let line = printed(|out| error(out, Some(&echo), "no"));
        assert!(line.starts_with("{\"query\": {\"from_ts\": -1,") && line.ends_with("}, \"error\": \"no\"}\n"));
        assert_eq!(
            printed(|out| count(out, u64::MAX)),
            "{\"count\": 18446744073709551615}\n"
        );
    }
}
