//! Reading the whole table in order to index it.

use std::ops::RangeInclusive;

use rusqlite::limits::Limit;
use rusqlite::params;

use super::connection::Connection;
use super::hardening::MAX_VALUE;
use super::row;
use crate::error::{Error, Result};
use crate::model::Row;

/// The longest text that an index holds, in bytes: a page of the most rows then has some 100 MB of texts at most.
pub(crate) const MAX_INDEXED_TEXT: i32 = 64 << 10;

/// Whether an index can say of this table what the live service's statement would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// The contract's table, with the index on `created_at` or without it.
    Sound {
        /// Whether `idx_created_at` is there: the service then reads through it, so it must agree.
        has_time_index: bool,
        /// Whether there are others, which SQLite may prefer.
        has_other_indexes: bool,
    },
    /// Something that only SQLite itself can answer for, and what.
    Unsound(String),
}

impl Connection {
    /// Looks at the schema: a view, a column that compares in its own way or an id that may repeat would make
    /// an index of our own lie.
    pub(crate) fn soundness(&self) -> Result<Soundness> {
        let table = "SELECT type, coalesce(sql, '') FROM sqlite_schema WHERE name = 'audit_events'";
        let found = self.sqlite.query_row(table, [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        });
        let (kind, sql) = match found {
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                return Ok(Soundness::Unsound("there is no table audit_events".to_owned()));
            }
            found => self.map_err(found)?,
        };
        if kind != "table" || sql.to_ascii_uppercase().contains("COLLATE") {
            return Ok(Soundness::Unsound(format!("audit_events is no plain {kind}")));
        }
        let unlike = "
            SELECT (SELECT count(*) FROM pragma_index_list('audit_events') WHERE origin = 'pk')
                 + (SELECT count(*) FROM pragma_table_xinfo('audit_events') WHERE hidden <> 0)
                 + (SELECT count(*) <> 1 FROM pragma_table_xinfo('audit_events')
                    WHERE name = 'id' AND pk = 1 AND upper(type) = 'INTEGER')";
        let unlike: i64 = self.map_err(self.sqlite.query_row(unlike, [], |row| row.get(0)))?;
        if unlike != 0 {
            return Ok(Soundness::Unsound(
                "audit_events.id is not the table's row id".to_owned(),
            ));
        }
        let indexes = "
            SELECT count(*), coalesce(sum(i.name = 'idx_created_at' AND i.partial = 0
              AND (SELECT group_concat(name) FROM pragma_index_info(i.name)) = 'created_at'), 0)
            FROM pragma_index_list('audit_events') AS i";
        let (all, by_time): (i64, i64) =
            self.map_err(self.sqlite.query_row(indexes, [], |row| Ok((row.get(0)?, row.get(1)?))))?;
        Ok(Soundness::Sound {
            has_time_index: by_time == 1,
            has_other_indexes: all != by_time,
        })
    }

    /// Whether the pages of the table and of its indexes are what SQLite takes them for.
    pub(crate) fn is_intact(&self) -> Result<bool> {
        let check = "PRAGMA quick_check('audit_events')";
        let found = self.sqlite.query_row(check, [], |row| row.get::<_, String>(0));
        Ok(self.map_err(found)? == "ok")
    }

    /// The lowest and the highest id; `None` for an empty table.
    pub(crate) fn id_bounds(&self) -> Result<Option<RangeInclusive<i64>>> {
        let bound = |order: &str| {
            let statement = format!("SELECT id FROM audit_events NOT INDEXED ORDER BY id {order} LIMIT 1");
            match self.sqlite.query_row(&statement, [], |row| row.get::<_, i64>(0)) {
                Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
                other => self.map_err(other).map(Some),
            }
        };
        Ok(bound("ASC")?.zip(bound("DESC")?).map(|(first, last)| first..=last))
    }

    /// Gives every row with an id in `ids` to `visit`, by id: each once, so never more rows than pages can hold.
    pub(crate) fn scan(&self, ids: &RangeInclusive<i64>, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let statement = format!(
            "SELECT {} FROM audit_events NOT INDEXED WHERE id BETWEEN ? AND ? ORDER BY id",
            row::COLUMNS.join(", ")
        );
        let mut last = None;
        self.visit(&statement, params![ids.start(), ids.end()], &mut |row| {
            // SQLite follows the pages as they are: where they share children, it comes to the same rows without end.
            if last.replace(row.id).is_some_and(|last| row.id <= last) {
                return Err(self.damaged("the ids of the table do not ascend"));
            }
            visit(row)
        })
    }

    /// The same for an index: a row with a longer text is an error that names it, and the text is not read.
    pub(crate) fn scan_short(
        &self,
        ids: &RangeInclusive<i64>,
        mut visit: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut next = Some(*ids.start());
        self.map_err(self.sqlite.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_INDEXED_TEXT))?;
        let scanned = self.scan(ids, |row| {
            // In UTF-8 a text may be longer than SQLite stores it.
            let longest = [row.action, row.resource_type, row.resource_id]
                .map(str::len)
                .into_iter()
                .max();
            if longest.is_some_and(|longest| longest > MAX_INDEXED_TEXT.unsigned_abs() as usize) {
                return Err(too_long(row.id));
            }
            next = row.id.checked_add(1);
            visit(row)
        });
        self.map_err(self.sqlite.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE))?;
        match (scanned, next) {
            (Err(error @ Error::Database { .. }), Some(next)) => Err(self.long_row(next, *ids.end())?.unwrap_or(error)),
            (scanned, _) => scanned,
        }
    }

    /// The error of the first row with an id in this range, if that has a text that is too long for an index.
    fn long_row(&self, from: i64, to: i64) -> Result<Option<Error>> {
        let lengths = "
            SELECT id, max(octet_length(action), octet_length(resource_type), octet_length(resource_id))
            FROM audit_events NOT INDEXED WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1";
        let found = self.sqlite.query_row(lengths, params![from, to], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        match found {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            found => {
                let (event, longest) = self.map_err(found)?;
                let longest = longest.filter(|&longest| longest > MAX_INDEXED_TEXT.into());
                Ok(longest.map(|_| too_long(event)))
            }
        }
    }
}

fn too_long(event: i64) -> Error {
    Error::Row {
        event,
        created_at: None,
        problem: "a text of more than 64 KiB is too long for an index".to_owned(),
    }
}

#[cfg(test)]
mod tests;
