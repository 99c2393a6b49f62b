//! Bad input gets one line and nothing else; good input gets its results and nothing else.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::dataset::values;
use crate::harness::program::{MODES, assert_quiet, assert_refused, pipe_without_reader, run_with_input};
use crate::harness::{Log, auditq};

/// The ways to ask for events, each of which must read some.
const WAYS: [&[&str]; 3] = [&["--size", "100"], &["--all"], &["--count"]];

/// `auditq query` in both modes with the arguments: both must say the same, to the byte.
#[track_caller]
fn in_both_modes(log: &Log, arguments: &[&str], check: impl Fn(&Output, &str)) {
    let outputs = MODES.map(|mode| {
        let arguments = [&["query", "--mode", mode], arguments].concat();
        let output = log.auditq(&arguments);
        check(&output, &format!("{arguments:?}"));
        output
    });
    assert_eq!(outputs[0], outputs[1], "{arguments:?}");
}

#[track_caller]
fn is_refused(log: &Log, arguments: &[&str], says: &[&str]) {
    in_both_modes(log, arguments, |output, what| {
        assert_refused(output, says, what);
    });
}

#[test]
fn a_page_or_a_size_out_of_range() {
    let log = Log::plain(30);
    let number = "a whole number from 1 to 18446744073709551615";
    is_refused(&log, &["--page", "0"], &["page 0", "from 1"]);
    for text in ["-1", "x", "1.5", "", "18446744073709551616", "٣"] {
        is_refused(&log, &["--page", text], &["--page", text, number]);
        is_refused(&log, &["--size", text], &["--size", text, number]);
    }
    for text in ["0", "10001", "18446744073709551615"] {
        is_refused(&log, &["--size", text], &["size", text, "1 to 10000"]);
    }
    for (page, size) in [
        ("9223372036854775807", "20"),
        ("18446744073709551615", "1"),
        ("922337203685477582", "10"),
    ] {
        is_refused(
            &log,
            &["--page", page, "--size", size],
            &["page", page, "beyond 64 bits"],
        );
    }
}

#[test]
fn a_name_that_is_none_of_those_accepted() {
    let log = Log::plain(30);
    for (flag, accepted) in [
        ("--mode", "baseline, enhanced"),
        ("--format", "auto, table, pretty, jsonl"),
        ("--color", "auto, always, never"),
    ] {
        for text in ["fast", "BASELINE"] {
            let output = log.auditq(&["query", flag, text]);
            assert_refused(&output, &[flag, &format!("{text:?}"), accepted], flag);
        }
    }
    for (what, accepted) in [("nothing", "man, complete-bash"), ("MAN", "complete-zsh")] {
        let output = log.auditq(&["--generate", what]);
        assert_refused(&output, &["--generate", what, accepted], what);
    }
    let output = auditq().env("AUDITQ_FORMAT", "csv").arg("query").output().unwrap();
    assert_refused(
        &output,
        &["--format", "\"csv\"", "auto, table, pretty, jsonl"],
        "environment",
    );
}

#[test]
fn a_time_that_is_none() {
    let log = Log::plain(30);
    let accepted = "epoch seconds, RFC 3339, YYYY-MM-DD[ HH:MM[:SS]] (UTC) and spans back from now such as 7d";
    for text in [
        "tomorrow",
        "2025-13-01",
        "1mo",
        "",
        "--7d",
        "1e9",
        "99999999999999999999",
    ] {
        for flag in ["--from", "--to", "--now"] {
            is_refused(&log, &[flag, text], &[flag, &format!("{text:?}"), accepted]);
        }
        let output = log.auditq(&["seed", "--anchor", text]);
        assert_refused(&output, &["--anchor", &format!("{text:?}"), accepted], text);
    }
    is_refused(&log, &["--now", "7d"], &["--now", "no point in time", "RFC 3339"]);
    let far = ["--from", "7d", "--now", "-9223372036854775808"];
    is_refused(&log, &far, &["--from", "beyond 64-bit epoch seconds"]);
}

