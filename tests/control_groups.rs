//! Control groups, as containers are: a group's memory is not taken for an index that has no room in it. The system would end
//! the process, or the service beside it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::Log;
use crate::harness::faults::auditq_on;
use crate::harness::needs::skipped;
use crate::harness::program::{behind, run_with_input};

/// Memory for every answer, and too little for an index of [`EVENTS`] to be built.
const MEMORY: u64 = 24 << 20;
/// The same for a feed, which knows every row that it has told of.
const MEMORY_OF_A_FEED: u64 = 60 << 20;
const EVENTS: u64 = 300_000;

/// A control group whose memory is limited, in the group of this process.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// `None`, said on standard error, where no group can be made.
    fn new(bytes: u64) -> Option<Self> {
        let made =
            Self::make("memory", "memory.limit_in_bytes", bytes).or_else(|_| Self::make("", "memory.max", bytes));
        made.inspect_err(|error| skipped("a control group with little memory", &error.to_string()))
            .ok()
    }

    fn make(controller: &str, limit: &str, bytes: u64) -> std::io::Result<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup")?;
        let own = membership.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            (controllers == controller).then(|| path.trim_start_matches('/'))
        });
        let own = own.ok_or(std::io::ErrorKind::NotFound)?;
        let name = format!("auditq-test-{}", std::process::id());
        let group = Path::new("/sys/fs/cgroup").join(controller).join(own).join(name);
        fs::create_dir(&group)?;
        let group = MemoryGroup(group);
        // Only a real group has this file already.
        let mut limit = fs::File::options().write(true).open(group.0.join(limit))?;
        limit.write_all(bytes.to_string().as_bytes())?;
        Ok(group)
    }

    /// The same command, in the group.
    fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside.args(["-c", "echo 0 >\"$0\" && exec \"$@\""]);
        inside.arg(self.0.join("cgroup.procs"));
        behind(inside, command)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn less_memory_than_an_index_takes() {
    let log = Log::large(EVENTS);
    let Some(group) = MemoryGroup::new(MEMORY) else {
        return;
    };
    let requests = b"{\"page\": 9}\n{\"actor_id\": 3, \"page\": 100}\n{\"page\": 9000}\n";
    for question in [
        &["query", "--page", "9000"][..],
        &["query", "--count", "--actor", "3"],
        &["query", "--batch", "-", "--threads", "2"],
        &["query", "--all", "--actor", "3", "--to", "1000300"],
    ] {
        let expected = run_with_input(
            auditq_on(log.root(), &[question, &["--mode", "baseline"]].concat()),
            requests,
        );
        assert!(expected.status.success(), "{expected:?}");
        let inside = run_with_input(group.command(&auditq_on(log.root(), question)), requests);
        let said = String::from_utf8_lossy(&inside.stderr);
        assert!(inside.status.success(), "{question:?}: {:?} {said}", inside.status);
        assert_eq!(inside.stdout, expected.stdout, "{question:?}");
        assert!(!log.path("audit.idx").exists(), "{question:?}: an index was built");
        assert!(said.lines().count() <= 1, "{question:?}: {said}");
    }
    drop(group);
    first_of_a_feed(&log);
    // Outside, there is room for it: what kept it out is the group.
    let outside = run_with_input(auditq_on(log.root(), &["query", "--page", "9000"]), b"");
    assert!(
        outside.status.success() && log.path("audit.idx").exists(),
        "{outside:?}"
    );
}

/// What a feed tells first is the oldest event.
fn first_of_a_feed(log: &Log) {
    let Some(group) = MemoryGroup::new(MEMORY_OF_A_FEED) else {
        return;
    };
    let feed = group.command(&auditq_on(log.root(), &["query", "--follow", "--after", "0:0"]));
    let first = first_line(feed);
    assert!(first.starts_with("{\"id\": 1, "), "{first:?}");
    assert!(!log.path("audit.idx").exists(), "an index was built");
}

/// The first line that a command prints, which is then not read any more.
fn first_line(mut command: Command) -> String {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.wait().unwrap();
    line
}
