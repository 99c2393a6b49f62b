//! The report of `auditq bench`: tables or JSON lines on standard output, and the exported files.

use super::document::{Block, as_markdown, as_text};
use super::{Stdout, json_line, unprintable};
use crate::command::bench::report::Report;
use crate::config::{Display, ExportFormat, Format};
use crate::error::Result;

pub(crate) mod cold;
mod headline;
mod lines;
mod notes;
mod tables;
mod writes;

#[cfg(test)]
pub(crate) use lines::Line;
#[cfg(test)]
pub(crate) use writes::tables as write_tables;

/// Prints the figures; the histograms only if they were asked for.
///
/// # Errors
/// As [`Stdout::write`].
pub(crate) fn print(display: &Display, report: &Report, with_histogram: bool) -> Result<()> {
    let mut out = Stdout::lock();
    match display.format {
        Format::Table | Format::Pretty => out.write(as_text(display, &figures(report, with_histogram)).as_bytes())?,
        Format::Jsonl => {
            for line in lines::lines(report, with_histogram) {
                out.write(&json_line(&line)?)?;
            }
        }
    }
    out.flush()
}

/// Everything in one document: the environment, the figures, the histograms; as JSON also every round.
///
/// # Errors
/// A figure that JSON cannot hold.
pub(crate) fn export(report: &Report, format: ExportFormat) -> Result<Vec<u8>> {
    match format {
        ExportFormat::Json => {
            let mut text = serde_json::to_vec_pretty(report).map_err(unprintable)?;
            text.push(b'\n');
            Ok(text)
        }
        ExportFormat::Markdown => {
            let mut blocks = tables::environment(report);
            blocks.extend(figures(report, true));
            Ok(as_markdown(&blocks).into_bytes())
        }
    }
}

/// The tables, and the notes on how to read them.
fn figures(report: &Report, with_histogram: bool) -> Vec<Block> {
    let mut blocks = tables::figures(report, with_histogram);
    blocks.extend(notes::notes(report).into_iter().map(Block::Text));
    blocks
}
