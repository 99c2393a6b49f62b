//! What an answer costs: one positional read for each event it returns, and nothing that is not given back.

use std::fs;
use std::os::unix::fs::MetadataExt;

use auditq::engine::{Engine, Lifetime};
use auditq::model::{Filter, Key, Page, Position, Query};

use crate::harness::program::Coprocess;
use crate::harness::{Log, filter};

/// What this thread has read so far. `/proc` counts each thread for itself, so tests beside this one do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reads {
    calls: u64,
    bytes: u64,
}

impl Reads {
    fn so_far() -> Self {
        let text = fs::read_to_string("/proc/thread-self/io").expect("/proc/thread-self/io counts reads");
        let number = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            value.trim().parse().unwrap()
        };
        Reads {
            calls: number("syscr:"),
            bytes: number("rchar:"),
        }
    }

    /// What `work` reads, less what the counting itself does.
    fn of(mut work: impl FnMut()) -> Self {
        let between = |work: &mut dyn FnMut()| {
            let before = Self::so_far();
            work();
            let after = Self::so_far();
            (after.calls - before.calls, after.bytes - before.bytes)
        };
        let counting = between(&mut || ());
        let (calls, bytes) = between(&mut work);
        Reads {
            calls: calls - counting.0,
            // The counts are text, which may have grown by a digit in between.
            bytes: bytes.saturating_sub(counting.1),
        }
    }
}

/// The counter counts what it is trusted with.
#[test]
fn a_read_is_counted() {
    use std::os::unix::fs::FileExt;
    let log = Log::plain(10);
    let file = fs::File::open(log.path("payloads.jsonl")).unwrap();
    let reads = Reads::of(|| {
        for offset in 0..5 {
            file.read_exact_at(&mut [0; 7], offset).unwrap();
        }
    });
    assert_eq!(reads.calls, 5);
    assert!(reads.bytes.abs_diff(35) < 8, "{reads:?}");
}

/// Requests of every kind, and how many events each returns.
fn requests() -> Vec<(Query, usize)> {
    let ask = |filter: &Filter, position, size| Query::new(filter.clone(), position, size).unwrap();
    let actor = filter(Some(3), None);
    let action = filter(None, Some("UPDATE"));
    let both = filter(Some(3), Some("UPDATE"));
    let window = Filter {
        from_ts: 1_001_000,
        to_ts: 1_004_000,
        ..Filter::ALL
    };
    let mut requests = Vec::new();
    for filter in [&Filter::ALL, &actor, &action, &both, &window] {
        for size in [1, 20, 50] {
            requests.push((ask(filter, Position::Page(1), size), size as usize));
            requests.push((ask(filter, Position::Page(400 / size), size), size as usize));
        }
        requests.push((ask(filter, Position::Page(9_000), 50), 0));
        requests.push((ask(filter, Position::Page(i64::MAX as u64 / 50), 50), 0));
        let key = Key {
            created_at: 1_003_000,
            id: i64::MAX,
        };
        requests.push((ask(filter, Position::After(key), 20), 20));
    }
    // The deepest page there is, and one that is cut by the end.
    requests.push((ask(&Filter::ALL, Position::Page(500), 20), 20));
    requests.push((ask(&Filter::ALL, Position::Page(334), 30), 10));
    requests
}

#[test]
fn one_positional_read_for_each_event_returned() {
    let log = Log::plain(10_000);
    for journal_mode in ["delete", "wal"] {
        log.journal_mode(journal_mode);
        for lifetime in [Lifetime::OneShot, Lifetime::LongLived] {
            // A new index, from the disk.
            log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
            let enhanced = log.enhanced(lifetime);
            let mut page = Page::default();
            for (query, events) in requests() {
                // The first answer checks the blocks it needs; from then on they are known.
                enhanced.page(&query, &mut page).unwrap();
                let reads = Reads::of(|| enhanced.page(&query, &mut page).unwrap());
                assert_eq!(page.len(), events, "{query:?}");
                assert_eq!(reads.calls, events as u64, "{journal_mode}, {lifetime:?}: {query:?}");
                let stored: i64 = page.payload_refs().map(|place| place.len).sum();
                assert!(
                    reads.bytes.abs_diff(stored as u64) < 8,
                    "{reads:?}, not {stored} bytes: {query:?}"
                );
            }
        }
    }
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug)]
struct Holdings {
    descriptors: usize,
    /// Resident, in KiB.
    memory: u64,
}

