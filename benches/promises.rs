//! What the README and docs promise of time and memory, as ratios measured in turn, each with room for noise: a promise
//! that is broken is broken by more than that. `cargo bench --bench promises`; the last step of `.ci/run` that measures.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that fails says so by a panic, and prints its table"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use auditq::engine::{Engine, Enhanced, Lifetime};
use auditq::model::{Filter, Page, Position, Query};
use auditq::storage::data_dir::DataDir;

/// The contract's dataset, and five times as many events.
const SIZES: [u64; 2] = [50_000, 250_000];
const ROUNDS: usize = 15;

/// One promise: what was found must be no more than this many times what it is compared with.
struct Promise {
    what: &'static str,
    found: f64,
    /// What docs/benchmarks.md says.
    documented: &'static str,
    most: f64,
}

fn main() {
    let logs = SIZES.map(|events| {
        let log = tempfile::tempdir().unwrap();
        let mut seed = auditq(log.path());
        let made = seed
            .args(["--quiet", "seed", "--events", &events.to_string()])
            .stdout(Stdio::null());
        assert!(made.status().unwrap().success());
        log
    });
    let [small, large] = [logs[0].path(), logs[1].path()];
    let promises = [
        cost_in_floors(
            "legacy",
            "one thread, legacy: a page / the floor's reads",
            "2.5 at most",
            5.0,
            small,
        ),
        cost_in_floors(
            "deep",
            "one thread, deep: a page / the floor's reads",
            "1.8 at most",
            3.6,
            small,
        ),
        Promise {
            what: "page 2,000 / page 1, 20 events",
            found: pages_in_turn(small, 2_000, small, 1),
            documented: "constant",
            most: 2.0,
        },
        Promise {
            what: "page 2,000 of 250,000 events / of 50,000",
            found: pages_in_turn(large, 2_000, small, 2_000),
            documented: "constant",
            most: 2.0,
        },
        Promise {
            what: "memory of a one-shot, 250,000 events / 50,000",
            found: memory_of_a_one_shot(large) / memory_of_a_one_shot(small),
            documented: "the same",
            most: 1.5,
        },
        Promise {
            what: "memory of a one-shot / of --version's and its page",
            found: memory_of_a_one_shot(small) / (4.5 * 1024.0),
            documented: "4.5 MiB",
            most: 2.0,
        },
        Promise {
            what: "building the index / a plain scan",
            found: build_against_scan(large),
            documented: "2 at most",
            most: 4.0,
        },
        Promise {
            what: "builds beside the answers / a fifth of the time",
            found: background_builds(small),
            documented: "a fifth",
            most: 2.0,
        },
    ];
    println!("{:<52} {:>8} {:>14} {:>8}", "promise", "found", "documented", "most");
    for it in &promises {
        println!(
            "{:<52} {:>8.2} {:>14} {:>8.1}",
            it.what, it.found, it.documented, it.most
        );
    }
    let broken: Vec<_> = promises
        .iter()
        .filter(|it| it.found > it.most)
        .map(|it| it.what)
        .collect();
    assert!(broken.is_empty(), "broken: {broken:?}");
}

fn auditq(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditq"));
    command.env_remove("AUDITQ_FORMAT").arg("--data-dir").arg(log);
    command
}

fn open(log: &Path) -> Enhanced {
    Enhanced::open(&DataDir::new(log), Lifetime::LongLived, Box::new(|_, _| {}))
}

fn page_of(number: u64, size: u64) -> Query {
    Query::new(Filter::ALL, Position::Page(number), size).unwrap()
}

/// The middle one of the values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What `auditq bench` says of the enhanced engine's cost.
fn cost_in_floors(workload: &str, what: &'static str, documented: &'static str, most: f64, log: &Path) -> Promise {
    let bench = [
        "bench",
        "--workload",
        workload,
        "--requests",
        "400",
        "--threads",
        "1",
        "--format",
        "jsonl",
        "-q",
    ];
    let output = auditq(log).args(bench).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let costs = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut costs =
        costs.filter(|line| line["type"] == "cost" && line["subject"] == "enhanced" && line["pages"] == "all");
    let found = costs.next().unwrap()["of_floor"]["ratio"].as_f64().unwrap();
    Promise {
        what,
        found,
        documented,
        most,
    }
}

