//! What an answer costs, as far as an index that may be old can tell: enough to choose between SQLite and a refresh.

use std::time::Duration;

use crate::model::{Filter, Position, Query};
use crate::storage::index::Index;

/// SQLite steps over an entry of its index on `created_at`.
const SKIP: f64 = 80.0;
/// SQLite looks at a row. Nanoseconds.
const ROW: f64 = 700.0;
/// A leaf page of the directory is taken into memory.
const LEAF: f64 = 150.0;
/// A byte of a leaf page is read and hashed.
const HASHED_BYTE: f64 = 1.0;
/// What every refresh costs in a process that does only one.
const REFRESH: f64 = 400_000.0;

/// An event is read into a new index. Nanoseconds, of two processors.
const BUILT: f64 = 600.0;

/// How many changes are folded into a new base. A fold costs as much as the log is long and keeps what is new waiting.
pub(super) struct FoldBeyond {
    changes: u64,
    /// One in so many of the log's events.
    share: u64,
}

/// Where commits pause, and where a fold keeps nobody waiting: a process that answers once opens the delta in a few
/// milliseconds.
pub(super) const FOLD_IF_IDLE: FoldBeyond = FoldBeyond {
    changes: 4_096,
    share: 256,
};
/// Where they never do: changes take memory, and the fold of so many costs little of each.
pub(super) const FOLD_IF_BUSY: FoldBeyond = FoldBeyond {
    changes: 131_072,
    share: 8,
};

impl FoldBeyond {
    /// As many changes of a log of so many events are still kept.
    pub(super) fn of(&self, events: u64) -> u64 {
        self.changes.max(events / self.share)
    }
}

fn ns(ns: f64) -> Duration {
    Duration::from_nanos(ns as u64)
}

/// SQLite's way to a page.
pub(super) fn page_by_sqlite(index: Option<&Index>, query: &Query) -> Duration {
    let is_window_only = query.filter().is_window_only();
    let walked = index.and_then(|index| rows_to_page(index, query));
    let walked = walked.unwrap_or_else(|| end_of_page(query)) as f64;
    // Where all that it steps over matches, it looks at the rows of the page only.
    ns(if is_window_only {
        f64::from(query.page_size()) * ROW + walked * SKIP
    } else {
        walked * ROW
    })
}

/// The matching events up to the end of a page.
fn end_of_page(query: &Query) -> u64 {
    query.offset().saturating_add(u64::from(query.page_size()))
}

/// How many events SQLite passes until a page is full: those of the window up to the page's last event, whosever they
/// are, or the whole window where that has fewer. An actor's events can lie anywhere in it.
fn rows_to_page(index: &Index, query: &Query) -> Option<u64> {
    let cursor = match query.position() {
        Position::After(key) => Some(key.predecessor()?),
        Position::Page(_) => None,
    };
    let filter = Filter {
        as_of: query.filter().as_of.into_iter().chain(cursor).min(),
        ..query.filter().clone()
    };
    let all = rows_in_window(index, &filter)?;
    if filter.is_window_only() {
        return Some(end_of_page(query).min(all));
    }
    let Some(last) = index.nth_newest(&filter, end_of_page(query)).ok()? else {
        return Some(all);
    };
    let up_to = Filter {
        as_of: Some(last),
        ..filter
    };
    Some(all.saturating_sub(rows_in_window(index, &up_to)?) + 1)
}

/// SQLite's way to a number of events.
pub(super) fn count_by_sqlite(index: Option<&Index>, filter: &Filter) -> Duration {
    let rows = index.and_then(|index| rows_in_window(index, filter)).unwrap_or(0) as f64;
    // The service's statement names both filters, so that it looks at every row.
    ns(rows * if filter.is_window_only() { SKIP } else { ROW })
}

/// SQLite's way to all events of a filter, beyond what they cost anyhow.
pub(super) fn all_by_sqlite(index: Option<&Index>, filter: &Filter) -> Duration {
    let rows = index.and_then(|index| rows_in_window(index, filter)).unwrap_or(0) as f64;
    ns(rows * ROW)
}

/// How many events lie in a filter's window, whosever they are.
fn rows_in_window(index: &Index, filter: &Filter) -> Option<u64> {
    let window = Filter {
        actor_id: None,
        action: None,
        ..filter.clone()
    };
    index.count(&window).ok()
}

/// A refresh by the frames of the log, or by hashes, in a process that has done none so far.
pub(super) fn first_refresh(leaves: u64, page_size: u64, by_hashes: bool) -> Duration {
    let hashed = if by_hashes {
        refresh_by_hashes(leaves, page_size)
    } else {
        Duration::ZERO
    };
    ns(REFRESH + leaves as f64 * LEAF) + hashed
}

/// A refresh by hashes in a process that has done one before.
pub(super) fn refresh_by_hashes(leaves: u64, page_size: u64) -> Duration {
    ns(leaves as f64 * page_size as f64 * HASHED_BYTE)
}

