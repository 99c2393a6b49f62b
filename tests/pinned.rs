//! Pages, counts and everything as of an event: they stand still while another connection inserts newer ones without pause.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::dataset::value;
use crate::harness::program::{Coprocess, MODES};
use crate::harness::{Log, NewEvent};

const EVENTS: i64 = 400;
const SIZE: usize = 29;

/// Events that share their second by the dozen, with ids that do not rise with time.
fn events() -> Vec<NewEvent> {
    let event = |number: i64| NewEvent {
        id: number * 37 % 401,
        created_at: 5_000 + number * 7 % 30,
        actor_id: number % 5,
        action: ["A", "B", "C"][number as usize % 3].to_owned(),
        resource_type: "T".to_owned(),
        resource_id: format!("T-{number}"),
    };
    (1..=EVENTS).map(event).collect()
}

/// The ids of the events that a request means, newest first, by sorting and leaving out.
fn expected(events: &[NewEvent], pin: (i64, i64), actor: Option<i64>, action: Option<&str>) -> Vec<i64> {
    let mut keys: Vec<_> = events
        .iter()
        .filter(|event| (event.created_at, event.id) <= pin)
        .filter(|event| actor.is_none_or(|actor| actor == event.actor_id))
        .filter(|event| action.is_none_or(|action| action == event.action))
        .map(|event| (event.created_at, event.id))
        .collect();
    keys.sort_unstable();
    keys.into_iter().rev().map(|(_, id)| id).collect()
}

