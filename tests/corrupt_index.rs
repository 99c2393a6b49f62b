//! Whatever happens to the index file, the answer is right, and the file is rebuilt.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use auditq::engine::{Engine, Enhanced, Lifetime, Notify};
use auditq::model::{Event, Filter, Position, Query};

use crate::harness::faults::{DEEP_BENCH, DEEP_REQUESTS, auditq_on, bound_by_permissions, stdout_of};
use crate::harness::program::MODES;
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

/// Appends an event in full.
fn show(event: &Event<'_>, out: &mut String) {
    let Event {
        id,
        created_at,
        actor_id,
        action,
        resource_type,
        resource_id,
        payload,
    } = event;
    let payload = std::str::from_utf8(payload).unwrap();
    *out += &format!("{id} {created_at} {actor_id} {action} {resource_type} {resource_id} {payload}\n");
}

/// Every event of a filter, or the error's text behind those that came before it.
fn all(engine: &dyn Engine, filter: &Filter) -> (String, Option<String>) {
    let mut events = String::new();
    let ended = engine.all(filter, &mut |page| {
        page.events().for_each(|event| show(&event, &mut events));
        Ok(())
    });
    (events, ended.err().map(|error| error.to_string()))
}

/// Whatever an engine can be asked: pages, counts, and every event.
fn everything(engine: &dyn Engine) -> Vec<String> {
    let mut said = Vec::new();
    for query in queries() {
        said.push(format!("{:?}", answer(engine, &query)));
        said.push(format!(
            "{:?}",
            engine.count(query.filter()).map_err(|error| error.to_string())
        ));
        said.push(format!("{:?}", all(engine, query.filter())));
    }
    said
}

/// Opens the log with a damaged file, asks, and lets the engine finish: as one call of the program does.
fn is_survived(log: &Log, expected: &[String], intact: &[u8], damaged: &[u8], what: &str) {
    fs::write(log.path("audit.idx"), damaged).unwrap();
    let enhanced = log.enhanced(Lifetime::OneShot);
    assert!(everything(&enhanced) == expected, "{what}");
    enhanced.maintain(&|_, _| {}).unwrap();
    let refreshed = fs::read(log.path("audit.idx")).unwrap();
    // A flipped byte in a block that no answer needed does no harm; every other one is repaired.
    assert!(is_same_index(&refreshed, intact) || refreshed == damaged, "{what}");
}

/// Whether two index files say the same of the log. Each has a name and a key of its own, so what follows from these is
/// left out: bytes 16 to 47 of the header, two hashes, the header's checksum, and the directory of leaf pages at the end.
fn is_same_index(one: &[u8], other: &[u8]) -> bool {
    let without_secrets = |bytes: &[u8]| {
        let count = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let directory = count(240).div_ceil(127) + count(248).div_ceil(73);
        let mut bytes = bytes.to_vec();
        for secret in [16..48, 176..192, 4092..4096] {
            bytes[secret].fill(0);
        }
        bytes.truncate(bytes.len().saturating_sub(directory.saturating_mul(4096)));
        bytes
    };
    one.len() == other.len() && one.len() > 4096 && without_secrets(one) == without_secrets(other)
}

fn intact(log: &Log) -> Vec<u8> {
    log.enhanced(Lifetime::OneShot).maintain(&|_, _| {}).unwrap();
    fs::read(log.path("audit.idx")).unwrap()
}

#[test]
fn any_flipped_byte() {
    let log = Log::plain(1_000);
    let intact = intact(&log);
    let expected = everything(&log.baseline());
    let mut repaired = 0;
    for at in (0..intact.len()).step_by(97) {
        let mut damaged = intact.clone();
        damaged[at] ^= 1 << (at % 8);
        is_survived(&log, &expected, &intact, &damaged, &format!("byte {at}"));
        repaired += usize::from(is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact));
    }
    assert!(repaired > intact.len() / 97 / 2, "most blocks are read by some query");
}

#[test]
fn any_truncation_and_any_tail() {
    let log = Log::plain(1_000);
    let intact = intact(&log);
    let expected = everything(&log.baseline());
    for len in (0..intact.len()).step_by(1_021).chain([intact.len() - 1]) {
        is_survived(&log, &expected, &intact, &intact[..len], &format!("cut at {len}"));
        assert!(
            is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact),
            "cut at {len}"
        );
    }
    let longer = [&intact[..], &[0; 4096]].concat();
    is_survived(&log, &expected, &intact, &longer, "a block too many");
    assert!(is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact));
}

