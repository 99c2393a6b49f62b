//! Commits go on beside everything that reads: none fails, none waits for long, and whoever asks has an end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use crate::harness::faults::{auditq_on, number, report};
use crate::harness::needs::needs;
use crate::harness::program::{FOR_EVER, limited};
use crate::harness::{Log, python};

/// The longest that a commit may wait for a reader of [`EVENTS`] events, beyond what it waits for the machine. Without
/// optimization everything takes many times as long, and the service's timeout is the bound.
const LONGEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 5_000 } else { 100 });
const EVENTS: u64 = 50_000;

/// How long a slow reader does not read at all: longer than an optimized program may make a commit wait.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a command that has no end is looked at.
const FOLLOWED: Duration = Duration::from_millis(400);

/// A machine that is busy with something else can make any commit wait, also several times in a row; a lock that is held
/// for long does so each time.
const ATTEMPTS: usize = 20;

const FROZEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/baseline");

/// Commits until its input ends, with the service's own timeout, and says how many commits there were and how many seconds
/// the longest took. Nothing waits for the disk, so that only locks make a commit wait. Each row that comes takes the place
/// of another, so that the log stays as long as it is.
const WRITER: &str = "
import sqlite3, sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set())).start()
c = sqlite3.connect('audit.db', isolation_level=None)
c.execute('PRAGMA synchronous = OFF')
first, n = c.execute('SELECT min(id), max(id) FROM audit_events WHERE id > 1').fetchone()
commits, longest = 0, 0.0
print('begun', flush=True)
try:
    while not over.is_set():
        n += 1
        begun = time.monotonic()
        c.execute('BEGIN IMMEDIATE')
        c.execute(\"INSERT INTO audit_events SELECT ?, created_at + 1000, 3, 'UPDATE', 'X', 'X', payload_offset, payload_len FROM audit_events WHERE id = 1\", (n,))
        c.execute('DELETE FROM audit_events WHERE id = ?', (first,))
        c.execute('COMMIT')
        longest = max(longest, time.monotonic() - begun)
        first += 1
        commits += 1
        over.wait(0.002)
    print(commits, longest)
finally:
    over.set()
";

struct Writer {
    process: Child,
    output: BufReader<ChildStdout>,
}

/// What a writer did.
#[derive(Debug)]
struct Written {
    commits: u64,
    longest: Duration,
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

    /// None of its commits may have failed.
    #[track_caller]
    fn stop(mut self, what: &str) -> Written {
        drop(self.process.stdin.take());
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        let ended = self.process.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{what}: a commit failed: {errors}");
        let (commits, longest) = said.trim().split_once(' ').unwrap();
        Written {
            commits: commits.parse().unwrap(),
            longest: Duration::from_secs_f64(longest.parse().unwrap()),
        }
    }
}

/// How a command's output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Fast,
    /// Not at all for a while, and then as fast as it comes.
    Slow,
    /// Not at all, until the reader is gone.
    Never,
}

/// Reads what a writer commits as it is told, for a while.
fn read_commits(output: ChildStdout) {
    let start = Instant::now();
    let mut lines = BufReader::new(output).lines();
    let told = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("\"resource_id\": \"X\""));
    assert!(told.is_some(), "no commit was told");
    while start.elapsed() < FOLLOWED && lines.next().is_some() {}
}

/// Runs a command, which must end by itself, or because nobody reads it any more, with one of its own exit codes; gives what it says on standard error.
#[track_caller]
fn run(root: &Path, arguments: &[&str], pace: Pace) -> String {
    let mut command = limited(&auditq_on(root, arguments), FOR_EVER);
    let errors = tempfile::NamedTempFile::new().unwrap();
    command.stdout(Stdio::piped()).stderr(errors.reopen().unwrap());
    let mut child = command.spawn().unwrap();
    if pace == Pace::Slow {
        std::thread::sleep(PAUSE);
    }
    let mut output = child.stdout.take().unwrap();
    match pace {
        Pace::Never => {
            std::thread::sleep(FOLLOWED);
            drop(output);
        }
        // It has no end but this.
        _ if arguments.contains(&"--follow") => read_commits(output),
        _ => {
            std::io::copy(&mut output, &mut std::io::sink()).unwrap();
        }
    }
    let status = child.wait().unwrap();
    let said = fs::read_to_string(errors.path()).unwrap();
    // The dataset is none of the contract's, which is a verdict, and nothing that `seed` replaces; and where a log changes
    // all the time there may be no verdict.
    let expected: &[i32] = match arguments[0] {
        "query" => &[0],
        "seed" => &[2],
        _ => &[0, 1, 2],
    };
    assert!(
        status.code().is_some_and(|code| expected.contains(&code)),
        "{arguments:?}: {status}: {said}"
    );
    said
}

/// A command, and what is there before it.
struct Case<'a> {
    arguments: Vec<&'a str>,
    is_indexed: bool,
    pace: Pace,
}

