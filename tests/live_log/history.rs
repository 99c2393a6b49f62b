//! Random histories: commits of every kind, in every journal mode, each followed by every question.

use auditq::engine::{Engine, Lifetime, RefreshCounts};
use auditq::model::Filter;

use super::compare::{all, assert_answers, assert_model, queries};
use super::random::Random;
use super::watched::wait_for_index;
use super::writer::Writer;
use crate::harness::Log;
use crate::harness::faults::{number, report};
use crate::harness::needs::needs;
use crate::harness::verified::verified;

/// Leaves frames of a transaction that was rolled back behind those that are committed.
const SPILL: &str = "a spill";
/// Steps behind which there is another log: a short commit leaves some of such frames behind its own.
const NEW_LOG: [&str; 2] = ["other journal modes", "a backup put back"];

/// What is done to the log, and whether it is nothing but rows that change: that never needs a build.
struct Step {
    what: &'static str,
    statement: String,
    only_rows: bool,
}

fn rows(what: &'static str, statement: String) -> Step {
    Step {
        what,
        statement,
        only_rows: true,
    }
}

fn other(what: &'static str, statement: String) -> Step {
    Step {
        what,
        statement,
        only_rows: false,
    }
}

/// What a history is drawn from.
struct History {
    random: Random,
    /// Where each payload lies, and its length.
    payloads: Vec<(usize, usize)>,
    journal_mode: &'static str,
}

impl History {
    fn new(log: &Log, journal_mode: &'static str, seed: u64) -> Self {
        let text = std::fs::read(log.path("payloads.jsonl")).unwrap();
        let mut offset = 0;
        let places = text.split_inclusive(|&byte| byte == b'\n').map(|line| {
            offset += line.len();
            (offset - line.len(), line.len())
        });
        History {
            random: Random(seed),
            payloads: places.collect(),
            journal_mode,
        }
    }

