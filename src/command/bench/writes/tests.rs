//! The check under a writer is able to fail, and accepts what the baseline answers after any number of commits.

use std::path::Path;
use std::time::Duration;

use super::clock::{Clock, Commits};
use super::records;
use super::timeline::Timeline;
use super::turns::{Plan, measure};
use crate::command::bench::settings::Work;
use crate::contract::dataset::{ANCHOR, SCHEMA_SQL};
use crate::contract::workload::Workload;
use crate::engine::{Baseline, Engine, Enhanced, Lifetime};
use crate::error::Result;
use crate::model::{Filter, Page, PayloadRef, Position, Query, Row};
use crate::output::bench::write_tables;
use crate::seed::stream_anchor;
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::{Committer, Journal, Writer};

const EVENTS: i64 = 40;

/// A log in the first half of whose seconds all events lie.
fn log(root: &Path) -> DataDir {
    log_until(root, ANCHOR)
}

/// The same, with the newest event at this second.
fn log_until(root: &Path, newest: i64) -> DataDir {
    let dir = DataDir::new(root);
    std::fs::write(dir.payloads(), "{}\n").unwrap();
    let mut writer = Writer::create(
        dir.database(),
        &std::fs::File::create_new(dir.database()).unwrap(),
        SCHEMA_SQL,
    )
    .unwrap();
    for id in 1..=EVENTS {
        let row = Row {
            id,
            created_at: newest - (id * 7) % 20,
            actor_id: 1 + id % 3,
            action: "UPDATE",
            resource_type: "ORDER",
            resource_id: "ORDER-1",
            payload_ref: PayloadRef { offset: 0, len: 3 },
        };
        writer.insert(&row).unwrap();
    }
    writer
        .finish("CREATE INDEX IF NOT EXISTS idx_created_at ON audit_events (created_at)")
        .unwrap();
    dir
}

fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for actor_id in [None, Some(2), Some(3)] {
        for action in [None, Some("UPDATE"), Some("LOGOUT")] {
            for (from_ts, to_ts) in [(0, i64::MAX), (ANCHOR - 9, ANCHOR), (0, ANCHOR - 1)] {
                let filter = Filter {
                    from_ts,
                    to_ts,
                    actor_id,
                    action: action.map(str::to_owned),
                    as_of: None,
                };
                let pages = (1..=6).map(|page| Query::new(filter.clone(), Position::Page(page), 10).unwrap());
                queries.extend(pages);
            }
        }
    }
    queries
}

#[test]
fn the_timeline_knows_every_page_after_every_commit() {
    let root = tempfile::tempdir().unwrap();
    let (dir, queries) = (log(root.path()), queries());
    let timeline = Timeline::read(&dir, queries.iter()).unwrap();
    let committer = Committer::open(dir.database(), Journal::Rollback).unwrap();
    let (baseline, mut page) = (Baseline::new(&dir), Page::default());
    for appended in 0..30 {
        let mut noticed = 0;
        for query in &queries {
            baseline.page(query, &mut page).unwrap();
            assert!(
                timeline.is_page(query, &page, appended..=appended),
                "{appended} {query:?}"
            );
            noticed += usize::from(!timeline.is_page(query, &page, appended + 1..=appended + 1));
        }
        assert!(noticed > 3, "{appended}: a page that lacks an event is one that has it");
        let payload_ref = PayloadRef { offset: 0, len: 3 };
        committer
            .commit(&timeline.event(appended, "ORDER-1", payload_ref))
            .unwrap();
    }
}

/// Else no page that is asked under the writer would ever change, on a log that is older than the contract's.
#[test]
fn what_is_appended_lies_where_the_streams_end() {
    for newest in [1_000_000, ANCHOR - 1, ANCHOR, ANCHOR + 1_000_000] {
        let root = tempfile::tempdir().unwrap();
        let dir = log_until(root.path(), newest);
        let requests: Vec<_> = Workload::Deep.stream(stream_anchor(&dir)).take(1).collect();
        let timeline = Timeline::read(&dir, requests.iter()).unwrap();
        let appended = timeline.event(0, "ORDER-1", PayloadRef { offset: 0, len: 3 });
        assert_eq!(appended.created_at, requests[0].filter().to_ts, "{newest}");
    }
}

/// None of its commits comes before its time, and even a machine with other work leaves some of them.
#[test]
fn the_writer_commits_as_often_as_it_is_asked_to() {
    let root = tempfile::tempdir().unwrap();
    let dir = log(root.path());
    let timeline = Timeline::read(&dir, std::iter::empty()).unwrap();
    let commits = Commits::default();
    let mut writer = super::writer::Writer::open(&dir, Journal::Wal, &timeline, &commits).unwrap();
    let written = writer.write(40.0, &Clock::start(Duration::from_secs(1))).unwrap();
    let number = written.latencies_ns.len();
    assert!((4..=40).contains(&number), "{number}");
    assert_eq!((commits.begun(), commits.returned()), (number as u64, number as u64));
    assert!(written.wall >= Duration::from_secs(1));
    let count = Baseline::new(&dir).count(&Filter::ALL).unwrap();
    assert_eq!(count, EVENTS as u64 + number as u64);
}