/// A build of an index of so many events.
pub(super) fn build(events: u64) -> Duration {
    ns(events as f64 * BUILT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::model::Key;
    use crate::storage::data_dir::DataDir;
    use crate::storage::index::{IfLocked, RebuildOutcome, rebuild};

    /// 700 events, one a second, a seventh of them of actor 3.
    fn index() -> Index {
        let place = tempfile::tempdir().unwrap();
        let dir = DataDir::new(place.path());
        let rows = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 700)
            INSERT INTO audit_events SELECT id, id, id % 7, 'LOGIN', 'T', 'R', 0, 1 FROM n;";
        let database = rusqlite::Connection::open(dir.database()).unwrap();
        database.execute_batch(&format!("{SCHEMA_SQL} {rows}")).unwrap();
        match rebuild(&dir, IfLocked::GiveUp, &|_, _| {}).unwrap() {
            RebuildOutcome::Done {
                follower: Some(follower),
                ..
            } => follower.index().clone(),
            _ => panic!("no index was built"),
        }
    }

    #[test]
    fn a_pause_folds_what_a_burst_keeps() {
        for events in [0, 2_000, 1_000_000, 5_000_000] {
            assert!(FOLD_IF_IDLE.of(events) < FOLD_IF_BUSY.of(events));
        }
        // A share of a large log, and never a handful of changes.
        assert_eq!(FOLD_IF_IDLE.of(5_120_000), 20_000);
        assert_eq!(FOLD_IF_IDLE.of(100), FOLD_IF_IDLE.of(0));
    }

    fn by_actor() -> Filter {
        Filter {
            actor_id: Some(3),
            ..Filter::ALL
        }
    }

    fn key_of(id: i64) -> Key {
        Key { created_at: id, id }
    }

    fn pinned(filter: Filter, id: i64) -> Filter {
        Filter {
            as_of: Some(key_of(id)),
            ..filter
        }
    }

    /// Half of the events.
    fn window(filter: Filter) -> Filter {
        Filter { to_ts: 350, ..filter }
    }

    #[test]
    fn a_page_costs_the_rows_that_sqlite_looks_at_to_reach_it() {
        let index = index();
        let cost = |index: Option<&Index>, filter: Filter, position| {
            page_by_sqlite(index, &Query::new(filter, position, 10).unwrap()).as_nanos()
        };
        let behind = Position::After(key_of(900));
        // Ten rows are looked at; those before them are entries of SQLite's index.
        assert_eq!(cost(None, Filter::ALL, Position::Page(3)), 10 * 700 + 30 * 80);
        assert_eq!(cost(Some(&index), Filter::ALL, behind), 10 * 700 + 10 * 80);
        // Of a filter, one row in seven matches; the first is the fifth of the window.
        for (filter, position, rows) in [
            (by_actor(), Position::Page(1), 5 + 9 * 7),
            (by_actor(), Position::Page(4), 5 + 39 * 7),
            (by_actor(), Position::Page(11), 700),
            (by_actor(), behind, 5 + 9 * 7),
            (by_actor(), Position::After(key_of(696)), 7 + 9 * 7),
            (window(by_actor()), Position::Page(4), 5 + 39 * 7),
            (window(by_actor()), Position::Page(6), 350),
            (pinned(by_actor(), 100), Position::Page(1), 7 + 9 * 7),
            (pinned(by_actor(), 100), Position::After(key_of(50)), 49),
        ] {
            assert_eq!(
                cost(Some(&index), filter.clone(), position),
                rows * 700,
                "{filter:?} {position:?}"
            );
        }
        // Beyond the end it steps over what there is.
        assert_eq!(cost(Some(&index), Filter::ALL, Position::Page(99)), 10 * 700 + 700 * 80);
        let nobody = Filter {
            actor_id: Some(77),
            ..Filter::ALL
        };
        assert_eq!(cost(Some(&index), nobody, Position::Page(1)), 700 * 700);
        // Nothing is known: at least the rows of the page and those before it.
        assert_eq!(cost(None, by_actor(), Position::Page(3)), 30 * 700);
    }

    #[test]
    fn a_count_and_an_export_cost_the_window() {
        let index = index();
        let count = |filter: Filter| count_by_sqlite(Some(&index), &filter).as_nanos();
        assert_eq!(count(Filter::ALL), 700 * 80);
        assert_eq!(count(window(Filter::ALL)), 350 * 80);
        assert_eq!(count(by_actor()), 700 * 700);
        let of_action = Filter {
            action: Some("nothing".to_owned()),
            ..Filter::ALL
        };
        assert_eq!(count(of_action), 700 * 700, "whosever they are");
        assert_eq!(all_by_sqlite(Some(&index), &window(by_actor())).as_nanos(), 350 * 700);
        assert!(count_by_sqlite(None, &by_actor()).is_zero() && all_by_sqlite(None, &by_actor()).is_zero());
    }

    #[test]
    fn a_build_costs_less_than_a_count_of_one_actor_and_more_than_one_of_all() {
        let index = index();
        let count = |filter: Filter| count_by_sqlite(Some(&index), &filter);
        assert_eq!(build(700).as_nanos(), 700 * 600);
        assert!(count(Filter::ALL) < build(700) && build(700) < count(by_actor()));
    }

    #[test]
    fn a_refresh_costs_the_leaves_and_by_hashes_their_bytes_too() {
        assert_eq!(first_refresh(10, 4096, false).as_nanos(), 400_000 + 10 * 150);
        assert_eq!(first_refresh(10, 4096, true).as_nanos(), 400_000 + 10 * 150 + 10 * 4096);
        assert_eq!(refresh_by_hashes(10, 4096).as_nanos(), 10 * 4096);
    }
}
