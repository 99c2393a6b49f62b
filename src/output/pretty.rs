//! Events in full for people: one a paragraph.

use super::wrap::hanging;
use super::{Stdout, units};
use crate::config::Display;
use crate::error::Result;
use crate::escape::escape_for_terminal;
use crate::model::{Event, Page};

/// Where the values start, in columns.
const INDENT: &str = "          ";

/// Events as paragraphs.
#[derive(Debug)]
pub(crate) struct EventParagraphs {
    width: usize,
    is_begun: bool,
}

impl EventParagraphs {
    /// Paragraphs as wide as the terminal.
    #[must_use]
    pub(crate) fn new(display: &Display) -> Self {
        EventParagraphs {
            width: display.width,
            is_begun: false,
        }
    }

    /// Prints a page's events.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn add(&mut self, out: &mut Stdout, page: &Page) -> Result<()> {
        for event in page.events() {
            if std::mem::replace(&mut self.is_begun, true) {
                out.write(b"\n")?;
            }
            out.write(paragraph(&event, self.width).as_bytes())?;
        }
        Ok(())
    }
}

fn paragraph(event: &Event<'_>, width: usize) -> String {
    let (time, second) = (units::date(event.created_at), event.created_at);
    let lines = [
        ("id", event.id.to_string()),
        ("time", format!("{time} UTC ({second})")),
        ("actor", event.actor_id.to_string()),
        ("action", event.action.to_owned()),
        ("type", event.resource_type.to_owned()),
        ("resource", event.resource_id.to_owned()),
        ("payload", String::from_utf8_lossy(event.payload).into_owned()),
    ];
    let line = |(name, value): &(&str, String)| {
        let text = format!("{name:<10}{}", escape_for_terminal(value));
        hanging(&text, INDENT, width)
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_whole_and_steers_nothing() {
        let event = Event {
            id: 7,
            created_at: 1_767_046_004,
            actor_id: 42,
            action: "LOG\nIN",
            resource_type: "ORDER",
            resource_id: "ORDER-1",
            payload: b"{\"note\": \"xxxxxxxxxxxxxxxxxxxxxxxxx\", \"esc\": \"\xc2\x9b2J\"}",
        };
        let expected = "\
id        7
time      2025-12-29 22:06:44
          UTC (1767046004)
actor     42
action    LOG\\u{a}IN
type      ORDER
resource  ORDER-1
payload   {\"note\":
          \"xxxxxxxxxxxxxxxxxxx
          xxxxxx\", \"esc\":
          \"\\u{9b}2J\"}
";
        assert_eq!(paragraph(&event, 30), expected);
    }
}
