//! Pages without waiting, and walks that somebody else takes step by step: what the Python module is made of.

use auditq::engine::{Engine, Lifetime, Walk};
use auditq::model::{Filter, Key, Page};

use crate::harness::{Log, answer, filter, page};

fn at_once(engine: &dyn Engine, page: &mut Page, number: u64, size: u64) -> Option<usize> {
    let answered = engine.page_at_once(&crate::harness::page(number, size), page);
    answered.map(|done| done.map(|()| page.len()).unwrap())
}

#[test]
fn a_page_is_there_at_once_only_while_the_index_is_current() {
    let log = Log::plain(300);
    let (engine, mut found) = (log.enhanced(Lifetime::OneShot), Page::default());
    assert_eq!(at_once(&engine, &mut found, 1, 20), None, "there is no index");
    engine.maintain(&|_, _| {}).unwrap();
    for number in [1, 2, 15, 16, 1_000] {
        let query = page(number, 20);
        let mut expected = Page::default();
        engine.page(&query, &mut expected).unwrap();
        assert_eq!(at_once(&engine, &mut found, number, 20), Some(expected.len()));
        assert!(expected.events().eq(found.events()), "page {number}");
    }
    assert_eq!(at_once(&engine, &mut found, 1, 101), None, "it would take long");
    assert!(found.is_empty());
    log.sql("UPDATE audit_events SET actor_id = 7 WHERE id = 300");
    assert_eq!(at_once(&engine, &mut found, 1, 20), None, "it is stale");
    assert!(found.is_empty());
    assert_eq!(
        at_once(&log.baseline(), &mut found, 1, 20),
        None,
        "SQLite may have to wait"
    );
}

#[test]
fn a_page_whose_payload_is_on_the_disk_alone_is_not_there_at_once() {
    let log = Log::plain(300);
    let (engine, mut found) = (log.enhanced(Lifetime::OneShot), Page::default());
    engine.maintain(&|_, _| {}).unwrap();
    assert_eq!(at_once(&engine, &mut found, 1, 20), Some(20));
    let payloads = std::fs::File::open(log.path("payloads.jsonl")).unwrap();
    // What is not written yet cannot be dropped.
    payloads.sync_all().unwrap();
    rustix::fs::fadvise(&payloads, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let dropped = at_once(&engine, &mut found, 1, 20);
    // A file system in memory drops nothing.
    assert!(matches!(dropped, None | Some(20)));
    assert_eq!(dropped.is_none(), found.is_empty());
    assert!(answer(&engine, &page(1, 20)).is_ok());
    assert_eq!(at_once(&engine, &mut found, 1, 20), Some(20), "it has been read since");
}

#[test]
fn an_error_at_once_is_the_error_of_the_page() {
    let log = Log::plain(30);
    let (engine, mut found) = (log.enhanced(Lifetime::OneShot), Page::default());
    log.sql("UPDATE audit_events SET payload_len = payload_len - 3 WHERE id = 29");
    engine.maintain(&|_, _| {}).unwrap();
    let query = page(1, 20);
    let error = engine
        .page_at_once(&query, &mut found)
        .unwrap()
        .unwrap_err()
        .to_string();
    assert_eq!(error, engine.page(&query, &mut found).unwrap_err().to_string());
    assert!(found.is_empty());
}

/// The ids that a walk gives, and how it ends.
fn walked(engine: &dyn Engine, walk: &mut Walk) -> (Vec<i64>, Option<String>) {
    let (mut page, mut ids) = (Page::default(), Vec::new());
    loop {
        match engine.advance(walk, &mut page) {
            Ok(true) => ids.extend(page.events().map(|event| event.id)),
            Ok(false) => return (ids, None),
            Err(error) => return (ids, Some(error.to_string())),
        }
        assert!(!page.is_empty(), "no step is empty");
    }
}

#[test]
fn a_walk_is_of_one_moment_and_ends_behind_an_error() {
    let log = Log::plain(1_700);
    log.sql("UPDATE audit_events SET payload_offset = -1 WHERE id = 3");
    let enhanced = log.enhanced(Lifetime::OneShot);
    enhanced.maintain(&|_, _| {}).unwrap();
    let baseline = log.baseline();
    let (mut by_index, mut by_rows) = (Walk::new(&Filter::ALL, None), Walk::new(&Filter::ALL, None));
    let mut first = Page::default();
    assert!(enhanced.advance(&mut by_index, &mut first).unwrap());
    let given = first.len();
    assert!(baseline.advance(&mut by_rows, &mut first).unwrap());
    assert_eq!(given, first.len());
    log.sql("DELETE FROM audit_events WHERE id % 2 = 0");
    for (engine, walk) in [(&enhanced as &dyn Engine, &mut by_index), (&baseline, &mut by_rows)] {
        let (ids, end) = walked(engine, walk);
        assert_eq!(given + ids.len(), 1_697);
        assert!(end.unwrap().contains("event 3"));
        assert_eq!(walked(engine, walk), (Vec::new(), None), "it is over");
    }
    let after = Key {
        created_at: i64::MAX,
        id: 0,
    };
    let (filtered, _) = walked(&enhanced, &mut Walk::new(&filter(Some(-1), None), Some(after)));
    assert!(filtered.is_empty());
}
