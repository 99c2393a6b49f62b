//! The whole log in parts: by cursor, all at once, counted, filtered; also while another process writes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::Value;

use crate::harness::dataset::{value, values};
use crate::harness::needs::needs;
use crate::harness::program::MODES;
use crate::harness::{Log, NewEvent, python};

/// The cursor of the page that follows, from the last JSON line, as `jq -r '"\(.created_at):\(.id)"'` takes it.
fn cursor(lines: &str) -> Option<String> {
    let last = value(lines.lines().last()?);
    Some(format!("{}:{}", last["created_at"], last["id"]))
}

/// Asks for page after page by cursor until one is empty; `between` runs after each.
fn walk(log: &Log, mode: &str, arguments: &[&str], mut between: impl FnMut(&str)) -> String {
    let mut all = String::new();
    let mut after: Option<String> = None;
    loop {
        let mut call = [&["query", "--mode", mode], arguments].concat();
        if let Some(cursor) = &after {
            call.extend(["--after", cursor]);
        }
        let lines = log.lines(&call);
        let Some(next) = cursor(&lines) else {
            return all;
        };
        between(&next);
        all.push_str(&lines);
        after = Some(next);
    }
}

/// Events that share their second by the dozen, with ids that do not rise with time.
fn log_of_ties() -> Log {
    let event = |number: i64| NewEvent {
        id: number * 37 % 401,
        created_at: 5_000 + number * 7 % 30,
        actor_id: number % 5,
        action: ["A", "B", "C"][number as usize % 3].to_owned(),
        resource_type: "T".to_owned(),
        resource_id: format!("T-{number}"),
    };
    Log::new(&(1..=400).map(event).collect::<Vec<_>>())
}

fn ids(lines: &str) -> Vec<i64> {
    let values = values(lines.as_bytes());
    values.iter().map(|event| event["id"].as_i64().unwrap()).collect()
}

#[test]
fn walking_by_cursor_gives_every_event_once() {
    for log in [Log::plain(300), log_of_ties()] {
        let all = log.lines(&["query", "--all", "--mode", "baseline"]);
        assert!(all.lines().count() >= 300);
        for mode in MODES {
            assert_eq!(log.lines(&["query", "--all", "--mode", mode]), all);
            for size in ["1000", "100", "7"] {
                assert_eq!(walk(&log, mode, &["--size", size], |_| {}), all, "{mode}, {size}");
            }
        }
    }
}

#[test]
fn pages_by_number_and_by_cursor_are_the_same() {
    let log = log_of_ties();
    for mode in MODES {
        let mut number = 1;
        let by_cursor = walk(&log, mode, &["--size", "30"], |_| number += 1);
        let by_number: String = (1..number)
            .map(|page: i32| log.lines(&["query", "--mode", mode, "--size", "30", "--page", &page.to_string()]))
            .collect();
        assert_eq!(by_cursor, by_number, "{mode}");
    }
}

/// What the filter means, said again without SQL or an index.
fn expected(log: &Log, keep: impl Fn(&Value) -> bool) -> Vec<i64> {
    let all = values(log.lines(&["query", "--all", "--mode", "baseline"]).as_bytes());
    let mut kept: Vec<_> = all.iter().filter(|event| keep(event)).collect();
    kept.sort_by_key(|event| (event["created_at"].as_i64(), event["id"].as_i64()));
    kept.iter().rev().map(|event| event["id"].as_i64().unwrap()).collect()
}