fn holdings(process: u32) -> Holdings {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Holdings {
        descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
        memory: memory.trim().trim_end_matches(" kB").parse().unwrap(),
    }
}

/// Requests of every kind, among them some that fail.
const ROUND: &str = "{\"page_size\": 5}
{\"page\": 300, \"page_size\": 5}
{\"actor_id\": 3, \"page\": 7, \"page_size\": 5}
{\"action\": \"UPDATE\", \"page\": 11, \"page_size\": 5}
{\"actor_id\": 3, \"action\": \"UPDATE\", \"page_size\": 5}
{\"from_ts\": 1000100, \"to_ts\": 1000300, \"page_size\": 5}
{\"after\": \"1000500:1000\", \"page_size\": 5}
{\"page\": 900000}
{\"page\": 0}
nonsense
";

/// How many requests: more, where somebody takes the time.
fn asked(default: usize) -> usize {
    std::env::var("AUDITQ_COST_REQUESTS").map_or(default, |value| value.parse().unwrap())
}

/// The program answers a tenth of the requests, then the rest: it holds no more after than before.
fn nothing_grows(mode: &str, requests: usize) {
    let log = Log::plain(2_000);
    let mut coprocess = Coprocess::start(log.root(), &["--mode", mode, "--threads", "4"]);
    let rounds = requests / ROUND.lines().count();
    let warm = rounds / 10;
    let (_, bytes) = coprocess.ask_many(ROUND, warm);
    let before = holdings(coprocess.id());
    let (count, more) = coprocess.ask_many(ROUND, rounds - warm);
    let after = holdings(coprocess.id());
    // Alike, but for the digits of a line's number in an error.
    let (then, now) = (bytes / warm, more / (rounds - warm));
    assert!(then.abs_diff(now) < 16, "{then} bytes a round, then {now}");
    assert_eq!(after.descriptors, before.descriptors, "{mode}: {before:?}, {after:?}");
    // Room for what an allocator keeps. A leak of 16 bytes a request would be more, many times over.
    assert!(
        after.memory < before.memory + 2_048,
        "{mode}, {count} requests: {before:?}, {after:?}"
    );
    let end = coprocess.close();
    assert_eq!(end.status.code(), Some(2), "{}", end.errors);
}

#[test]
fn descriptors_and_memory_stay_as_they_are() {
    nothing_grows("enhanced", asked(200_000));
}

#[test]
fn descriptors_and_memory_stay_as_they_are_in_the_baseline() {
    // Each request opens and closes all there is: fewer show as much.
    nothing_grows("baseline", asked(200_000) / 10);
}

/// Each commit makes the index stale, and a new one takes its place: the old one must go.
#[test]
fn nothing_is_left_of_an_index_that_was_replaced() {
    let log = Log::plain(2_000);
    let mut coprocess = Coprocess::start(log.root(), &["--threads", "4"]);
    let mut index = 0;
    let mut refreshes = |count: usize, coprocess: &mut Coprocess| {
        for _ in 0..count {
            log.sql("UPDATE audit_events SET actor_id = 1 - actor_id WHERE id = 1");
            // Asked until the file is another one.
            loop {
                coprocess.ask_many(ROUND, 1);
                let now = fs::metadata(log.path("audit.idx")).map_or(0, |file| file.ino());
                if now != index {
                    index = now;
                    break;
                }
            }
        }
    };
    refreshes(10, &mut coprocess);
    coprocess.ask_many(ROUND, 100);
    let before = holdings(coprocess.id());
    refreshes(30, &mut coprocess);
    coprocess.ask_many(ROUND, 100);
    let after = holdings(coprocess.id());
    assert!(after.descriptors <= before.descriptors, "{before:?}, {after:?}");
    assert!(after.memory < before.memory + 2_048, "{before:?}, {after:?}");
}
