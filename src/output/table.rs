//! Tables for people.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use unicode_width::UnicodeWidthStr;

use super::Stdout;
use super::fit::{self, beginning, shortened};
use super::units::date;
use crate::config::Display;
use crate::error::Result;
use crate::escape::escape_for_terminal;
use crate::model::{Event, Page};

/// Between two columns.
pub(super) const GAP: usize = 2;
/// How many rows are laid out together. Later rows keep at least the widths of earlier ones, where they fit.
const CHUNK: usize = 1_000;

const HEADER: [&str; 6] = ["id", "time (UTC)", "actor", "action", "resource", "payload"];
/// Columns of numbers.
const NUMBERS: [usize; 2] = [0, 2];
const ACTION: usize = 3;
const RESOURCE: usize = 4;
const PAYLOAD: usize = 5;

/// What gives way where a row is too wide, first to last: a column becomes that narrow at the worst, 0 leaves it out.
const SACRIFICES: [fit::Sacrifice; 9] = [
    fit::to(PAYLOAD, 12),
    fit::to(ACTION, 16),
    fit::to(PAYLOAD, 0),
    fit::to(RESOURCE, 12),
    fit::to(ACTION, 8),
    fit::to(RESOURCE, 0),
    fit::to(2, 0),
    fit::to(ACTION, 0),
    fit::to(1, 0),
];

/// Events as rows, in bounded memory however many there are.
#[derive(Debug)]
pub(crate) struct EventTable {
    display: Display,
    rows: Vec<[String; HEADER.len()]>,
    /// Of the columns in the rows so far; 0 for one that is left out.
    widths: [usize; HEADER.len()],
    is_begun: bool,
}

impl EventTable {
    /// A table as wide as the terminal.
    #[must_use]
    pub(crate) fn new(display: &Display) -> Self {
        EventTable {
            display: *display,
            rows: Vec::new(),
            widths: [0; HEADER.len()],
            is_begun: false,
        }
    }

    /// Adds a page's events, and prints what has come together.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn add(&mut self, out: &mut Stdout, page: &Page) -> Result<()> {
        for event in page.events() {
            self.rows.push(cells(&event, self.display.width));
            if self.rows.len() == CHUNK {
                out.write(self.take_text().as_bytes())?;
            }
        }
        Ok(())
    }

    /// Prints what has come, of a table that goes on.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn flush(&mut self, out: &mut Stdout) -> Result<()> {
        if !self.rows.is_empty() {
            out.write(self.take_text().as_bytes())?;
        }
        out.flush()
    }

    /// Prints the rest. A table without events is nothing at all.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn finish(mut self, out: &mut Stdout) -> Result<()> {
        if !self.rows.is_empty() {
            out.write(self.take_text().as_bytes())?;
        }
        out.flush()
    }

    fn take_text(&mut self) -> String {
        let rows = std::mem::take(&mut self.rows);
        let mut widths: [usize; HEADER.len()] = std::array::from_fn(|column| {
            let widest = rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
            widest.max(HEADER[column].len()).max(self.widths[column])
        });
        fit::fit(&mut widths, GAP, self.display.width, &SACRIFICES);
        let shown: Vec<_> = (0..HEADER.len()).filter(|&column| widths[column] > 0).collect();
        let has_other_columns = (0..HEADER.len()).any(|column| (widths[column] > 0) != (self.widths[column] > 0));
        let mut table = plain(&self.display);
        if !self.is_begun || has_other_columns {
            table.set_header(shown.iter().map(|&column| heading(HEADER[column])));
        }
        for row in &rows {
            table.add_row(shown.iter().map(|&column| cell(&row[column], column, widths[column])));
        }
        for (place, &column) in shown.iter().enumerate() {
            if let Some(drawn) = table.column_mut(place) {
                // A boundary counts the gap, a content width does not.
                let least = u16::try_from(widths[column] + GAP).unwrap_or(u16::MAX);
                let is_last = place + 1 == shown.len();
                // The gap behind the last column is none.
                if !is_last {
                    drawn.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
                }
                if NUMBERS.contains(&column) {
                    drawn.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        (self.widths, self.is_begun) = (widths, true);
        text(&mut table)
    }
}

fn cell(text: &str, column: usize, width: usize) -> String {
    match column {
        // Its type stands before its number.
        RESOURCE => fit::middle(text, width),
        _ => shortened(text, width),
    }
}

fn cells(event: &Event<'_>, width: usize) -> [String; HEADER.len()] {
    [
        event.id.to_string(),
        date(event.created_at),
        event.actor_id.to_string(),
        // No more of a text is ever shown than the table is wide.
        escape_for_terminal(&beginning(event.action.as_bytes(), width + 1)),
        escape_for_terminal(&ends(event.resource_id, width + 1)),
        escape_for_terminal(&beginning(event.payload, width + 1)),
    ]
}

/// So many characters from the start, and so many from the end, of a text that is longer than both.
fn ends(text: &str, characters: usize) -> String {
    let Some((first, _)) = text.char_indices().nth(characters) else {
        return text.to_owned();
    };
    let last = text.char_indices().rev().nth(characters - 1).map_or(0, |(at, _)| at);
    if last <= first {
        return text.to_owned();
    }
    format!("{}{}", &text[..first], &text[last..])
}

/// The colour that a verdict is seen by.
pub(super) fn verdict_color(word: &str) -> Color {
    match word {
        "ok" | "same" | "faster" => Color::Green,
        "DIFFERS" | "FAILED" | "DIFFERENT" | "slower" => Color::Red,
        _ => Color::Yellow,
    }
}

/// A column's name, set off where styling is wanted.
pub(super) fn heading(name: &str) -> Cell {
    Cell::new(name).add_attribute(Attribute::Bold)
}

/// An empty table without lines, in colour or not, that never wraps.
pub(super) fn plain(display: &Display) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    // What is styled and how wide it may be has been decided already.
    table.force_no_tty();
    if display.color {
        table.enforce_styling();
    }
    table
}

/// The table's lines, without blanks at their ends.
pub(super) fn text(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
    }
    let mut lines = String::new();
    for line in table.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
