//! What a person sees: the screens of a first hour, kept as text, and every table at every width.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::dataset::Dataset;
use crate::harness::screen::{self, Screen};
use crate::harness::{Log, auditq, checkout};

/// Set, it writes what is seen over what is kept.
const UPDATE: &str = "AUDITQ_UPDATE_SCREENS";

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/screens")
        .join(format!("{name}.txt"))
}

/// Runs the program as a person would, with the log in `data`; a stable name stands for the directory.
fn on_screen(root: &Path, arguments: &[&str], width: u16) -> Screen {
    let mut command = auditq();
    command.args(arguments).current_dir(root);
    command.env_remove("AUDITQ_FORMAT").env("NO_COLOR", "1");
    screen::run(&mut command, width, 24)
}

/// A directory of its own in which `data` is this log.
fn place(log: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(log, place.path().join("data")).unwrap();
    place
}

/// Figures that differ from run to run become `#`, and the gaps before them one blank.
fn without_figures(text: &str) -> String {
    let is_figure = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let rest = word
            .chars()
            .all(|letter| letter.is_ascii_digit() || ",.+-%*()".contains(letter));
        digits > 0 && rest
    };
    let is_unit = |word: &str| matches!(word.trim_end_matches(['*', ',']), "ns" | "µs" | "ms" | "s" | "%" | "×");
    let is_bar = |word: &str| word.chars().all(|letter| ('\u{2580}'..='\u{259f}').contains(&letter));
    let line = |line: &str| {
        let mut words: Vec<&str> = Vec::new();
        for word in line.split_whitespace().filter(|word| !is_bar(word)) {
            match word {
                word if is_unit(word) && words.last() == Some(&"#") => {}
                word if is_figure(word) => words.push("#"),
                word => words.push(word),
            }
        }
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

#[track_caller]
fn assert_kept(name: &str, found: &str) {
    let path = kept(name);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{}:\n{expected}\nis now:\n{found}", path.display());
}

#[track_caller]
fn assert_screen(name: &str, root: &Path, arguments: &[&str], code: i32) {
    let screen = on_screen(root, arguments, 80);
    let text = format!("$ auditq {}\n{}", arguments.join(" "), screen.text);
    assert_eq!(screen.code, Some(code), "{text}");
    assert_eq!(screen.wrapped, [""; 0], "{text}");
    assert!(text.lines().count() <= 24, "more than a screen:\n{text}");
    assert_kept(name, &text);
}

#[test]
fn the_screens_of_a_first_hour() {
    let dataset = Dataset::contract();
    let place = place(dataset.root());
    let root = place.path();
    for (name, arguments, code) in [
        ("query", &["query"][..], 0),
        ("page-7", &["query", "--page", "7", "--size", "5"], 0),
        ("last-page", &["query", "--page", "16667", "--size", "3"], 0),
        ("past-the-end", &["query", "--page", "9999"], 0),
        ("after", &["query", "--after", "1767051762:22470", "--size", "5"], 0),
        ("baseline", &["query", "--mode", "baseline", "--size", "5"], 0),
        ("actor", &["query", "--actor", "42", "--action", "UPDATE"], 0),
        (
            "pretty",
            &["query", "--size", "1", "--page", "600", "--format", "pretty"],
            0,
        ),
        ("count", &["query", "--count", "--action", "EXPORT"], 0),
        ("unknown-action", &["query", "--action", "UPDTE"], 0),
        ("no-such-action", &["query", "--action", "PURGE", "--count"], 0),
        ("two-actions", &["query", "--action", "LOGIN,LOGOUT"], 0),
        ("unknown-actor", &["query", "--actor", "99999"], 0),
        (
            "beyond-the-log",
            &["query", "--from", "2026-01-01", "--to", "2026-01-31"],
            0,
        ),
        (
            "inverted-window",
            &["query", "--from", "2025-12-30", "--to", "2025-12-01"],
            0,
        ),
        (
            "not-together",
            &["query", "--actor", "42", "--action", "UPDATE", "--from", "2025-12-29"],
            0,
        ),
        ("seed", &["seed"], 0),
        ("no-command", &[], 2),
        ("unknown-command", &["list"], 2),
        ("unknown-option", &["query", "--limit", "5"], 2),
        ("page-0", &["query", "--page", "0"], 2),
        ("bad-time", &["query", "--from", "last week"], 2),
        ("bad-cursor", &["query", "--after", "17"], 2),
        ("no-log", &["--data-dir", "elsewhere", "query"], 2),
    ] {
        assert_screen(name, root, arguments, code);
    }
}

#[test]
fn what_is_quiet_or_in_a_pipe_says_nothing() {
    let dataset = Dataset::contract();
    let place = place(dataset.root());
    let quiet = on_screen(place.path(), &["-q", "query", "--action", "UPDTE"], 80);
    assert_eq!((quiet.text.as_str(), quiet.code), ("", Some(0)));
    for format in ["table", "pretty", "jsonl"] {
        for arguments in [&["--page", "7"][..], &["--page", "9999"], &["--action", "UPDTE"]] {
            let output = auditq()
                .current_dir(place.path())
                .args(["query", "--format", format])
                .args(arguments)
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format} {arguments:?}");
        }
    }
}

