//! Files of ours that somebody else may have written are not believed, and show no more than the database does.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::dataset::Dataset;
use crate::harness::faults::{as_user, auditq_on, is_root, set_acl, stdout_of};
use crate::harness::needs::{needs, skipped};
use crate::harness::{Log, auditq};

const OWNER: u32 = 65_531;
const READER: u32 = 65_532;
const STRANGER: u32 = 65_533;

const PAGE: [&str; 3] = ["query", "--page", "3"];

fn set_mode(log: &Log, name: &str, mode: u32) {
    fs::set_permissions(log.path(name), Permissions::from_mode(mode)).unwrap();
}

fn mode(log: &Log, name: &str) -> u32 {
    fs::metadata(log.path(name)).unwrap().mode() & 0o7777
}

/// A log whose index is true, in a directory where everybody may make files and nobody may remove another's.
fn indexed() -> Log {
    let log = Log::plain(300);
    set_mode(&log, ".", 0o1777);
    set_mode(&log, "audit.db", 0o644);
    log.lines(&PAGE);
    log
}

/// Ends, instead of hanging with the program.
fn output_in_time(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("it hangs: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// What the program says of the index that it finds, and then does with it.
fn is_believed(log: &Log) -> bool {
    let identity = || {
        fs::symlink_metadata(log.path("audit.idx"))
            .ok()
            .map(|file| (file.ino(), file.mtime(), file.mtime_nsec()))
    };
    let before = identity();
    let mut command = auditq_on(log.root(), &PAGE);
    command.env("AUDITQ_VERBOSE", "1");
    let output = output_in_time(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stdout_of(&output), stdout_of(&baseline(log)));
    let is_refused = said.contains("no index was opened");
    assert_eq!(is_refused, identity() != before, "{said}");
    !is_refused
}

fn baseline(log: &Log) -> Output {
    output_in_time(auditq_on(log.root(), &["query", "--page", "3", "--mode", "baseline"]))
}

/// Every index here is true, so that nothing but who can have written it tells it from a planted one.
#[test]
fn an_index_that_somebody_else_can_have_written_is_made_anew() {
    let log = indexed();
    assert!(is_believed(&log));
    for bits in [0o646, 0o664, 0o666] {
        set_mode(&log, "audit.idx", bits);
        assert!(!is_believed(&log), "{bits:o}");
        assert!(is_believed(&log), "{bits:o}");
    }
    fs::rename(log.path("audit.idx"), log.path("elsewhere")).unwrap();
    symlink(log.path("elsewhere"), log.path("audit.idx")).unwrap();
    assert!(!is_believed(&log), "a link");
    // The group's bits of the database are the mask of its list: its group may not write it.
    set_mode(&log, "audit.idx", 0o660);
    if set_acl(&log.path("audit.db"), READER, 6) {
        set_mode(&log, "audit.idx", 0o660);
        assert!(!is_believed(&log), "the database's list");
        assert!(is_believed(&log), "the database's list");
        set_mode(&log, "audit.db", 0o600);
    }
    if is_root() {
        let log = indexed();
        chown(log.path("audit.idx"), Some(STRANGER), Some(STRANGER)).unwrap();
        assert!(!is_believed(&log), "a stranger's");
        chown(log.path("audit.idx"), Some(STRANGER), Some(STRANGER)).unwrap();
        set_mode(&log, "audit.idx", 0o600);
        assert!(!is_believed(&log), "a stranger's, private");
    }
}

/// A stranger's file lies where the index belongs, and the reader can neither believe nor replace it.
#[test]
fn an_index_that_cannot_be_replaced_leaves_the_answer_to_sqlite() {
    needs!(Root);
    let log = indexed();
    for name in ["audit.db", "payloads.jsonl"] {
        chown(log.path(name), Some(OWNER), Some(OWNER)).unwrap();
    }
    chown(log.path("audit.idx"), Some(STRANGER), Some(STRANGER)).unwrap();
    let planted = fs::read(log.path("audit.idx")).unwrap();
    for user in [OWNER, READER] {
        let output = output_in_time(as_user(user, log.root(), &PAGE));
        assert_eq!(stdout_of(&output), stdout_of(&baseline(&log)));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("audit.idx"), "{said}");
        assert_eq!(fs::read(log.path("audit.idx")).unwrap(), planted);
    }
    // Root replaces it.
    assert!(!is_believed(&log));
}

/// Whoever reads makes an index of their own where they may, and others do not believe it.
#[test]
fn each_reader_believes_the_owner_root_and_itself() {
    needs!(Root);
    let log = indexed();
    for name in ["audit.db", "payloads.jsonl"] {
        chown(log.path(name), Some(OWNER), Some(OWNER)).unwrap();
    }
    fs::remove_file(log.path("audit.idx")).unwrap();
    let uid = || fs::metadata(log.path("audit.idx")).unwrap().uid();
    let note = |user| String::from_utf8(output_in_time(as_user(user, log.root(), &PAGE)).stderr).unwrap();
    assert_eq!(note(READER), "");
    assert_eq!((uid(), mode(&log, "audit.idx")), (READER, 0o600));
    assert_eq!(note(READER), "");
    assert_ne!(note(OWNER), "", "the reader's index is in the way");
    assert!(!is_believed(&log), "by root");
    assert_eq!((uid(), mode(&log, "audit.idx")), (OWNER, 0o644));
    assert_eq!(note(READER), "");
}

/// Root's index is believed, though not one that more people can read than the database: not even where the reader cannot
/// change its mode.
#[test]
fn an_index_that_more_people_can_read_is_made_anew() {
    needs!(Root, Setpriv);
    // The owner is in the index's group, and could not open one without the group's bit.
    for (database, index, is_kept) in [
        (0o640, 0o640, true),
        (0o644, 0o644, true),
        (0o644, 0o640, true),
        (0o600, 0o640, false),
        (0o604, 0o640, false),
        (0o640, 0o644, false),
    ] {
        let log = indexed();
        for name in [".", "audit.db", "payloads.jsonl"] {
            chown(log.path(name), Some(OWNER), Some(OWNER)).unwrap();
        }
        chown(log.path("audit.idx"), Some(0), Some(OWNER)).unwrap();
        set_mode(&log, "audit.db", database);
        set_mode(&log, "audit.idx", index);
        // Its ctime moved, and with it the version that the index knows: this one knows the new one.
        log.lines(&PAGE);
        chown(log.path("audit.idx"), Some(0), Some(OWNER)).unwrap();
        set_mode(&log, "audit.idx", index);
        let output = output_in_time(as_user(OWNER, log.root(), &PAGE));
        assert_eq!(stdout_of(&output), stdout_of(&baseline(&log)));
        let uid = fs::metadata(log.path("audit.idx")).unwrap().uid();
        let expected = if is_kept { (0, index) } else { (OWNER, database) };
        assert_eq!((uid, mode(&log, "audit.idx")), expected, "{database:o} {index:o}");
    }
}

/// Special files in the places of the index and of its delta.
#[test]
fn nothing_in_the_indexs_place_is_waited_for() {
    for name in ["audit.idx", "audit.idx-delta"] {
        let log = indexed();
        let _ = fs::remove_file(log.path(name));
        assert!(Command::new("mkfifo").arg(log.path(name)).status().unwrap().success());
        assert_eq!(is_believed(&log), name != "audit.idx");
        log.sql("UPDATE audit_events SET actor_id = 5 WHERE id > 290");
        let count = ["query", "--count", "--actor", "5"];
        let output = output_in_time(auditq_on(log.root(), &count));
        assert_eq!(
            stdout_of(&output),
            stdout_of(
                &auditq_on(log.root(), &[&count[..], &["--mode", "baseline"]].concat())
                    .output()
                    .unwrap()
            )
        );
    }
}

/// A label decides what a dataset is checked against.
#[test]
fn a_label_of_somebody_else_is_not_believed() {
    let verify = |dataset: &Dataset| {
        let mut command = auditq();
        command.arg("--data-dir").arg(dataset.root()).arg("verify-baseline");
        let text = String::from_utf8(output_in_time(command).stdout).unwrap();
        text.contains("scale study")
    };
    let dataset = Dataset::of(300);
    assert!(verify(&dataset));
    let label = dataset.path("scale-study.json");
    fs::set_permissions(&label, Permissions::from_mode(0o666)).unwrap();
    assert!(!verify(&dataset), "everybody can write it");
    fs::set_permissions(&label, Permissions::from_mode(0o644)).unwrap();
    assert!(verify(&dataset));
    if is_root() {
        chown(&label, Some(STRANGER), Some(STRANGER)).unwrap();
        assert!(!verify(&dataset), "a stranger's");
    }
    let kept = dataset.path("kept.json");
    fs::remove_file(&label).unwrap();
    fs::write(&kept, "{\"events\": 300, \"anchor\": 0}").unwrap();
    symlink(&kept, &label).unwrap();
    assert!(!verify(&dataset), "a link");
}

/// Every kind of request, also one that is spared an index, leaves one that shows no more than the database.
#[test]
fn an_index_shows_no_more_than_the_database_from_the_next_request_on() {
    let requests: [&[&str]; 4] = [
        &["query"],
        &PAGE,
        &["query", "--count", "--actor", "3"],
        &["query", "--all"],
    ];
    for request in requests {
        for (before, after) in [(0o644, 0o600), (0o664, 0o640), (0o666, 0o644), (0o640, 0o400)] {
            let log = Log::plain(300);
            set_mode(&log, "audit.db", before);
            log.lines(&PAGE);
            assert_eq!(mode(&log, "audit.idx"), before);
            fs::copy(log.path("audit.idx"), log.path("audit.idx-delta")).unwrap();
            set_mode(&log, "audit.idx-delta", before);
            set_mode(&log, "audit.db", after);
            log.lines(request);
            for name in ["audit.idx", "audit.idx-delta"] {
                if log.path(name).exists() {
                    let shared = mode(&log, name) & 0o077;
                    assert_eq!(shared & !after, 0, "{request:?} {before:o} {after:o} {name}");
                }
            }
        }
    }
}

/// The group's bits of a file with an access control list are not what its group may do, and a directory can have a
/// list for all that is made in it.
#[test]
fn access_control_lists_are_kept() {
    let get = |log: &Log, name: &str| {
        let mut list = [0; 256];
        let len = rustix::fs::getxattr(log.path(name), "system.posix_acl_access", &mut list[..]);
        len.map(|len| list[..len].to_vec()).ok()
    };
    let log = Log::plain(300);
    if !set_acl(&log.path("audit.db"), READER, 4) {
        return skipped("access control lists", "this file system has none");
    }
    log.lines(&PAGE);
    assert_eq!(get(&log, "audit.idx"), get(&log, "audit.db"));
    assert!(get(&log, "audit.idx").is_some());

    let log = Log::plain(300);
    set_mode(&log, "audit.db", 0o640);
    set_acl(&log.path("payloads.jsonl"), READER, 6);
    let list = get(&log, "payloads.jsonl").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(log.root(), "system.posix_acl_default", &list, flags).unwrap();
    log.lines(&PAGE);
    assert_eq!((get(&log, "audit.idx"), mode(&log, "audit.idx")), (None, 0o640));
}

/// What the log held once does not stay in an index that nothing can make true again.
#[test]
fn a_log_that_cannot_be_indexed_any_more_has_no_index() {
    let odd: [&str; 3] = [
        "UPDATE audit_events SET action = CAST(x'ff' AS TEXT) WHERE id = 50",
        "UPDATE audit_events SET actor_id = 'x' WHERE id = 50",
        "DROP INDEX idx_created_at; ALTER TABLE audit_events ADD COLUMN g AS (id)",
    ];
    for change in odd {
        let log = Log::plain(300);
        log.sql("UPDATE audit_events SET action = 'SECRET' WHERE id = 7");
        log.lines(&PAGE);
        let has_secret = |name: &str| {
            let bytes = fs::read(log.path(name)).unwrap_or_default();
            bytes.windows(6).any(|bytes| bytes == b"SECRET")
        };
        assert!(has_secret("audit.idx"));
        fs::copy(log.path("audit.idx"), log.path("audit.idx-delta")).unwrap();
        log.sql("UPDATE audit_events SET action = 'PUBLIC' WHERE id = 7");
        log.sql(change);
        // A single request on so small a log is spared an index; a process that stays is not.
        let requests = tempfile::NamedTempFile::new().unwrap();
        fs::write(requests.path(), "{\"page\": 1}\n{\"page\": 9}\n").unwrap();
        log.auditq(&["query", "--batch", requests.path().to_str().unwrap()]);
        assert!(!has_secret("audit.idx") && !has_secret("audit.idx-delta"), "{change}");
    }
}

/// Who may append a row that cannot be indexed makes nobody read the whole table again for each request.
#[test]
fn that_a_log_cannot_be_indexed_is_remembered() {
    let log = Log::plain(300);
    let note = |arguments: &[&str]| String::from_utf8(log.auditq(arguments).stderr).unwrap();
    let verbose = || {
        let mut command = auditq_on(log.root(), &PAGE);
        command.env("AUDITQ_VERBOSE", "1");
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    log.sql("UPDATE audit_events SET resource_id = CAST(x'ff' AS TEXT) WHERE id = 50");
    assert!(verbose().contains("the table was searched in vain"));
    assert!(!verbose().contains("the table was searched in vain"));
    assert_eq!(note(&PAGE).lines().count(), 1, "one note all the same");
    assert!(note(&PAGE).contains("event 50"));
    // A search would meet this one first.
    log.sql("UPDATE audit_events SET resource_id = CAST(x'ff' AS TEXT) WHERE id = 10");
    assert!(note(&PAGE).contains("event 50"));
    assert!(note(&PAGE).contains("event 50"));
    log.sql("UPDATE audit_events SET resource_id = 'ORDER-50' WHERE id = 50");
    assert!(note(&PAGE).contains("event 10"));
    log.sql("UPDATE audit_events SET resource_id = 'ORDER-10' WHERE id = 10");
    assert_eq!(note(&PAGE), "");
    let verbose = verbose();
    assert!(verbose.contains("it is current"), "{verbose}");
}

/// The same of what no one row tells: after a commit, too, the table is let be for a while.
#[test]
fn that_the_texts_of_a_log_are_too_long_is_remembered_after_commits() {
    let log = Log::plain(300);
    log.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len)
         SELECT 1, 3, 'LOGIN', 'ORDER', i || printf('%60000s', 'x'), 0, 2 FROM n",
    );
    let said = || {
        let mut command = auditq_on(log.root(), &PAGE);
        command.env("AUDITQ_VERBOSE", "1");
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(said().contains("the table was searched in vain"));
    for _ in 0..2 {
        log.sql("UPDATE audit_events SET actor_id = actor_id + 1 WHERE id = 3");
        let said = said();
        assert!(said.contains("too long for an index"), "{said}");
        assert!(!said.contains("searched"), "{said}");
    }
}

/// What is remembered is believed of nobody else, either.
#[test]
fn a_refusal_of_somebody_else_is_not_believed() {
    needs!(Root);
    let log = Log::plain(300);
    log.sql("UPDATE audit_events SET actor_id = 'x' WHERE id = 50");
    log.auditq(&PAGE);
    let refusal = fs::read(log.path("audit.idx")).unwrap();
    log.sql("UPDATE audit_events SET actor_id = 5 WHERE id = 50");
    log.lines(&PAGE);
    fs::write(log.path("audit.idx"), refusal).unwrap();
    chown(log.path("audit.idx"), Some(STRANGER), Some(STRANGER)).unwrap();
    log.lines(&PAGE);
    assert!(is_believed(&log));
}
