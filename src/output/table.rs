//! Tables for people.

use comfy_table::{Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Stdout;
use crate::config::Display;
use crate::error::Result;
use crate::escape::escape_for_terminal;
use crate::model::{Event, Page};

/// The width where standard output is no terminal, or one that does not tell.
const DEFAULT_WIDTH: usize = 120;
/// What a payload gets at least, however wide the other columns are.
const MIN_PAYLOAD: usize = 20;
/// Between two columns.
const GAP: u16 = 2;
/// How many rows are laid out together. Later rows keep at least the widths of earlier ones.
const CHUNK: usize = 1_000;

const HEADER: [&str; 6] = ["id", "time (UTC)", "actor", "action", "resource", "payload"];
/// Columns of numbers.
const NUMBERS: [usize; 2] = [0, 2];

/// Events as rows, in bounded memory however many there are.
#[derive(Debug)]
pub(crate) struct EventTable {
    display: Display,
    width: usize,
    rows: Vec<[String; HEADER.len()]>,
    /// Of the rows so far.
    widths: Vec<u16>,
}

impl EventTable {
    /// A table as wide as the terminal.
    #[must_use]
    pub(crate) fn new(display: &Display) -> Self {
        let width = Table::new().width().map_or(DEFAULT_WIDTH, usize::from).max(MIN_PAYLOAD);
        EventTable {
            display: *display,
            width,
            rows: Vec::new(),
            widths: Vec::new(),
        }
    }

    /// Adds a page's events, and prints what has come together.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn add(&mut self, out: &mut Stdout, page: &Page) -> Result<()> {
        for event in page.events() {
            self.rows.push(cells(&event, self.width));
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
        let mut rows = std::mem::take(&mut self.rows);
        let mut table = plain(&self.display);
        if self.widths.is_empty() {
            table.set_header(HEADER.map(heading));
        }
        let used: usize = (0..HEADER.len() - 1)
            .map(|column| self.column_width(&rows, column))
            .sum();
        let room = self.width.saturating_sub(used).max(MIN_PAYLOAD);
        for row in &mut rows {
            row[HEADER.len() - 1] = shortened(&row[HEADER.len() - 1], room);
        }
        for row in &rows {
            table.add_row(row);
        }
        for (column, width) in table.column_iter_mut().zip(&self.widths) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
        }
        let fresh = table.column_max_content_widths();
        self.widths.resize(fresh.len(), 0);
        for (width, fresh) in self.widths.iter_mut().zip(fresh) {
            // A boundary counts the gap, a content width does not.
            *width = (*width).max(fresh + GAP);
        }
        for number in NUMBERS {
            if let Some(column) = table.column_mut(number) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        text(&mut table)
    }

    fn column_width(&self, rows: &[[String; HEADER.len()]], column: usize) -> usize {
        let before = self.widths.get(column).map_or(0, |width| usize::from(*width));
        let now = rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
        before.max(now.max(HEADER[column].len()) + usize::from(GAP))
    }
}

fn cells(event: &Event<'_>, width: usize) -> [String; HEADER.len()] {
    [
        event.id.to_string(),
        time(event.created_at),
        event.actor_id.to_string(),
        escape_for_terminal(event.action),
        escape_for_terminal(event.resource_id),
        // No more of a payload is ever shown than the table is wide.
        escape_for_terminal(&beginning(event.payload, width + 1)),
    ]
}

/// `YYYY-MM-DD HH:MM:SS` in UTC; the epoch seconds where no calendar goes that far.
fn time(second: i64) -> String {
    match Timestamp::from_second(second) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => second.to_string(),
    }
}

/// So many characters from the start of a payload.
fn beginning(payload: &[u8], characters: usize) -> String {
    // A character has at most four bytes.
    let bytes = &payload[..payload.len().min(characters.saturating_mul(4))];
    String::from_utf8_lossy(bytes).chars().take(characters).collect()
}

/// `text` in at most `room` columns, with an ellipsis where something is left out.
fn shortened(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= room
    };
    text.chars().take_while(fits).chain(['…']).collect()
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
        column.set_padding((0, GAP));
    }
    let mut lines = String::new();
    for line in table.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