#[test]
fn a_time_that_is_likely_meant_otherwise() {
    let log = Log::plain(30);
    for (text, written) in [
        ("20251230", "2025-12-30"),
        ("1767052800000", "1767052800"),
        ("-1767052800000", "-1767052800"),
        ("1767052800000000", "1767052800"),
        ("1767052800000000000", "1767052800"),
        ("2025-12-30T00:00:00Z[Europe/Berlin]", "+01:00"),
    ] {
        for flag in ["--from", "--to", "--now"] {
            is_refused(&log, &[flag, text], &[flag, text, "write ", written]);
        }
        let output = log.auditq(&["seed", "--anchor", text]);
        assert_refused(&output, &["--anchor", text, "write ", written], text);
    }
    for text in [
        "now",
        "today",
        "yesterday",
        "-3h",
        "-2d",
        "-30m",
        "-45s",
        "@1767052800",
        "@1767052800000",
    ] {
        for flag in ["--from", "--to"] {
            in_both_modes(&log, &["--count", flag, text], assert_quiet);
        }
    }
}

#[test]
fn other_values_and_combinations() {
    let log = Log::plain(30);
    let whole = "a whole number from -9223372036854775808 to 9223372036854775807";
    for (arguments, says) in [
        (["--actor", "root"], ["--actor", "\"root\"", whole]),
        (
            ["--actor", "9223372036854775808"],
            ["--actor", "9223372036854775808", whole],
        ),
        (["--after", "17"], ["--after", "\"17\"", "CREATED_AT:ID"]),
        (["--after", "1:2:3"], ["--after", "\"1:2:3\"", "CREATED_AT:ID"]),
        (["--after", "1:"], ["--after", "\"1:\"", "CREATED_AT:ID"]),
        (
            ["--batch", "no/such/file"],
            ["no/such/file", "cannot open", "No such file"],
        ),
        (["--batch", "."], [".", "cannot read", "directory"]),
        (["--threads", "4"], ["--batch", "is missing", "--help"]),
        (["--page", "\u{1b}[2J"], ["--page", "\\u{1b}[2J", "a whole number"]),
    ] {
        is_refused(&log, &arguments, &says);
    }
    for threads in ["0", "1025", "x", "-1"] {
        is_refused(
            &log,
            &["--batch", "-", "--threads", threads],
            &["--threads", &format!("{threads:?}"), "1 to 1024"],
        );
    }
    for (one, other) in [
        (&["--page", "2"] as &[&str], &["--after", "1:2"] as &[&str]),
        (&["--count"], &["--all"]),
        (&["--count"], &["--page", "2"]),
        (&["--count"], &["--size", "2"]),
        (&["--count"], &["--cursor"]),
        (&["--all"], &["--size", "2"]),
        (&["--batch", "-"], &["--page", "2"]),
        (&["--batch", "-"], &["--action", "X"]),
        (&["--batch", "-"], &["--count"]),
    ] {
        for arguments in [[one, other].concat(), [other, one].concat()] {
            is_refused(&log, &arguments, &[one[0], other[0], "exclude each other"]);
        }
    }
    is_refused(
        &log,
        &["--page", "1", "--page", "2"],
        &["--page is given more than once"],
    );
    is_refused(&log, &["--page"], &["--page"]);
    is_refused(&log, &["--pages", "1"], &["--pages", "--page", "auditq query --help"]);
    is_refused(&log, &["stray"], &["stray"]);
}

/// Words that other tools have for what this one calls otherwise.
#[test]
fn a_word_of_another_tool_leads_to_the_right_flag() {
    let log = Log::plain(30);
    for (given, meant) in [
        (&["--since", "7d"][..], "--from"),
        (&["--until", "7d"], "--to"),
        (&["--page-size", "5"], "--size"),
        (&["--limit", "5"], "--size"),
        (&["-n", "5"], "--size"),
        (&["--tail", "5"], "--size"),
        (&["--offset", "5"], "--page"),
        (&["--watch"], "--follow"),
        (&["--follw"], "--follow"),
    ] {
        is_refused(&log, given, &[given[0], &format!("did you mean {meant}?")]);
    }
}

