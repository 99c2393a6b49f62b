//! Small files that claim to hold more than any machine can: every command ends, in little memory.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Log;
use crate::harness::faults::with_memory_limit;

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

/// Makes the pages below the table's root share their children: 40^levels times the rows of one leaf. Every page by itself is
/// a sound one. The first leaves stay as they are: that many children of the root are kept.
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
