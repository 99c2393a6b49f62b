//! Values as a report shows them: short, and safe on a terminal.

use crate::escape::escape_for_terminal;
use crate::model::Event;

/// The most characters of a value that are shown.
const ROOM: usize = 96;
/// What is shown before the first byte that differs.
const LEAD: usize = 24;

/// Text from outside, from its beginning.
pub(super) fn text(text: &str) -> String {
    // An error's text names its subject first; more of it fits.
    window(text.as_bytes(), 0, 4 * ROOM)
}

/// An event without its payload.
pub(super) fn event(event: &Event<'_>) -> String {
    let Event {
        id,
        created_at,
        actor_id,
        action,
        resource_id,
        ..
    } = event;
    let [action, resource_id] = [action, resource_id].map(|field| window(field.as_bytes(), 0, ROOM / 2));
    format!("id {id}, created_at {created_at}, actor {actor_id}, {action}, {resource_id}")
}

/// Two byte strings that differ, shown around their first difference.
pub(super) fn bytes(ours: &[u8], theirs: &[u8]) -> (String, String) {
    let common = ours.iter().zip(theirs).take_while(|(our, their)| our == their).count();
    let shown = |bytes: &[u8]| {
        if bytes.len() <= ROOM && ours.len().max(theirs.len()) <= ROOM {
            return quoted(bytes, 0);
        }
        format!(
            "{} (byte {} of {})",
            quoted(bytes, common.saturating_sub(LEAD)),
            common + 1,
            bytes.len()
        )
    };
    (shown(ours), shown(theirs))
}

fn quoted(bytes: &[u8], start: usize) -> String {
    format!("\"{}\"", window(bytes, start, ROOM))
}

/// So many bytes from `start`, with an ellipsis where something is left out.
fn window(bytes: &[u8], start: usize, room: usize) -> String {
    let start = start.min(bytes.len());
    let end = start.saturating_add(room).min(bytes.len());
    let before = if start > 0 { "…" } else { "" };
    let after = if end < bytes.len() { "…" } else { "" };
    format!("{before}{}{after}", escaped(&bytes[start..end]))
}

/// UTF-8 as it reads, with what steers a terminal escaped; every byte that is no UTF-8 as `\xNN`. A backslash is
/// doubled, so that no two different values look the same.
fn escaped(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&escape_for_terminal(&chunk.valid().replace('\\', "\\\\")));
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_value_is_shown_whole() {
        assert_eq!(bytes(b"LOGIN", b""), ("\"LOGIN\"".to_owned(), "\"\"".to_owned()));
    }

    #[test]
    fn a_long_value_is_shown_around_the_difference() {
        let ours = [b'a'; 1000];
        let mut theirs = ours;
        theirs[500] = b'\x1b';
        let (our, their) = bytes(&ours, &theirs);
        assert!(
            our.starts_with("\"…aaaa") && our.ends_with("aaa…\" (byte 501 of 1000)"),
            "{our}"
        );
        assert!(their.contains("a\\u{1b}a") && their.len() < 200, "{their}");
    }

    #[test]
    fn values_that_differ_look_different() {
        let (our, their) = bytes(b"\x1b", b"\\u{1b}");
        assert_ne!(our, their);
        let (our, their) = bytes(b"\xff", "\u{fffd}".as_bytes());
        assert_eq!((our.as_str(), their.as_str()), ("\"\\xff\"", "\"\u{fffd}\""));
        let (our, their) = bytes(&[b'x'; 300], &[b'x'; 301]);
        assert_ne!(our, their);
    }
}