#[test]
fn an_unknown_command_and_none_at_all() {
    let log = Log::plain(1);
    assert_refused(
        &log.auditq(&["delete"]),
        &["\"delete\"", "seed", "verify-baseline", "query"],
        "delete",
    );
    assert_refused(&log.auditq(&["--bogus"]), &["--bogus", "--help"], "--bogus");
    assert_refused(
        &log.auditq(&["seed", "--events", "many"]),
        &["--events", "\"many\"", "a whole number from 0"],
        "seed",
    );
    assert_refused(
        &log.auditq(&["verify-baseline", "--dirr", "x"]),
        &["--dirr", "--dir"],
        "verify-baseline",
    );
    // The help, for want of a question: it is no result, so it goes to standard error.
    let output = auditq().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    assert!(String::from_utf8(output.stderr).unwrap().contains("Examples:"));
}

#[test]
fn a_data_directory_or_a_file_that_is_missing() {
    let log = Log::plain(30);
    let hint = "auditq seed";
    for way in WAYS {
        for mode in MODES {
            let arguments = [&["--data-dir", "no/such/place", "query", "--mode", mode], way];
            let output = auditq().args(arguments.concat()).output().unwrap();
            assert_refused(&output, &["no/such/place", hint, "--data-dir"], mode);
        }
    }
    fs::rename(log.path("payloads.jsonl"), log.path("elsewhere")).unwrap();
    for way in WAYS {
        is_refused(&log, way, &["payloads.jsonl", "no payload file", hint]);
    }
    is_refused(&log, &["--batch", "-"], &["payloads.jsonl", "no payload file", hint]);
    fs::rename(log.path("elsewhere"), log.path("payloads.jsonl")).unwrap();
    fs::remove_file(log.path("audit.db")).unwrap();
    for way in WAYS {
        is_refused(&log, way, &["audit.db", "no database", hint]);
    }
    assert!(!log.path("audit.db").exists(), "asking makes no database");
}

#[test]
fn a_file_that_is_no_database() {
    let log = Log::plain(30);
    fs::write(log.path("audit.db"), "somebody's notes\n".repeat(10)).unwrap();
    for way in WAYS {
        is_refused(&log, way, &["audit.db", "no SQLite database", "--data-dir"]);
    }
    // SQLite takes what is shorter than a header for a database without tables.
    for content in ["", "x"] {
        fs::write(log.path("audit.db"), content).unwrap();
        for way in WAYS {
            is_refused(&log, way, &["audit.db", "no such table", "no audit log"]);
        }
    }
}

#[test]
fn a_table_or_a_column_that_is_missing() {
    for (sql, says) in [
        ("DROP TABLE audit_events", "no such table: audit_events"),
        ("ALTER TABLE audit_events DROP COLUMN action", "no such column: action"),
        (
            "ALTER TABLE audit_events RENAME COLUMN payload_len TO length",
            "no such column: payload_len",
        ),
    ] {
        let log = Log::plain(30);
        // An index that was true before must not hide it.
        log.lines(&["query", "--all"]);
        log.sql(sql);
        for way in [&WAYS[0], &WAYS[1]] {
            is_refused(&log, way, &["audit.db", says, "no audit log of this service"]);
        }
    }
}