#[test]
fn what_repeats_after_a_period_is_counted_on() {
    let root = tempfile::tempdir().unwrap();
    let dir = log(root.path());
    let query = Query::new(
        Filter {
            actor_id: Some(1),
            action: Some("LOGIN".to_owned()),
            ..Filter::ALL
        },
        Position::Page(1),
        3,
    )
    .unwrap();
    let timeline = Timeline::read(&dir, [&query].into_iter()).unwrap();
    // Actor 1 comes each 2,000 events, LOGIN each 6: both each 6,000.
    let mut page = Page::default();
    for number in [18_000, 12_000, 6_000] {
        page.push(
            &timeline.event(number, "ORDER-1", PayloadRef { offset: 0, len: 3 }),
            b"{}",
        );
    }
    assert!(timeline.is_page(&query, &page, 18_001..=18_001));
    assert!(timeline.is_page(&query, &page, 0..=24_000));
    assert!(!timeline.is_page(&query, &page, 18_000..=18_000) && !timeline.is_page(&query, &page, 24_001..=24_001));
}

fn plan<'a>(log: &'a DataDir, works: &'a [Work]) -> Plan<'a> {
    Plan {
        log,
        works,
        threads: 2,
        rounds: 2,
        rates_per_s: &[200.0],
        journals: &[Journal::Wal],
        turn: Duration::from_millis(200),
    }
}

/// A log in a directory of its own, and what is asked of it.
fn log_and_works() -> (tempfile::TempDir, DataDir, [Work; 1]) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("log")).unwrap();
    let dir = log(&root.path().join("log"));
    let works = [Work {
        name: "pages".to_owned(),
        requests: queries(),
    }];
    (root, dir, works)
}

/// What comes of a run in which the second engine answers from a log of its own, or from the copy.
fn refused(second: &dyn Fn(&DataDir) -> Box<dyn Engine>) -> String {
    let (root, dir, works) = log_and_works();
    let open = |copy: &DataDir| -> Result<[Box<dyn Engine>; 2]> { Ok([Box::new(Baseline::new(copy)), second(copy)]) };
    let error = measure(&plan(&dir, &works), &open, &|_, _| {})
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        std::fs::read_dir(root.path()).unwrap().count(),
        1,
        "the copy is left behind"
    );
    error
}

#[test]
fn an_engine_of_yesterday_gets_no_figures() {
    let yesterday = tempfile::tempdir().unwrap();
    let dir = log(yesterday.path());
    let line = refused(&|_| Box::new(Baseline::new(&dir)));
    assert!(
        line.starts_with("no figures: enhanced answered pages request "),
        "{line}"
    );
}

/// Right in every page, wrong in all of them together.
struct Forgetful(Baseline);

impl Engine for Forgetful {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        self.0.page(query, page)
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        self.0.count(filter)
    }

    fn all(&self, _: &Filter, _: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn maintain(&self, _: &(dyn Fn(u64, u64) + Sync)) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_last_state_that_differs_gets_no_figures() {
    let line = refused(&|copy| Box::new(Forgetful(Baseline::new(copy))));
    assert!(line.contains("after the last commit, the whole log"), "{line}");
}

#[test]
fn a_right_engine_gets_records_of_every_subject() {
    let (_root, dir, works) = log_and_works();
    let open = |copy: &DataDir| -> Result<[Box<dyn Engine>; 2]> {
        let enhanced = Enhanced::open(copy, Lifetime::LongLived, Box::new(|_, _| {}));
        Ok([Box::new(Baseline::new(copy)), Box::new(enhanced)])
    };
    let mut plan = plan(&dir, &works);
    plan.rates_per_s = &[0.0, 200.0];
    let records = records(&measure(&plan, &open, &|_, _| {}).unwrap(), false).unwrap();
    let subjects: Vec<_> = records.iter().map(|it| (it.write_rate_per_s, it.subject)).collect();
    assert_eq!(
        subjects,
        [
            (0.0, "baseline"),
            (0.0, "enhanced"),
            (200.0, "none"),
            (200.0, "baseline"),
            (200.0, "enhanced")
        ]
    );
    let has = |place: usize| (records[place].commits.is_some(), records[place].requests.is_some());
    assert_eq!(
        [0, 1, 2, 3, 4].map(has),
        [(false, true), (false, true), (true, false), (true, true), (true, true)]
    );
    assert_eq!(
        [0, 1, 2, 3, 4].map(|place| records[place].ratios.len()),
        [0, 1, 0, 0, 1]
    );
    assert_eq!(write_tables(&records).len(), 2);
}
