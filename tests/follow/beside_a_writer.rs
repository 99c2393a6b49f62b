//! Beside a writer that inserts, inserts late, changes and deletes, at several rates: the set of what was told is what became
//! visible, nothing is lost, and nothing is told twice but what changed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::feed::{Following, Said, insertion};
use crate::harness::dataset::value;
use crate::harness::faults::report;
use crate::harness::program::MODES;
use crate::harness::{Log, seconds};

const EVENTS: i64 = 2_000;
/// The resource of an event that tells that all before it was told.
const LAST: &str = "LAST";

/// What the writer did to an event, one version after the other.
#[derive(Default)]
struct History {
    /// The number of each version, and when it was committed; ascending.
    versions: Vec<(u64, Instant)>,
    deletions: usize,
    is_there: bool,
    was_there: bool,
}

struct Writer {
    database: rusqlite::Connection,
    random: u64,
    version: u64,
    next_id: i64,
    /// How many events there are at first.
    first: i64,
    events: HashMap<i64, History>,
    commits: u64,
}

impl Writer {
    fn new(log: &Log, first: i64) -> Self {
        let database = rusqlite::Connection::open(log.path("audit.db")).unwrap();
        database.busy_timeout(Duration::from_secs(60)).unwrap();
        let there = |id| {
            let history = History {
                is_there: true,
                was_there: true,
                ..History::default()
            };
            (id, history)
        };
        Writer {
            database,
            random: 0x9e37_79b9_7f4a_7c15,
            version: 0,
            next_id: 5 * first,
            first,
            events: (1..=first).map(there).collect(),
            commits: 0,
        }
    }

    fn below(&mut self, bound: i64) -> i64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound as u64) as i64
    }

    /// One commit of one to four changes.
    fn commit(&mut self) {
        let mut sql = String::from("BEGIN IMMEDIATE;");
        let mut done: Vec<(i64, u64, bool)> = Vec::new();
        for _ in 0..=self.below(4) {
            self.version += 1;
            let version = self.version;
            let kind = self.below(10);
            let id = match kind {
                // At the end, or under an id that was left out; most of the time with an old time.
                0..=5 => {
                    self.next_id += 1 + self.below(3);
                    if kind == 5 { -self.next_id } else { self.next_id }
                }
                _ => 1 + self.below(self.first),
            };
            let is_there = self.events.get(&id).is_some_and(|history| history.is_there);
            if done.iter().any(|(other, ..)| *other == id) {
                continue;
            }
            let created_at = 1_000_000 + self.below(self.first * 3 / 5);
            if kind >= 8 && is_there {
                sql.push_str(&format!("DELETE FROM audit_events WHERE id = {id};"));
                done.push((id, version, true));
                continue;
            }
            sql.push_str(&match is_there {
                false => insertion(id, created_at, &format!("T-{version}")),
                // A change of the key, too, now and then.
                true if kind == 6 => format!(
                    "UPDATE audit_events SET resource_id = 'T-{version}', created_at = {created_at} WHERE id = {id};"
                ),
                true => format!("UPDATE audit_events SET resource_id = 'T-{version}' WHERE id = {id};"),
            });
            done.push((id, version, false));
        }
        sql.push_str("COMMIT;");
        self.database.execute_batch(&sql).unwrap();
        self.commits += 1;
        let now = Instant::now();
        for (id, version, is_deleted) in done {
            let history = self.events.entry(id).or_default();
            history.is_there = !is_deleted;
            if is_deleted {
                history.deletions += 1;
            } else {
                history.versions.push((version, now));
            }
        }
    }

    /// An event newer than all others; `number` tells several of them apart.
    fn end(&self, number: i64) {
        self.database
            .execute_batch(&insertion((1 << 50) + number, i64::MAX, LAST))
            .unwrap();
    }
}

/// What was told of each event: versions in turn.
type Versions = HashMap<i64, Vec<(u64, Instant)>>;

/// What was told of each event, and how often it was said to be removed.
fn told(said: &[Said]) -> (Versions, HashMap<i64, usize>) {
    let (mut versions, mut removed) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
    for said in said {
        match said {
            Said::Line(line, at) => {
                let event = value(line);
                let resource = event["resource_id"].as_str().unwrap();
                if resource != LAST {
                    let version = resource.strip_prefix("T-").and_then(|number| number.parse().ok());
                    let version = version.unwrap_or_else(|| panic!("an event that never changed: {line}"));
                    versions
                        .entry(event["id"].as_i64().unwrap())
                        .or_default()
                        .push((version, *at));
                }
            }
            Said::Note(note) => {
                let key = note
                    .strip_prefix("auditq: removed: ")
                    .unwrap_or_else(|| panic!("{note}"));
                let id = key.split_once(':').unwrap().1.parse().unwrap();
                *removed.entry(id).or_default() += 1;
            }
        }
    }
    (versions, removed)
}

