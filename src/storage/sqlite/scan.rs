//! Reading the whole table in order to index it.

use std::ops::RangeInclusive;

use rusqlite::params;

use super::connection::Connection;
use super::row;
use crate::error::Result;
use crate::model::Row;

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
}