#[test]
fn verify_is_a_screen() {
    let dataset = Dataset::contract();
    let place = place(dataset.root());
    let fixtures = checkout("fixtures");
    std::os::unix::fs::symlink(fixtures, place.path().join("fixtures")).unwrap();
    assert_screen("verify-baseline", place.path(), &["verify-baseline"], 0);
    std::fs::remove_file(place.path().join("fixtures")).unwrap();
    std::fs::create_dir_all(place.path().join("fixtures/baseline")).unwrap();
    std::fs::write(place.path().join("fixtures/baseline/runner.py"), "print(1)\n").unwrap();
    let screen = on_screen(place.path(), &["verify-baseline"], 80);
    assert_eq!((screen.code, screen.wrapped.len()), (Some(1), 0), "{}", screen.text);
    assert_kept("verify-differs", &screen.text);
}

#[test]
fn diff_and_bench_say_it_first() {
    let dataset = Dataset::contract();
    let place = place(dataset.root());
    for (name, arguments) in [
        ("diff", &["diff", "--workload", "deep", "--requests", "50"][..]),
        (
            "bench",
            &[
                "bench",
                "--requests",
                "100",
                "--rounds",
                "2",
                "--threads",
                "2",
                "--histogram",
            ],
        ),
    ] {
        let screen = on_screen(place.path(), arguments, 80);
        assert_eq!((screen.code, screen.wrapped.len()), (Some(0), 0), "{}", screen.text);
        if name == "diff" {
            assert!(screen.text.lines().count() < 24, "{}", screen.text);
            assert_kept(name, &without_figures(&screen.text));
        }
        let first = screen.text.lines().next().unwrap();
        assert!(first.starts_with("enhanced "), "{}", screen.text);
    }
}

/// Every command that prints a table, on logs whose columns are as they come and as wide as they may be.
#[test]
fn every_table_fits() {
    let wide = |number: i64| crate::harness::NewEvent {
        id: i64::MAX - number,
        created_at: 1_767_000_000 + number,
        actor_id: i64::MIN + number % 3,
        action: ["A", "WITH A LONG NAME AND 日本語 IN IT, TO BE SHORTENED"][number as usize % 2].to_owned(),
        resource_type: "ORDER".to_owned(),
        resource_id: format!("ORDER-{}-\u{1b}", "x".repeat(number as usize)),
    };
    let (plain, wide) = (Log::plain(300), Log::new(&(0..90).map(wide).collect::<Vec<_>>()));
    let commands: [&[&str]; 8] = [
        &["query"],
        &["query", "--all"],
        &["query", "--mode", "baseline", "--size", "3"],
        &["query", "--format", "pretty", "--size", "3"],
        &["query", "--action", "A,B"],
        &["diff", "--workload", "sweep", "--requests", "40"],
        &[
            "bench",
            "--requests",
            "20",
            "--rounds",
            "2",
            "--threads",
            "2",
            "--histogram",
        ],
        &["verify-baseline", "--dir", crate::harness::frozen()],
    ];
    for log in [&plain, &wide] {
        let place = place(log.root());
        for width in [40, 80, 120, 200] {
            // What compares and measures shows no text of the log.
            let takes_long = |arguments: &&[&str]| matches!(arguments[0], "diff" | "bench");
            let commands = commands
                .iter()
                .filter(|it| !takes_long(it) || std::ptr::eq(log, &plain));
            for &arguments in commands {
                let screen = on_screen(place.path(), arguments, width);
                assert!(!screen.text.is_empty(), "{arguments:?}");
                assert_eq!(screen.wrapped, [""; 0], "{arguments:?} at {width}:\n{}", screen.text);
            }
        }
    }
}

#[test]
fn beside_a_writer_every_table_fits_as_well() {
    // The deep stream's first pages lie behind 10,000 events.
    let log = Log::plain(20_000);
    let place = place(log.root());
    let arguments = [
        "bench",
        "--workload",
        "deep",
        "--requests",
        "20",
        "--rounds",
        "2",
        "--threads",
        "2",
    ];
    for width in [40, 80] {
        let writer = ["--write-rate", "10", "--write-seconds", "0.2", "--journal", "wal"];
        let screen = on_screen(place.path(), &[&arguments[..], &writer].concat(), width);
        assert_eq!(
            (screen.code, screen.wrapped.len()),
            (Some(0), 0),
            "at {width}:\n{}",
            screen.text
        );
        let words = screen.text.split_whitespace().take(7).collect::<Vec<_>>().join(" ");
        assert_eq!(words, "Beside 10 commits a second, enhanced answers", "{}", screen.text);
    }
}

#[test]
fn columns_count_where_there_is_no_terminal() {
    let log = Log::plain(5);
    let shown = |columns: Option<&str>| {
        let mut command: Command = auditq();
        command
            .args(["query", "--format", "table", "--data-dir"])
            .arg(log.root());
        match columns {
            Some(columns) => command.env("COLUMNS", columns),
            None => command.env_remove("COLUMNS"),
        };
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        text.lines().map(|line| line.chars().count()).max().unwrap()
    };
    assert!(shown(Some("40")) <= 40);
    assert!(shown(Some("60")) <= 60 && shown(Some("60")) > 40);
    for without in [None, Some("x"), Some(""), Some("120")] {
        assert_eq!(shown(without), shown(Some("120")), "{without:?}");
    }
}
