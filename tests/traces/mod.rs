//! What a reader leaves behind: nothing. Whoever asks, by whichever command, whatever lies in the directory: names, bytes,
//! owners, permissions and times of all files but the index are the same before and after, and the service can write.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use crate::harness::Log;
use crate::harness::faults::{DEEP_REQUESTS, report, short_bench};
use crate::harness::needs::{needs, skipped};
use crate::harness::program::MODES;
use reader::Reader;
use snapshot::Snapshot;
use state::{EVENTS, Found, STATES, State};

mod reader;
mod snapshot;
mod state;

const FROZEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/baseline");

/// Every command that reads.
fn commands<'a>(requests: &'a str, export: &'a str) -> Vec<Vec<&'a str>> {
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for mode in MODES {
        for reading in [
            &["query", "--page", "3"][..],
            &["query", "--actor", "3", "--action", "UPDATE"],
            &["query", "--count", "--actor", "3"],
            &["query", "--all"],
            &["query", "--after", "1000100:201"],
            &["query", "--as-of", "1000100:201", "--page", "2"],
            &["query", "--batch", requests],
            &["query", "--follow", "--after", "0:0"],
        ] {
            commands.push([reading, &["--mode", mode]].concat());
        }
    }
    commands.push(vec!["verify-baseline", "--dir", FROZEN]);
    commands.push(vec!["diff", "--workload", "deep", "--requests", DEEP_REQUESTS]);
    commands.push(short_bench(export));
    commands
}

/// Runs every command as one reader on one log; gives how many were answered.
fn leaves_nothing(state: State, reader: Reader, journal_mode: &str) -> usize {
    let mut found = Found::new(state, reader, journal_mode);
    let outside = tempfile::tempdir().unwrap();
    fs::set_permissions(outside.path(), Permissions::from_mode(0o777)).unwrap();
    let (requests, export) = (outside.path().join("requests"), outside.path().join("figures.json"));
    fs::write(&requests, "{\"page\": 9}\n{\"actor_id\": 3}\n").unwrap();
    let look = |found: &Found| Snapshot::of(&[found.log.root(), found.elsewhere.path()]);
    let must_answer = Found::must_answer(state, reader, journal_mode);
    let mut before = look(&found);
    let mut answered = 0;
    for arguments in commands(to_str(&requests), to_str(&export)) {
        let output = if arguments.contains(&"--follow") {
            reader.follow(found.log.root(), &arguments, EVENTS)
        } else {
            reader.run(found.log.root(), &arguments)
        };
        let what = format!("{state:?}, {reader:?}, {journal_mode}: {arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        let is_answered = matches!(code, Some(0 | 1));
        assert!(
            is_answered || code == Some(2) && !must_answer,
            "{what}: {code:?} {said}"
        );
        answered += usize::from(is_answered);
        let now = look(&found);
        if state == State::KilledService && journal_mode == "wal" && reader.makes_files_of_the_owner() {
            // It plays the dead service's log back, as SQLite does for whoever may write: the service finds all it needs.
            before = now;
            continue;
        }
        assert!(before == now, "{what}: {said}: {:#?}", before.differences(&now));
    }
    if Found::is_writable(state) {
        found.commit(reader);
    }
    answered
}

fn to_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn readers_leave_nothing_behind() {
    needs!(Python);
    let readers = Reader::all();
    if readers == [Reader::Oneself] {
        skipped("what other users leave behind", "only root can be several users");
    }
    let mut combinations = Vec::new();
    for state in STATES {
        for &reader in &readers {
            combinations.extend(["delete", "wal"].map(|journal_mode| (state, reader, journal_mode)));
        }
    }
    let (tried, waiting) = (combinations.len(), Mutex::new(combinations));
    let answered = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().pop();
                    let Some((state, reader, journal_mode)) = next else {
                        return;
                    };
                    let count = leaves_nothing(state, reader, journal_mode);
                    *answered.lock().unwrap() += count;
                }
            });
        }
    });
    let answered = answered.into_inner().unwrap();
    report(&format!(
        "traces: {tried} states, readers and journal modes, {answered} commands answered"
    ));
    assert!(answered > tried * 10, "too few answers to tell");
}

/// A killed writer's commits lie in its write-ahead log. The last connection that closes would copy them into the database
/// and remove the log: work that is the writer's, not a reader's.
#[test]
fn a_reader_that_closes_last_copies_no_frames() {
    let writers = Log::plain(300);
    writers.journal_mode("wal");
    let writer = rusqlite::Connection::open(writers.path("audit.db")).unwrap();
    writer
        .execute_batch("UPDATE audit_events SET actor_id = 5 WHERE id = 7")
        .unwrap();
    let left = |log: &Log| {
        for name in ["audit.db", "audit.db-wal", "payloads.jsonl"] {
            fs::copy(writers.path(name), log.path(name)).unwrap();
        }
    };
    let log = Log::plain(1);
    left(&log);
    let before = ["audit.db", "audit.db-wal"].map(|name| fs::read(log.path(name)).unwrap());
    assert!(!before[1].is_empty());
    for arguments in [
        &["query", "--page", "2"][..],
        &["query", "--count"],
        &["query", "--all"],
    ] {
        // Without an index, and with one.
        for _ in 0..2 {
            assert!(log.auditq(arguments).status.success());
            let after = ["audit.db", "audit.db-wal"].map(|name| fs::read(log.path(name)).ok());
            assert!(after == before.clone().map(Some), "{arguments:?}");
        }
        let _ = fs::remove_file(log.path("audit.idx"));
    }
    assert!(log.lines(&["query", "--actor", "5", "--all"]).contains("\"id\": 7,"));
}
