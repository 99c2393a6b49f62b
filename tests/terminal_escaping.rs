//! The log's content is written by whoever is being audited: none of it reaches a terminal raw.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::harness::dataset::values;
use crate::harness::needs::needs;
use crate::harness::program::MODES;
use crate::harness::{Log, NewEvent, auditq};

/// What could steer a terminal, hide text or reorder it.
const UNSAFE: [char; 38] = [
    '\0',
    '\u{7}',
    '\u{8}',
    '\t',
    '\n',
    '\u{b}',
    '\r',
    '\u{e}',
    '\u{1b}',
    '\u{7f}',
    '\u{80}',
    '\u{85}',
    '\u{90}',
    '\u{9b}',
    '\u{9d}',
    '\u{9f}',
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{180e}',
    '\u{200b}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{2028}',
    '\u{2029}',
    '\u{202a}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{2069}',
    '\u{3164}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{fff9}',
    '\u{e0001}',
    '\u{e007f}',
];

/// Whole sequences: colours, a title, a cleared screen, a link, a report that some terminals type back.
const SEQUENCES: [&str; 6] = [
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{9b}6n",
    "admin\u{202e}nimda",
];

fn texts() -> Vec<String> {
    let characters = UNSAFE.iter().map(|character| format!("a{character}b"));
    characters.chain(SEQUENCES.map(str::to_owned)).collect()
}

/// A log with each text in an action, a resource type, a resource id and a payload.
fn log() -> Log {
    let texts = texts();
    let event = |(number, text): (usize, &String)| NewEvent {
        id: number as i64 + 1,
        created_at: 1_000_000 + number as i64,
        actor_id: 1,
        action: text.clone(),
        resource_type: text.clone(),
        resource_id: text.clone(),
    };
    let events: Vec<_> = texts.iter().enumerate().map(event).collect();
    let log = Log::new(&events);
    // Payloads of their own: in strings and in names, raw where JSON lets them be raw.
    let mut payloads = String::new();
    for (number, text) in texts.iter().enumerate() {
        let raw: String = text
            .chars()
            .map(|it| {
                if it < ' ' {
                    format!("\\u{:04x}", it as u32)
                } else {
                    it.to_string()
                }
            })
            .map(|it| if it == "\\" { "\\\\".to_owned() } else { it })
            .collect();
        let line = format!("{{\"{raw}\": \"{raw}\"}}\n");
        log.sql(&format!(
            "UPDATE audit_events SET payload_offset = {}, payload_len = {} WHERE id = {}",
            payloads.len(),
            line.len(),
            number + 1
        ));
        payloads.push_str(&line);
    }
    fs::write(log.path("payloads.jsonl"), payloads).unwrap();
    log
}

/// No byte of the text would do anything on a terminal but show itself.
#[track_caller]
fn is_tame(text: &[u8], what: &str) {
    let text = std::str::from_utf8(text).unwrap();
    for unsafe_character in UNSAFE.iter().filter(|&&it| it != '\n') {
        assert!(
            !text.contains(*unsafe_character),
            "{what}: {unsafe_character:?} in {text:?}"
        );
    }
}

fn both(output: &Output, what: &str) {
    is_tame(&output.stdout, what);
    is_tame(&output.stderr, what);
}

