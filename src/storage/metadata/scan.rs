//! Reading the whole table in order to index it.

use std::ops::RangeInclusive;

use rusqlite::params;

use super::connection::Connection;
use super::row;
use crate::error::Result;
use crate::model::{Key, Row};

/// Whether an index can say of this table what the live service's statement would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// The contract's table, with the index on `created_at` or without it.
    Sound {
        /// Whether `idx_created_at` is there: the service then reads through it, so it must agree.
        has_time_index: bool,
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
                return Ok(Soundness::Unsound(
                    "there is no table audit_events".to_owned(),
                ));
            }
            found => self.tell(found)?,
        };
        if kind != "table" || sql.to_ascii_uppercase().contains("COLLATE") {
            return Ok(Soundness::Unsound(format!(
                "audit_events is no plain {kind}"
            )));
        }
        let unlike = "
            SELECT (SELECT count(*) FROM pragma_index_list('audit_events') WHERE origin = 'pk')
                 + (SELECT count(*) FROM pragma_table_xinfo('audit_events') WHERE hidden <> 0)
                 + (SELECT count(*) <> 1 FROM pragma_table_xinfo('audit_events')
                    WHERE name = 'id' AND pk = 1 AND upper(type) = 'INTEGER')";
        let unlike: i64 = self.tell(self.sqlite.query_row(unlike, [], |row| row.get(0)))?;
        if unlike != 0 {
            return Ok(Soundness::Unsound(
                "audit_events.id is not the table's row id".to_owned(),
            ));
        }
        let index = "
            SELECT count(*) FROM pragma_index_list('audit_events') AS i
            WHERE i.name = 'idx_created_at' AND i.partial = 0
              AND (SELECT group_concat(name) FROM pragma_index_info(i.name)) = 'created_at'";
        let indexes: i64 = self.tell(self.sqlite.query_row(index, [], |row| row.get(0)))?;
        Ok(Soundness::Sound {
            has_time_index: indexes == 1,
        })
    }

    /// Whether SQLite finds every row where it would look for it. Reading all rows in turn does not tell: a
    /// damaged inner page of a table leads such a reading right and a search astray.
    pub(crate) fn is_searchable(&self) -> Result<bool> {
        let check = "PRAGMA quick_check('audit_events')";
        let found = self
            .sqlite
            .query_row(check, [], |row| row.get::<_, String>(0));
        Ok(self.tell(found)? == "ok")
    }

    /// The lowest and the highest id; `None` for an empty table.
    pub(crate) fn id_bounds(&self) -> Result<Option<RangeInclusive<i64>>> {
        let bound = |order: &str| {
            let statement =
                format!("SELECT id FROM audit_events NOT INDEXED ORDER BY id {order} LIMIT 1");
            match self
                .sqlite
                .query_row(&statement, [], |row| row.get::<_, i64>(0))
            {
                Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
                other => self.tell(other).map(Some),
            }
        };
        Ok(bound("ASC")?
            .zip(bound("DESC")?)
            .map(|(first, last)| first..=last))
    }

    /// Gives every row with an id in `ids` to `visit`, by id.
    pub(crate) fn scan(
        &self,
        ids: &RangeInclusive<i64>,
        mut visit: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let statement = format!(
            "SELECT {} FROM audit_events NOT INDEXED WHERE id BETWEEN ? AND ? ORDER BY id",
            row::COLUMNS.join(", ")
        );
        self.visit(&statement, params![ids.start(), ids.end()], &mut visit)
    }

    /// Gives the whole order, oldest first, as the database's own index on `created_at` has it.
    pub(crate) fn scan_order(&self, mut visit: impl FnMut(Key) -> Result<()>) -> Result<()> {
        let statement = "SELECT created_at, id FROM audit_events INDEXED BY idx_created_at ORDER BY created_at, id";
        let mut statement = self.tell(self.sqlite.prepare(statement))?;
        let mut rows = self.tell(statement.query([]))?;
        while let Some(row) = self.tell(rows.next())? {
            let key = row.get(0).and_then(|created_at| {
                Ok(Key {
                    created_at,
                    id: row.get(1)?,
                })
            });
            visit(self.tell(key)?)?;
        }
        Ok(())
    }
}