    fn time(&mut self) -> i64 {
        match self.random.below(40) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => -1,
            _ => self.random.between(1_000_000, 1_000_200),
        }
    }

    fn text(&mut self) -> String {
        match self.random.below(5) {
            0 => String::new(),
            1 => "ünï – 事件".to_owned(),
            _ => format!("A{}", self.random.below(6)),
        }
    }

    /// Values of a new row behind its id.
    fn values(&mut self, created_at: &str) -> String {
        let (actor, action, kind) = (self.random.below(9), self.text(), self.text());
        let (offset, len) = *self.random.pick(&self.payloads.clone());
        let resource = self.random.below(1000);
        format!("{created_at}, {actor}, '{action}', '{kind}', 'ORDER-{resource}', {offset}, {len}")
    }

    fn insert_at_end(&mut self) -> String {
        let values = self.values("(SELECT max(min(max(created_at), 2000000000), 0) + 1 FROM audit_events)");
        format!("INSERT INTO audit_events SELECT ifnull(max(id), 0) + 1, {values} FROM audit_events")
    }

    fn insert_at(&mut self, id: i64) -> String {
        let time = self.time().to_string();
        let values = self.values(&time);
        format!("INSERT OR REPLACE INTO audit_events VALUES ({id}, {values})")
    }

    fn update(&mut self) -> String {
        let (offset, len) = *self.random.pick(&self.payloads.clone());
        let change = match self.random.below(7) {
            0 => format!("created_at = {}", self.time()),
            1 => format!("actor_id = {}", self.random.below(9)),
            2 => format!("action = '{}'", self.text()),
            3 => format!("resource_type = '{}'", self.text()),
            4 => format!("resource_id = '{}'", self.text()),
            5 => format!("payload_offset = {offset}, payload_len = {len}"),
            _ => format!("id = -{}", 1 + self.random.below(500)),
        };
        let id = self.random.between(-20, 400);
        // The id changes only where none is in the way.
        format!("UPDATE OR IGNORE audit_events SET {change} WHERE id = {id}")
    }

    /// One statement that changes a few rows.
    fn statement(&mut self) -> (&'static str, String) {
        match self.random.below(12) {
            0..=2 => ("append", self.insert_at_end()),
            3 => {
                let id = self.random.between(-100, 500);
                ("insert or replace", self.insert_at(id))
            }
            4 => {
                let id = *self.random.pick(&[-(1 << 62), i64::MIN + 1, 1 << 62, (1 << 62) + 5]);
                ("insert at an extreme id", self.insert_at(id))
            }
            5..=8 => ("update", self.update()),
            9 => {
                let id = self.random.between(-20, 500);
                ("delete", format!("DELETE FROM audit_events WHERE id = {id}"))
            }
            10 => {
                let id = self.random.between(1, 400);
                (
                    "delete a range",
                    format!("DELETE FROM audit_events WHERE id BETWEEN {id} AND {}", id + 12),
                )
            }
            _ => {
                let time = self.random.between(1_000_000, 1_000_200);
                let change = format!(
                    "UPDATE audit_events SET created_at = {time} WHERE created_at BETWEEN {time} AND {}",
                    time + 3
                );
                ("equal times", change)
            }
        }
    }

    fn commit(&mut self) -> Step {
        let how = if self.random.is_one_of(3) {
            "commit"
        } else {
            "commit_staying"
        };
        let (what, statement) = self.statement();
        if !self.random.is_one_of(4) {
            return rows(what, format!("{how}({statement:?})"));
        }
        let mut all = vec![statement];
        all.extend((0..self.random.below(8)).map(|_| self.statement().1));
        if self.random.is_one_of(2) {
            // One id that goes and comes again.
            let id = self.random.between(1, 300);
            let again = self.insert_at(id);
            all.push(format!("DELETE FROM audit_events WHERE id = {id}"));
            all.push(again);
        }
        let (what, end) = if self.random.is_one_of(4) {
            ("a rollback", "ROLLBACK")
        } else {
            ("many statements", "COMMIT")
        };
        let all: Vec<String> = all.iter().map(|statement| format!("{statement:?}")).collect();
        rows(what, format!("{how}('BEGIN IMMEDIATE', {}, '{end}')", all.join(", ")))
    }

    fn checkpoint(&mut self) -> Step {
        let mode = *self.random.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
        let how = if self.random.is_one_of(2) {
            "commit"
        } else {
            "commit_staying"
        };
        let change = self.insert_at_end();
        rows(
            "a checkpoint",
            format!("{how}('PRAGMA wal_checkpoint({mode})', {change:?})"),
        )
    }

    fn spill(&mut self) -> Step {
        let end = *self.random.pick(&["COMMIT", "ROLLBACK"]);
        let (least, change) = (self.random.between(1, 300), self.random.below(9));
        // What no cache holds is written before it is committed.
        rows(
            SPILL,
            format!(
                "commit('PRAGMA cache_size = 10', 'PRAGMA cache_spill = 1', 'BEGIN IMMEDIATE', \
                 'UPDATE audit_events SET actor_id = (actor_id + {change}) % 9 WHERE id > {least}', \
                 'UPDATE audit_events SET resource_id = resource_id || 1 WHERE id % 7 = 0 AND length(resource_id) < 40', '{end}')"
            ),
        )
    }

    fn locking(&mut self) -> Step {
        let change = self.insert_at_end();
        rows(
            "an EXCLUSIVE writer",
            format!("close(); commit('PRAGMA locking_mode = EXCLUSIVE', {change:?}, 'BEGIN IMMEDIATE', 'COMMIT')"),
        )
    }

    fn other_journal(&mut self) -> Step {
        let change = self.insert_at_end();
        let back = self.journal_mode;
        let by_the_way = *self.random.pick(&["delete", "truncate", "persist", "memory", "wal"]);
        other(
            "other journal modes",
            format!("journal_mode('{by_the_way}', {change:?}); journal_mode('{back}')"),
        )
    }

    fn backup(&mut self) -> Step {
        // SQLite's own connections would be confused by it, so there are none.
        let place = *self.random.pick(&[
            "shutil.copyfile('backup.db', 'audit.db')",
            "os.rename('backup.db', 'audit.db')",
        ]);
        let change = self.insert_at_end();
        let back = self.journal_mode;
        other(
            "a backup put back",
            format!(
                "close(); journal_mode('delete'); shutil.copyfile('audit.db', 'backup.db'); commit({change:?}); \
                 elsewhere({place:?}); journal_mode('{back}')"
            ),
        )
    }

    /// A letter of a text that only the table holds.
    fn one_byte(&mut self) -> Step {
        let digit = self.random.below(10);
        let nth = self.random.below(200);
        let first = if self.random.is_one_of(2) {
            "commit_staying('PRAGMA wal_checkpoint(TRUNCATE)'); "
        } else {
            ""
        };
        let script = format!(
            "data = open('audit.db', 'rb').read(); at = -1\n\
             for _ in range({nth}):\n    at = data.find(b'ORDER-', at + 1)\n    if at < 0: break\n\
             if at > 0:\n    file = os.open('audit.db', os.O_WRONLY); os.pwrite(file, b'{digit}', at + 4); os.close(file)"
        );
        rows("one byte", format!("{first}elsewhere({script:?})"))
    }

    fn step(&mut self) -> Step {
        match self.random.below(24) {
            0..=12 => self.commit(),
            13 | 14 => self.checkpoint(),
            15 => self.spill(),
            16 => self.locking(),
            17 => self.other_journal(),
            18 => self.backup(),
            19 => self.one_byte(),
            20 => rows("the last close", "close()".to_owned()),
            21 => other("VACUUM", "close(); commit('VACUUM')".to_owned()),
            22 => {
                let (limit, change) = (self.random.below(9000), self.insert_at_end());
                rows(
                    "a size limit",
                    format!("commit_staying('PRAGMA journal_size_limit = {limit}', {change:?})"),
                )
            }
            _ => {
                let long = "x".repeat(self.random.between(300, 3000) as usize);
                let id = self.random.between(1, 300);
                other(
                    "a long text",
                    format!("commit_staying('UPDATE audit_events SET resource_type = \"{long}\" WHERE id = {id}')")
                        .replace('"', "\\'"),
                )
            }
        }
    }
}