#[test]
fn garbage_another_version_and_swapped_blocks() {
    let log = Log::plain(1_000);
    let intact = intact(&log);
    let expected = everything(&log.baseline());
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
        is_survived(&log, &expected, &intact, &damaged, what);
        assert!(
            is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact),
            "{what}"
        );
    }
}

#[test]
fn another_logs_index() {
    let (log, other) = (Log::plain(1_000), Log::plain(999));
    let (intact, others) = (intact(&log), intact(&other));
    let expected = everything(&log.baseline());
    is_survived(&log, &expected, &intact, &others, "another log's index");
    assert!(is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact));
}

#[test]
fn an_index_damaged_under_a_running_process() {
    let log = Log::plain(3_000);
    let intact = intact(&log);
    let running = log.enhanced(Lifetime::OneShot);
    // Nothing but the header has been read so far.
    let file = fs::OpenOptions::new().write(true).open(log.path("audit.idx")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xaa; intact.len() - 4096], 4096).unwrap();
    assert!(everything(&running) == everything(&log.baseline()));
    running.maintain(&|_, _| {}).unwrap();
    assert!(is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact));
    assert_eq!(answer(&running, &page(2, 20)), answer(&log.baseline(), &page(2, 20)));
}

/// The first to read a log's index, one kind of reader after the other, with one flipped byte in each block in turn: each
/// gives the whole answer, and whatever it met is mended when it is done.
#[test]
fn each_reader_alone_recovers_from_a_flipped_byte_in_any_block() {
    type Ask = fn(&dyn Engine) -> String;
    let asks: [(&str, Ask); 3] = [
        ("every event", |engine| format!("{:?}", all(engine, &Filter::ALL))),
        ("every event of an actor", |engine| {
            format!("{:?}", all(engine, &queries()[1].filter().clone()))
        }),
        ("how many", |engine| {
            engine.count(queries()[4].filter()).unwrap().to_string()
        }),
    ];
    let log = Log::plain(3_000);
    let intact = intact(&log);
    let mut mended = [0; 3];
    for ((what, ask), mended) in asks.iter().zip(&mut mended) {
        let expected = ask(&log.baseline());
        for lifetime in [Lifetime::OneShot, Lifetime::LongLived] {
            for block in 1..intact.len() / 4096 {
                let mut damaged = intact.clone();
                damaged[block * 4096 + 77] ^= 4;
                fs::write(log.path("audit.idx"), &damaged).unwrap();
                let what = format!("{what}, {lifetime:?}, block {block}");
                let engine = log.enhanced(lifetime);
                assert_eq!(ask(&engine), expected, "{what}");
                engine.maintain(&|_, _| {}).unwrap();
                // One that lives long does it beside the answers, and has done it when it is gone.
                drop(engine);
                let left = fs::read(log.path("audit.idx")).unwrap();
                assert!(is_same_index(&left, &intact) || left == damaged, "{what}");
                *mended += usize::from(is_same_index(&left, &intact));
            }
        }
    }
    assert!(
        mended.iter().all(|mended| *mended > 1),
        "{mended:?}: each met some of the blocks"
    );
}

/// The program by each of its readers, with every block but the header damaged, and with all but the newest events' (so
/// that some are printed before the damage is met).
#[test]
fn each_command_recovers_and_leaves_a_new_index() {
    let log = Log::plain(3_000);
    let intact = intact(&log);
    let batch = log.path("requests");
    fs::write(&batch, "{\"page\": 3}\n{\"actor_id\": 3, \"page\": 2}\n").unwrap();
    let readers: [&[&str]; 6] = [
        &["query", "--all"],
        &["query", "--all", "--action", "UPDATE", "--format", "table"],
        &["query", "--count", "--action", "UPDATE"],
        &["query", "--page", "40"],
        &["query", "--page", "2", "--size", "3", "--actor", "3"],
        &["query", "--batch", batch.to_str().unwrap()],
    ];
    let damaged = |from: usize, to: usize| {
        let mut damaged = intact.clone();
        damaged[from..to].iter_mut().for_each(|byte| *byte ^= 0x55);
        damaged
    };
    let forms = [
        ("all blocks", damaged(4096, intact.len())),
        ("one byte in the middle of the events", {
            let mut damaged = intact.clone();
            damaged[intact.len() / 3] ^= 1;
            damaged
        }),
    ];
    for (form, damaged) in &forms {
        for reader in readers {
            let [expected, found] = MODES.map(|mode| {
                fs::write(log.path("audit.idx"), damaged).unwrap();
                let output = log.auditq(&[reader, &["--mode", mode]].concat());
                let said = String::from_utf8(output.stderr).unwrap();
                assert_eq!((output.status.code(), &*said), (Some(0), ""), "{form}: {reader:?}");
                output.stdout
            });
            assert!(found == expected, "{form}: {reader:?}");
            let left = fs::read(log.path("audit.idx")).unwrap();
            assert!(is_same_index(&left, &intact) || left == *damaged, "{form}: {reader:?}");
            if form == &forms[0].0 || reader == readers[0] {
                assert!(is_same_index(&left, &intact), "{form}: {reader:?} leaves a new index");
            }
        }
    }
    for command in [
        ["diff", "--workload", "deep", "--requests", DEEP_REQUESTS].as_slice(),
        &[&DEEP_BENCH[..], &["1"]].concat(),
    ] {
        fs::write(log.path("audit.idx"), &forms[0].1).unwrap();
        let output = log.auditq(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}: {said}");
        assert!(
            is_same_index(&fs::read(log.path("audit.idx")).unwrap(), &intact),
            "{command:?} leaves a new index"
        );
    }
}

