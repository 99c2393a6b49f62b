//! A document of paragraphs and tables: as text for a terminal, or as Markdown.

use comfy_table::{Cell, CellAlignment};
use unicode_width::UnicodeWidthStr;

use super::table::{self, GAP};
use super::{fit, wrap};
use crate::config::Display;

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A paragraph.
    Text(String),
    /// A command line, which Markdown must leave as it is.
    Code(String),
    /// A table.
    Grid(Grid),
}

/// A table under a title. Cells must be safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// What it shows.
    pub(crate) title: String,
    /// A name for each column.
    pub(crate) header: Vec<String>,
    /// As many cells each as there are columns.
    pub(crate) rows: Vec<Vec<String>>,
    /// How many of the columns, from the left, are text: the others are numbers, and end in line.
    pub(crate) text_columns: usize,
}

/// The column whose words are seen by their colours.
pub(crate) const VERDICT: &str = "verdict";

impl Grid {
    /// How many columns, from the left, say what a row is about.
    fn labels(&self) -> usize {
        self.text_columns.min(2)
    }

    /// Whether any row has something in a column.
    fn is_used(&self, column: usize) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| !row[column].is_empty())
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].width());
        cells.max().unwrap_or(0).max(self.header[column].width())
    }
}

/// The blocks for a terminal, no line wider than that. What a shell is to read is never broken.
#[must_use]
pub(crate) fn as_text(display: &Display, blocks: &[Block]) -> String {
    let shown = |block: &Block| match block {
        Block::Text(text) => wrap::paragraph(text, display.width),
        Block::Code(text) => format!("{text}\n"),
        Block::Grid(grid) => wrap::paragraph(&grid.title, display.width) + &grid_text(display, grid),
    };
    blocks.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// The blocks as GitHub reads Markdown.
#[must_use]
pub(crate) fn as_markdown(blocks: &[Block]) -> String {
    let shown = |block: &Block| match block {
        Block::Text(text) => format!("{}\n", text.replace('*', "\\*")),
        // Four backticks: the text may have three.
        Block::Code(text) => format!("````\n{text}\n````\n"),
        Block::Grid(grid) => format!("### {}\n\n{}", grid.title, grid_markdown(grid)),
    };
    blocks.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// Columns without anything in them are left out. Those that do not fit go below the others, behind the same labels.
pub(super) fn grid_text(display: &Display, grid: &Grid) -> String {
    let used: Vec<_> = (0..grid.header.len()).filter(|&column| grid.is_used(column)).collect();
    let labels = used.iter().filter(|&&column| column < grid.labels()).count();
    let (labels, figures) = used.split_at(labels);
    let widths: Vec<_> = (0..grid.header.len()).map(|column| grid.width(column)).collect();
    let of_labels: usize = labels.iter().map(|&column| widths[column] + GAP).sum();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for &column in figures {
        match parts.last_mut().filter(|_| widths[column] + GAP <= room) {
            Some(part) => {
                part.push(column);
                room -= widths[column] + GAP;
            }
            None => {
                parts.push([labels, &[column]].concat());
                room = display.width.saturating_sub(of_labels + widths[column]);
            }
        }
    }
    if parts.is_empty() {
        parts.push(labels.to_vec());
    }
    let parts = parts.iter().map(|columns| columns_text(display, grid, columns));
    parts.collect::<Vec<_>>().join("\n")
}

fn columns_text(display: &Display, grid: &Grid, columns: &[usize]) -> String {
    let mut widths: Vec<_> = columns.iter().map(|&column| grid.width(column)).collect();
    let narrowest = [fit::to(0, 8), fit::to(1, 8), fit::to(2, 8)];
    fit::fit(&mut widths, GAP, display.width, &narrowest);
    let cell = |place: usize, text: &str| fit::middle(text, widths[place]);
    let mut table = table::plain(display);
    let header = columns.iter().enumerate();
    table.set_header(header.map(|(place, &column)| table::heading(&cell(place, &grid.header[column]))));
    for row in &grid.rows {
        let cells = columns.iter().enumerate().map(|(place, &column)| {
            let shown = Cell::new(cell(place, &row[column]));
            match grid.header[column] == VERDICT {
                true => shown.fg(table::verdict_color(&row[column])),
                false => shown,
            }
        });
        table.add_row(cells);
    }
    for (place, &column) in columns.iter().enumerate() {
        if let Some(drawn) = table.column_mut(place).filter(|_| column >= grid.text_columns) {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    table::text(&mut table)
}

fn grid_markdown(grid: &Grid) -> String {
    let line = |cells: &[String]| {
        let cells = cells.iter().map(|cell| cell.replace('|', "\\|").replace('*', "\\*"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = |column| if column < grid.text_columns { "---" } else { "---:" }.to_owned();
    let rule = line(&(0..grid.header.len()).map(rule).collect::<Vec<_>>());
    let rows: String = grid.rows.iter().map(|row| line(row)).collect();
    line(&grid.header) + &rule + &rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Format;

    fn blocks() -> Vec<Block> {
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        vec![
            Block::Text("words*".to_owned()),
            Block::Grid(Grid {
                title: "a title".to_owned(),
                header: cells(["name", "n"]),
                rows: vec![cells(["a|b", "5*"]), cells(["c", "1,000"])],
                text_columns: 1,
            }),
        ]
    }

    fn display(width: usize) -> Display {
        Display {
            format: Format::Table,
            color: false,
            quiet: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            width,
            verbose: false,
        }
    }

    #[test]
    fn what_is_empty_is_left_out_and_what_does_not_fit_goes_below() {
        let cells = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let grid = Grid {
            title: String::new(),
            header: cells(["subject", "errors", "P50", "P99"]),
            rows: vec![
                cells(["one", "", "1.23 ms", "4.56 ms"]),
                cells(["other", "", "", "7 s"]),
            ],
            text_columns: 1,
        };
        assert_eq!(
            grid_text(&display(40), &grid),
            "subject      P50      P99\none      1.23 ms  4.56 ms\nother                 7 s\n"
        );
        assert_eq!(
            grid_text(&display(24), &grid),
            "subject      P50\none      1.23 ms\nother\n\nsubject      P99\none      4.56 ms\nother        7 s\n"
        );
    }

    #[test]
    fn numbers_end_in_line_in_text() {
        let display = display(120);
        let expected = "words*\n\na title\nname      n\na|b      5*\nc     1,000\n";
        assert_eq!(as_text(&display, &blocks()), expected);
    }

    #[test]
    fn markdown_escapes_what_it_would_read() {
        let expected = "words\\*\n\n### a title\n\n| name | n |\n| --- | ---: |\n| a\\|b | 5\\* |\n| c | 1,000 |\n";
        assert_eq!(as_markdown(&blocks()), expected);
    }
}