/// Every way to read a log.
fn cases<'a>(requests: &'a str, export: &'a str) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for (mode, is_indexed) in [("baseline", false), ("enhanced", false), ("enhanced", true)] {
        for (pace, reading) in [
            (Pace::Fast, &["query", "--actor", "3", "--page", "200"][..]),
            (Pace::Fast, &["query", "--page", "900"]),
            (Pace::Fast, &["query", "--count", "--actor", "3"]),
            (Pace::Fast, &["query", "--after", "1000100:201"]),
            (Pace::Fast, &["query", "--as-of", "1000100:201", "--page", "2"]),
            (Pace::Fast, &["query", "--all"]),
            (Pace::Slow, &["query", "--all"]),
            (
                Pace::Slow,
                &["query", "--all", "--action", "LOGIN", "--format", "table"],
            ),
            (Pace::Slow, &["query", "--batch", requests]),
            (Pace::Fast, &["query", "--follow"]),
            (Pace::Slow, &["query", "--follow", "--after", "0:0"]),
            (Pace::Never, &["query", "--follow", "--after", "0:0"]),
        ] {
            cases.push(Case {
                arguments: [reading, &["--mode", mode]].concat(),
                is_indexed,
                pace,
            });
        }
    }
    let bench = [
        "bench",
        "--workload",
        "deep",
        "--requests",
        "10",
        "--rounds",
        "1",
        "--threads",
        "2",
    ];
    for arguments in [
        vec!["verify-baseline", "--dir", FROZEN],
        vec!["diff", "--workload", "deep", "--requests", "20"],
        vec!["diff", "--workload", "sweep", "--requests", "20"],
        [&bench[..], &["--export", export]].concat(),
        [&bench[..], &["--write-rate", "20", "--journal", "rollback"]].concat(),
        vec!["seed"],
    ] {
        cases.push(Case {
            arguments,
            is_indexed: true,
            pace: Pace::Fast,
        });
    }
    cases
}

/// The longest that commits waited beyond those of a writer to a log that nobody reads, at the same time on the same
/// machine: of the first attempt in which it is less than `most`, or the least of some.
fn longest_wait(log: &Log, unread: &Path, case: &Case<'_>, most: Duration) -> Duration {
    let command = case.arguments.join(" ");
    let mut least = Duration::MAX;
    for _ in 0..ATTEMPTS {
        if !case.is_indexed {
            let _ = fs::remove_file(log.path("audit.idx"));
        }
        let writers = [log.root(), unread].map(Writer::start);
        let said = run(log.root(), &case.arguments, case.pace);
        let [written, control] = writers.map(|writer| writer.stop(&command));
        assert!(written.commits > 0, "{command}: {written:?}");
        // Behind a cursor that it finds at once, SQLite answers long before an index of a large log is built.
        let needs_index = command.contains("enhanced") && !(most > LONGEST && command.contains(" 1000100:201"));
        assert!(
            !needs_index || log.path("audit.idx").exists() || !said.is_empty(),
            "{command}: neither an index nor a note"
        );
        least = least.min(written.longest.saturating_sub(control.longest));
        if least < most {
            break;
        }
    }
    least
}

#[test]
fn no_commit_fails_or_waits_for_long_beside_any_command() {
    needs!(Python);
    // Without optimization, everything takes many times as long.
    let events = number(
        "AUDITQ_LARGE_ROWS",
        if cfg!(debug_assertions) { EVENTS / 10 } else { EVENTS },
    );
    let log = Log::large(events);
    let outside = tempfile::tempdir().unwrap();
    let (requests, export) = (outside.path().join("requests"), outside.path().join("figures.json"));
    fs::write(&requests, "{\"page\": 9}\n{\"actor_id\": 3}\n".repeat(50)).unwrap();
    let cases = cases(requests.to_str().unwrap(), export.to_str().unwrap());
    // What the service itself reads in one go takes it as long as there are rows.
    let most = LONGEST * u32::try_from(events / EVENTS).unwrap().max(1);
    for journal_mode in ["delete", "wal"] {
        log.journal_mode(journal_mode);
        let unread = tempfile::tempdir().unwrap();
        fs::copy(log.path("audit.db"), unread.path().join("audit.db")).unwrap();
        let mut waits: Vec<_> = cases
            .iter()
            .map(|case| {
                (
                    longest_wait(&log, unread.path(), case, most),
                    case.arguments.join(" "),
                    case.pace,
                )
            })
            .collect();
        waits.sort_by_key(|(waited, ..)| *waited);
        let (worst, command, pace) = waits.last().unwrap();
        report(&format!(
            "{events} events, {journal_mode}: commits waited for at most {worst:?}, beside {command:?}, read {pace:?}"
        ));
        assert!(*worst < most, "{journal_mode}: {waits:#?}");
    }
}
