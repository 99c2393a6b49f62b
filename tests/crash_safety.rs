//! `kill -9` at any moment: afterwards the data directory holds the old state or the new one, the next command
//! works, and nothing is left lying about.

use std::path::Path;
use std::time::Duration;

use auditq::engine::Lifetime;

use crate::harness::dataset::Dataset;
use crate::harness::faults::{
    Fate, auditq_on, kill_at_call, kill_at_random, leftovers, number, report, skipped, stdout_of, time_of,
};
use crate::harness::{Log, answer, page};

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

/// Looks what a killed `seed --force` has left: gives the number of the dataset that is there, whole.
fn which(dataset: &Dataset, both: &[String; 2], what: &str) -> usize {
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
    let both = both();
    let mut killed = 0;
    for calls in ["/^rename", "/^unlink", "/^f(data)?sync", "/^fchmod"] {
        for nth in 1.. {
            let dataset = Dataset::of(SIZES[0]);
            match kill_at_call(&seed(dataset.root(), 1), calls, nth) {
                None => {
                    return skipped(
                        "kills at every step",
                        "no strace that can inject; kills at random moments are tested",
                    );
                }
                Some(Fate::Through) => break,
                Some(Fate::Killed) => killed += 1,
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
    before(&log, 0);
    let usual: Duration = time_of(auditq_on(log.root(), arguments));
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
