//! The statements that answer a request: the baseline's, which are the live service's own, and one that skips faster.

use rusqlite::{Params, params};

use super::connection::Connection;
use super::hardening::MAX_VALUE;
use super::row;
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Position, Query, Row, Rows};

/// The live service's statement: one form for every request, both filters always in it.
const BASELINE_PAGE: &str = "
    SELECT id, created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len
    FROM audit_events
    WHERE created_at BETWEEN ? AND ?
      AND (? IS NULL OR actor_id = ?)
      AND (? IS NULL OR action = ?)
    ORDER BY created_at DESC, id DESC
    LIMIT ? OFFSET ?";

/// The same for a keyset page, which the live service does not have: its statement with the cursor added.
const BASELINE_AFTER: &str = "
    SELECT id, created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len
    FROM audit_events
    WHERE created_at BETWEEN ? AND ?
      AND (? IS NULL OR actor_id = ?)
      AND (? IS NULL OR action = ?)
      AND (created_at, id) < (?, ?)
    ORDER BY created_at DESC, id DESC
    LIMIT ?";

/// How many events match, by the same conditions.
const BASELINE_COUNT: &str = "
    SELECT count(*)
    FROM audit_events
    WHERE created_at BETWEEN ? AND ?
      AND (? IS NULL OR actor_id = ?)
      AND (? IS NULL OR action = ?)";

/// Skips within the index on `created_at`, which holds the whole order, and then joins only the page's rows to the
/// table (a deferred join).
///
/// Where index and table differ, it shows what the service's statement does: what the index holds is taken from
/// there, and a row that the table has not shows as NULLs, so that it cannot pass for no row at all. The condition
/// on the row id is always true: it has the id read, and so checked, of the entries that are skipped, too. The rows
/// come as the inner statement finds them: sorted once more, a corrupt index would seem to be in order.
///
/// A table may have a column of its own that is called `_rowid_`, and then this name no longer means the row id. The
/// last condition is there to be refused by SQLite in that case, as ambiguous; in any other it is true and costs nothing.
const DEFERRED_JOIN_PAGE: &str = "
    SELECT found.event, found.at, e.actor_id, e.action, e.resource_type, e.resource_id, e.payload_offset, e.payload_len
    FROM (
        SELECT created_at AS at, id AS event, _rowid_ AS row_id
        FROM audit_events INDEXED BY idx_created_at
        WHERE created_at BETWEEN ? AND ? AND +_rowid_ >= -9223372036854775808
          AND (SELECT _rowid_ FROM audit_events, (SELECT 1 AS _rowid_) LIMIT 0) IS NULL
        ORDER BY created_at DESC, id DESC
        LIMIT ? OFFSET ?
    ) AS found
    LEFT JOIN audit_events AS e ON e._rowid_ = found.row_id";