fn check(events: &HashMap<i64, History>, said: &[Said], what: &str) -> Vec<Duration> {
    let (versions, removed) = told(said);
    let mut latencies = Vec::new();
    for id in versions.keys().chain(removed.keys()) {
        assert!(events.contains_key(id), "{what}: {id} was never there");
    }
    for (id, history) in events {
        let told = versions.get(id).map_or(&[][..], Vec::as_slice);
        let what = format!("{what}: event {id}, versions {:?}, told {told:?}", history.versions);
        assert!(
            told.is_sorted_by(|one, next| one.0 < next.0),
            "twice, or an old one: {what}"
        );
        for (version, at) in told {
            let committed = history.versions.iter().find(|(number, _)| number == version);
            let committed = committed.unwrap_or_else(|| panic!("not its own: {what}"));
            // A line can come before the writer has looked at the clock.
            latencies.push(at.saturating_duration_since(committed.1));
        }
        let removals = removed.get(id).copied().unwrap_or(0);
        assert!(
            removals <= history.deletions,
            "{removals} removals, {}: {what}",
            history.deletions
        );
        if history.is_there {
            // What is there in the end was told, in its last version.
            let last = history.versions.last().map(|last| last.0);
            assert_eq!(told.last().map(|last| last.0), last, "lost: {what}");
        } else {
            // What was visible and is gone was said to be gone.
            assert!(
                removals > 0 || (told.is_empty() && !history.was_there),
                "not said to be gone: {what}"
            );
        }
    }
    latencies.sort_unstable();
    latencies
}

fn follows(journal: &str, mode: &str, commits_a_second: Option<u64>) {
    follows_log(EVENTS, journal, mode, commits_a_second);
}

fn follows_log(events: i64, journal: &str, mode: &str, commits_a_second: Option<u64>) {
    let log = Log::plain(events);
    log.journal_mode(journal);
    let mut following = Following::start_and_probe(&log, &["--mode", mode]);
    let mut writer = Writer::new(&log, events);
    let (start, length) = (Instant::now(), seconds("AUDITQ_FOLLOW_SECONDS", 3));
    while start.elapsed() < length {
        writer.commit();
        if let Some(rate) = commits_a_second {
            let due = start + Duration::from_secs(1) * writer.commits as u32 / rate as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    // A look that is done in pieces can have begun before the last commits, and tell the first of these without them. The
    // next one tells everything.
    let mut said = Vec::new();
    for number in 0..2 {
        writer.end(number);
        said.extend(following.wait_for(|said| matches!(said, Said::Line(line, _) if line.contains(LAST))));
    }
    // Removals of the same look are said on the other stream.
    following.signal(rustix::process::Signal::TERM);
    let (status, rest) = following.end();
    assert_eq!(status.code(), Some(0));
    said.extend(rest);
    let what = format!("{events} events, {journal}, {mode}, {commits_a_second:?} commits/s");
    let latencies = check(&writer.events, &said, &what);
    let ms = |share: usize| {
        latencies
            .get(latencies.len() * share / 100)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    report(&format!(
        "follow, {what}: {} commits, {} events told, from commit to line {:.1} ms (median), {:.1} ms (P99)",
        writer.commits,
        latencies.len(),
        ms(50),
        ms(99)
    ));
}

#[test]
fn one_commit_a_second() {
    MODES.iter().for_each(|mode| follows("delete", mode, Some(1)));
    MODES.iter().for_each(|mode| follows("wal", mode, Some(1)));
}

#[test]
fn a_hundred_commits_a_second() {
    MODES.iter().for_each(|mode| follows("delete", mode, Some(100)));
    MODES.iter().for_each(|mode| follows("wal", mode, Some(100)));
}

#[test]
fn as_many_commits_as_there_can_be() {
    MODES.iter().for_each(|mode| follows("delete", mode, None));
    MODES.iter().for_each(|mode| follows("wal", mode, None));
}

/// One look at so many events takes longer than commits may wait with a rollback journal: it is done in pieces, between which
/// events come, go and move.
#[test]
fn a_log_that_is_read_in_pieces() {
    follows_log(40_000, "delete", "baseline", Some(300));
}
