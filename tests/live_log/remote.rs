//! A file system that caches attributes, as NFS does: what it says of a file's size and times may be minutes old, and a commit
//! of another machine moves none of them.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use auditq::engine::{Baseline, Engine, Enhanced, Lifetime};
use auditq::model::Filter;
use auditq::storage::data_dir::DataDir;

use super::compare::{all, assert_answers, queries};
use super::random::Random;
use super::writer::Writer;
use crate::harness::faults::{auditq_on, report, run, stdout_of};
use crate::harness::needs::{needs, skipped};
use crate::harness::program::Coprocess;
use crate::harness::{Log, python};

const WHAT: &str = "a file system that caches attributes";

/// A view of a directory by FUSE.
struct Remote {
    place: tempfile::TempDir,
    server: Child,
}

impl Remote {
    /// `None`, said on standard error, where nothing can be mounted.
    fn of(root: &Path) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let mut server = python(include_str!("fuse.py"))
            .arg(root)
            .arg(place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        stdout.read_line(&mut said).unwrap();
        if said == "mounted\n" {
            return Some(Remote { place, server });
        }
        let output = server.wait_with_output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr);
        skipped(WHAT, why.lines().last().unwrap_or_default());
        None
    }

    fn root(&self) -> &Path {
        self.place.path()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(self.root()));
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What a version of the database is made of.
fn state(root: &Path) -> [i64; 5] {
    let file = std::fs::metadata(root.join("audit.db")).unwrap();
    [
        file.size() as i64,
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ]
}

#[test]
fn commits_elsewhere_that_move_no_time_here() {
    needs!(Python);
    let log = Log::plain(300);
    let Some(remote) = Remote::of(log.root()) else {
        return;
    };
    let dir = DataDir::new(remote.root());
    let running = Enhanced::open(&dir, Lifetime::LongLived, Box::new(|_, _| {}));
    running.count(&Filter::ALL).unwrap();
    stdout_of(&auditq_on(remote.root(), &["query", "--count"]).output().unwrap());
    let mut batch = Coprocess::start(remote.root(), &[]);
    let mut writer = Writer::start(log.root());
    let mut unmoved = 0;
    for round in 0..30 {
        let what = format!("round {round}");
        let before = state(remote.root());
        writer.run(&format!(
            "commit('UPDATE audit_events SET actor_id = {} WHERE id = {}')",
            round % 9,
            round * 7 + 1
        ));
        unmoved += u64::from(state(remote.root()) == before);
        let request = "{\"page_size\": 400}";
        let answered = batch.ask(request);
        let baseline = Baseline::new(&dir);
        let events = all(&baseline, &Filter::ALL).unwrap();
        let changed = events.iter().find(|event| event.key.id == round * 7 + 1);
        assert_eq!(changed.unwrap().actor_id, round % 9, "the baseline sees it, {what}");
        let queries = queries(&mut Random(24_301), &events);
        assert_answers(&running, &events, &queries[..30], &format!("running, {what}"));
        let new = Enhanced::open(&dir, Lifetime::OneShot, Box::new(|_, _| {}));
        assert_answers(&new, &events, &queries[..10], &format!("new, {what}"));
        let mut again = Coprocess::start(remote.root(), &["--mode", "baseline"]);
        assert_eq!(answered, again.ask(request), "a batch, {what}");
    }
    report(&format!(
        "{WHAT}: 30 commits elsewhere, {unmoved} of which moved nothing here"
    ));
    assert!(unmoved > 0, "no attribute was ever old");
}