/// The page that holds the event prints nothing of itself; the page before it is whole.
fn payload_is_refused(log: &Log, says: &[&str]) {
    is_refused(log, &["--page", "3", "--size", "10"], says);
    is_refused(log, &["--page", "1", "--size", "30"], says);
    in_both_modes(log, &["--page", "2", "--size", "10"], |output, what| {
        assert_quiet(output, what);
        assert_eq!(values(&output.stdout).len(), 10, "{what}");
    });
    // All: what comes before it is printed, then the line.
    in_both_modes(log, &["--all"], |output, what| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{what}");
        assert_eq!(said.lines().count(), 1, "{what}: {said}");
        assert!(says.iter().all(|part| said.contains(part)), "{what}: {said}");
        assert!(values(&output.stdout).len() <= 25, "{what}");
    });
}

#[test]
fn a_payload_past_the_end_of_the_file() {
    let log = Log::plain(30);
    let size = fs::metadata(log.path("payloads.jsonl")).unwrap().len();
    for (offset, len) in [(size as i64 - 3, 4), (i64::MAX, 1), (0, i64::MAX), (i64::MAX, i64::MAX)] {
        log.sql(&format!(
            "UPDATE audit_events SET payload_offset = {offset}, payload_len = {len} WHERE id = 5"
        ));
        let place = format!("event 5: payload at offset {offset}, length {len}");
        payload_is_refused(
            &log,
            &[&place, "past the end of payloads.jsonl", &format!("{size} bytes")],
        );
    }
    for (offset, len) in [(-1, 5), (0, -5)] {
        log.sql(&format!(
            "UPDATE audit_events SET payload_offset = {offset}, payload_len = {len} WHERE id = 5"
        ));
        let place = format!("event 5: payload at offset {offset}, length {len}");
        payload_is_refused(&log, &[&place, "below 0"]);
    }
}

#[test]
fn a_payload_that_is_not_json() {
    let log = Log::plain(30);
    let payloads = fs::read(log.path("payloads.jsonl")).unwrap();
    for (text, len) in [
        (b"{\"unfinished\": [1,\n" as &[u8], 19),
        (b"{'python': 1}\n", 14),
        (b"{\"a\": \"\xff\"}\n", 11),
        (b"plain words\n", 12),
        (b"{} {}\n", 6),
        (b"\n", 1),
        (b"", 0),
    ] {
        let offset = payloads.len();
        fs::write(log.path("payloads.jsonl"), [&payloads, text].concat()).unwrap();
        log.sql(&format!(
            "UPDATE audit_events SET payload_offset = {offset}, payload_len = {len} WHERE id = 5"
        ));
        let place = format!("event 5: payload at offset {offset}, length {len}");
        payload_is_refused(&log, &[&place]);
    }
}

#[test]
fn nothing_to_show_is_no_error() {
    let log = Log::plain(30);
    for arguments in [
        &["--page", "4", "--size", "10"] as &[&str],
        &["--page", "9223372036854775807", "--size", "1"],
        &["--page", "9223372036854775808", "--size", "1"],
        &["--from", "1000010", "--to", "1000009"],
        &["--from", "2025-12-30", "--to", "2025-12-29", "--all"],
        &["--actor", "12345"],
        &["--action", "update"],
        &["--action", ""],
        &["--after", "1000000:1"],
        &["--after", "-9223372036854775808:-9223372036854775808"],
        &["--to", "1h", "--now", "1000000"],
    ] {
        in_both_modes(&log, arguments, |output, what| {
            assert_quiet(output, what);
            assert_eq!(output.stdout, b"", "{what}");
        });
    }
    in_both_modes(&log, &["--count", "--from", "5", "--to", "4"], |output, what| {
        assert_quiet(output, what);
        assert_eq!(output.stdout, b"{\"count\": 0}\n", "{what}");
    });
    // An empty log is one too.
    in_both_modes(&Log::new(&[]), &["--all"], |output, what| {
        assert_quiet(output, what);
        assert_eq!(output.stdout, b"", "{what}");
    });
}

