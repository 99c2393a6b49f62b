//! Nobody gets to see or to change more by what the program writes than by the database itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::harness::dataset::Dataset;
use crate::harness::faults::{auditq_on, bound_by_permissions, leftovers, stdout_of};
use crate::harness::needs::needs;
use crate::harness::{Log, auditq};

const MODES: [u32; 6] = [0o600, 0o640, 0o644, 0o664, 0o666, 0o400];

fn permission_bits(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn an_index_has_the_permissions_of_the_database() {
    let log = Log::plain(300);
    for mode in MODES {
        fs::set_permissions(log.path("audit.db"), Permissions::from_mode(mode)).unwrap();
        // The old index is stale by this change already, and replaced.
        log.lines(&["query", "--page", "3"]);
        assert_eq!(permission_bits(&log.path("audit.idx")), mode, "{mode:o}");
    }
}

#[test]
fn an_index_of_somebody_elses_database_is_theirs() {
    needs!(Root);
    let log = Log::plain(300);
    std::os::unix::fs::chown(log.path("audit.db"), Some(65_534), Some(65_533)).unwrap();
    fs::set_permissions(log.path("audit.db"), Permissions::from_mode(0o640)).unwrap();
    log.lines(&["query", "--page", "3"]);
    let index = fs::metadata(log.path("audit.idx")).unwrap();
    assert_eq!(
        (index.uid(), index.gid(), index.mode() & 0o7777),
        (65_534, 65_533, 0o640)
    );
}

/// Who makes a new dataset decides by the umask who may read it: all of its files alike.
#[test]
fn a_seed_has_the_permissions_of_any_new_file() {
    for (umask, expected) in [("022", 0o644), ("077", 0o600), ("027", 0o640)] {
        let dataset = Dataset::none();
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(auditq().get_program())
            .arg("--data-dir")
            .arg(dataset.root())
            .args(["seed", "--events", "300"])
            .output()
            .unwrap();
        stdout_of(&output);
        for name in dataset.names() {
            assert_eq!(permission_bits(&dataset.path(&name)), expected, "{umask}: {name}");
        }
        assert_eq!(dataset.names().len(), 4);
    }
}

#[test]
fn a_seed_keeps_the_permissions_of_the_database_it_replaces() {
    for mode in MODES {
        let dataset = Dataset::of(300);
        fs::set_permissions(dataset.path("audit.db"), Permissions::from_mode(mode)).unwrap();
        // Also one that its own owner may not write, by somebody whom that binds.
        let seed = bound_by_permissions(dataset.root(), &["seed", "--force", "--events", "400"]).output();
        stdout_of(&seed.unwrap());
        for name in dataset.names() {
            assert_eq!(permission_bits(&dataset.path(&name)), mode, "{name}");
        }
    }
}

/// While they are made, files are for nobody else: seen at every moment that strace stops at.
#[test]
fn unfinished_files_are_private_and_exclusive() {
    needs!(Strace);
    let log = Log::plain(300);
    fs::set_permissions(log.path("audit.db"), Permissions::from_mode(0o644)).unwrap();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let query = auditq_on(log.root(), &["query", "--page", "3"]);
    let strace = std::process::Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=/^open", "-o"])
        .arg(trace.path())
        .arg(query.get_program())
        .args(query.get_args())
        .output();
    assert!(strace.unwrap().status.success());
    let opened = fs::read_to_string(trace.path()).unwrap();
    let drafts: Vec<_> = opened.lines().filter(|line| line.contains("/.auditq-")).collect();
    assert!(!drafts.is_empty(), "{opened}");
    for draft in drafts {
        assert!(draft.contains("O_CREAT") && draft.contains("O_EXCL"), "{draft}");
        // strace splits a call's line where another thread's call comes between.
        assert!(
            draft.contains(", 0600)") || draft.contains(", 0600 <unfinished"),
            "{draft}"
        );
    }
    let written = opened.lines().filter(|line| {
        line.contains("O_CREAT") && !line.contains("/.auditq-") && line.contains(log.root().to_str().unwrap())
    });
    assert_eq!(written.collect::<Vec<_>>(), [] as [&str; 0]);
}

/// Links planted where the program will write.
#[test]
fn a_planted_link_is_replaced_and_never_followed() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let is_untouched = |what: &str| {
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{what}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{what}");
    };
    let new = outside.path().join("not-there-yet");
    for target in [&victim, &new] {
        let log = Log::plain(300);
        let expected = log.lines(&["query", "--page", "3", "--mode", "baseline"]);
        symlink(target, log.path("audit.idx")).unwrap();
        assert_eq!(log.lines(&["query", "--page", "3"]), expected);
        is_untouched("audit.idx");
        assert!(!log.path("audit.idx").is_symlink());

        let names = [
            "audit.idx",
            "payloads.jsonl",
            "scale-study.json",
            "audit.db",
            "audit.db-journal",
        ];
        for name in names {
            let dataset = Dataset::of(300);
            let _ = fs::remove_file(dataset.path(name));
            symlink(target, dataset.path(name)).unwrap();
            dataset.seeded(&["--force", "--events", "400"]);
            is_untouched(name);
            assert_eq!(leftovers(dataset.root()), [] as [&str; 0], "{name}");
            for name in dataset.names() {
                assert!(!dataset.path(&name).is_symlink(), "{name}");
            }
        }
    }
}

/// A link to somebody's file in the place of the index is not read as one, either: it is no index.
#[test]
fn a_link_to_another_logs_index() {
    let (log, other) = (Log::plain(300), Log::plain(200));
    other.lines(&["query", "--page", "3"]);
    symlink(other.path("audit.idx"), log.path("audit.idx")).unwrap();
    let before = fs::read(other.path("audit.idx")).unwrap();
    let expected = log.lines(&["query", "--mode", "baseline"]);
    assert_eq!(log.lines(&["query"]), expected);
    assert_eq!(fs::read(other.path("audit.idx")).unwrap(), before);
}
