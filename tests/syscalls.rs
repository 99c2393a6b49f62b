//! What only the order of system calls shows: syncs and renames of a seed, the write-ahead log looked at before the
//! database, no descriptor of the database that is closed beside SQLite's own.

use std::fs;
use std::process::Command;

use crate::harness::Log;
use crate::harness::dataset::Dataset;
use crate::harness::faults::{auditq_on, stdout_of};
use crate::harness::needs::needs;
use crate::harness::program::behind;

/// The lines of a trace of these calls, descriptors with their paths; the command must succeed.
fn trace(command: &Command, calls: &str) -> Vec<String> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-y", "-s", "4096", "-e"])
        .arg(format!("trace={calls}"))
        .arg("-o")
        .arg(trace.path());
    stdout_of(&behind(strace, command).output().unwrap());
    let lines = fs::read_to_string(trace.path()).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// The last part of each path in a call: between quotes, or behind a descriptor.
fn names(call: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = call;
    while let Some(start) = rest.find(['"', '<']) {
        let end = if rest.as_bytes()[start] == b'"' { '"' } else { '>' };
        let tail = &rest[start + 1..];
        let Some(len) = tail.find(end) else { break };
        names.push(tail[..len].rsplit('/').next().unwrap().to_owned());
        rest = &tail[len + 1..];
    }
    names
}

/// A power failure between any two of these steps leaves the old dataset or the new one, or what the next seed finishes:
/// see the table at the head of `src/storage/fs/staging.rs`.
#[test]
fn a_seed_waits_for_the_disk_before_each_step_that_relies_on_it() {
    needs!(Strace);
    let dataset = Dataset::of(300);
    let root = dataset.root().file_name().unwrap().to_str().unwrap().to_owned();
    let seed = auditq_on(dataset.root(), &["seed", "--force", "--events", "400"]);
    let calls = trace(&seed, "fsync,fdatasync,/^rename,/^unlink");
    let steps: Vec<_> = calls
        .iter()
        .filter(|line| line.contains(" = 0"))
        .map(|line| step(line, &root))
        .collect();
    // The index comes afterwards, and is not waited for.
    let end = steps.iter().position(|step| step == "unlink step.json").unwrap();
    // SQLite syncs nothing here, and the two files are written side by side.
    let (written, rest) = steps[..end].split_at(3);
    let mut written = written.to_vec();
    written.sort();
    assert_eq!(
        written,
        ["sync audit.db", "sync payloads.jsonl", "sync scale-study.json"]
    );
    assert_eq!(
        rest,
        [
            "sync step.json.new",
            "rename step.json.new step.json",
            "sync STAGED",
            "sync ROOT",
            "rename audit.db old.audit.db",
            "rename payloads.jsonl old.payloads.jsonl",
            "rename audit.idx old.audit.idx",
            "rename scale-study.json old.scale-study.json",
            "sync STAGED",
            "sync ROOT",
            "rename scale-study.json scale-study.json",
            "rename payloads.jsonl payloads.jsonl",
            "sync STAGED",
            "sync ROOT",
            "rename audit.db audit.db",
            "sync STAGED",
            "sync ROOT",
        ],
        "{steps:#?}"
    );
    // Nothing else is removed while the marker may come back.
    assert_eq!(steps[end + 1], "sync STAGED", "{steps:#?}");
}

/// What a call does to which names; the directories by what they are.
fn step(line: &str, root: &str) -> String {
    let call = line.split_once(' ').map_or(line, |(_, call)| call.trim());
    let what = match call.split('(').next().unwrap() {
        "fsync" | "fdatasync" => "sync",
        name if name.starts_with("rename") => "rename",
        _ => "unlink",
    };
    let directory = |name: &String| {
        if name == root {
            "ROOT".to_owned()
        } else if name.starts_with(".auditq-seed.") {
            "STAGED".to_owned()
        } else {
            name.clone()
        }
    };
    let named: Vec<_> = names(call).iter().map(directory).collect();
    // Of a rename or an unlink the descriptors are those of the directories.
    let is_name = |name: &&String| what == "sync" || !["ROOT", "STAGED"].contains(&name.as_str());
    let named: Vec<_> = named.iter().filter(is_name).map(String::as_str).collect();
    format!("{what} {}", named.join(" "))
}