#[test]
fn standard_output_holds_json_lines_and_nothing_else() {
    let log = Log::plain(30);
    for mode in MODES {
        for (arguments, lines) in [
            (&["--size", "7"] as &[&str], 7),
            (&["--all"], 30),
            (&["--count"], 1),
            (&["--all", "--format", "jsonl"], 30),
            (&["--all", "--color", "always"], 30),
        ] {
            let arguments = [&["query", "--mode", mode], arguments].concat();
            let output = log.auditq(&arguments);
            assert_quiet(&output, &format!("{arguments:?}"));
            assert_eq!(values(&output.stdout).len(), lines, "{arguments:?}");
        }
        let keys: Vec<_> = values(&log.auditq(&["query", "--mode", mode, "--size", "1"]).stdout)
            .remove(0)
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let mut expected = [
            "id",
            "created_at",
            "actor_id",
            "action",
            "resource_type",
            "resource_id",
            "payload",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
    let same = |arguments: &[&str]| log.lines(arguments);
    assert_eq!(
        same(&["query", "--mode", "baseline", "--format", "table", "--all"]),
        same(&["query", "--mode", "enhanced", "--format", "table", "--all"])
    );
    assert!(
        values(log.lines(&["query", "--all"]).as_bytes())
            .iter()
            .all(Value::is_object)
    );
}

/// `| head -1`: the reader takes a line and goes, while there is more than any pipe holds.
#[test]
fn a_reader_that_takes_one_line_and_goes() {
    let log = Log::plain(3_000);
    let requests = log.path("requests");
    fs::write(&requests, "{\"page_size\": 1000}\n".repeat(20)).unwrap();
    let batch = ["--batch", requests.to_str().unwrap()];
    for mode in MODES {
        for way in [
            &["--size", "3000"] as &[&str],
            &["--all"],
            &batch,
            &["--all", "--format", "table"],
        ] {
            let mut child = auditq()
                .arg("--data-dir")
                .arg(log.root())
                .args(["query", "--mode", mode])
                .args(way)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(child.stdout.take().unwrap());
            reader.read_line(&mut line).unwrap();
            drop(reader);
            assert!(line.len() > 20, "{way:?}: {line:?}");
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(0), "{way:?} in mode {mode}: {said}");
            assert_eq!(said, "", "{way:?} in mode {mode}");
        }
    }
}

#[test]
fn a_reader_that_is_gone_from_the_start() {
    let log = Log::plain(30);
    let requests = log.path("requests");
    fs::write(&requests, "{}\n").unwrap();
    let batch = ["query", "--batch", requests.to_str().unwrap()];
    for arguments in [
        &["query"] as &[&str],
        &["query", "--mode", "baseline"],
        &["query", "--all"],
        &["query", "--count"],
        &["query", "--format", "table"],
        &batch,
        &["--help"],
        &["query", "--help"],
        &["--version"],
        &["--generate", "man"],
    ] {
        let output = auditq()
            .arg("--data-dir")
            .arg(log.root())
            .args(arguments)
            .stdout(pipe_without_reader())
            .output()
            .unwrap();
        assert_quiet(&output, &format!("{arguments:?}"));
    }
}

/// `/dev/full` takes nothing: what is not printed must not look as if it were.
#[test]
fn a_device_that_is_full() {
    let log = Log::plain(30);
    for (arguments, input) in [
        (&["query"] as &[&str], ""),
        (&["query", "--mode", "baseline"], ""),
        (&["query", "--all"], ""),
        (&["query", "--count"], ""),
        (&["query", "--format", "table"], ""),
        (&["query", "--batch", "-"], "{}\n"),
        (&["verify-baseline", "--quiet"], ""),
        (&["--help"], ""),
        (&["--version"], ""),
        (&["--generate", "complete-fish"], ""),
    ] {
        let mut command = auditq();
        command.arg("--data-dir").arg(log.root()).args(arguments);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_refused(
            &output,
            &["standard output", "No space left"],
            &format!("{arguments:?}"),
        );
    }
}

#[test]
fn help_and_the_version_are_results() {
    for (arguments, says) in [
        (
            &["--help"] as &[&str],
            &["Usage: auditq", "Exit codes:", "--data-dir", "AUDITQ_DATA_DIR"] as &[&str],
        ),
        (&["-h"], &["Usage: auditq"]),
        (&["help"], &["Usage: auditq"]),
        (&["help", "query"], &["Usage: auditq query", "--batch", "Times:"]),
        (&["query", "--help"], &["Usage: auditq query", "--after", "Cursors:"]),
        (&["seed", "--help"], &["Usage: auditq seed", "--force", "--events"]),
        (
            &["verify-baseline", "--help"],
            &["Usage: auditq verify-baseline", "--dir", "expected"],
        ),
        (&["--version"], &["auditq "]),
        (&["-V"], &["auditq "]),
    ] {
        let output = auditq().args(arguments).output().unwrap();
        assert_quiet(&output, &format!("{arguments:?}"));
        let text = String::from_utf8(output.stdout).unwrap();
        for part in says {
            assert!(text.contains(part), "{arguments:?}: {part:?} is not in: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{arguments:?}");
    }
    let output = auditq().arg("--version").output().unwrap();
    assert_eq!(
        output.stdout,
        concat!("auditq ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()
    );
}

#[test]
fn the_man_page_and_the_completions() {
    for (what, says) in [
        ("man", ".TH AUDITQ"),
        ("man", "verify\\-baseline"),
        ("complete-bash", "verify-baseline"),
        ("complete-zsh", "#compdef auditq"),
        ("complete-fish", "complete -c auditq"),
    ] {
        let output = auditq().args(["--generate", what]).output().unwrap();
        assert_quiet(&output, what);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.len() > 1_000 && text.contains(says),
            "{what}: {says:?} is not in: {text}"
        );
    }
}

/// One command puts everything where man and the shells look.
#[test]
fn all_pages_are_installed_below_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let prefix = place.path().join("usr");
    let output = auditq().args(["--generate", "all"]).arg(&prefix).output().unwrap();
    assert_quiet(&output, "--generate all");
    let written = String::from_utf8(output.stdout).unwrap();
    assert_eq!(written.lines().count(), 9, "{written}");
    for path in written.lines() {
        assert!(std::fs::metadata(path).unwrap().len() > 500, "{path}");
    }
    let page = |name: &str| std::fs::read_to_string(prefix.join("share/man/man1").join(name)).unwrap();
    for name in [
        "auditq.1",
        "auditq-seed.1",
        "auditq-query.1",
        "auditq-diff.1",
        "auditq-bench.1",
    ] {
        for section in ["NAME", "EXAMPLES", "OPTIONS", "EXIT CODES", "ENVIRONMENT", "FILES"] {
            let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            assert!(
                heading.iter().any(|it| page(name).contains(it)),
                "{name}: {section}:\n{}",
                page(name)
            );
        }
    }
    for section in ["TIMES", "CURSORS", "PINS", "BATCHES", "FORMATS"] {
        assert!(
            page("auditq-query.1").contains(&format!(".SH {section}\n")),
            "{section}"
        );
    }
    for (arguments, says) in [
        (&["--generate", "all"][..], "--generate all wants the directory"),
        (&["--generate", "man", "x"], "prints one page"),
    ] {
        assert_refused(&auditq().args(arguments).output().unwrap(), &[says], says);
    }
}

/// A batch line that is bad is answered in its place; here it is the exit code and standard error that count.
#[test]
fn a_batch_with_a_bad_line_says_so() {
    let log = Log::plain(30);
    for mode in MODES {
        let mut command = auditq();
        command.arg("--data-dir").arg(log.root());
        command.args(["query", "--mode", mode, "--batch", "-"]);
        let output = run_with_input(command, b"{}\nnonsense\n{}\n");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(
            said,
            "auditq: standard input: 1 of 3 requests failed: the line in the place of each response says why\n"
        );
        assert_eq!(values(&output.stdout).len(), 3);
    }
}