/// Inserts newer events, one a commit and without pause, while `read` runs; `read` is told how many there were.
fn beside_a_writer(log: &Log, read: impl FnOnce(&AtomicU64)) {
    let (commits, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let database = rusqlite::Connection::open(log.path("audit.db")).unwrap();
            database.busy_timeout(Duration::from_secs(60)).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                // In the newest second of the start, too: the id alone makes those newer than the pin.
                let created_at = 5_029 + commits.load(Ordering::Relaxed) % 2;
                let insert = format!(
                    "INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, \
                     payload_offset, payload_len) \
                     SELECT {created_at}, 1, 'A', 'T', 'T-0', payload_offset, payload_len \
                     FROM audit_events WHERE id = 1"
                );
                database.execute_batch(&insert).unwrap();
                commits.fetch_add(1, Ordering::Relaxed);
                // Beside readers that never pause, SQLite gives a rollback journal's writer no turn; so it gives one.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        // A test that fails must end, too.
        let _over = OnDrop(&is_over);
        read(&commits);
    });
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until something was committed.
fn wait_for_commits(commits: &AtomicU64) {
    let (start, before) = (Instant::now(), commits.load(Ordering::Relaxed));
    while commits.load(Ordering::Relaxed) < before + 2 {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "the writer makes no progress"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ids(response: &Value) -> Vec<i64> {
    let events = response["events"].as_array().unwrap_or_else(|| panic!("{response}"));
    events.iter().map(|event| event["id"].as_i64().unwrap()).collect()
}

/// Page after page by number until one is empty; `before` runs before each.
fn walk(program: &mut Coprocess, request: &Value, mut before: impl FnMut()) -> Vec<Vec<i64>> {
    let mut pages: Vec<Vec<i64>> = Vec::new();
    loop {
        before();
        let mut asked = request.clone();
        asked["page"] = json!(pages.len() + 1);
        asked["page_size"] = json!(SIZE);
        let response = value(&program.ask(&asked.to_string()));
        assert_eq!(response["query"]["as_of"], request["as_of"], "{response}");
        let page = ids(&response);
        if page.is_empty() {
            return pages;
        }
        pages.push(page);
    }
}

fn pages_stand_still(journal_mode: &str) {
    let events = events();
    let newest = events.iter().map(|event| (event.created_at, event.id)).max().unwrap();
    // The newest event; one within a second that many share; one that is not there; none.
    let pins = [newest, (5_015, 200), (5_012, i64::MAX), (4_999, 0)];
    for mode in MODES {
        let log = Log::new(&events);
        log.journal_mode(journal_mode);
        let mut program = Coprocess::start(log.root(), &["--mode", mode]);
        let first = value(&program.ask(r#"{"as_of": "newest", "page_size": 1}"#));
        assert_eq!(first["query"]["as_of"], format!("{}:{}", newest.0, newest.1), "{mode}");
        beside_a_writer(&log, |commits| {
            for pin in pins {
                let as_of = format!("{}:{}", pin.0, pin.1);
                for (actor, action) in [(None, None), (Some(1), None), (None, Some("A")), (Some(1), Some("A"))] {
                    let wanted = expected(&events, pin, actor, action);
                    let request = json!({"as_of": as_of, "actor_id": actor, "action": action});
                    let walked = walk(&mut program, &request, || wait_for_commits(commits));
                    let pages: Vec<Vec<i64>> = wanted.chunks(SIZE).map(<[i64]>::to_vec).collect();
                    assert_eq!(walked, pages, "{mode}: {request}");
                }
                let wanted = expected(&events, pin, None, None);
                let call = |more: &[&str]| log.lines(&[&["query", "--mode", mode, "--as-of", &as_of], more].concat());
                assert_eq!(
                    call(&["--count"]),
                    format!("{{\"count\": {}}}\n", wanted.len()),
                    "{mode}: {as_of}"
                );
                let all: Vec<i64> = call(&["--all"])
                    .lines()
                    .map(|line| value(line)["id"].as_i64().unwrap())
                    .collect();
                assert_eq!(all, wanted, "{mode}: {as_of}");
            }
        });
    }
}

#[test]
fn pages_stand_still_beside_a_writer_with_a_rollback_journal() {
    pages_stand_still("delete");
}

#[test]
fn pages_stand_still_beside_a_writer_with_a_write_ahead_log() {
    pages_stand_still("wal");
}

/// The same walk without the pin: what was at the end of one page is at the start of the next once more.
#[test]
fn without_a_pin_pages_slide() {
    let events = events();
    let newest = events.iter().map(|event| (event.created_at, event.id)).max().unwrap();
    for mode in MODES {
        let log = Log::new(&events);
        let mut program = Coprocess::start(log.root(), &["--mode", mode]);
        let insert = || {
            log.sql(
                "INSERT INTO audit_events (created_at, actor_id, action, resource_type, resource_id, payload_offset,
                 payload_len) SELECT 9000, 1, 'A', 'T', 'T-0', payload_offset, payload_len FROM audit_events
                 WHERE id <= 3",
            )
        };
        let pages = walk(&mut program, &json!({}), insert);
        let doubled = pages
            .windows(2)
            .filter(|pair| pair[1].iter().any(|id| pair[0].contains(id)));
        assert_eq!(doubled.count(), pages.len() - 1, "{mode}: {pages:?}");
        let pinned = json!({"as_of": format!("{}:{}", newest.0, newest.1)});
        let walked = walk(&mut program, &pinned, insert).concat();
        assert_eq!(walked, expected(&events, newest, None, None), "{mode}");
    }
}

/// What the help says beside the promise: changes behind the pin move pages all the same.
#[test]
fn what_happens_behind_a_pin_shows() {
    for mode in MODES {
        let log = Log::new(&events());
        let count = |log: &Log| log.lines(&["query", "--mode", mode, "--as-of", "5015:200", "--count"]);
        let before = count(&log);
        log.sql("DELETE FROM audit_events WHERE id = (SELECT min(id) FROM audit_events WHERE created_at < 5015)");
        assert_ne!(count(&log), before, "{mode}");
        log.sql(
            "INSERT INTO audit_events SELECT 1000, 4999, actor_id, action, resource_type, resource_id, payload_offset,
             payload_len FROM audit_events LIMIT 1",
        );
        assert_eq!(count(&log), before, "{mode}");
    }
}

#[test]
fn an_empty_log_stays_empty_as_of_its_newest_event() {
    for mode in MODES {
        let log = Log::new(&[]);
        let mut program = Coprocess::start(log.root(), &["--mode", mode]);
        let response = value(&program.ask(r#"{"as_of": "newest"}"#));
        assert_eq!(ids(&response), [0_i64; 0], "{mode}");
        let pin = response["query"]["as_of"].as_str().unwrap().to_owned();
        log.sql("INSERT INTO audit_events VALUES (1, -5, 1, 'A', 'T', 'T-0', 0, 0)");
        let request = format!("{{\"as_of\": \"{pin}\"}}");
        assert_eq!(ids(&value(&program.ask(&request))), [0_i64; 0], "{mode}");
        assert_eq!(
            log.lines(&["query", "--mode", mode, "--as-of", &pin, "--count"]),
            "{\"count\": 0}\n"
        );
    }
}
