//! Text in lines no wider than the terminal.

use unicode_width::UnicodeWidthStr;

use crate::escape::escape_for_terminal;

const SEPARATOR: &str = " · ";

/// The parts in as few lines as they fit in, each line with its newline. What is no terminal's business is escaped.
#[must_use]
pub(crate) fn parts(parts: &[String], width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in parts.iter().map(|part| escape_for_terminal(part)) {
        match lines.last_mut() {
            Some(line) if line.width() + SEPARATOR.width() + part.width() <= width => {
                line.push_str(SEPARATOR);
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines.iter().map(|line| paragraph(line, width)).collect()
}

/// The text broken at spaces, words that are too long anywhere; with a newline behind each line.
#[must_use]
pub(crate) fn paragraph(text: &str, width: usize) -> String {
    hanging(text, "", width)
}

/// The same, with lines but the first indented.
#[must_use]
pub(crate) fn hanging(text: &str, indent: &str, width: usize) -> String {
    let options = textwrap::Options::new(width)
        .subsequent_indent(indent)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut lines = textwrap::wrap(text, options).join("\n");
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_lines_where_they_fit() {
        let all = ["one of 10", "two", "three \u{1b}"].map(str::to_owned);
        assert_eq!(parts(&all, 80), "one of 10 · two · three \\u{1b}\n");
        assert_eq!(parts(&all, 16), "one of 10 · two\nthree \\u{1b}\n");
        assert_eq!(parts(&all, 8), "one of\n10\ntwo\nthree\n\\u{1b}\n");
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let text = format!("{} 日本語の {}", "x".repeat(50), "word ".repeat(20));
        for width in 4..60 {
            for line in hanging(&text, "  ", width).lines() {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
        }
    }
}
