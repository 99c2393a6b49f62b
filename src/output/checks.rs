//! Checks against the contract: a table row or a JSON line each.

use std::io;

use comfy_table::{Cell, Color, Table};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

use super::{Stdout, table, unprintable};
use crate::command::check::Check;
use crate::config::{Display, Format};
use crate::error::Result;
use crate::escape::escape_for_terminal;

/// Characters from which a value is shown in several lines: more than a digest has.
const LONG: usize = 80;

/// Prints the checks in the form that was asked for.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn print(display: &Display, checks: &[Check]) -> Result<()> {
    let mut out = Stdout::lock();
    match display.format {
        Format::Table => out.write(as_table(display, checks).as_bytes())?,
        Format::Jsonl => {
            for check in checks {
                out.write(&line(check)?)?;
            }
        }
    }
    out.flush()
}

fn line(check: &Check) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    check
        .serialize(&mut Serializer::with_formatter(&mut line, Ascii))
        .map_err(unprintable)?;
    line.push(b'\n');
    Ok(line)
}

/// Equal values are shown once; where they differ, each has a line of its own.
fn as_table(display: &Display, checks: &[Check]) -> String {
    let mut table = table::plain(display);
    table.set_header(["check", "subject", "verdict", "value"].map(table::heading));
    for check in checks {
        add(&mut table, check);
    }
    table::text(&mut table)
}

fn add(table: &mut Table, check: &Check) {
    let (verdict, color) = match (check.ok, &check.found) {
        (true, _) => ("ok", Color::Green),
        (false, Some(_)) => ("DIFFERS", Color::Red),
        (false, None) => ("FAILED", Color::Red),
    };
    let mut lines = Vec::new();
    if check.ok {
        lines.extend(check.found.as_deref().map(shown));
    } else {
        lines.extend(
            check
                .expected
                .as_deref()
                .map(|value| format!("expected {}", shown(value))),
        );
        lines.extend(check.found.as_deref().map(|value| format!("found    {}", shown(value))));
    }
    lines.extend(check.note.as_deref().map(escape_for_terminal));
    table.add_row([
        Cell::new(check.check),
        Cell::new(escape_for_terminal(&check.subject)),
        Cell::new(verdict).fg(color),
        Cell::new(lines.join("\n")),
    ]);
}

/// A value that is safe to show; a long list, such as a table's columns, with a line for each part.
fn shown(value: &str) -> String {
    let value = escape_for_terminal(value);
    if value.len() > LONG {
        value.replace(", ", ",\n  ").replace("; ", ";\n  ")
    } else {
        value
    }
}

/// Compact JSON in ASCII: subjects and schemas come from outside, and the line may go to a terminal.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut escaped = Vec::with_capacity(fragment.len());
        for character in fragment.chars() {
            match character {
                '\0'..='~' => escaped.push(character as u8),
                _ => super::jsonl::unicode_escape(&mut escaped, character),
            }
        }
        writer.write_all(&escaped)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ok: bool) -> Check {
        Check {
            check: "sha256",
            subject: "a\u{1b}\u{202e}".to_owned(),
            expected: Some("00".to_owned()),
            found: ok.then(|| "00".to_owned()),
            ok,
            note: (!ok).then(|| "no such file".to_owned()),
        }
    }

    #[test]
    fn a_line_has_the_documented_keys() {
        let line = String::from_utf8(line(&check(false)).unwrap()).unwrap();
        assert_eq!(
            line,
            "{\"check\":\"sha256\",\"subject\":\"a\\u001b\\u202e\",\"expected\":\"00\",\"found\":null,\"ok\":false,\
             \"note\":\"no such file\"}\n"
        );
    }

    #[test]
    fn a_table_shows_both_values_where_they_differ() {
        let display = Display {
            format: Format::Table,
            color: false,
            quiet: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            verbose: false,
        };
        let text = as_table(&display, &[check(true), check(false)]);
        assert!(text.contains("expected 00") && text.contains("FAILED") && text.contains("no such file"));
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