impl Connection {
    /// The rows of a page by the baseline's statement.
    pub(crate) fn baseline_page(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        let Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
        } = query.filter();
        match query.position() {
            Position::Page(_) => self.collect(
                BASELINE_PAGE,
                params![
                    from_ts,
                    to_ts,
                    actor_id,
                    actor_id,
                    action,
                    action,
                    query.page_size(),
                    offset(query)
                ],
                rows,
            ),
            Position::After(Key { created_at, id }) => self.collect(
                BASELINE_AFTER,
                params![
                    from_ts,
                    // This bound is what lets SQLite start in the middle of its index.
                    to_ts.min(&created_at),
                    actor_id,
                    actor_id,
                    action,
                    action,
                    created_at,
                    id,
                    query.page_size()
                ],
                rows,
            ),
        }
    }

    /// The rows of a page, and where nothing is filtered by a statement that skips faster. Exactly the rows of
    /// [`Connection::baseline_page`], read by way of the same index, or an error. To leave a condition that is always
    /// true out of a filtered one makes no difference: SQLite is done with it once, before the first row.
    pub(crate) fn deferred_join_page(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        let filter = query.filter();
        if !filter.is_window_only() || matches!(query.position(), Position::After(_)) {
            return self.baseline_page(query, rows);
        }
        // Where the service's own statement is refused, so is this one: it compares fewer columns, and would not meet a
        // collation that nobody knows.
        self.map_err(self.sqlite.prepare_cached(BASELINE_PAGE).map(drop))?;
        let values = params![filter.from_ts, filter.to_ts, query.page_size(), offset(query)];
        self.collect(DEFERRED_JOIN_PAGE, values, rows)
    }

    /// How many events match.
    pub(crate) fn count(&self, filter: &Filter) -> Result<u64> {
        let Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
        } = filter;
        let values = params![from_ts, to_ts, actor_id, actor_id, action, action];
        let counted = self
            .sqlite
            .prepare_cached(BASELINE_COUNT)
            .and_then(|mut statement| statement.query_row(values, |row| row.get::<_, i64>(0)));
        Ok(self.map_err(counted)?.unsigned_abs())
    }

    /// Gives every matching row to `visit`, newest first and only those behind `after` if there is one, in bounded memory,
    /// until it fails.
    pub(crate) fn each(
        &self,
        filter: &Filter,
        after: Option<Key>,
        mut visit: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
        } = filter;
        let mut last: Option<Key> = None;
        let mut visit = |row: &Row<'_>| {
            let key = Key {
                created_at: row.created_at,
                id: row.id,
            };
            // Pages that share children give the same rows without end.
            if last.replace(key).is_some_and(|last| key >= last) {
                return Err(self.damaged("its events are in no order"));
            }
            visit(row)
        };
        // LIMIT -1: no limit.
        match after {
            None => {
                let values = params![from_ts, to_ts, actor_id, actor_id, action, action, -1_i64, 0_i64];
                self.visit(BASELINE_PAGE, values, &mut visit)
            }
            Some(Key { created_at, id }) => {
                let to_ts = to_ts.min(&created_at);
                let values = params![
                    from_ts, to_ts, actor_id, actor_id, action, action, created_at, id, -1_i64
                ];
                self.visit(BASELINE_AFTER, values, &mut visit)
            }
        }
    }

    fn collect(&self, statement: &str, values: impl Params, rows: &mut Rows) -> Result<()> {
        rows.clear();
        let mut texts = 0;
        self.visit(statement, values, &mut |row| {
            texts += texts_len(row);
            if texts > MAX_VALUE as usize {
                return Err(Error::Row {
                    event: row.id,
                    created_at: Some(row.created_at),
                    problem: "the page's texts are more than 256 MiB: ask for a smaller page".to_owned(),
                });
            }
            rows.push(row);
            Ok(())
        })
    }

    pub(super) fn visit(
        &self,
        statement: &str,
        values: impl Params,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.map_err(self.sqlite.prepare_cached(statement))?;
        let mut rows = self.map_err(statement.query(values))?;
        let mut visit_all = || {
            let mut visited = 0_u64;
            while let Some(row) = self.map_err_unconfirmed(rows.next())? {
                visit(&row::read(row)?)?;
                visited += 1;
                if visited.is_multiple_of(CONFIRM_EVERY) {
                    self.confirm(Ok::<_, Error>(()))?;
                }
            }
            Ok(())
        };
        self.confirm(visit_all())
    }
}

/// Bytes of a row's texts.
pub(crate) fn texts_len(row: &Row<'_>) -> usize {
    row.action.len() + row.resource_type.len() + row.resource_id.len()
}

/// After how many rows it is asked whether they count: it takes as long as some rows do.
const CONFIRM_EVERY: u64 = 1_000;

fn offset(query: &Query) -> i64 {
    // Query::new lets no offset beyond 64 bits through.
    i64::try_from(query.offset()).unwrap_or(i64::MAX)
}