/// What came of a history: the counts of the running engine and of all that were new.
fn run(journal_mode: &'static str, seed: u64, commits: u64) -> (RefreshCounts, RefreshCounts) {
    let log = Log::plain(300);
    let mut history = History::new(&log, journal_mode, seed);
    let page_size = *history.random.pick(&[512, 1024, 4096]);
    let auto_vacuum = history.random.below(3);
    log.sql(&format!(
        "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum}; VACUUM"
    ));
    log.journal_mode(journal_mode);
    let running = log.enhanced(Lifetime::LongLived);
    wait_for_index(&running, "before");
    let mut writer = Writer::start(log.root());
    let mut new = RefreshCounts::default();
    let mut has_frames_behind = false;
    let mut past: Vec<String> = Vec::new();
    for number in 0..commits {
        let step = history.step();
        past.push(format!("{}: {}", step.what, step.statement));
        let last = past[past.len().saturating_sub(4)..].join("\n  ");
        let what = format!("seed {seed}, {journal_mode}, pages of {page_size}, step {number}:\n  {last}\n");
        let before = running.refreshes();
        if let Err(why) = writer.try_run(&step.statement) {
            panic!("{what}: {why}");
        }
        let baseline = log.baseline();
        // The running engine first, because a new one may refresh the index.
        running.count(&Filter::ALL).unwrap();
        let events = all(&baseline, &Filter::ALL).unwrap();
        let queries = queries(&mut history.random, &events);
        assert_answers(&running, &events, &queries, &format!("running, {what}"));
        if step.only_rows {
            let after = running.refreshes();
            assert_eq!(
                (after.rebuilds, after.by_sqlite),
                (before.rebuilds, before.by_sqlite),
                "rebuilds and answers by SQLite, {what}"
            );
        }
        let fresh = log.enhanced(Lifetime::OneShot);
        assert_answers(&fresh, &events, &queries[..20], &format!("new, {what}"));
        let prepared = log.enhanced(Lifetime::OneShot);
        prepared.maintain(&|_, _| {}).unwrap();
        assert_answers(
            &prepared,
            &events,
            &queries,
            &format!("new and brought up to date, {what}"),
        );
        if step.what == SPILL {
            has_frames_behind = true;
        } else if NEW_LOG.contains(&step.what) {
            has_frames_behind = false;
        }
        // Frames behind the committed ones may be published at any moment, so that no state is used twice.
        if !has_frames_behind {
            assert_eq!(prepared.refreshes().by_sqlite, 0, "new and brought up to date, {what}");
        }
        for engine in [&fresh, &prepared] {
            let counts = engine.refreshes();
            new.by_frames += counts.by_frames;
            new.by_hashes += counts.by_hashes;
            new.rebuilds += counts.rebuilds;
        }
        assert_model(&baseline, &events, &queries, &mut history.random, &what);
        wait_for_index(&running, &what);
    }
    (running.refreshes(), new)
}

fn commits() -> u64 {
    number("AUDITQ_HISTORY_COMMITS", 50)
}

fn seed() -> u64 {
    number("AUDITQ_HISTORY_SEED", 24_301)
}

#[test]
fn a_random_history_in_a_write_ahead_log() {
    needs!(Python);
    verified("live_log::history::a_random_history_in_a_write_ahead_log", || {
        let (running, new) = run("wal", seed(), commits());
        report(&format!(
            "live_log, wal, seed {}: running {running:?}, new {new:?}",
            seed()
        ));
        assert!(running.by_frames > 0 && running.by_hashes > 0, "{running:?}");
        assert!(new.by_frames > 0 && new.by_hashes > 0, "{new:?}");
    });
}

#[test]
fn a_random_history_in_a_rollback_journal() {
    needs!(Python);
    verified("live_log::history::a_random_history_in_a_rollback_journal", || {
        let (running, new) = run("delete", seed(), commits());
        report(&format!(
            "live_log, delete, seed {}: running {running:?}, new {new:?}",
            seed()
        ));
        assert!(running.by_hashes > 0, "{running:?}");
        assert!(new.by_hashes > 0, "{new:?}");
    });
}
