//! Small files that claim to hold more than any machine can: every command ends, in little memory.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Log;
use crate::harness::faults::with_memory_limit;
use crate::harness::needs::needs;

/// Far more than any of it takes, also beside other work.
const TIME: Duration = Duration::from_secs(30);
/// Bytes of address space.
const MEMORY: u64 = 600 << 20;

const PAGE_SIZE: usize = 512;
/// Children of each inner page.
const CELLS: usize = 40;

/// The program's output; killed, and `None`, where it does not end.
fn output_in_time(mut command: Command) -> Option<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        bytes
    });
    let end = Instant::now() + TIME;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut stderr = Vec::new();
    err.read_to_end(&mut stderr).unwrap();
    Some(Output {
        status,
        stdout: out.join().unwrap(),
        stderr,
    })
}

/// A log of a few hundred rows in small pages.
fn small_pages() -> Log {
    let log = Log::plain(300);
    log.sql(&format!("PRAGMA page_size = {PAGE_SIZE}; VACUUM"));
    log
}

fn table_root(log: &Log) -> usize {
    let database = rusqlite::Connection::open(log.path("audit.db")).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'audit_events'";
    let page: u32 = database.query_row(root, [], |row| row.get(0)).unwrap();
    page as usize
}

/// Makes the pages below the table's root share their children: 40^levels times the rows of one leaf. Every page by
/// itself is a sound one. The first leaves stay as they are: that many children of the root are kept.
fn share_children(path: &Path, root: usize, levels: usize, kept: usize) {
    let mut bytes = fs::read(path).unwrap();
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let half = |bytes: &[u8], at: usize| u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap()) as usize;
    let start = |page: usize| (page - 1) * PAGE_SIZE;
    let page = &bytes[start(root)..start(root + 1)];
    assert_eq!(page[0], 5, "an inner page");
    let cells = half(page, 3);
    let children: Vec<usize> = (0..cells).map(|cell| word(page, half(page, 12 + 2 * cell))).collect();
    assert!(children.len() > kept + levels + 1, "{}", children.len());
    let leaf = children[0];
    let inner = &children[kept + 1..=kept + levels];
    for (level, &number) in inner.iter().enumerate() {
        let child = inner.get(level + 1).copied().unwrap_or(leaf) as u32;
        let mut page = vec![0; PAGE_SIZE];
        page[0] = 5;
        page[3..5].copy_from_slice(&(CELLS as u16).to_be_bytes());
        page[5..7].copy_from_slice(&((PAGE_SIZE - 5 * CELLS) as u16).to_be_bytes());
        page[8..12].copy_from_slice(&child.to_be_bytes());
        for cell in 0..CELLS {
            let at = PAGE_SIZE - 5 * (cell + 1);
            page[12 + 2 * cell..14 + 2 * cell].copy_from_slice(&(at as u16).to_be_bytes());
            page[at..at + 4].copy_from_slice(&child.to_be_bytes());
            page[at + 4] = 100;
        }
        bytes[start(number)..start(number + 1)].copy_from_slice(&page);
    }
    // Behind the kept ones, all of the root's children are the first inner page.
    let first = (inner[0] as u32).to_be_bytes();
    for cell in kept..cells {
        let at = start(root) + half(&bytes, start(root) + 12 + 2 * cell);
        bytes[at..at + 4].copy_from_slice(&first);
    }
    bytes[start(root) + 8..start(root) + 12].copy_from_slice(&first);
    fs::write(path, bytes).unwrap();
}

#[test]
fn pages_that_share_children_are_no_endless_table() {
    let commands: [&[&str]; 8] = [
        &["query", "--page", "2"],
        &["query", "--page", "2", "--mode", "baseline"],
        &["query", "--page", "2", "--actor", "3"],
        &["query", "--all"],
        &["query", "--all", "--mode", "baseline"],
        &["diff", "--workload", "deep", "--requests", "5"],
        &["verify-baseline"],
        &["seed", "--events", "300"],
    ];
    for kept in [0, 8] {
        let log = small_pages();
        share_children(&log.path("audit.db"), table_root(&log), 7, kept);
        let size = fs::metadata(log.path("audit.db")).unwrap().len();
        assert!(size < 100 << 10, "{size}");
        for command in commands {
            let output = output_in_time(with_memory_limit(MEMORY, log.root(), command));
            let output = output.unwrap_or_else(|| panic!("{kept} kept: {command:?} does not end"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                matches!(output.status.code(), Some(0..=2)),
                "{command:?}: {:?} {said}",
                output.status
            );
            assert!(!said.contains("memory"), "{command:?}: {said}");
        }
    }
}

const LONG_TEXTS: [&str; 3] = [
    // One text, far longer than any.
    "UPDATE audit_events SET resource_id = printf('%128000000s', 'x') WHERE id = 50",
    "UPDATE audit_events SET action = printf('%128000000s', 'x') WHERE id = 50",
    // Many that are long, but each is not.
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
     INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len)
     SELECT 1, 3, 'LOGIN', 'ORDER', i || printf('%64000s', 'x'), 0, 2 FROM n",
];

