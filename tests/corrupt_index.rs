//! Whatever happens to the index file, the answer is right, and the file is rebuilt.

use std::fs;

use auditq::engine::{Engine, Lifetime};
use auditq::model::{Filter, Position, Query};

use crate::harness::{Log, answer, page};

/// A page through each kind of list, so that every section of the file is read.
fn queries() -> Vec<Query> {
    let filters = [
        Filter::ALL,
        Filter {
            actor_id: Some(3),
            ..Filter::ALL
        },
        Filter {
            action: Some("UPDATE".to_owned()),
            ..Filter::ALL
        },
        Filter {
            actor_id: Some(3),
            action: Some("UPDATE".to_owned()),
            ..Filter::ALL
        },
        Filter {
            from_ts: 1_000_020,
            to_ts: 1_000_400,
            ..Filter::ALL
        },
    ];
    filters
        .map(|filter| Query::new(filter, Position::Page(2), 20).unwrap())
        .to_vec()
}

/// Opens the log with a damaged file, asks, and lets the engine finish: as one call of the program does.
fn is_survived(log: &Log, intact: &[u8], damaged: &[u8], what: &str) {
    fs::write(log.path("audit.idx"), damaged).unwrap();
    let enhanced = log.enhanced(Lifetime::OneShot);
    for query in queries() {
        assert_eq!(
            answer(&enhanced, &query),
            answer(&log.baseline(), &query),
            "{what}: {query:?}"
        );
    }
    enhanced.maintain(&|_, _| {}).unwrap();
    let refreshed = fs::read(log.path("audit.idx")).unwrap();
    // A flipped byte in a block that no answer needed does no harm; every other one is repaired.
    assert!(refreshed == intact || refreshed == damaged, "{what}");
}

fn intact(log: &Log) -> Vec<u8> {
    log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
    fs::read(log.path("audit.idx")).unwrap()
}

#[test]
fn any_flipped_byte() {
    let log = Log::plain(1_000);
    let intact = intact(&log);
    let mut repaired = 0;
    for at in (0..intact.len()).step_by(97) {
        let mut damaged = intact.clone();
        damaged[at] ^= 1 << (at % 8);
        is_survived(&log, &intact, &damaged, &format!("byte {at}"));
        repaired += usize::from(fs::read(log.path("audit.idx")).unwrap() == intact);
    }
    assert!(repaired > intact.len() / 97 / 2, "most blocks are read by some query");
}

#[test]
fn any_truncation_and_any_tail() {
    let log = Log::plain(1_000);
    let intact = intact(&log);
    for len in (0..intact.len()).step_by(1_021).chain([intact.len() - 1]) {
        is_survived(&log, &intact, &intact[..len], &format!("cut at {len}"));
        assert_eq!(fs::read(log.path("audit.idx")).unwrap(), intact, "cut at {len}");
    }
    let longer = [&intact[..], &[0; 4096]].concat();
    is_survived(&log, &intact, &longer, "a block too many");
    assert_eq!(fs::read(log.path("audit.idx")).unwrap(), intact);
}

#[test]
fn garbage_another_version_and_swapped_blocks() {
    let log = Log::plain(1_000);
    let intact = intact(&log);
    let mut other_version = intact.clone();
    other_version[8] += 1;
    let mut swapped = intact.clone();
    swapped[4096..12_288].rotate_left(4096);
    let garbage: Vec<u8> = (0..intact.len()).map(|at| (at * 31 % 251) as u8).collect();
    for (damaged, what) in [
        (other_version, "another version"),
        (swapped, "two blocks swapped"),
        (garbage, "garbage"),
        (vec![0; intact.len()], "zeros"),
        (Vec::new(), "nothing"),
    ] {
        is_survived(&log, &intact, &damaged, what);
        assert_eq!(fs::read(log.path("audit.idx")).unwrap(), intact, "{what}");
    }
}

#[test]
fn another_logs_index() {
    let (log, other) = (Log::plain(1_000), Log::plain(999));
    let (intact, others) = (intact(&log), intact(&other));
    is_survived(&log, &intact, &others, "another log's index");
    assert_eq!(fs::read(log.path("audit.idx")).unwrap(), intact);
}

#[test]
fn an_index_damaged_under_a_running_process() {
    let log = Log::plain(3_000);
    let intact = intact(&log);
    let running = log.enhanced(Lifetime::OneShot);
    // Nothing but the header has been read so far.
    let file = fs::OpenOptions::new().write(true).open(log.path("audit.idx")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xaa; intact.len() - 4096], 4096).unwrap();
    for query in queries() {
        assert_eq!(answer(&running, &query), answer(&log.baseline(), &query), "{query:?}");
    }
    running.maintain(&|_, _| {}).unwrap();
    assert_eq!(fs::read(log.path("audit.idx")).unwrap(), intact);
    assert_eq!(answer(&running, &page(2, 20)), answer(&log.baseline(), &page(2, 20)));
}
