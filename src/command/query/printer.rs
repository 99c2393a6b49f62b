//! Pages in the chosen format, on standard output.

use crate::config::{Display, Format};
use crate::error::Result;
use crate::model::Page;
use crate::output::Stdout;
use crate::output::jsonl::Jsonl;
use crate::output::pretty::EventParagraphs;
use crate::output::table::EventTable;

/// Prints pages in the chosen format.
pub(super) struct Printer {
    out: Stdout,
    form: Form,
}

enum Form {
    Jsonl { writer: Jsonl, lines: Vec<u8> },
    Table(EventTable),
    Pretty(EventParagraphs),
}

impl Printer {
    pub(super) fn new(display: &Display) -> Self {
        let form = match display.format {
            Format::Table => Form::Table(EventTable::new(display)),
            Format::Pretty => Form::Pretty(EventParagraphs::new(display)),
            Format::Jsonl => Form::Jsonl {
                writer: Jsonl::new(display.stdout_is_terminal),
                lines: Vec::new(),
            },
        };
        Printer {
            out: Stdout::lock(),
            form,
        }
    }

    pub(super) fn add(&mut self, page: &Page) -> Result<()> {
        match &mut self.form {
            Form::Table(table) => table.add(&mut self.out, page),
            Form::Pretty(paragraphs) => paragraphs.add(&mut self.out, page),
            Form::Jsonl { writer, lines } => {
                lines.clear();
                writer.events(lines, page);
                self.out.write(lines)
            }
        }
    }

    /// Prints what was added so far; more may follow.
    pub(super) fn flush(&mut self) -> Result<()> {
        match &mut self.form {
            Form::Table(table) => table.flush(&mut self.out),
            Form::Pretty(_) | Form::Jsonl { .. } => self.out.flush(),
        }
    }

    pub(super) fn finish(mut self) -> Result<()> {
        match self.form {
            Form::Table(table) => table.finish(&mut self.out),
            Form::Pretty(_) | Form::Jsonl { .. } => self.out.flush(),
        }
    }
}