/// How many times longer a page of one log takes than one of another, from one thread.
fn pages_in_turn(one: &Path, number: u64, other: &Path, other_number: u64) -> f64 {
    let (engines, queries) = (
        [open(one), open(other)],
        [page_of(number, 20), page_of(other_number, 20)],
    );
    let mut page = Page::default();
    let mut time = |side: usize| {
        let start = Instant::now();
        for _ in 0..200 {
            engines[side].page(&queries[side], &mut page).unwrap();
            assert_eq!(page.len(), 20);
        }
        start.elapsed().as_secs_f64()
    };
    time(0);
    time(1);
    median((0..ROUNDS).map(|_| time(0) / time(1)).collect())
}

/// The most memory that one page takes, in KiB: the process has found everything when it waits for its standard output to be
/// read, which nobody does.
fn memory_of_a_one_shot(log: &Path) -> f64 {
    let mut query = auditq(log);
    query.args(["query", "--page", "90", "--size", "100", "--format", "jsonl"]);
    let mut child = query.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let start = Instant::now();
    let mut memory = 0.0;
    // A process that waits for its pipe is asleep, and stays so.
    let mut asleep = 0;
    while asleep < 20 && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(5));
        let text = fs::read_to_string(&status).unwrap_or_default();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next())
                .unwrap_or_default()
                .to_owned()
        };
        memory = value("VmHWM:").parse().unwrap_or(memory);
        asleep = if value("State:") == "S" { asleep + 1 } else { 0 };
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(memory > 0.0);
    memory
}

/// How many times longer it takes to make the index than to take every column of each row.
fn build_against_scan(log: &Path) -> f64 {
    let sqlite = rusqlite::Connection::open(log.join("audit.db")).unwrap();
    let scan = || {
        let start = Instant::now();
        let mut statement = sqlite.prepare("SELECT * FROM audit_events").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..8 {
                std::hint::black_box(row.get_ref(column).unwrap());
            }
        }
        start.elapsed().as_secs_f64()
    };
    let build = || {
        for name in ["audit.idx", "audit.idx-delta"] {
            let _ = fs::remove_file(log.join(name));
        }
        let engine = Enhanced::open(&DataDir::new(log), Lifetime::OneShot, Box::new(|_, _| {}));
        assert!(engine.needs_build());
        let start = Instant::now();
        engine.maintain(&|_, _| {}).unwrap();
        let took = start.elapsed().as_secs_f64();
        assert!(!engine.needs_build());
        took
    };
    scan();
    median((0..5).map(|_| build() / scan()).collect())
}

/// How much of the time the builds beside the answers take, in fifths: each is followed by a pause of four times as long.
/// Another table with each commit is what only a build can follow.
fn background_builds(log: &Path) -> f64 {
    let sqlite = rusqlite::Connection::open(log.join("audit.db")).unwrap();
    let engine = Enhanced::open(&DataDir::new(log), Lifetime::LongLived, Box::new(|_, _| {}));
    let mut page = Page::default();
    // What one takes when it has nothing to wait for.
    sqlite.execute_batch("CREATE TABLE alone (x)").unwrap();
    let alone = Enhanced::open(&DataDir::new(log), Lifetime::OneShot, Box::new(|_, _| {}));
    let start = Instant::now();
    alone.maintain(&|_, _| {}).unwrap();
    let one = start.elapsed().as_secs_f64();
    let (start, time) = (Instant::now(), Duration::from_secs(3));
    let before = engine.refreshes().rebuilds;
    let mut number = 0;
    while start.elapsed() < time {
        sqlite
            .execute_batch(&format!("CREATE TABLE other_{number} (x)"))
            .unwrap();
        number += 1;
        engine.page(&page_of(1, 20), &mut page).unwrap();
    }
    let builds = engine.refreshes().rebuilds - before;
    for number in 0..number {
        sqlite.execute_batch(&format!("DROP TABLE other_{number}")).unwrap();
    }
    builds as f64 * one / start.elapsed().as_secs_f64() * 5.0
}
