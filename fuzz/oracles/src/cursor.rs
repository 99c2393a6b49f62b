//! The cursor of a keyset page: `CREATED_AT:ID`.

use auditq::fuzzing::jsonl::Jsonl;
use auditq::fuzzing::{Draw, Event, Key, escape_for_terminal};

/// The text as a cursor, and the cursor of an event drawn from the same bytes.
pub(crate) fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        is_read_as_the_help_says(text);
    }
    let mut draw = Draw::new(data);
    is_yielded_by_any_line(draw.number(), draw.number());
}

fn is_read_as_the_help_says(text: &str) {
    match text.parse::<Key>() {
        Ok(key) => {
            assert_eq!(Some(key), plain(text), "{text:?} is read as {key}");
            assert_eq!(key.to_string().parse::<Key>().ok(), Some(key), "{text:?}");
        }
        Err(error) => {
            assert_eq!(plain(text), None, "{text:?} is refused: {error}");
            let message = error.to_string();
            assert_eq!(escape_for_terminal(&message), message, "{text:?}");
        }
    }
}

/// What the help tells to do with a JSON line: `"\(.created_at):\(.id)"`.
fn is_yielded_by_any_line(created_at: i64, id: i64) {
    let event = Event {
        id,
        created_at,
        actor_id: 0,
        action: "",
        resource_type: "",
        resource_id: "",
        payload: b"{}",
    };
    let mut line = Vec::new();
    Jsonl::new(false).event(&mut line, &event);
    let Ok(line) = serde_json::from_slice::<serde_json::Value>(&line) else {
        panic!("no JSON: {}", String::from_utf8_lossy(&line));
    };
    let cursor = format!("{}:{}", line["created_at"], line["id"]);
    assert_eq!(cursor.parse::<Key>().ok(), Some(event.key()), "{cursor}");
}

/// Two whole numbers of 64 bits, a colon between them and nothing else.
pub(crate) fn plain(text: &str) -> Option<Key> {
    let colon = text.bytes().position(|byte| byte == b':')?;
    Some(Key {
        created_at: whole_number(&text.as_bytes()[..colon])?,
        id: whole_number(&text.as_bytes()[colon + 1..])?,
    })
}

/// A whole number, digit by digit: a sign or none, at least one digit, and no more than 64 bits hold.
pub(crate) fn whole_number(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i128 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // It stops growing where it is certain to be too large.
        number = (number * 10 + i128::from(digit - b'0')).min(1 << 100);
    }
    i64::try_from(if is_negative { -number } else { number }).ok()
}
