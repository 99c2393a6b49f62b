//! What an answer costs, as far as an index that may be old can tell: enough to choose between SQLite and a refresh.

use std::time::Duration;

use crate::model::{Filter, Position, Query};
use crate::storage::index::Index;

/// SQLite steps over an entry of its index on `created_at`.
const SKIP: f64 = 38.0;
/// SQLite looks at a row. Nanoseconds.
const ROW: f64 = 700.0;
/// A leaf page of the directory is taken into memory.
const LEAF: f64 = 150.0;
/// A byte of a leaf page is read and hashed.
const HASHED_BYTE: f64 = 1.0;
/// What every refresh costs in a process that does only one.
const REFRESH: f64 = 400_000.0;

fn ns(ns: f64) -> Duration {
    Duration::from_nanos(ns as u64)
}

/// SQLite's way to a page.
pub(super) fn page_by_sqlite(index: Option<&Index>, query: &Query) -> Duration {
    let filter = query.filter();
    let rows = query.offset().saturating_add(u64::from(query.page_size()));
    if filter.is_window_only() {
        let size = f64::from(query.page_size());
        return ns(size * ROW + rows as f64 * SKIP);
    }
    // It looks at every row of the window until it has found enough that match.
    let walked = index.and_then(|index| {
        let all = rows_in_window(index, filter)?;
        let matching = index.count(filter).ok()?;
        if let Position::After(_) = query.position()
            && matching > rows
        {
            return Some((all as f64 / matching as f64 * rows as f64).min(all as f64));
        }
        let share = (rows as f64 / matching.max(1) as f64).min(1.0);
        Some(all as f64 * share)
    });
    ns(walked.unwrap_or(rows as f64) * ROW)
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