/// An answer that needs nothing but to know that the index is current.
fn steady_batch(log: &Log) -> Command {
    log.lines(&["query", "--page", "2"]);
    let requests: String = (0..60)
        .map(|number| format!("{{\"page\": {}}}\n", number % 9 + 1))
        .collect();
    fs::write(log.path("requests"), requests).unwrap();
    let requests = log.path("requests");
    auditq_on(
        log.root(),
        &["query", "--threads", "1", "--batch", requests.to_str().unwrap()],
    )
}

/// A writer that closes copies its frames into the database first, and removes the log then: looked at the other way round,
/// both could seem untouched.
#[test]
fn the_log_is_looked_at_before_the_database() {
    needs!(Strace);
    let log = Log::plain(300);
    log.journal_mode("wal");
    // A connection that stays, so that the write-ahead log does, with a commit in it.
    let writer = rusqlite::Connection::open(log.path("audit.db")).unwrap();
    writer
        .execute_batch("UPDATE audit_events SET actor_id = 5 WHERE id = 7")
        .unwrap();
    let calls = trace(&steady_batch(&log), "/^(new)?f?stat(at|x)?,/^pread");
    let looks: String = calls.iter().filter_map(|line| look(line)).collect();
    drop(writer);
    let in_order = looks.matches("LDP").count();
    assert!(in_order > 50, "{in_order} of 60: {looks}");
    assert!(!looks.contains("DLP"), "{looks}");
}

/// L: the write-ahead log is looked at by its path. D: the database, by the descriptor. P: a payload is read.
fn look(line: &str) -> Option<char> {
    let is_read = line.contains("pread64(") || line.contains("preadv2(");
    if is_read {
        return line.contains("/payloads.jsonl>").then_some('P');
    }
    if line.contains("/audit.db-wal\"") {
        return Some('L');
    }
    line.contains("/audit.db>").then_some('D')
}

/// To close any descriptor of a file drops the locks that SQLite has on it, wherever in the process.
#[test]
fn no_descriptor_of_the_database_is_closed_beside_sqlites_own() {
    needs!(Strace);
    for journal_mode in ["delete", "wal"] {
        let log = Log::plain(300);
        log.journal_mode(journal_mode);
        let mut commands = vec![steady_batch(&log)];
        for arguments in [
            &["query", "--page", "2"][..],
            &["query", "--count"],
            &["query", "--all"],
        ] {
            commands.push(auditq_on(log.root(), arguments));
        }
        for command in &commands {
            // So that there is something to look for in the pages.
            log.sql("UPDATE audit_events SET actor_id = actor_id + 1 WHERE id = 250");
            let calls = trace(command, "/^open(at)?,close,dup,dup2,dup3,fcntl");
            assert_closed_by_sqlite_alone(&calls, &format!("{journal_mode}: {command:?}"));
        }
    }
}

/// SQLite opens the database for reading and writing; whoever else does may look at it by `O_PATH`, which has no locks, or
/// open it once for reading and never close it.
fn assert_closed_by_sqlite_alone(calls: &[String], what: &str) {
    let mut ours = Vec::new();
    let mut opened = 0;
    for line in calls {
        let is_of_database = line.contains("/audit.db>");
        if !is_of_database {
            continue;
        }
        let is_open = ["open(", "openat("].iter().any(|call| line.contains(call));
        if is_open && line.contains("O_RDONLY") && !line.contains("O_PATH") {
            let descriptor = line.rsplit(" = ").next().unwrap();
            ours.push(descriptor.split('<').next().unwrap().trim().to_owned());
        }
        opened += usize::from(is_open);
        if line.contains("close(") {
            let descriptor = line.split("close(").nth(1).unwrap().split('<').next().unwrap();
            assert!(!ours.iter().any(|it| it == descriptor), "{what}: {line}\n{calls:#?}");
        }
    }
    assert!(opened > 0, "{what}: nothing was opened\n{calls:#?}");
    assert!(ours.len() <= 1, "{what}: opened for reading more than once\n{calls:#?}");
}
