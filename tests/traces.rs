//! What a reader leaves behind: nothing. Whoever asks, in whichever mode, the same files lie beside the database before
//! and after, with the same owners and permissions, and the service can write.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::dataset::sha256;
use crate::harness::faults::{DEEP_REQUESTS, SHORT_BENCH};
use crate::harness::needs::{needs, skipped};
use crate::harness::program::MODES;
use crate::harness::{Log, auditq, frozen, python};

const OWNER: u32 = 65_534;
const GROUP: u32 = 65_533;

/// Who reads, and as whom.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// The database's owner, as the service is.
    Owner,
    Root,
    /// Root in a container that may not give files away.
    RootWithoutChown,
    /// Somebody else, in the log's group.
    Auditor,
}

impl Reader {
    fn run(self, program: &Command) -> Command {
        let arguments: &[&str] = match self {
            Reader::Root => &[],
            Reader::Owner => &["--reuid=65534", "--regid=65533", "--clear-groups"],
            Reader::RootWithoutChown => &["--bounding-set=-chown"],
            Reader::Auditor => &["--reuid=12345", "--regid=65533", "--clear-groups"],
        };
        let mut command = Command::new("setpriv");
        // At least one option must be given.
        command.arg("--inh-caps=-all").args(arguments);
        command.arg(program.get_program()).args(program.get_args());
        for (name, _) in program.get_envs() {
            command.env_remove(name);
        }
        command
    }
}

/// Every file but the index, with its owner, its group, its permissions and what it holds. Of the memory that SQLite's
/// connections share, what it holds is theirs.
fn files(root: &Path) -> BTreeMap<String, (u32, u32, u32, String)> {
    let entries = fs::read_dir(root).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let named = named.filter(|(name, _)| !name.starts_with("audit.idx"));
    named
        .map(|(name, path)| {
            let stat = fs::metadata(&path).unwrap();
            let holds = if name.ends_with("-shm") {
                String::new()
            } else {
                sha256(&fs::read(&path).unwrap())
            };
            (name, (stat.uid(), stat.gid(), stat.mode(), holds))
        })
        .collect()
}

fn commands(requests: &str) -> Vec<Vec<&str>> {
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for mode in MODES {
        for reading in [
            &["query", "--page", "3"][..],
            &["query", "--actor", "3", "--action", "UPDATE"],
            &["query", "--count", "--actor", "3"],
            &["query", "--all"],
            &["query", "--after", "1000100:201"],
            &["query", "--batch", requests],
        ] {
            commands.push([reading, &["--mode", mode]].concat());
        }
    }
    commands.push(vec!["verify-baseline", "--dir", frozen()]);
    commands.push(vec!["diff", "--workload", "deep", "--requests", DEEP_REQUESTS]);
    commands.push(SHORT_BENCH[..7].to_vec());
    commands
}

/// The live service, connected: it has committed, and its commit is in the write-ahead log.
struct Service(Child);

impl Service {
    fn connected(log: &Log) -> Self {
        let script = format!("{COMMIT}\nimport sys\nprint('done', flush=True)\nsys.stdin.read()");
        let mut child = python(&script)
            .current_dir(log.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "done\n");
        Service(child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// As the owner, whom others' Python need not be there for.
const COMMIT: &str = "
import os, sqlite3
os.setgroups([]); os.setgid(65533); os.setuid(65534)
c = sqlite3.connect('audit.db')
c.execute('UPDATE audit_events SET actor_id = actor_id + 1 WHERE id = 1')
c.commit()
";

fn services_log(journal_mode: &str, permissions: u32) -> Log {
    let log = Log::plain(600);
    log.journal_mode(journal_mode);
    fs::write(log.path("requests"), "{\"page\": 9}\n{\"actor_id\": 3}\n").unwrap();
    for name in ["", "audit.db", "payloads.jsonl", "requests"] {
        let path = log.root().join(name);
        std::os::unix::fs::chown(&path, Some(OWNER), Some(GROUP)).unwrap();
        let mode = if name.is_empty() { 0o775 } else { permissions };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
    log
}

/// Whether this user can run the program at all.
fn can_run(reader: Reader) -> bool {
    let mut program = auditq();
    program.arg("--version");
    let ran = reader.run(&program).output();
    ran.is_ok_and(|output| output.status.success())
}

fn leaves_nothing(reader: Reader, permissions: u32, journal_mode: &str) {
    let log = services_log(journal_mode, permissions);
    let requests = log.path("requests");
    for is_connected in [false, true] {
        let service = is_connected.then(|| Service::connected(&log));
        let before = files(log.root());
        for arguments in commands(requests.to_str().unwrap()) {
            let what = format!("{reader:?}, {permissions:o}, {journal_mode}, {is_connected}: {arguments:?}");
            let mut program = auditq();
            program.arg("--data-dir").arg(log.root()).args(&arguments);
            let output = reader.run(&program).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            // 1 is a verdict.
            assert!(matches!(output.status.code(), Some(0 | 1)), "{what}: {said}");
            assert_eq!(files(log.root()), before, "{what}: {said}");
        }
        drop(service);
        log.python(COMMIT);
    }
}

#[test]
fn readers_leave_nothing_behind() {
    needs!(Python, Root);
    if !can_run(Reader::Auditor) {
        return skipped("what readers leave behind", "others may not run the program");
    }
    std::thread::scope(|scope| {
        for (reader, permissions, journal_mode) in [
            (Reader::Owner, 0o640, "wal"),
            (Reader::Root, 0o640, "wal"),
            (Reader::RootWithoutChown, 0o640, "wal"),
            (Reader::Auditor, 0o640, "wal"),
            (Reader::Auditor, 0o660, "wal"),
            (Reader::Auditor, 0o640, "delete"),
        ] {
            scope.spawn(move || leaves_nothing(reader, permissions, journal_mode));
        }
    });
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
