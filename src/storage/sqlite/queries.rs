//! The statements that answer a request: the live service's own.

use std::ops::ControlFlow;

use rusqlite::{Params, ToSql};

use super::connection::Connection;
use super::hardening::MAX_VALUE;
use super::row;
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Position, Query, Row, Rows};

/// A statement that reads whole rows in the order of a page, with these conditions added to the live service's own.
macro_rules! page {
    ($($condition:literal),*) => { page!("created_at DESC, id DESC"; $($condition),*) };
    ($order:literal; $($condition:literal),*) => {
        concat!(
            "SELECT id, created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len
             FROM audit_events
             WHERE created_at BETWEEN ? AND ?
               AND (? IS NULL OR actor_id = ?)
               AND (? IS NULL OR action = ?)",
            $(" AND ", $condition,)*
            " ORDER BY ", $order, " LIMIT ? OFFSET ?"
        )
    };
}

/// The live service's statement: one form for every request, both filters always in it.
const BASELINE_PAGE: &str = page!();
/// The live service has no cursors and no pins: its statement with the one, the other and both added.
const BASELINE_AFTER: &str = page!("(created_at, id) < (?, ?)");
const BASELINE_AS_OF: &str = page!("(created_at, id) <= (?, ?)");
const BASELINE_AFTER_AS_OF: &str = page!("(created_at, id) < (?, ?)", "(created_at, id) <= (?, ?)");

/// The rows of a feed, which has no pin; and those behind some that were read.
pub(super) const OLDEST_FIRST: &str = page!("created_at, id";);
pub(super) const OLDEST_FIRST_BEHIND: &str = page!("created_at, id"; "(created_at, id) > (?, ?)");

/// How many events match, by the same conditions.
const BASELINE_COUNT: &str = "
    SELECT count(*)
    FROM audit_events
    WHERE created_at BETWEEN ? AND ?
      AND (? IS NULL OR actor_id = ?)
      AND (? IS NULL OR action = ?)";
const BASELINE_COUNT_AS_OF: &str = "
    SELECT count(*)
    FROM audit_events
    WHERE created_at BETWEEN ? AND ?
      AND (? IS NULL OR actor_id = ?)
      AND (? IS NULL OR action = ?)
      AND (created_at, id) <= (?, ?)";

/// The values of a statement's conditions, in their order.
pub(super) struct Values<'a>(pub(super) Vec<&'a dyn ToSql>);

impl<'a> Values<'a> {
    /// Those of the window, where `to_ts` is its end, and of the filters.
    pub(super) fn of_filter(filter: &'a Filter, to_ts: &'a i64) -> Self {
        let Filter {
            from_ts,
            to_ts: _,
            actor_id,
            action,
            as_of: _,
        } = filter;
        Values(vec![from_ts, to_ts, actor_id, actor_id, action, action])
    }

    /// Those of a cursor or a pin, if there is one.
    pub(super) fn and_key(mut self, key: Option<&'a Key>) -> Self {
        if let Some(Key { created_at, id }) = key {
            self.0.extend([created_at as &dyn ToSql, id]);
        }
        self
    }

    pub(super) fn and_id(mut self, id: &'a i64) -> Self {
        self.0.push(id);
        self
    }

    pub(super) fn and_limit(mut self, limit: &'a i64, offset: &'a i64) -> Self {
        self.0.extend([limit as &dyn ToSql, offset]);
        self
    }
}

/// The end of a filter's window, lowered to its pin and a cursor: what lets SQLite start in the middle of its index.
fn window_end(filter: &Filter, after: Option<&Key>) -> i64 {
    let keys = filter.as_of.iter().chain(after);
    keys.map(|key| key.created_at).fold(filter.to_ts, i64::min)
}

fn baseline_statement(filter: &Filter, after: Option<&Key>) -> &'static str {
    match (after, filter.as_of) {
        (None, None) => BASELINE_PAGE,
        (Some(_), None) => BASELINE_AFTER,
        (None, Some(_)) => BASELINE_AS_OF,
        (Some(_), Some(_)) => BASELINE_AFTER_AS_OF,
    }
}

impl Connection {
    /// The rows of a page by the baseline's statement.
    pub(crate) fn baseline_page(&self, query: &Query, rows: &mut Rows) -> Result<()> {
        let after = match query.position() {
            Position::Page(_) => None,
            Position::After(key) => Some(key),
        };
        let (limit, offset) = (query.page_size().into(), offset(query));
        self.with_baseline(query.filter(), after.as_ref(), (limit, offset), |statement, values| {
            self.collect(statement, values, rows)
        })
    }

    /// Runs `ask` on the baseline's statement for these events and the values of its parameters; `bounds` are LIMIT and
    /// OFFSET.
    fn with_baseline<T>(
        &self,
        filter: &Filter,
        after: Option<&Key>,
        bounds: (i64, i64),
        ask: impl FnOnce(&str, &[&dyn ToSql]) -> T,
    ) -> T {
        let to_ts = window_end(filter, after);
        let values = Values::of_filter(filter, &to_ts)
            .and_key(after)
            .and_key(filter.as_of.as_ref())
            .and_limit(&bounds.0, &bounds.1);
        ask(baseline_statement(filter, after), &values.0)
    }

    /// How many events match.
    pub(crate) fn count(&self, filter: &Filter) -> Result<u64> {
        let statement = match filter.as_of {
            None => BASELINE_COUNT,
            Some(_) => BASELINE_COUNT_AS_OF,
        };
        let to_ts = window_end(filter, None);
        let values = Values::of_filter(filter, &to_ts).and_key(filter.as_of.as_ref());
        let counted = self
            .sqlite
            .prepare_cached(statement)
            .and_then(|mut statement| statement.query_row(&*values.0, |row| row.get::<_, i64>(0)));
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
        let mut last: Option<Key> = None;
        let mut visit = |row: &Row<'_>| {
            let key = row.key();
            // Pages that share children give the same rows without end.
            if last.replace(key).is_some_and(|last| key >= last) {
                return Err(self.damaged("its events are in no order"));
            }
            visit(row)
        };
        // LIMIT -1: no limit.
        self.with_baseline(filter, after.as_ref(), (-1, 0), |statement, values| {
            self.visit(statement, values, &mut visit)
        })
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
        self.visit_while(statement, values, &mut |row| visit(row).map(ControlFlow::Continue))
    }

    /// Gives rows to `visit` until it has enough of them.
    pub(super) fn visit_while(
        &self,
        statement: &str,
        values: impl Params,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut statement = self.map_err(self.sqlite.prepare_cached(statement))?;
        let mut rows = self.map_err(statement.query(values))?;
        let mut visit_all = || {
            let mut visited = 0_u64;
            while let Some(row) = self.map_err_unconfirmed(rows.next())? {
                if visit(&row::read(row)?)?.is_break() {
                    break;
                }
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

#[cfg(test)]
mod tests;
