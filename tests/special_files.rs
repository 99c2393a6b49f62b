//! Files that are no regular ones, or claim more than they hold: every command ends, and soon.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::dataset::Dataset;
use crate::harness::faults::auditq_on;

/// Far more than any of it takes, also beside other work.
const LIMIT: Duration = Duration::from_secs(30);

const COMMANDS: [&[&str]; 9] = [
    &["query", "--page", "2"],
    &["query", "--page", "2", "--mode", "baseline"],
    &["query", "--all"],
    &["query", "--count", "--actor", "3"],
    &["query", "--count", "--actor", "3", "--mode", "baseline"],
    &["diff", "--workload", "deep", "--requests", "5"],
    &["verify-baseline"],
    &["seed", "--events", "300"],
    &["seed", "--events", "300", "--force"],
];

const NAMES: [&str; 7] = [
    "audit.db",
    "audit.db-wal",
    "audit.db-journal",
    "audit.idx",
    "audit.idx-delta",
    "payloads.jsonl",
    "scale-study.json",
];

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// The program's output; killed, and `None`, where it does not end.
fn output_in_time(mut command: Command) -> Option<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (out, err) = (drain(child.stdout.take().unwrap()), drain(child.stderr.take().unwrap()));
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    Some(Output {
        status,
        stdout: out.join().unwrap(),
        stderr: err.join().unwrap(),
    })
}

fn plant(dataset: &Dataset, name: &str, kind: &str) {
    let path = dataset.path(name);
    let _ = fs::remove_file(&path);
    match kind {
        "FIFO" => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
        "zero" => symlink("/dev/zero", &path).unwrap(),
        "directory" => fs::create_dir(&path).unwrap(),
        kind => panic!("{kind}"),
    }
}

#[test]
fn no_command_waits_for_a_special_file() {
    for name in NAMES {
        for kind in ["FIFO", "zero"] {
            for command in COMMANDS {
                let dataset = Dataset::of(300);
                plant(&dataset, name, kind);
                let output = output_in_time(auditq_on(dataset.root(), command));
                let output = output.unwrap_or_else(|| panic!("{kind} as {name}: {command:?} hangs"));
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(
                    matches!(output.status.code(), Some(0..=2)),
                    "{kind} as {name}: {command:?}: {:?} {said}",
                    output.status
                );
                if output.status.code() == Some(2) {
                    assert!(
                        said.contains(dataset.root().to_str().unwrap()),
                        "{kind} as {name}: {said}"
                    );
                }
            }
        }
    }
}

/// Both modes say the same of a special file in the place of the database or the payloads.
#[test]
fn both_modes_refuse_a_special_file_alike() {
    for name in ["audit.db", "audit.db-wal", "audit.db-journal", "payloads.jsonl"] {
        for kind in ["FIFO", "zero", "directory"] {
            let dataset = Dataset::of(300);
            plant(&dataset, name, kind);
            // Without an index, which may go on answering: nothing was committed.
            let _ = fs::remove_file(dataset.path("audit.idx"));
            let answer = |mode| {
                let output = output_in_time(auditq_on(dataset.root(), &["query", "--mode", mode])).unwrap();
                (output.status.code(), output.stdout, output.stderr)
            };
            assert_eq!(answer("enhanced"), answer("baseline"), "{kind} as {name}");
        }
    }
}

/// A label that says of a small dataset that it is a huge one.
#[test]
fn a_label_that_cannot_be_true_costs_nothing() {
    for events in ["301000", "1000000000000", "18446744073709551615", "-1", "1e300"] {
        let dataset = Dataset::of(300);
        fs::write(
            dataset.path("scale-study.json"),
            format!("{{\"events\": {events}, \"anchor\": 1767052800}}"),
        )
        .unwrap();
        let verified = output_in_time(auditq_on(dataset.root(), &["verify-baseline"]));
        let verified = verified.unwrap_or_else(|| panic!("{events}: verify-baseline hangs"));
        assert_ne!(verified.status.code(), Some(0), "{events}");
        let seeded = output_in_time(auditq_on(dataset.root(), &["seed", "--events", "300"]));
        assert!(seeded.is_some(), "{events}: seed hangs");
    }
}
