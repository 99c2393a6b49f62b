//! A document of paragraphs and tables: as text for a terminal, or as Markdown.

use comfy_table::CellAlignment;

use super::table;
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

/// The blocks for a terminal.
#[must_use]
pub(crate) fn as_text(display: &Display, blocks: &[Block]) -> String {
    let shown = |block: &Block| match block {
        Block::Text(text) | Block::Code(text) => format!("{text}\n"),
        Block::Grid(grid) => format!("{}\n{}", grid.title, grid_text(display, grid)),
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

fn grid_text(display: &Display, grid: &Grid) -> String {
    let mut text = table::plain(display);
    text.set_header(grid.header.iter().map(|name| table::heading(name)));
    for row in &grid.rows {
        text.add_row(row);
    }
    for number in grid.text_columns..grid.header.len() {
        if let Some(column) = text.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table::text(&mut text)
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

    #[test]
    fn numbers_end_in_line_in_text() {
        let display = Display {
            format: Format::Table,
            color: false,
            quiet: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            verbose: false,
        };
        let expected = "words*\n\na title\nname      n\na|b      5*\nc     1,000\n";
        assert_eq!(as_text(&display, &blocks()), expected);
    }

    #[test]
    fn markdown_escapes_what_it_would_read() {
        let expected = "words\\*\n\n### a title\n\n| name | n |\n| --- | ---: |\n| a\\|b | 5\\* |\n| c | 1,000 |\n";
        assert_eq!(as_markdown(&blocks()), expected);
    }
}
