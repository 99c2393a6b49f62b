//! The report of `auditq diff`: JSON lines as they come, or a table with the mismatches below it.

use std::time::{Duration, Instant};

use super::document::{Grid, VERDICT, grid_text};
use super::units::{date, span, whole};
use super::{Stdout, json_line, wrap};
use crate::command::diff::report::{Class, Finding, Line, Mismatch, SelfCheck, Subsampled, Verdict};
use crate::config::{Display, Format};
use crate::error::Result;

/// Prints lines as JSON as they come, or keeps them for the table.
#[derive(Debug)]
pub(crate) struct Report {
    display: Display,
    kept: Vec<Line>,
    started: Instant,
}

impl Report {
    /// A report in the form that was asked for.
    #[must_use]
    pub(crate) fn new(display: &Display) -> Self {
        Report {
            display: *display,
            kept: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub(crate) fn add(&mut self, line: Line) -> Result<()> {
        match self.display.format {
            Format::Table | Format::Pretty => self.kept.push(line),
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
        out.write(as_table(&self.display, &self.kept, self.started.elapsed()).as_bytes())?;
        out.flush()
    }
}

fn as_table(display: &Display, lines: &[Line], elapsed: Duration) -> String {
    let (mut notes, mut mismatches) = (String::new(), String::new());
    let mut verdicts = Vec::new();
    for line in lines {
        match line {
            Line::Verdict(verdict) => {
                verdicts.push(verdict);
                notes.push_str(&remarks(verdict));
            }
            Line::SelfCheck(check) => notes.push_str(&self_check(check)),
            Line::Subsampled(Subsampled {
                workload,
                part,
                kept,
                of,
            }) => {
                notes.push_str(&format!(
                    "{workload}: thinned out: {part}: {} of {}\n",
                    count(*kept as u64),
                    count(*of as u64)
                ));
            }
            Line::Mismatch(mismatch) => mismatches.push_str(&block(mismatch, display.width)),
        }
    }
    let notes: String = notes
        .lines()
        .map(|line| wrap::hanging(line, "  ", display.width))
        .collect();
    let sentence = wrap::paragraph(&sentence(&verdicts, elapsed), display.width);
    let table = grid_text(display, &grid(&verdicts));
    [sentence, table, notes, mismatches]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a reader who reads nothing else should know.
fn sentence(verdicts: &[&Verdict], elapsed: Duration) -> String {
    let total = |count: fn(&Verdict) -> u64| verdicts.iter().map(|verdict| count(verdict)).sum::<u64>();
    let (requests, events) = (count(total(|it| it.requests)), count(total(|it| it.events)));
    let took = span(elapsed.as_secs_f64());
    let differing = total(|it| it.differing);
    if differing > 0 {
        let of_class = |class| {
            (
                class,
                verdicts
                    .iter()
                    .map(|verdict| verdict.mismatches.get(class))
                    .sum::<u64>(),
            )
        };
        let classes = Class::EACH.map(of_class).into_iter().filter(|(_, count)| *count > 0);
        let classes: Vec<_> = classes
            .map(|(class, of)| format!("{} {}", count(of), class.name()))
            .collect();
        return format!(
            "enhanced answers {} of {requests} requests otherwise than the baseline ({}); compared in {took}.",
            count(differing),
            classes.join(", ")
        );
    }
    if verdicts.iter().any(|verdict| verdict.verdict == Finding::None) || verdicts.is_empty() {
        return format!("No verdict on some of {requests} requests; no difference among {events} events, in {took}.");
    }
    format!("enhanced answers as the baseline does, byte for byte: {requests} requests, {events} events, in {took}.")
}

/// A class that has no mismatch in any workload has no column.
fn grid(verdicts: &[&Verdict]) -> Grid {
    let header = [
        &["workload", VERDICT, "requests", "events"][..],
        &Class::EACH.map(Class::name),
    ]
    .concat();
    Grid {
        title: String::new(),
        header: header.into_iter().map(str::to_owned).collect(),
        rows: verdicts.iter().map(|verdict| row(verdict)).collect(),
        text_columns: 2,
    }
}

fn row(verdict: &Verdict) -> Vec<String> {
    let Verdict {
        workload,
        requests,
        events,
        mismatches,
        ..
    } = verdict;
    let word = match verdict.verdict {
        Finding::Same => "same",
        Finding::Different => "DIFFERENT",
        Finding::None => "no verdict",
    };
    let mut row = vec![
        (*workload).to_owned(),
        word.to_owned(),
        count(*requests),
        count(*events),
    ];
    row.extend(Class::EACH.map(|class| match mismatches.get(class) {
        0 => String::new(),
        some => count(some),
    }));
    row
}

fn count(number: u64) -> String {
    whole(number as f64)
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
         {requests} requests with {} events\n",
        count(*events)
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

fn block(mismatch: &Mismatch, width: usize) -> String {
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
    let title = wrap::paragraph(&format!("{workload}, {}: {subject}", class.name()), width);
    let [baseline, enhanced] = [("baseline", baseline), ("enhanced", enhanced)].map(|(name, value)| {
        let line = format!("  {name}  {}", dated(what, value));
        wrap::hanging(&line, "            ", width)
    });
    format!("{title}{baseline}{enhanced}  {first}\n  {second}\n")
}

/// The value with the date of its epoch seconds, where it has any.
fn dated(what: &str, value: &str) -> String {
    const FIELD: &str = "created_at ";
    let date_of = |digits: &str| digits.parse().map(date).ok();
    if what == "created_at" {
        return match date_of(value) {
            Some(date) => format!("{value} ({date})"),
            None => value.to_owned(),
        };
    }
    // An event's own line; only its first field of that name is ours.
    let Some((before, rest)) = value.split_once(FIELD).filter(|(before, _)| before.starts_with("id ")) else {
        return value.to_owned();
    };
    let digits = rest.split(',').next().unwrap_or_default();
    match date_of(digits) {
        Some(date) => format!("{before}{FIELD}{digits} ({date}){}", &rest[digits.len()..]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;
