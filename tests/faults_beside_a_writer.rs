//! Faults beside a writer that commits without pause: every answer is fresh and right, or it is the right error.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::dataset::{value, values};
use crate::harness::needs::needs;
use crate::harness::program::{Coprocess, MODES};
use crate::harness::{Log, python, seconds};
use crate::refused_resources::{Program, give_away};

/// Commits an event, says its id, and so on. Each is newer than the last; its payload names its log.
const WRITER: &str = "
import sqlite3, sys, time
name = sys.argv[1]
c = sqlite3.connect('audit.db', isolation_level=None, timeout=60)
n = c.execute('SELECT max(id) FROM audit_events').fetchone()[0]
while True:
    n += 1
    c.execute(\"INSERT INTO audit_events SELECT ?, 2000000 + ?, 3, 'UPDATE', 'T', ? || '-' || ?, payload_offset, payload_len FROM audit_events WHERE id = 1\", (n, n, name, n))
    print(n, flush=True)
    time.sleep(0.002)
";

/// How many events a page has that is looked at; no page reaches back to those that were there before the writer.
const SIZE: usize = 20;
const NEWEST: &str = r#"{"page_size": 20}"#;

/// A log that is being written.
struct Written {
    log: Log,
    name: &'static str,
    writer: Child,
    /// The newest event whose commit had returned.
    committed: Arc<AtomicI64>,
}

impl Written {
    fn start(log: Log, name: &'static str) -> Self {
        let mut writer = python(WRITER)
            .arg(name)
            .current_dir(log.root())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let committed = Arc::new(AtomicI64::new(0));
        let (said, newest) = (BufReader::new(writer.stdout.take().unwrap()), Arc::clone(&committed));
        std::thread::spawn(move || {
            // Its last line may be half of one, when it is killed.
            for id in said.lines().map_while(|line| line.ok()?.parse().ok()) {
                newest.store(id, Ordering::SeqCst);
            }
        });
        let written = Written {
            log,
            name,
            writer,
            committed,
        };
        let first = 300 + SIZE as i64;
        let start = Instant::now();
        while written.newest() <= first {
            assert!(start.elapsed() < Duration::from_secs(60), "nothing is committed");
            std::thread::sleep(Duration::from_millis(1));
        }
        written
    }

    fn newest(&self) -> i64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// The newest events are those of this log, none is missing, and none that was committed before the question.
    #[track_caller]
    fn assert_fresh(&self, events: &[Value], before: i64, what: &str) {
        assert_eq!(events.len(), SIZE, "{what}: {events:?}");
        let newest = events[0]["id"].as_i64().unwrap();
        assert!(newest >= before, "{what}: {newest} is shown, {before} was committed");
        for (event, id) in events.iter().zip((0..=newest).rev()) {
            let resource = format!("{}-{id}", self.name);
            assert_eq!(
                (
                    &event["id"],
                    &event["created_at"],
                    &event["resource_id"],
                    &event["payload"]["log"]
                ),
                (
                    &id.into(),
                    &(2_000_000 + id).into(),
                    &resource.into(),
                    &self.name.into()
                ),
                "{what}"
            );
        }
    }

    /// Asks a process that goes on for the newest page: an answer that is right, or the error.
    #[track_caller]
    fn ask(&self, process: &mut Coprocess, request: &str, what: &str) -> Result<(), String> {
        let before = self.newest();
        let answer = value(&process.ask(request));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        self.assert_fresh(answer["events"].as_array().unwrap(), before, what);
        Ok(())
    }

    /// The same of a process of its own.
    #[track_caller]
    fn ask_new(&self, arguments: &[&str], what: &str) {
        let before = self.newest();
        let output = self.log.auditq(&[&["query", "--size", "20"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{what}: {said}");
        self.assert_fresh(&values(&output.stdout), before, what);
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = self.writer.kill();
        let _ = self.writer.wait();
    }
}

/// A log whose payloads name it.
fn log(name: &str, journal_mode: &str) -> Log {
    let log = Log::plain(300);
    let payload = format!("{{\"log\": \"{name}\"}}\n");
    fs::write(log.path("payloads.jsonl"), &payload).unwrap();
    log.sql(&format!(
        "UPDATE audit_events SET payload_offset = 0, payload_len = {}",
        payload.len()
    ));
    log.journal_mode(journal_mode);
    log
}

/// Does something again and again for a while; it is told how often it did so before.
fn for_a_while(mut step: impl FnMut(u64)) {
    let (start, time) = (Instant::now(), seconds("AUDITQ_FAULTS_SECONDS", 2));
    for round in 0.. {
        step(round);
        if start.elapsed() > time && round > 20 {
            return;
        }
    }
}

/// Spoils what there is of an index.
fn damage(path: &Path, round: u64) {
    let Ok(file) = OpenOptions::new().write(true).open(path) else {
        return;
    };
    let len = file.metadata().unwrap().len();
    let flip = |at: u64| {
        let mut byte = [0];
        // Another process may have made it shorter.
        if File::open(path).unwrap().read_at(&mut byte, at).unwrap() == 1 {
            let _ = file.write_at(&[byte[0] ^ 0x55], at);
        }
    };
    match round % 5 {
        0 => flip(round * 37 % 4096),
        1 => (4096..len).step_by(1024).for_each(flip),
        2 => file.set_len(len / 2).unwrap(),
        3 => file.set_len(0).unwrap(),
        _ => fs::remove_file(path).unwrap(),
    }
}

#[test]
fn an_index_that_is_damaged_again_and_again() {
    needs!(Python);
    for journal_mode in ["delete", "wal"] {
        let written = Written::start(log("A", journal_mode), "A");
        let mut processes = MODES.map(|mode| Coprocess::start(written.log.root(), &["--mode", mode]));
        let mut damaged = 0;
        for_a_while(|round| {
            for name in ["audit.idx", "audit.idx-delta"] {
                damaged += u32::from(written.log.path(name).exists());
                damage(&written.log.path(name), round);
            }
            for (process, mode) in processes.iter_mut().zip(MODES) {
                let what = format!("{journal_mode}, {mode}, round {round}");
                written.ask(process, NEWEST, &what).unwrap();
                if round % 3 == 0 {
                    written.ask_new(&["--mode", mode], &what);
                }
            }
        });
        assert!(damaged > 5, "{damaged}");
    }
}

/// The newest of all cannot be shown; what comes behind it can.
#[test]
fn a_rotten_payload() {
    needs!(Python);
    for journal_mode in ["delete", "wal"] {
        let written = Written::start(log("A", journal_mode), "A");
        written.log.sql(
            "PRAGMA busy_timeout = 60000;
             INSERT INTO audit_events VALUES (7000000, 3000000, 3, 'UPDATE', 'T', 'T', 1 << 40, 10)",
        );
        let behind = r#"{"after": "3000000:7000000", "page_size": 20}"#;
        let mut processes = MODES.map(|mode| Coprocess::start(written.log.root(), &["--mode", mode]));
        for_a_while(|round| {
            let errors = MODES.map(|mode| {
                let output = written.log.auditq(&["query", "--mode", mode]);
                assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{mode}");
                String::from_utf8(output.stderr).unwrap()
            });
            assert_eq!(errors[0], errors[1]);
            assert!(errors[0].contains("event 7000000: payload at offset"), "{}", errors[0]);
            for (process, mode) in processes.iter_mut().zip(MODES) {
                let what = format!("{journal_mode}, {mode}, round {round}");
                let error = written.ask(process, NEWEST, &what).unwrap_err();
                assert!(errors[0].contains(&error), "{what}: {error}");
                written.ask(process, behind, &what).unwrap();
                written.ask_new(&["--mode", mode, "--after", "3000000:7000000"], &what);
            }
        });
    }
}

fn turn(link: &Path, to: &Path) {
    let new = link.with_extension("new");
    symlink(to, &new).unwrap();
    fs::rename(new, link).unwrap();
}

/// Two logs, each with a writer, and links that are turned from one to the other.
#[test]
fn links_that_are_turned() {
    needs!(Python);
    for journal_mode in ["delete", "wal"] {
        let logs = ["A", "B"].map(|name| Written::start(log(name, journal_mode), name));
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        // The directory is a link, or each file is one.
        let directory = place.join("directory");
        symlink(logs[0].log.root(), &directory).unwrap();
        let files = place.join("files");
        fs::create_dir(&files).unwrap();
        for name in ["audit.db", "payloads.jsonl"] {
            symlink(logs[0].log.path(name), files.join(name)).unwrap();
        }
        let mut processes = Vec::new();
        for root in [&directory, &files] {
            for mode in MODES {
                processes.push((
                    Coprocess::start(root, &["--mode", mode]),
                    format!("{journal_mode}, {mode}, {}", root.display()),
                ));
            }
        }
        for_a_while(|round| {
            let written = &logs[round as usize % 2];
            turn(&directory, written.log.root());
            for name in ["audit.db", "payloads.jsonl"] {
                turn(&files.join(name), &written.log.path(name));
            }
            for (process, what) in &mut processes {
                for _ in 0..2 {
                    written.ask(process, NEWEST, &format!("{what}, round {round}")).unwrap();
                }
            }
        });
    }
}

/// Every answer is right, or one line says what was refused.
#[test]
fn few_descriptors_or_threads() {
    needs!(Python, Setpriv);
    let program = Program::new();
    let (mut answered, mut refused) = (0, 0);
    for journal_mode in ["delete", "wal"] {
        let written = Written::start(log("A", journal_mode), "A");
        give_away(written.log.root());
        let limits = (4..20)
            .map(|limit| format!("nofile={limit}"))
            .chain((1..4).map(|limit| format!("nproc={limit}")));
        for limit in limits {
            for mode in MODES {
                let what = format!("{journal_mode}, {limit}, {mode}");
                let arguments = ["--mode", mode, "--threads", "2"];
                let mut process = Coprocess::of(program.limited(&limit), written.log.root(), &arguments);
                for _ in 0..20 {
                    match written.ask(&mut process, NEWEST, &what) {
                        Ok(()) => answered += 1,
                        Err(error) => {
                            assert!(
                                error.contains("open files") || error.contains("files are open"),
                                "{what}: {error}"
                            );
                            refused += 1;
                        }
                    }
                }
                let ending = process.close();
                assert!(!ending.errors.contains("panicked"), "{what}: {}", ending.errors);
                assert!(matches!(ending.status.code(), Some(0 | 2)), "{what}: {}", ending.status);
            }
        }
    }
    assert!(answered > 600 && refused > 0, "{answered} answered, {refused} refused");
}