#[test]
fn filters_counts_and_all_agree() {
    let log = log_of_ties();
    for (arguments, from, to, actor, action) in [
        (&[] as &[&str], i64::MIN, i64::MAX, None, None),
        (&["--actor", "3"], i64::MIN, i64::MAX, Some(3), None),
        (&["--action", "B"], i64::MIN, i64::MAX, None, Some("B")),
        (
            &["--actor", "3", "--action", "B"],
            i64::MIN,
            i64::MAX,
            Some(3),
            Some("B"),
        ),
        (&["--from", "5010"], 5_010, i64::MAX, None, None),
        (&["--to", "5010"], i64::MIN, 5_010, None, None),
        (&["--from", "5010", "--to", "5010"], 5_010, 5_010, None, None),
        (
            &["--from", "5003", "--to", "5020", "--actor", "0"],
            5_003,
            5_020,
            Some(0),
            None,
        ),
        (
            &[
                "--from",
                "1970-01-01 01:23:30",
                "--to",
                "1970-01-01T01:23:40Z",
                "--action",
                "C",
            ],
            5_010,
            5_020,
            None,
            Some("C"),
        ),
        (&["--from", "10s", "--now", "5025"], 5_015, i64::MAX, None, None),
        (&["--from", "1970-01-01", "--to", "1970-01-01"], 0, 86_399, None, None),
        (&["--from", "5020", "--to", "5003"], 5_020, 5_003, None, None),
    ] {
        let wanted = expected(&log, |event| {
            let created_at = event["created_at"].as_i64().unwrap();
            (from..=to).contains(&created_at)
                && actor.is_none_or(|actor: i64| event["actor_id"] == actor)
                && action.is_none_or(|action: &str| event["action"] == action)
        });
        for mode in MODES {
            let call = |more: &[&str]| log.lines(&[&["query", "--mode", mode], arguments, more].concat());
            assert_eq!(ids(&call(&["--all"])), wanted, "{mode}: {arguments:?}");
            assert_eq!(ids(&call(&["--size", "1000"])), wanted, "{mode}: {arguments:?}");
            assert_eq!(
                ids(&walk(&log, mode, &[arguments, &["--size", "9"]].concat(), |_| {})),
                wanted,
                "{mode}: {arguments:?}"
            );
            let count = format!("{{\"count\": {}}}\n", wanted.len());
            assert_eq!(call(&["--count"]), count, "{mode}: {arguments:?}");
        }
    }
}

/// Another process that runs each statement it is given, and says so when it is committed.
struct Writer {
    child: Child,
    statements: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Writer {
    fn new(log: &Log) -> Self {
        let mut child = python(
            "import sqlite3, sys\nc = sqlite3.connect('audit.db', isolation_level=None, timeout=60)\n\
             for line in sys.stdin:\n    c.execute(line).fetchall()\n    print('done', flush=True)",
        )
        .current_dir(log.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
        let statements = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().unwrap());
        Writer {
            child,
            statements,
            replies,
        }
    }

    fn insert(&mut self, created_at: i64) {
        let sql = format!(
            "INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len) \
             SELECT {created_at}, 1, 'NEW', 'T', 'T-0', payload_offset, payload_len FROM audit_events WHERE id = 1\n"
        );
        let statements = self.statements.as_mut().unwrap();
        statements.write_all(sql.as_bytes()).unwrap();
        statements.flush().unwrap();
        let mut reply = String::new();
        self.replies.read_line(&mut reply).unwrap();
        assert_eq!(reply, "done\n");
    }

    fn close(mut self) {
        drop(self.statements.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Between any two pages come an event newer than all, one in the second of the cursor, and a late one behind it.
fn walk_beside_a_writer(journal_mode: &str) {
    for mode in MODES {
        let log = log_of_ties();
        log.journal_mode(journal_mode);
        let start = log.lines(&["query", "--all", "--mode", mode]);
        let mut writer = Writer::new(&log);
        let (mut pages, mut late) = (0, 0);
        let walked = walk(&log, mode, &["--size", "11"], |cursor| {
            let second: i64 = cursor.split(':').next().unwrap().parse().unwrap();
            writer.insert(9_000);
            writer.insert(second);
            // Later pages must show these, so that the walk ends: only some of them.
            if pages % 10 == 0 {
                writer.insert(second - 1);
                late += 1;
            }
            pages += 1;
        });
        writer.close();
        let (started, seen) = (ids(&start), ids(&walked));
        let of_start: Vec<_> = seen.iter().copied().filter(|id| started.contains(id)).collect();
        assert_eq!(
            of_start, started,
            "{mode}: no event of the start is lost, doubled or moved"
        );
        let new: Vec<_> = seen.iter().filter(|id| !started.contains(id)).collect();
        assert_eq!(
            new.len(),
            late,
            "{mode}: of the new events, those behind the cursor: {new:?}"
        );
        assert!(pages > 36, "{mode}: {pages} pages");
        assert_eq!(
            log.lines(&["query", "--count", "--mode", mode]),
            format!("{{\"count\": {}}}\n", 400 + 2 * pages + late)
        );
    }
}

#[test]
fn walking_while_another_process_inserts() {
    needs!(Python);
    walk_beside_a_writer("delete");
}

#[test]
fn walking_while_another_process_inserts_into_a_write_ahead_log() {
    needs!(Python);
    walk_beside_a_writer("wal");
}