/// What a person sees on a terminal: `script` makes one.
fn on_a_terminal(log: &Log, arguments: &[&str]) -> Vec<u8> {
    let quoted: Vec<_> = arguments.iter().map(|it| format!("'{it}'")).collect();
    let program = auditq();
    let command = format!(
        "stty -opost -onlcr; exec '{}' --data-dir '{}' {}",
        program.get_program().to_str().unwrap(),
        log.root().to_str().unwrap(),
        quoted.join(" ")
    );
    let output = std::process::Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .env_remove("AUDITQ_FORMAT")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn tables() {
    let log = log();
    for mode in MODES {
        for query in [&["query", "--size", "100"] as &[_], &["query", "--all"]] {
            let arguments = [query, &["--mode", mode, "--format", "table"]].concat();
            let output = log.auditq(&arguments);
            assert_eq!(output.status.code(), Some(0));
            both(&output, &format!("{arguments:?}"));
            let lines = output.stdout.iter().filter(|&&it| it == b'\n').count();
            assert_eq!(lines, texts().len() + 1, "a line for each event, and a heading");
            let shown = String::from_utf8(output.stdout).unwrap();
            assert!(shown.contains("\\u{1b}[31mred"), "shown, but escaped");
        }
    }
}

#[test]
fn json_lines_say_the_same_escaped() {
    let log = log();
    for mode in MODES {
        let output = log.auditq(&["query", "--all", "--mode", mode]);
        assert_eq!(output.status.code(), Some(0));
        let events = values(&output.stdout);
        assert_eq!(events.len(), texts().len());
        for (event, text) in events.iter().rev().zip(texts()) {
            for key in ["action", "resource_type", "resource_id"] {
                assert_eq!(event[key], Value::String(text.clone()), "{key}");
            }
            assert_eq!(event["payload"][&text], Value::String(text.clone()));
        }
        // A payload's own bytes are evidence and pass as they are stored; everything else is ASCII.
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let (metadata, _) = line.split_once("\"payload\": ").unwrap();
            assert!(metadata.bytes().all(|it| (b' '..=b'~').contains(&it)), "{metadata:?}");
        }
    }
}

/// On a terminal, the payload too is written in ASCII, and is the same JSON value.
#[test]
fn json_lines_on_a_terminal() {
    needs!(Script);
    let log = log();
    for mode in MODES {
        let arguments = ["query", "--all", "--mode", mode, "--format", "jsonl"];
        let shown = on_a_terminal(&log, &arguments);
        for line in shown.split(|&it| it == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            assert!(
                line.iter().all(|it| (b' '..=b'~').contains(it)),
                "{mode}: {}",
                line.escape_ascii()
            );
        }
        let events: Vec<Value> = String::from_utf8(shown)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line.trim_end()).unwrap())
            .collect();
        let plain = values(log.lines(&arguments).as_bytes());
        assert_eq!(events, plain);
    }
}

/// Errors and notes that quote the log, the request or a name.
#[test]
fn errors_and_notes() {
    for text in texts() {
        if text.contains('\0') {
            continue;
        }
        let log = Log::plain(30);
        let quoted = text.replace('\'', "''");
        log.sql(&format!("UPDATE audit_events SET actor_id = '{quoted}' WHERE id = 30"));
        for mode in MODES {
            let output = log.auditq(&["query", "--mode", mode]);
            assert_eq!(output.status.code(), Some(2), "{mode}: {text:?}");
            both(&output, &format!("{mode}: {text:?}"));
            let table = log.auditq(&["query", "--mode", mode, "--page", "2", "--format", "table"]);
            both(&table, &format!("{mode}: {text:?}"));
        }
        for arguments in [
            vec!["query", "--after", &text],
            vec!["query", "--from", &text],
            vec!["query", "--actor", &text],
            vec!["query", "--batch", &text],
            vec!["query", "--mode", &text],
            vec!["query", &text],
            vec![text.as_str()],
            vec!["--data-dir", &text, "query"],
            vec!["verify-baseline", "--dir", &text],
        ] {
            let output = auditq().args(&arguments).output().unwrap();
            let code = output.status.code();
            assert!(matches!(code, Some(1 | 2)), "{arguments:?}");
            both(&output, &format!("{arguments:?}"));
        }
    }
}

/// A schema is content, too.
#[test]
fn a_schema_with_unsafe_text() {
    for text in SEQUENCES {
        let log = Log::plain(30);
        let name = text.replace('"', "\"\"");
        log.sql(&format!(
            "ALTER TABLE audit_events RENAME COLUMN resource_id TO \"{name}\""
        ));
        log.sql(&format!("CREATE TABLE \"{name}\" (x)"));
        for arguments in [
            &["query"] as &[_],
            &["query", "--mode", "baseline"],
            &["verify-baseline", "--format", "table"],
            &["verify-baseline", "--format", "jsonl"],
            &["seed"],
        ] {
            let output = log.auditq(arguments);
            assert_ne!(output.status.code(), Some(0), "{arguments:?}");
            both(&output, &format!("{arguments:?}"));
        }
    }
}