/// In file order, as docs/index-format.md calls them.
const SECTIONS: [&str; 13] = [
    "times",
    "events",
    "text",
    "actors",
    "actions",
    "resource types",
    "pairs",
    "by actor",
    "by action",
    "by pair",
    "by id",
    "table leaves",
    "time leaves",
];

/// What a batch reports of the index, one request for each kind of list.
fn reported(log: &Log) -> String {
    let batch = log.path("requests");
    let requests = "{}\n{\"actor_id\": 3}\n{\"action\": \"UPDATE\"}\n{\"actor_id\": 3, \"action\": \"UPDATE\"}\n";
    fs::write(&batch, requests).unwrap();
    let mut command = auditq_on(
        log.root(),
        &["query", "--batch", batch.to_str().unwrap(), "--threads", "1"],
    );
    let output = command.env("AUDITQ_VERBOSE", "1").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// Whoever asks why an index was not used is told which check failed, and where.
#[test]
fn a_flipped_byte_is_reported_with_its_section_and_block() {
    let log = Log::plain(300);
    let intact = intact(&log);
    let mut met = BTreeMap::new();
    // A current index is asked for its lists, an older one for its leaf pages and for rows by their ids.
    for is_current in [true, false] {
        if !is_current {
            log.sql("UPDATE audit_events SET actor_id = 4 WHERE id = 7");
        }
        for block in 1..intact.len() / 4096 {
            let mut damaged = intact.clone();
            damaged[block * 4096 + 77] ^= 4;
            fs::write(log.path("audit.idx"), &damaged).unwrap();
            let _ = fs::remove_file(log.path("audit.idx-delta"));
            let said = reported(&log);
            for (_, fault) in said
                .lines()
                .filter_map(|line| line.split_once("the index is corrupt: "))
            {
                let (section, rest) = fault.strip_prefix("section \"").unwrap().split_once('"').unwrap();
                assert_eq!(rest, format!(", block {block}: the checksum is wrong"), "{said}");
                met.insert(block, section.to_owned());
            }
        }
    }
    let mut sections: Vec<String> = met.into_values().collect();
    sections.dedup();
    assert_eq!(sections, SECTIONS);
}

#[test]
fn a_corrupt_header_and_a_corrupt_delta_are_reported() {
    let log = Log::plain(300);
    let mut damaged = intact(&log);
    damaged[77] ^= 4;
    fs::write(log.path("audit.idx"), damaged).unwrap();
    let said = reported(&log);
    assert!(
        said.contains("no index was opened: header: the checksum is wrong"),
        "{said}"
    );
    log.sql("UPDATE audit_events SET actor_id = 4 WHERE id = 7");
    assert!(!reported(&log).contains("is not used"));
    let mut delta = fs::read(log.path("audit.idx-delta")).unwrap();
    delta[77] ^= 4;
    fs::write(log.path("audit.idx-delta"), delta).unwrap();
    let said = reported(&log);
    assert!(said.contains("is not used: delta: its checksum is wrong"), "{said}");
}

/// A log so large that SQLite's first page is not worth an index: one whose header is damaged is renewed all the same, or
/// there is a note where that cannot be.
#[test]
fn a_damaged_header_beside_a_large_log() {
    let log = Log::plain(1);
    log.sql(
        "WITH RECURSIVE n(id) AS (SELECT 2 UNION ALL SELECT id + 1 FROM n WHERE id <= 150000)
         INSERT INTO audit_events
         SELECT n.id, 1000000 + n.id / 2, n.id % 2000, iif(n.id % 3, 'UPDATE', 'LOGIN'), 'ORDER',
                printf('ORDER-%0220d', n.id), e.payload_offset, e.payload_len
         FROM n, audit_events AS e WHERE e.id = 1",
    );
    let size = fs::metadata(log.path("audit.db")).unwrap().len();
    assert!(size > 40 << 20, "{size}");
    let intact = intact(&log);
    let batch = log.path("requests");
    fs::write(&batch, "{\"page\": 1}\n").unwrap();
    let readers: [&[&str]; 7] = [
        &["query"],
        &["query", "--page", "2000"],
        &["query", "--after", "1000100:200"],
        &["query", "--actor", "3"],
        &["query", "--count"],
        &["query", "--all", "--actor", "3"],
        &["query", "--batch", batch.to_str().unwrap()],
    ];
    let with = |at: usize| {
        let mut damaged = intact.clone();
        damaged[at] ^= 1;
        damaged
    };
    // Its name, its version, a number of events, its checksum; less than it, and nothing.
    let forms = [
        ("magic", with(0)),
        ("version", with(8)),
        ("counts", with(240)),
        ("checksum", with(4095)),
        ("cut off", intact[..4000].to_vec()),
        ("empty", Vec::new()),
    ];
    for reader in readers {
        let expected = log.lines(&[reader, &["--mode", "baseline"]].concat());
        // Whatever is asked first meets the header, and the newest page is what is asked most.
        let forms = if reader == readers[0] { &forms[..] } else { &forms[2..3] };
        for (form, damaged) in forms {
            fs::write(log.path("audit.idx"), damaged).unwrap();
            assert_eq!(log.lines(reader), expected, "{form}: {reader:?}");
            let left = fs::read(log.path("audit.idx")).unwrap();
            assert!(is_same_index(&left, &intact), "{form}: {reader:?} leaves a new index");

            // Where no file can be written.
            fs::write(log.path("audit.idx"), damaged).unwrap();
            fs::set_permissions(log.root(), fs::Permissions::from_mode(0o555)).unwrap();
            let output = bound_by_permissions(log.root(), reader).output().unwrap();
            fs::set_permissions(log.root(), fs::Permissions::from_mode(0o755)).unwrap();
            let said = String::from_utf8(output.stderr.clone()).unwrap();
            assert_eq!(stdout_of(&output), expected, "{form}: {reader:?}");
            assert_eq!(
                said.lines().count(),
                1,
                "{form}: {reader:?}, nothing can be written: {said}"
            );
        }
    }
}

/// Commits while a corrupt index is streamed: what was printed is not printed again, and what comes behind it is all there.
#[test]
fn commits_while_a_corrupt_index_is_streamed() {
    let blocks = intact(&Log::plain(3_000)).len() / 4096;
    let mut interrupted = 0;
    let said = Arc::new(AtomicU64::new(0));
    for block in (1..blocks).step_by(3) {
        let log = Log::plain(3_000);
        let mut damaged = intact(&log);
        damaged[block * 4096 + 77] ^= 4;
        fs::write(log.path("audit.idx"), damaged).unwrap();
        let before = all(&log.baseline(), &Filter::ALL);
        let count = Arc::clone(&said);
        let notify: Notify = Box::new(move |_, line| {
            count.fetch_add(line.contains("of a later moment").into(), Ordering::Relaxed);
        });
        let engine = Enhanced::open(&log.data_dir(), Lifetime::OneShot, notify);
        let (mut events, mut is_committed) = (String::new(), false);
        engine
            .all(&Filter::ALL, &mut |page| {
                page.events().for_each(|event| show(&event, &mut events));
                // Newer than all that was there. It fails where SQLite answers from the first event on and so holds its lock.
                let database = rusqlite::Connection::open(log.path("audit.db")).unwrap();
                database.busy_timeout(std::time::Duration::ZERO).unwrap();
                let insert = "INSERT INTO audit_events
                              SELECT NULL, 9000000, 1, 'A', 'B', 'C', 0, payload_len FROM audit_events WHERE id = 1";
                is_committed |= database.execute(insert, []).is_ok();
                Ok(())
            })
            .unwrap();
        assert!(events == before.0, "block {block}");
        interrupted += u64::from(is_committed && engine.refreshes().by_sqlite > 0);
        engine.maintain(&|_, _| {}).unwrap();
        assert!(
            everything(&log.enhanced(Lifetime::OneShot)) == everything(&log.baseline()),
            "block {block}"
        );
    }
    assert!(interrupted > 0);
    assert!(said.load(Ordering::Relaxed) > 0, "that the rest is of a later moment");
}
