//! Another process holds the database exclusively: for longer than the live service would wait, that is said;
//! for less, the answer comes. What a current index answers needs no lock.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::companion::Companion;
use crate::harness::dataset::Dataset;
use crate::harness::faults::auditq_on;
use crate::harness::needs::needs;
use crate::harness::program::assert_refused;
use crate::harness::{Log, frozen};

/// What the live service waits, and what is said of it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often what must not take long is tried: a machine with other work holds up one try, a lock that is waited for all.
const TRIES: usize = 5;
const SAYS: [&str; 2] = ["audit.db: the database is locked by another process", "5 s"];

/// Another process that holds the lock until it is dropped. `statements` take it.
fn holder(root: &Path, statements: &str) -> Companion {
    Companion::start(
        root,
        &format!(
            "import sqlite3\nc = sqlite3.connect('audit.db', isolation_level=None)\n\
             for s in {statements:?}.split(';'): c.execute(s).fetchall()"
        ),
    )
}

const HOLD: &str = "BEGIN EXCLUSIVE";
/// A lock that keeps even the readers of a write-ahead log out.
const HOLD_WAL: &str = "PRAGMA locking_mode = EXCLUSIVE;\
                        UPDATE audit_events SET actor_id = actor_id + 1 WHERE id = 1";

/// Runs all commands at once: each one's output, and how long it took.
fn together(commands: Vec<Command>, meanwhile: impl FnOnce()) -> Vec<(Output, Duration)> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let spawned: Vec<_> = commands
            .into_iter()
            .map(|mut command| scope.spawn(move || (command.output().unwrap(), start.elapsed())))
            .collect();
        meanwhile();
        spawned.into_iter().map(|command| command.join().unwrap()).collect()
    })
}

fn on(log: &Log, commands: &[&[&str]]) -> Vec<Command> {
    let command = |arguments: &&[&str]| auditq_on(log.root(), arguments);
    commands.iter().map(command).collect()
}

const WITHOUT_INDEX: [&[&str]; 7] = [
    &["query", "--mode", "baseline"],
    &["query", "--mode", "baseline", "--count"],
    &["query", "--mode", "baseline", "--all"],
    &["query"],
    &["query", "--count", "--actor", "3"],
    &["query", "--all"],
    &["query", "--after", "1000100:7"],
];

/// Each command gives up once, after the timeout. What waits again takes twice that each time.
fn all_give_up(commands: impl Fn() -> Vec<Command>, what: &[&[&str]]) {
    let mut slow = what.to_vec();
    for _ in 0..TRIES {
        for ((output, took), what) in together(commands(), || {}).into_iter().zip(what) {
            assert_refused(&output, &SAYS, &format!("{what:?}"));
            assert!(took >= TIMEOUT, "{what:?}: gave up after {took:?}");
            if took < TIMEOUT * 2 {
                slow.retain(|slow| slow != what);
            }
        }
        if slow.is_empty() {
            return;
        }
    }
    panic!("{slow:?}: waited again each time");
}

fn queries_give_up(mode: &str, hold: &str) {
    let log = Log::plain(300);
    log.journal_mode(mode);
    let holder = holder(log.root(), hold);
    all_give_up(|| on(&log, &WITHOUT_INDEX), &WITHOUT_INDEX);
    drop(holder);
    log.lines(&["query"]);
}

fn checks_give_up() {
    let checks: [&[&str]; 2] = [&["seed", "--events", "300"], &["verify-baseline", "--dir", frozen()]];
    let dataset = Dataset::of(300);
    let holder = holder(dataset.root(), HOLD);
    all_give_up(|| checks.map(|check| auditq_on(dataset.root(), check)).into(), &checks);
    drop(holder);
    dataset.seeded(&["--events", "300"]);
}

/// All at the same time, because the waiting is what takes long.
#[test]
fn held_for_longer_than_the_timeout() {
    needs!(Python);
    std::thread::scope(|scope| {
        scope.spawn(|| queries_give_up("delete", HOLD));
        scope.spawn(|| queries_give_up("wal", HOLD_WAL));
        scope.spawn(checks_give_up);
    });
}

