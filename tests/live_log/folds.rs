//! Much change becomes a new base: beside the answers, for other processes too, and whenever the process is killed.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auditq::engine::{Engine, Enhanced, Lifetime, RefreshCounts};
use auditq::model::Filter;

use super::compare::{all, assert_answers, queries};
use super::random::Random;
use super::watched::{Did, Watched};
use crate::harness::Log;
use crate::harness::faults::{
    Fate, auditq_on, kill_at_call, kill_at_random, leftovers, number, report, stdout_of, time_of,
};
use crate::harness::needs::needs;

/// Each event changed: one goes and one comes.
const CHANGE: &str = "UPDATE audit_events SET actor_id = (actor_id + 1) % 9 WHERE id <= 4200";
/// More events than that, so that something stays as it was.
const EVENTS: i64 = 5_000;

#[track_caller]
fn wait_for_fold(engine: &Enhanced, folds: u64, what: &str) {
    let start = Instant::now();
    while engine.refreshes().folds < folds {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: there is no fold");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn inode(log: &Log) -> u64 {
    std::fs::metadata(log.path("audit.idx")).map_or(0, |file| file.ino())
}

/// An engine, and what it says of what it does.
fn talkative(log: &Log, lifetime: Lifetime) -> (Enhanced, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&said);
    let notify = Box::new(move |_, line: &str| to.lock().unwrap().push(line.to_owned()));
    (Enhanced::open(&log.data_dir(), lifetime, notify), said)
}

#[test]
fn a_fold_is_counted_and_a_new_process_opens_its_base_as_current() {
    needs!(Python);
    for (mode, way) in [("wal", Did::FRAMES), ("delete", Did::HASHES)] {
        let mut watched = Watched::new(Log::plain(EVENTS), mode);
        for folds in 1..=2 {
            let before = inode(&watched.log);
            let change = format!("commit_staying({CHANGE:?})");
            assert_eq!(watched.after(&change), way, "{mode}");
            wait_for_fold(&watched.engine, folds, mode);
            assert_ne!(inode(&watched.log), before, "{mode}: the base is another file");
            let rebuilds = watched.engine.refreshes().rebuilds;
            watched.look("folded");
            assert_eq!(watched.engine.refreshes().rebuilds, rebuilds, "{mode}");
            assert_eq!(watched.engine.refreshes().folds, folds, "{mode}");
        }
        watched.wait_until_disconnected();
        let (new, said) = talkative(&watched.log, Lifetime::OneShot);
        watched.assert_same(&new, "new");
        assert_eq!(
            new.refreshes(),
            RefreshCounts::default(),
            "{mode}: nothing was left to do"
        );
        let said = said.lock().unwrap().join("\n");
        assert_eq!(
            said,
            format!("the index of {EVENTS} events was opened; it is current"),
            "{mode}"
        );
        // The base that was folded is followed as any other.
        assert_eq!(
            watched.after("commit_staying('DELETE FROM audit_events WHERE id = 77')"),
            way,
            "{mode}"
        );
    }
}

/// What a killed process has left is no worse than no index.
#[track_caller]
fn is_as_the_baseline(log: &Log, what: &str) {
    let events = all(&log.baseline(), &Filter::ALL).unwrap();
    let queries = queries(&mut Random(24_301), &events);
    let new = log.enhanced(Lifetime::OneShot);
    assert_answers(&new, &events, &queries[..40], &format!("new, {what}"));
    let prepared = log.enhanced(Lifetime::OneShot);
    prepared.maintain(&|_, _| {}).unwrap();
    assert_answers(&prepared, &events, &queries[..40], &format!("up to date, {what}"));
    let arguments = |mode| ["query", "--all", "--mode", mode];
    let everything = |mode| stdout_of(&auditq_on(log.root(), &arguments(mode)).output().unwrap());
    assert!(everything("enhanced") == everything("baseline"), "{what}");
    // Whoever writes next removes what is left lying about.
    log.sql("UPDATE audit_events SET actor_id = 8 - actor_id WHERE id = 4500");
    let next = log.enhanced(Lifetime::OneShot);
    next.maintain(&|_, _| {}).unwrap();
    assert_eq!(leftovers(log.root()), [] as [&str; 0], "{what}");
}

/// A batch whose first request brings the index up to date, and which folds beside the others.
struct FoldingBatch {
    log: Log,
    requests: tempfile::NamedTempFile,
}

impl FoldingBatch {
    fn new() -> Self {
        let log = Log::plain(EVENTS);
        log.lines(&["query", "--page", "40"]);
        let requests = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(requests.path(), "{\"page\": 200}\n".repeat(4)).unwrap();
        FoldingBatch { log, requests }
    }

    /// Makes the index stale by more than a delta takes.
    fn change(&self) {
        self.log.sql(CHANGE);
    }

    fn command(&self) -> Command {
        let batch = [
            "query",
            "--threads",
            "2",
            "--batch",
            self.requests.path().to_str().unwrap(),
        ];
        auditq_on(self.log.root(), &batch)
    }
}

#[test]
fn kills_at_random_moments_of_a_refresh_and_a_fold() {
    needs!(Python);
    let batch = FoldingBatch::new();
    batch.change();
    let before = inode(&batch.log);
    let usual = time_of(batch.command());
    assert_ne!(inode(&batch.log), before, "the batch does not fold");
    let (mut killed, mut folded) = (0, 0);
    // Each round asks everything twice.
    for round in 0..number("AUDITQ_KILL_ROUNDS", 30).div_ceil(3) {
        batch.change();
        let before = inode(&batch.log);
        let (fate, moment) = kill_at_random(batch.command(), usual);
        if fate == Fate::Killed {
            killed += 1;
            folded += u64::from(inode(&batch.log) != before);
        }
        is_as_the_baseline(&batch.log, &format!("round {round}, after {moment:?} of {usual:?}"));
    }
    report(&format!(
        "refresh and fold: {killed} kills, {folded} of them with the new base in place"
    ));
    assert!(killed > 0, "nothing was ever killed");
}

/// The same at each write and at each change of a name or of permissions.
#[test]
fn kills_at_every_step_of_a_refresh_and_a_fold() {
    needs!(Python, Strace);
    let mut killed = 0;
    for calls in ["pwrite64", "write", "/^rename", "/^fchmod", "/^unlink"] {
        let mut of_these = 0;
        for nth in 1.. {
            let batch = FoldingBatch::new();
            batch.change();
            match kill_at_call(&batch.command(), calls, nth) {
                Fate::Through => break,
                Fate::Killed => of_these += 1,
            }
            is_as_the_baseline(&batch.log, &format!("before call {nth} of {calls}"));
        }
        killed += of_these;
    }
    report(&format!("refresh and fold: killed before each of {killed} calls"));
    assert!(killed > 4, "{killed} calls are not all of them");
}