/// Who appends long texts does not make every request take many times as much memory, and both modes say the same.
#[test]
fn long_texts_are_left_to_sqlite() {
    let requests: [&[&str]; 4] = [
        &["query", "--page", "2", "--actor", "3"],
        &["query", "--page", "9"],
        &["query", "--page", "9", "--action", "UPDATE"],
        &["query", "--count", "--actor", "3"],
    ];
    for change in LONG_TEXTS {
        for is_indexed in [false, true] {
            let log = Log::plain(300);
            if is_indexed {
                log.lines(&["query", "--page", "3"]);
            }
            log.sql(change);
            for request in requests {
                let in_little = |mode: &str| {
                    let arguments = [request, &["--mode", mode]].concat();
                    let output = output_in_time(with_memory_limit(300 << 20, log.root(), &arguments)).unwrap();
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert_eq!(output.status.code(), Some(0), "{change} {arguments:?}: {said}");
                    // No index is tried that the limit has no room for; nothing else may run out of it.
                    let said = said.replace("cannot build: out of memory", "");
                    assert!(!said.contains("memory"), "{change} {arguments:?}: {said}");
                    output.stdout
                };
                let (baseline, enhanced) = (in_little("baseline"), in_little("enhanced"));
                assert!(baseline == enhanced, "{change} {request:?}");
            }
        }
    }
}

/// A text at the limit, and one byte more, stored in UTF-8 and in UTF-16.
#[test]
fn a_text_at_the_limit_is_indexed() {
    needs!(Python);
    for encoding in ["UTF-8", "UTF-16"] {
        let log = Log::plain(300);
        log.python(&format!(
            "import os, sqlite3\n\
             old = sqlite3.connect('audit.db')\n\
             schema = old.execute(\"SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'\").fetchall()\n\
             rows = old.execute('SELECT * FROM audit_events').fetchall()\n\
             old.close()\n\
             os.remove('audit.db')\n\
             new = sqlite3.connect('audit.db')\n\
             new.execute('PRAGMA encoding = \"{encoding}\"')\n\
             for statement, in schema: new.execute(statement)\n\
             new.executemany('INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)', rows)\n\
             new.commit()"
        ));
        for (text, is_indexed) in [("x", true), ("xy", false)] {
            // In UTF-16 these have two thirds of the bytes that they have in UTF-8.
            let euros = (65_536 - 1) / 3;
            log.sql(&format!(
                "UPDATE audit_events SET resource_id = replace(printf('%{euros}s', ''), ' ', '€') || '{text}' WHERE id = 50"
            ));
            let output = log.auditq(&["query", "--page", "3"]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.is_empty(), is_indexed, "{encoding} {text}: {said}");
            let expected = log.lines(&["query", "--page", "3", "--mode", "baseline"]);
            assert!(
                String::from_utf8(output.stdout).unwrap() == expected,
                "{encoding} {text}"
            );
            fs::remove_file(log.path("audit.idx")).unwrap();
        }
    }
}

/// A text of any length that no page has to hold.
#[test]
fn a_view_of_endless_texts_is_an_error() {
    let log = Log::plain(300);
    log.sql(
        "ALTER TABLE audit_events RENAME TO kept;
         CREATE VIEW audit_events AS
         SELECT id, created_at, actor_id, printf('%900000000s', action) AS action, resource_type, resource_id,
                payload_offset, payload_len
         FROM kept",
    );
    for request in [
        &["query"][..],
        &["query", "--all"],
        &["query", "--page", "3", "--actor", "3"],
    ] {
        let answer = |mode: &str| {
            let arguments = [request, &["--mode", mode]].concat();
            let output = output_in_time(with_memory_limit(MEMORY, log.root(), &arguments)).unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, said) = answer("baseline");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("longer than 256 MiB"), "{said}");
        let (code, enhanced) = answer("enhanced");
        assert_eq!(code, Some(2), "{enhanced}");
        assert_eq!(enhanced.lines().last(), said.lines().last());
    }
}
