//! The figures of `bench --cold`.

use serde::Serialize;

use super::headline;
use crate::command::bench::report::cold::{ColdFigure, ColdReport};
use crate::config::{Display, Format};
use crate::error::Result;
use crate::output::document::{Block, Grid, as_text};
use crate::output::units::{time, times, whole};
use crate::output::{Stdout, json_line};

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    ColdRun {
        dropped: &'a [String],
        is_dropped: Option<bool>,
        events: u64,
        rounds: usize,
    },
    Cold(&'a ColdFigure),
}

/// Prints the figures.
///
/// # Errors
/// As [`Stdout::write`].
pub(crate) fn print(display: &Display, report: &ColdReport) -> Result<()> {
    let mut out = Stdout::lock();
    match display.format {
        Format::Table | Format::Pretty => out.write(as_text(display, &blocks(report)).as_bytes())?,
        Format::Jsonl => {
            out.write(&json_line(&Line::ColdRun {
                dropped: &report.dropped,
                is_dropped: report.is_dropped,
                events: report.events,
                rounds: report.rounds,
            })?)?;
            for figure in &report.figures {
                out.write(&json_line(&Line::Cold(figure))?)?;
            }
        }
    }
    out.flush()
}

fn blocks(report: &ColdReport) -> Vec<Block> {
    let row = |figure: &ColdFigure| {
        vec![
            figure.subject.to_owned(),
            figure.page_size.to_string(),
            time(figure.p50_us),
            time(figure.p90_us),
            times(figure.of_one_event),
            times(figure.speedup),
        ]
    };
    let header = ["subject", "page of", "P50", "P90", "of a page of 1", "speedup"];
    let seen = match report.is_dropped {
        Some(_) => "and were seen to be gone",
        None => "as far as this file system does that: it does not tell",
    };
    let mut blocks: Vec<_> = headline::of_cold_pages(report).map(Block::Text).into_iter().collect();
    blocks.extend([
        Block::Text(format!(
            "one request on {} events at a time, {} rounds in turn; before each, these left memory, {seen}: {}",
            whole(report.events as f64),
            report.rounds,
            report.dropped.join(", "),
        )),
        Block::Grid(Grid {
            title: "Cold pages".to_owned(),
            header: header.map(str::to_owned).to_vec(),
            rows: report.figures.iter().map(row).collect(),
            text_columns: 1,
        }),
        Block::Text("A request opens its engine; the start of a process is not in it.".to_owned()),
    ]);
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_comes_first() {
        let figure = |subject, page_size, speedup| ColdFigure {
            subject,
            page_size,
            p50_us: 300.0,
            p90_us: 400.0,
            of_one_event: 1.2,
            speedup,
        };
        let report = ColdReport {
            dropped: vec!["audit.db".to_owned()],
            is_dropped: Some(true),
            events: 50_000,
            rounds: 25,
            figures: vec![
                figure("baseline", 1, 1.0),
                figure("enhanced", 1, 0.5),
                figure("baseline", 20, 1.0),
                figure("enhanced", 20, 4.321),
            ],
        };
        let [Block::Text(first), ..] = &blocks(&report)[..] else {
            panic!("the first is no text");
        };
        assert_eq!(
            first,
            "enhanced gives a page that is not in memory some 0.50 × (1 event) and some 4.32 × (20 events) as fast; \
             every answer the same."
        );
    }
}
