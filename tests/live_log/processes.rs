//! Several processes bring the same index up to date under one writer, and each leaves its delta for the others.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auditq::engine::{Engine, Lifetime};
use highway::{HighwayHash, HighwayHasher, Key as HighwayKey};

use super::links::count_of;
use crate::harness::faults::{auditq_on, report, stdout_of};
use crate::harness::needs::needs;
use crate::harness::program::Coprocess;
use crate::harness::verified::VARIABLE;
use crate::harness::{Log, python, seconds};

/// How long it is waited until enough has happened, where the machine is busy.
const PATIENCE: Duration = Duration::from_secs(240);

/// How many events there are before the writer comes, and how many it leaves at least.
const EVENTS: i64 = 1_000;

/// Appends an event with the next id and takes the oldest away, in one commit: at any moment there are as many, and their ids
/// have no gap. Says the newest id behind each commit.
const WRITER: &str = "
import sqlite3, time
c = sqlite3.connect('audit.db', isolation_level=None, timeout=60)
first, n = c.execute('SELECT min(id), max(id) FROM audit_events').fetchone()
length = c.execute('SELECT payload_len FROM audit_events WHERE id = ?', (n,)).fetchone()[0]
while True:
    n += 1
    c.execute('BEGIN IMMEDIATE')
    c.execute('INSERT INTO audit_events SELECT ?, 1000000 + ? / 2, ? % 7, ?, ?, ?, payload_offset, payload_len FROM audit_events WHERE id = ?',
              (n, n, n, 'UPDATE', 'ORDER', 'ORDER-%d' % n, n - 1))
    c.execute('DELETE FROM audit_events WHERE id = ?', (first,))
    c.execute('COMMIT')
    first += 1
    print(n, flush=True)
    time.sleep(0.003)
";

/// What those who ask share with who hears the writer.
#[derive(Debug, Default)]
struct Shared {
    committed: AtomicI64,
    over: AtomicBool,
    asked: AtomicU64,
    deltas: AtomicU64,
}

impl Shared {
    /// Whether so much has happened that the rest proves something.
    fn is_enough(&self) -> bool {
        let commits = self.committed.load(Ordering::SeqCst) - EVENTS;
        self.asked.load(Ordering::SeqCst) > 10 && commits > 10 && self.deltas.load(Ordering::SeqCst) > 1
    }
}

/// Ends the threads and the writer, also where a check has failed.
struct Over<'a> {
    shared: &'a Shared,
    writer: Child,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = self.writer.kill();
        let _ = self.writer.wait();
    }
}

