//! The report of `auditq diff`: JSON lines as they come, or a table with the mismatches below it.

use comfy_table::{Cell, CellAlignment, Color};

use super::{Stdout, json_line, table};
use crate::command::diff::report::{Class, Finding, Line, Mismatch, SelfCheck, Subsampled, Verdict};
use crate::config::{Display, Format};
use crate::error::Result;

/// Prints lines as JSON as they come, or keeps them for the table.
#[derive(Debug)]
pub(crate) struct Report {
    display: Display,
    kept: Vec<Line>,
}

impl Report {
    /// A report in the form that was asked for.
    #[must_use]
    pub(crate) fn new(display: &Display) -> Self {
        Report {
            display: *display,
            kept: Vec::new(),
        }
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn add(&mut self, line: Line) -> Result<()> {
        match self.display.format {
            Format::Table => self.kept.push(line),
            Format::Jsonl => {
                let mut out = Stdout::lock();
                out.write(&json_line(&line)?)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// Prints the table, if it is one.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn finish(self) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let mut out = Stdout::lock();
        out.write(as_table(&self.display, &self.kept).as_bytes())?;
        out.flush()
    }
}

fn as_table(display: &Display, lines: &[Line]) -> String {
    let mut verdicts = table::plain(display);
    let classes = Class::EACH.map(Class::name);
    verdicts.set_header([&["workload", "requests", "events"][..], &classes, &["verdict"]].concat());
    let (mut notes, mut mismatches) = (String::new(), String::new());
    for line in lines {
        match line {
            Line::Verdict(verdict) => {
                verdicts.add_row(row(verdict));
                notes.push_str(&remarks(verdict));
            }
            Line::SelfCheck(check) => notes.push_str(&self_check(check)),
            Line::Subsampled(Subsampled {
                workload,
                part,
                kept,
                of,
            }) => {
                notes.push_str(&format!("{workload}: thinned out: {part}: {kept} of {of}\n"));
            }
            Line::Mismatch(mismatch) => mismatches.push_str(&block(mismatch)),
        }
    }
    for number in 1..=2 + classes.len() {
        if let Some(column) = verdicts.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let verdicts = table::text(&mut verdicts);
    [verdicts, notes, mismatches]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

fn row(verdict: &Verdict) -> Vec<Cell> {
    let Verdict {
        workload,
        requests,
        events,
        mismatches,
        ..
    } = verdict;
    let counts = Class::EACH.map(|class| mismatches.get(class).to_string());
    let word = match verdict.verdict {
        Finding::Same => Cell::new("same").fg(Color::Green),
        Finding::Different => Cell::new("DIFFERENT").fg(Color::Red),
        Finding::None => Cell::new("no verdict").fg(Color::Yellow),
    };
    let numbers = [requests.to_string(), events.to_string()]
        .into_iter()
        .chain(counts)
        .map(Cell::new);
    [Cell::new(workload)].into_iter().chain(numbers).chain([word]).collect()
}

fn self_check(check: &SelfCheck) -> String {
    let SelfCheck {
        workload,
        planted,
        requests,
        events,
    } = check;
    format!(
        "{workload}: self-check: {planted} planted differences found, the baseline agrees with itself on \
         {requests} requests with {events} events\n"
    )
}

fn remarks(verdict: &Verdict) -> String {
    let Verdict {
        workload,
        failed_alike,
        asked_again,
        unsettled,
        ..
    } = verdict;
    let mut remarks = String::new();
    for (count, what) in [
        (failed_alike, "were answered by both with the same error"),
        (asked_again, "were asked again, because the log had changed in between"),
        (
            unsettled,
            "have no verdict, because the log changed each time they were asked",
        ),
    ] {
        if *count > 0 {
            remarks.push_str(&format!("{workload}: {count} requests {what}\n"));
        }
    }
    remarks
}

fn block(mismatch: &Mismatch) -> String {
    let Mismatch {
        workload,
        class,
        event,
        what,
        baseline,
        enhanced,
        reproduce: [first, second],
    } = mismatch;
    let subject = match event {
        Some(id) if *what == "event" => format!("event {id}"),
        Some(id) => format!("{what} of event {id}"),
        None => (*what).to_owned(),
    };
    format!(
        "{workload}, {}: {subject}\n  baseline  {baseline}\n  enhanced  {enhanced}\n  {first}\n  {second}\n",
        class.name()
    )
}

#[cfg(test)]
mod tests;
