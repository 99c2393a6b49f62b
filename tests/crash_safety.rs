//! `kill -9` at any moment: afterwards the data directory holds the old state or the new one, the next command
//! works, and nothing is left lying about.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auditq::engine::Lifetime;

use crate::harness::dataset::Dataset;
use crate::harness::faults::{
    Fate, auditq_on, kill_at_call, kill_at_random, leftovers, number, report, stdout_of, time_of,
};
use crate::harness::needs::needs;
use crate::harness::program::assert_refused;
use crate::harness::{Log, answer, frozen, page};

/// Sizes of the datasets that replace each other.
const SIZES: [u64; 2] = [300, 900];

/// How often each kind of work is killed.
fn rounds() -> u64 {
    number("AUDITQ_KILL_ROUNDS", 30)
}

/// Every event of the log.
fn everything(root: &Path) -> String {
    stdout_of(&auditq_on(root, &["query", "--all"]).output().unwrap())
}

/// Both datasets' events, to tell which one is there.
fn both() -> [String; 2] {
    SIZES.map(|size| everything(Dataset::of(size).root()))
}

/// Every file of a directory, those of its directories too, by its name, inode and content.
fn snapshot(root: &Path) -> Vec<(PathBuf, u64, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).unwrap().map(Result::unwrap) {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            files.push((entry.path(), metadata.ino(), Vec::new()));
            files.extend(snapshot(&entry.path()));
        } else {
            files.push((entry.path(), metadata.ino(), std::fs::read(entry.path()).unwrap()));
        }
    }
    files.sort();
    files
}

/// A killed `seed` left no database: readers say what to do and change nothing. Any `seed` then recovers.
fn recover(dataset: &Dataset, what: &str) {
    if !dataset.path("audit.db").exists() {
        let before = snapshot(dataset.root());
        let readers: [&[&str]; 3] = [
            &["query", "--count"],
            &["query", "--mode", "baseline"],
            &["verify-baseline", "--dir", frozen()],
        ];
        for reader in readers {
            let output = dataset.auditq(reader);
            assert_refused(
                &output,
                &["no database", ".auditq-seed.", "`auditq seed` finishes or undoes it"],
                what,
            );
        }
        assert!(
            snapshot(dataset.root()) == before,
            "{what}: a reader changed the directory"
        );
    }
    // Without --force: whatever is there is named and left as it is, once the killed run is finished or undone.
    let output = dataset.auditq(&["seed", "--events", "7"]);
    assert_refused(&output, &["another dataset is there"], what);
}

/// Looks what a killed `seed --force` has left: gives the number of the dataset that is there, whole.
fn which(dataset: &Dataset, both: &[String; 2], what: &str) -> usize {
    recover(dataset, what);
    let found = everything(dataset.root());
    let Some(which) = both.iter().position(|events| *events == found) else {
        panic!("{what}: neither the old dataset nor the new one");
    };
    assert_eq!(leftovers(dataset.root()), [] as [&str; 0], "{what}");
    let label = std::fs::read_to_string(dataset.path("scale-study.json")).unwrap();
    assert!(
        label.contains(&format!("\"events\":{}", SIZES[which])),
        "{what}: {label}"
    );
    which
}

fn seed(root: &Path, which: usize) -> std::process::Command {
    auditq_on(root, &["seed", "--force", "--events", &SIZES[which].to_string()])
}

#[test]
fn a_seed_that_replaces_a_dataset() {
    let both = both();
    let dataset = Dataset::of(SIZES[0]);
    let usual = time_of(seed(dataset.root(), 0));
    let (mut here, mut killed, mut replaced) = (0, 0, 0);
    for round in 0..rounds() {
        let other = 1 - here;
        let (fate, moment) = kill_at_random(seed(dataset.root(), other), usual);
        killed += u64::from(fate == Fate::Killed);
        let now = which(
            &dataset,
            &both,
            &format!("round {round}, after {moment:?} of {usual:?}"),
        );
        assert!(fate == Fate::Killed || now == other);
        replaced += u64::from(now == other && fate == Fate::Killed);
        here = now;
    }
    report(&format!(
        "seed --force: {killed} kills, {replaced} of them after the step to the new dataset"
    ));
    assert!(killed > 0, "nothing was ever killed");
}

