//! The power fails behind a durable commit: what the disk holds then is a copy of the file system's image, mounted anew.
//!
//! `fdatasync` does not write the times of a file, so a commit in place comes back under the times of the state before, which
//! an index that was there may bear, too.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use auditq::engine::{Baseline, Engine, Enhanced, Lifetime};
use auditq::model::Filter;
use auditq::storage::data_dir::DataDir;

use super::compare::{all, assert_answers, queries};
use super::random::Random;
use super::writer::Writer;
use crate::harness::Log;
use crate::harness::faults::{Mounted, auditq_on, report, run, stdout_of};
use crate::harness::needs::{needs, skipped};

const WHAT: &str = "power cuts";

/// How long the power holds behind the commit, in milliseconds.
const DELAYS: [u64; 4] = [0, 100, 700, 2_000];

/// An image with a log in it, mounted.
struct Machine {
    place: tempfile::TempDir,
    disk: Mounted,
}

impl Machine {
    /// `None`, said on standard error, where no image can be made or mounted.
    fn new() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let image = place.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
        if let Err(why) = run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)) {
            skipped(WHAT, &why);
            return None;
        }
        let disk = Mounted::image(&image, WHAT)?;
        let log = Log::plain(300);
        for name in ["audit.db", "payloads.jsonl"] {
            std::fs::copy(log.path(name), disk.root().join(name)).unwrap();
        }
        Some(Machine { place, disk })
    }

    /// What the disk holds at this moment, in a machine that starts anew.
    fn after_power_cut(&self) -> Option<Mounted> {
        let copy = self.place.path().join("copy");
        run(Command::new("cp").arg(self.place.path().join("image")).arg(&copy)).unwrap();
        Mounted::image(&copy, WHAT)
    }
}

/// What the file system says of the file that a commit in this mode writes to last.
fn state(root: &Path, journal_mode: &str) -> (u64, i64, i64) {
    let name = if journal_mode == "wal" {
        "audit.db-wal"
    } else {
        "audit.db"
    };
    let file = std::fs::metadata(root.join(name)).unwrap();
    (file.size(), file.mtime(), file.mtime_nsec())
}

/// A new process and a new engine answer as the baseline does. Whether there is the commit.
#[track_caller]
fn is_as_the_baseline(root: &Path, what: &str) -> bool {
    let dir = DataDir::new(root);
    let enhanced = Enhanced::open(&dir, Lifetime::OneShot, Box::new(|_, _| {}));
    // First of all, before anybody brings the log up to date.
    let count = enhanced.count(&Filter {
        actor_id: Some(99),
        ..Filter::ALL
    });
    let events = all(&Baseline::new(&dir), &Filter::ALL).unwrap();
    let committed = events.iter().filter(|event| event.actor_id == 99).count();
    assert_eq!(count.unwrap(), committed as u64, "{what}");
    let queries = queries(&mut Random(24_301), &events);
    assert_answers(&enhanced, &events, &queries, what);
    let prepared = Enhanced::open(&dir, Lifetime::OneShot, Box::new(|_, _| {}));
    prepared.maintain(&|_, _| {}).unwrap();
    assert_answers(&prepared, &events, &queries, &format!("up to date, {what}"));
    let everything = |mode| stdout_of(&auditq_on(root, &["query", "--all", "--mode", mode]).output().unwrap());
    assert!(everything("enhanced") == everything("baseline"), "{what}");
    committed == 1
}

/// What came back.
struct Back {
    /// Whether the file's times are those of before the commit.
    has_old_times: bool,
    is_committed: bool,
}

/// Cuts the power behind a commit; `None` where nothing can be mounted.
fn cut(journal_mode: &str, delay: u64, is_refreshed: bool) -> Option<Back> {
    let what = format!("{journal_mode}, {delay} ms behind the commit, refreshed: {is_refreshed}");
    let machine = Machine::new()?;
    let root = machine.disk.root();
    let mut writer = Writer::start(root);
    writer.run(&format!(
        "run(staying(), 'PRAGMA journal_mode = {journal_mode}', 'PRAGMA synchronous = FULL', \
         'UPDATE audit_events SET actor_id = 98 WHERE id = 7')"
    ));
    if journal_mode == "wal" {
        // The next commit begins at the log's start, over frames that are there.
        writer.run("run(staying(), 'PRAGMA wal_checkpoint(RESTART)')");
    }
    stdout_of(&auditq_on(root, &["query", "--count"]).output().unwrap());
    assert!(root.join("audit.idx").exists(), "{what}: there is an index");
    run(&mut Command::new("sync")).unwrap();
    let before = state(root, journal_mode);
    writer.run("commit_staying('UPDATE audit_events SET actor_id = 99 WHERE id = 150')");
    if is_refreshed {
        let engine = Enhanced::open(&DataDir::new(root), Lifetime::OneShot, Box::new(|_, _| {}));
        engine.maintain(&|_, _| {}).unwrap();
    }
    std::thread::sleep(Duration::from_millis(delay));
    let recovered = machine.after_power_cut()?;
    let has_old_times = state(recovered.root(), journal_mode) == before;
    let is_committed = is_as_the_baseline(recovered.root(), &what);
    drop(recovered);
    assert!(is_as_the_baseline(root, &format!("without a cut, {what}")));
    Some(Back {
        has_old_times,
        is_committed,
    })
}

#[test]
fn no_index_is_believed_that_a_power_cut_made_look_current() {
    needs!(Python);
    for mode in ["persist", "wal", "delete"] {
        let (mut cuts, mut old, mut committed) = (0, 0, 0);
        for delay in DELAYS {
            for is_refreshed in [false, true] {
                let Some(back) = cut(mode, delay, is_refreshed) else {
                    return;
                };
                cuts += 1;
                old += u64::from(back.has_old_times);
                committed += u64::from(back.is_committed);
            }
        }
        report(&format!(
            "power cuts, {mode}: {cuts}, the commit came back from {committed} of them, and the times before it from {old}"
        ));
        // A journal that was removed comes back: only `synchronous = EXTRA` waits for its directory.
        let is_durable = mode != "delete";
        assert!(!is_durable || committed == cuts, "{mode}: a durable commit is lost");
        assert!(!is_durable || old > 0, "{mode}: times that lie were never seen");
    }
}
