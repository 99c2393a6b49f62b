//! Checks against the contract: a table row or a JSON line each.

use std::io;

use comfy_table::Cell;
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use unicode_width::UnicodeWidthStr;

use super::{Stdout, fit, table, unprintable, wrap};
use crate::command::check::Check;
use crate::config::{Display, Format};
use crate::error::Result;
use crate::escape::escape_for_terminal;

const HEADER: [&str; 5] = ["check", "subject", "verdict", "value", "note"];
const SUBJECT: usize = 1;
const VERDICT: usize = 2;
const VALUE: usize = 3;
const NOTE: usize = 4;

/// What gives way where a row is too wide.
const SACRIFICES: [fit::Sacrifice; 4] = [
    fit::to(VALUE, 17),
    fit::to(NOTE, 0),
    fit::to(SUBJECT, 10),
    fit::to(VALUE, 0),
];

/// Prints the checks in the form that was asked for.
///
/// # Errors
/// [`Error::Output`].
pub(crate) fn print(display: &Display, checks: &[Check]) -> Result<()> {
    let mut out = Stdout::lock();
    match display.format {
        Format::Table | Format::Pretty => out.write(as_table(display, checks).as_bytes())?,
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

/// Equal values are shown once, as far as there is room; where they differ, both are shown whole below the table.
fn as_table(display: &Display, checks: &[Check]) -> String {
    let rows: Vec<_> = checks.iter().map(row).collect();
    let mut widths = HEADER.map(str::len);
    if rows.iter().all(|row| row[NOTE].is_empty()) {
        widths[NOTE] = 0;
    }
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    fit::fit(&mut widths, table::GAP, display.width, &SACRIFICES);
    let shown: Vec<_> = (0..HEADER.len()).filter(|&column| widths[column] > 0).collect();
    let mut table = table::plain(display);
    table.set_header(shown.iter().map(|&column| table::heading(HEADER[column])));
    for row in &rows {
        table.add_row(shown.iter().map(|&column| match column {
            VERDICT => Cell::new(&row[column]).fg(table::verdict_color(&row[column])),
            // A digest and a path are told apart by their ends, a list by its beginning.
            VALUE if row[column].contains(' ') => Cell::new(fit::shortened(&row[column], widths[column])),
            _ => Cell::new(fit::middle(&row[column], widths[column])),
        }));
    }
    let mut text = table::text(&mut table);
    for check in checks.iter().filter(|check| !check.ok) {
        text.push('\n');
        text.push_str(&details(check, display.width));
    }
    text
}

fn row(check: &Check) -> [String; HEADER.len()] {
    let verdict = match (check.ok, &check.found) {
        (true, _) => "ok",
        (false, Some(_)) => "DIFFERS",
        (false, None) => "FAILED",
    };
    let value = check.found.as_deref().filter(|_| check.ok).unwrap_or_default();
    let note = check.note.as_deref().filter(|_| check.ok).unwrap_or_default();
    [check.check, &check.subject, verdict, value, note].map(escape_for_terminal)
}

fn details(check: &Check, width: usize) -> String {
    let lines = [
        ("expected", &check.expected),
        ("found", &check.found),
        ("note", &check.note),
    ];
    let mut text = wrap::paragraph(
        &escape_for_terminal(&format!("{} {}", check.check, check.subject)),
        width,
    );
    for (name, value) in lines {
        if let Some(value) = value {
            let line = format!("  {name:<10}{}", escape_for_terminal(value));
            text.push_str(&wrap::hanging(&line, "            ", width));
        }
    }
    text
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
            width: 120,
            verbose: false,
        };
        let text = as_table(&display, &[check(true), check(false)]);
        assert!(text.contains("expected  00") && text.contains("FAILED") && text.contains("no such file"));
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
