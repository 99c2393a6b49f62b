//! The man pages: one of the program, one of each command.

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, roman};

/// The files of a data directory: of the log, and of what `auditq` keeps beside it.
const FILES: &str = "\
Files:
  audit.db          the events' metadata: SQLite, table audit_events
  audit.db-wal, audit.db-shm, audit.db-journal
                    SQLite's own, beside it
  payloads.jsonl    the events' payloads, one JSON object a line
  audit.idx, audit.idx-delta
                    the index that auditq builds, and what changed since: both
                    may be deleted, and are built anew
  scale-study.json  says that `auditq seed` made another dataset than the
                    contract's

  Reading writes audit.idx and audit.idx-delta and nothing else. Where they
  cannot be written, SQLite answers, or an index in memory.";

/// The page of the program.
pub(super) fn page(command: &Command) -> String {
    let mut command = command.clone();
    command.build();
    text(&command, "auditq")
}

/// Each page with its name.
pub(super) fn pages(command: &Command) -> Vec<(String, String)> {
    let mut command = command.clone();
    command.build();
    let of_commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    let of_commands = of_commands.map(|command| {
        let name = format!("auditq-{}", command.get_name());
        let text = text(command, &name);
        (name, text)
    });
    let mut pages: Vec<_> = of_commands.collect();
    pages.insert(0, ("auditq".to_owned(), text(&command, "auditq")));
    pages
}

fn text(command: &Command, name: &str) -> String {
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .manual("User Commands");
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render_title(&mut page);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.extend(section("NAME", &[&format!("{name} - {about}")], false));
    let _ = man.render_synopsis_section(&mut page);
    page.extend(prose(command.get_before_help()));
    let _ = man.render_description_section(&mut page);
    let _ = man.render_options_section(&mut page);
    if command.has_subcommands() {
        let _ = man.render_subcommands_section(&mut page);
    }
    page.extend(prose(
        command.get_after_long_help().or_else(|| command.get_after_help()),
    ));
    if name != "auditq" {
        page.extend(sections(super::EXIT_CODES));
    }
    page.extend(sections(FILES));
    if name != "auditq" {
        page.extend(section("SEE ALSO", &["auditq(1)"], false));
    }
    String::from_utf8_lossy(&page).into_owned()
}

fn prose(text: Option<&clap::builder::StyledStr>) -> Vec<u8> {
    text.map(|text| sections(&text.to_string())).unwrap_or_default()
}

/// Text as the help lays it out: headings that end in a colon, and what stands below them.
fn sections(text: &str) -> Vec<u8> {
    let mut page = Vec::new();
    let mut title = "NOTES".to_owned();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            page.extend(section(&title, &std::mem::take(&mut lines), true));
            title = line.trim_end_matches(':').to_uppercase();
        } else {
            lines.push(line);
        }
    }
    page.extend(section(&title, &lines, true));
    page
}

fn section(title: &str, lines: &[&str], is_laid_out: bool) -> Vec<u8> {
    let lines = trimmed(lines);
    let mut roff = Roff::default();
    if lines.is_empty() {
        return Vec::new();
    }
    roff.control("SH", [title]);
    if is_laid_out {
        roff.control("nf", []);
    }
    for line in lines {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    if is_laid_out {
        roff.control("fi", []);
    }
    roff.to_roff().into_bytes()
}

/// Without empty lines at either end.
fn trimmed<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    let Some(first) = lines.iter().position(|line| !line.is_empty()) else {
        return &[];
    };
    let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(first);
    &lines[first..=last]
}
