//! Commits go on beside everything that reads: none fails, none waits for long, and whoever asks has an end.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::harness::faults::{auditq_on, number, report, stdout_of};
use crate::harness::needs::needs;
use crate::harness::program::MODES;
use crate::harness::{Log, python};

/// The longest that a commit may wait beside a build of an index of [`EVENTS`] events.
const LONGEST: Duration = Duration::from_millis(100);
const EVENTS: u64 = 50_000;

/// Commits until its input ends, with the service's own timeout, and says how many commits there were and how many seconds
/// the longest took. Nothing waits for the disk, so that only locks make a commit wait.
const WRITER: &str = "
import sqlite3, sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set())).start()
c = sqlite3.connect('audit.db', isolation_level=None)
c.execute('PRAGMA synchronous = OFF')
n = c.execute('SELECT max(id) FROM audit_events').fetchone()[0]
commits, longest = 0, 0.0
print('begun', flush=True)
try:
    while not over.is_set():
        n += 1
        begun = time.monotonic()
        c.execute(\"INSERT INTO audit_events SELECT ?, created_at + 1000, 3, 'UPDATE', 'X', 'X', payload_offset, payload_len FROM audit_events WHERE id = 1\", (n,))
        longest = max(longest, time.monotonic() - begun)
        commits += 1
        over.wait(0.002)
    print(commits, longest)
finally:
    over.set()
";

struct Writer {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(root: &Path) -> Self {
        let mut process = python(WRITER)
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "begun\n");
        Writer { process, output }
    }

    /// How many commits there were, and how long the longest took; none may have failed.
    #[track_caller]
    fn stop(mut self) -> (u64, Duration) {
        drop(self.process.stdin.take());
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        let ended = self.process.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let (commits, longest) = said.trim().split_once(' ').unwrap();
        (
            commits.parse().unwrap(),
            Duration::from_secs_f64(longest.parse().unwrap()),
        )
    }
}

/// Runs a command that must have an end.
#[track_caller]
fn run(root: &Path, arguments: &[&str]) -> Output {
    let program = auditq_on(root, arguments);
    let mut limited = Command::new("timeout");
    limited.args(["--signal=KILL", "300"]);
    limited.arg(program.get_program()).args(program.get_args());
    for (name, _) in program.get_envs() {
        limited.env_remove(name);
    }
    let output = limited.output().unwrap();
    stdout_of(&output);
    output
}

/// A machine that is busy with something else can make any commit wait; a lock that is held for long does so each time.
#[test]
fn a_commit_beside_a_build_does_not_wait_for_it() {
    needs!(Python);
    let events = number("AUDITQ_BUILD_EVENTS", EVENTS);
    let log = Log::plain(i64::try_from(events).unwrap());
    for journal_mode in ["delete", "wal"] {
        log.journal_mode(journal_mode);
        let longest = (0..5).map(|_| {
            let _ = std::fs::remove_file(log.path("audit.idx"));
            let writer = Writer::start(log.root());
            let output = run(log.root(), &["query", "--actor", "3", "--page", "200"]);
            let (commits, longest) = writer.stop();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(commits > 0);
            assert!(
                log.path("audit.idx").exists() || said.lines().count() == 1,
                "{journal_mode}: neither an index nor a note: {said}"
            );
            longest
        });
        let longest: Vec<_> = longest.collect();
        report(&format!(
            "a build of {events} events, {journal_mode}: the longest commits took {longest:?}"
        ));
        // Without optimization, everything takes many times as long, and the service's timeout is the bound.
        let most = if cfg!(debug_assertions) { LONGEST * 50 } else { LONGEST };
        assert!(
            longest.iter().any(|&longest| longest < most),
            "{journal_mode}: {longest:?}"
        );
    }
}

#[test]
fn no_commit_fails_beside_a_query() {
    needs!(Python);
    let log = Log::plain(2_000);
    let requests = log.path("requests");
    std::fs::write(&requests, "{\"page\": 9}\n{\"actor_id\": 3}\n".repeat(50)).unwrap();
    let requests = requests.to_str().unwrap();
    for journal_mode in ["delete", "wal"] {
        log.journal_mode(journal_mode);
        let writer = Writer::start(log.root());
        for mode in MODES {
            for reading in [
                &["query", "--page", "30"][..],
                &["query", "--count", "--actor", "3"],
                &["query", "--all"],
                &["query", "--after", "1000100:201"],
                &["query", "--batch", requests],
            ] {
                run(log.root(), &[reading, &["--mode", mode]].concat());
            }
        }
        let (commits, longest) = writer.stop();
        assert!(
            commits > 0 && longest < Duration::from_secs(5),
            "{journal_mode}: {longest:?}"
        );
    }
}