/// The same at every call that changes a name or a file's permissions or waits for the disk, one by one.
#[test]
fn a_seed_that_replaces_a_dataset_at_every_step() {
    needs!(Strace);
    let both = both();
    let mut killed = 0;
    for calls in ["/^rename", "/^unlink", "/^f(data)?sync", "/^fchmod"] {
        for nth in 1.. {
            let dataset = Dataset::of(SIZES[0]);
            match kill_at_call(&seed(dataset.root(), 1), calls, nth) {
                Fate::Through => break,
                Fate::Killed => killed += 1,
            }
            which(&dataset, &both, &format!("before call {nth} of {calls}"));
        }
    }
    report(&format!("seed --force: killed before each of {killed} calls"));
    assert!(killed > 16, "{killed} calls are not all of them");
}

#[test]
fn a_first_seed() {
    let size = SIZES[1].to_string();
    let arguments = ["seed", "--events", &size];
    let whole = everything(Dataset::of(SIZES[1]).root());
    let usual = {
        let dataset = Dataset::none();
        time_of(auditq_on(dataset.root(), &arguments))
    };
    let mut killed = 0;
    for round in 0..rounds() {
        let dataset = Dataset::none();
        let (fate, moment) = kill_at_random(auditq_on(dataset.root(), &arguments), usual);
        killed += u64::from(fate == Fate::Killed);
        let what = format!("round {round}, after {moment:?} of {usual:?}");
        let asked = dataset.auditq(&["query", "--all"]);
        if asked.status.code() == Some(0) {
            assert_eq!(String::from_utf8(asked.stdout).unwrap(), whole, "{what}");
        } else {
            let said = String::from_utf8(asked.stderr).unwrap();
            assert!(said.contains("has no database"), "{what}: {said}");
            let is_left = leftovers(dataset.root())
                .iter()
                .any(|name| name.starts_with(".auditq-seed."));
            assert_eq!(said.contains("finishes or undoes it"), is_left, "{what}: {said}");
        }
        dataset.seeded(&arguments[1..]);
        assert_eq!(everything(dataset.root()), whole, "{what}");
        assert_eq!(leftovers(dataset.root()), [] as [&str; 0], "{what}");
    }
    report(&format!("first seed: {killed} kills"));
    assert!(killed > 0, "nothing was ever killed");
}

/// What a killed refresh has left must be no worse than no index.
fn is_as_the_baseline(log: &Log, what: &str) {
    for query in [page(1, 50), page(40, 50)] {
        let enhanced = log.enhanced(Lifetime::OneShot);
        assert_eq!(answer(&enhanced, &query), answer(&log.baseline(), &query), "{what}");
    }
    log.lines(&["query", "--page", "40", "--size", "50"]);
    assert_eq!(leftovers(log.root()), [] as [&str; 0], "{what}");
}

/// Kills a command that has an index to make, `before` making the old one stale each time.
fn refreshes(what: &str, arguments: &[&str], before: impl Fn(&Log, u64)) {
    let log = Log::plain(20_000);
    // The first run has an index to build, whatever the others have.
    let usual: Duration = (0..2).fold(Duration::ZERO, |_, _| {
        before(&log, 0);
        time_of(auditq_on(log.root(), arguments))
    });
    let mut killed = 0;
    for round in 1..=rounds() {
        before(&log, round);
        let (fate, moment) = kill_at_random(auditq_on(log.root(), arguments), usual);
        killed += u64::from(fate == Fate::Killed);
        is_as_the_baseline(&log, &format!("round {round}, after {moment:?} of {usual:?}"));
    }
    report(&format!("{what}: {killed} kills"));
    assert!(killed > 0, "nothing was ever killed");
}

#[test]
fn an_index_build() {
    refreshes("index build", &["query", "--page", "3"], |log, _| {
        let _ = std::fs::remove_file(log.path("audit.idx"));
    });
}

#[test]
fn a_refresh() {
    refreshes("refresh", &["query", "--actor", "3"], |log, round| {
        log.sql(&format!(
            "UPDATE audit_events SET created_at = created_at + {round} WHERE id = {}",
            round * 7 + 1
        ));
    });
}

/// A long-lived process refreshes beside its answers.
#[test]
fn a_refresh_beside_the_answers() {
    let requests = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(requests.path(), "{\"page\": 400}\n".repeat(60)).unwrap();
    let batch = ["query", "--batch", requests.path().to_str().unwrap()];
    refreshes("refresh in a batch", &batch, |log, round| {
        log.sql(&format!(
            "UPDATE audit_events SET actor_id = {} WHERE id = {}",
            round % 5,
            round * 3 + 1
        ));
    });
}