#[test]
fn held_for_less() {
    needs!(Python);
    let log = Log::plain(300);
    let expected: Vec<_> = WITHOUT_INDEX
        .iter()
        .map(|it| {
            let lines = log.lines(it);
            std::fs::remove_file(log.path("audit.idx")).ok();
            lines
        })
        .collect();
    let are_answered = (0..TRIES).any(|_| {
        // Of the try before.
        let _ = std::fs::remove_file(log.path("audit.idx"));
        are_answered_when_it_is_released(&log, &expected)
    });
    assert!(are_answered, "waited for too long each time");
}

/// Whether each answer came before twice the timeout was over, and no command gave up: a machine with other work can keep a
/// command from running for that long.
fn are_answered_when_it_is_released(log: &Log, expected: &[String]) -> bool {
    let holder = holder(log.root(), HOLD);
    let held = Duration::from_secs(1);
    let answers = together(on(log, &WITHOUT_INDEX), || {
        // How long the lock is held is the thing tested.
        std::thread::sleep(held);
        drop(holder);
    });
    let mut are_timely = true;
    for (((output, took), expected), what) in answers.into_iter().zip(expected).zip(WITHOUT_INDEX) {
        assert!(took >= held, "{what:?}: answered while the lock was held");
        if output.status.success() {
            assert_eq!(&String::from_utf8(output.stdout).unwrap(), expected, "{what:?}");
            are_timely &= took < TIMEOUT * 2;
        } else {
            assert_refused(&output, &SAYS, &format!("{what:?}"));
            assert!(took >= TIMEOUT, "{what:?}: gave up after {took:?}");
            are_timely = false;
        }
    }
    are_timely
}

/// The holder has committed nothing, so what the index says is what is true: there is nothing to wait for.
#[test]
fn a_current_index_answers_at_once() {
    needs!(Python);
    let log = Log::plain(300);
    let queries = &WITHOUT_INDEX[3..];
    let expected: Vec<_> = queries.iter().map(|it| log.lines(it)).collect();
    let holder = holder(log.root(), HOLD);
    for (query, expected) in queries.iter().zip(expected) {
        let is_answered_at_once = || {
            let start = Instant::now();
            assert_eq!(log.lines(query), expected, "{query:?}");
            start.elapsed() < TIMEOUT / 2
        };
        assert!((0..TRIES).any(|_| is_answered_at_once()), "{query:?} waited");
    }
    drop(holder);
}

/// In WAL mode even an exclusive transaction keeps no reader out.
#[test]
fn a_write_ahead_log_keeps_no_reader_out() {
    needs!(Python);
    let log = Log::plain(300);
    log.journal_mode("wal");
    let expected = log.lines(&["query", "--mode", "baseline"]);
    let holder = holder(log.root(), HOLD);
    for mode in ["baseline", "enhanced"] {
        assert_eq!(log.lines(&["query", "--mode", mode]), expected);
    }
    drop(holder);
}

/// The index is built after the answer, and whoever reads the answer does not wait for that.
#[test]
fn standard_output_ends_before_the_index_is_built() {
    needs!(Python);
    assert!(
        (0..TRIES).any(|_| does_standard_output_end_before_the_index_is_built()),
        "the answer ended with the process each time"
    );
}

fn does_standard_output_end_before_the_index_is_built() -> bool {
    let dataset = Dataset::of(300);
    std::fs::remove_file(dataset.root().join("audit.idx")).unwrap();
    let mut query = auditq_on(dataset.root(), &["query", "--size", "200"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = query.stdout.take().unwrap();
    // More than a pipe holds: the page was found, and the process waits for its reader.
    let mut answer = vec![0];
    out.read_exact(&mut answer).unwrap();
    let holder = holder(dataset.root(), HOLD);
    let start = Instant::now();
    out.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > 1 << 17, "{} bytes fit into a pipe", answer.len());
    let is_something_left = query.try_wait().unwrap().is_none();
    let has_ended_before = start.elapsed() < TIMEOUT / 2 && is_something_left;
    drop(holder);
    assert!(query.wait().unwrap().success());
    // Where the lock was held for long enough, none could be made.
    assert!(!has_ended_before || dataset.root().join("audit.idx").exists());
    has_ended_before
}