/// The ids of an answer's events, newest first.
fn ids(answer: &str) -> Vec<i64> {
    let parts = answer.split("{\"id\":").skip(1);
    let id = |part: &str| {
        let digits = part.trim_start().split(|c: char| !c.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    };
    parts.map(id).collect()
}

/// All events are there once, and none that was committed before the question is missing.
#[track_caller]
fn check_all(ids: &[i64], committed: i64) {
    assert_eq!(ids.len() as i64, EVENTS, "as many events as ever");
    assert!(
        ids.windows(2).all(|pair| pair[0] == pair[1] + 1),
        "an event is lost or doubled: {ids:?}"
    );
    assert!(ids[0] >= committed, "{committed} was committed, {} is seen", ids[0]);
}

/// Asks one process as long as it goes on.
fn ask(shared: &Shared, log: &Log, arguments: &[&str]) {
    let mut process = Coprocess::start_verified(log.root(), arguments);
    let mut round = 0;
    while !shared.over.load(Ordering::SeqCst) {
        round += 1;
        let before = shared.committed.load(Ordering::SeqCst);
        if round % 4 == 0 {
            let answer = process.ask("{\"page_size\": 5, \"action\": \"UPDATE\"}");
            let seen = ids(&answer)[0];
            assert!(seen >= before, "{before} was committed, {seen} is seen");
        } else {
            let answer = process.ask("{\"page_size\": 10000}");
            assert_eq!(count_of(&answer) as i64, EVENTS);
            check_all(&ids(&answer), before);
        }
        shared.asked.fetch_add(1, Ordering::SeqCst);
    }
    let ending = process.close();
    assert_eq!((ending.errors.as_str(), ending.status.code()), ("", Some(0)));
}

/// Processes of one request each, which leave what they found for the next.
fn one_shots(shared: &Shared, log: &Log) {
    while !shared.over.load(Ordering::SeqCst) {
        let before = shared.committed.load(Ordering::SeqCst);
        let mut command = auditq_on(log.root(), &["query", "--all", "--format", "jsonl"]);
        let output = command.env(VARIABLE, "1").output().unwrap();
        check_all(&ids(&stdout_of(&output)), before);
        shared.asked.fetch_add(1, Ordering::SeqCst);
        // What such a process leaves behind where a refresh is not worth its while: always its delta.
        log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
    }
}

/// Reads the delta's file again and again: it is whole whenever it belongs to the base beside it.
fn watch_delta(shared: &Shared, log: &Log) {
    let mut last = Vec::new();
    while !shared.over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
        let base = || fs::read(log.path("audit.idx")).ok().map(|bytes| bytes[..48].to_vec());
        let (before, delta, after) = (base(), fs::read(log.path("audit.idx-delta")).ok(), base());
        let (Some(base), Some(delta)) = (before.clone(), delta) else {
            continue;
        };
        assert_eq!(&delta[..8], b"AUDITQDL");
        if before != after || delta[16..32] != base[16..32] || delta == last {
            continue;
        }
        let word = |at: usize| u64::from_le_bytes(base[at..at + 8].try_into().unwrap());
        let (a, b) = (word(32), word(40));
        let (content, sum) = delta.split_at(delta.len() - 8);
        let hash = HighwayHasher::new(HighwayKey([a, b, !a, !b])).hash64(content).max(1);
        assert_eq!(sum, hash.to_le_bytes(), "the delta's checksum");
        shared.deltas.fetch_add(1, Ordering::SeqCst);
        last = delta;
    }
}

fn several_under_a_writer(journal_mode: &str) {
    let log = Log::plain(EVENTS);
    log.journal_mode(journal_mode);
    log.lines(&["query", "--page", "40"]);
    let mut writer = python(WRITER)
        .current_dir(log.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let replies = BufReader::new(writer.stdout.take().unwrap());
    let shared = Shared::default();
    let time = seconds("AUDITQ_PROCESSES_SECONDS", 4);
    std::thread::scope(|scope| {
        let shared = &shared;
        let over = Over { shared, writer };
        scope.spawn(move || {
            for line in replies.lines() {
                let id = line.unwrap().parse().unwrap();
                shared.committed.store(id, Ordering::SeqCst);
            }
        });
        let asking = [
            scope.spawn(|| ask(shared, &log, &["--threads", "2"])),
            scope.spawn(|| ask(shared, &log, &["--threads", "1"])),
            scope.spawn(|| one_shots(shared, &log)),
            scope.spawn(|| watch_delta(shared, &log)),
        ];
        let start = Instant::now();
        while (start.elapsed() < time || !shared.is_enough()) && !asking.iter().any(|it| it.is_finished()) {
            assert!(start.elapsed() < time + PATIENCE, "not enough: {shared:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        shared.over.store(true, Ordering::SeqCst);
        for thread in asking {
            if let Err(failed) = thread.join() {
                drop(over);
                std::panic::resume_unwind(failed);
            }
        }
        drop(over);
    });
    let (asked, deltas) = (shared.asked.into_inner(), shared.deltas.into_inner());
    let commits = shared.committed.into_inner() - EVENTS;
    report(&format!(
        "processes, {journal_mode}: {asked} answers of several processes beside {commits} commits, {deltas} deltas read"
    ));
    // What they left is what the baseline says.
    let everything = |mode| {
        stdout_of(
            &auditq_on(log.root(), &["query", "--all", "--mode", mode])
                .output()
                .unwrap(),
        )
    };
    assert!(everything("enhanced") == everything("baseline"));
}

#[test]
fn several_that_refresh_under_a_writer_with_a_write_ahead_log() {
    needs!(Python);
    several_under_a_writer("wal");
}

#[test]
fn several_that_refresh_under_a_writer_with_a_rollback_journal() {
    needs!(Python);
    several_under_a_writer("delete");
}
