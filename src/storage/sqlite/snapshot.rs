//! Pages and rows of one read transaction.

use std::ops::RangeInclusive;

use super::connection::Connection;
use super::pages::{DatabaseHeader, PageReader};
use crate::error::{Error, Result};
use crate::model::Row;

/// A read transaction that is open: everything it reads is of one moment.
pub(crate) struct Snapshot<'c> {
    connection: &'c Connection,
    pages: PageReader<'c>,
    header: DatabaseHeader,
    page: Vec<u8>,
}

impl Connection {
    /// Whether pages can be read by their number.
    pub(crate) fn has_pages(&self) -> Result<bool> {
        self.map_err(PageReader::is_available(&self.sqlite))
    }

    /// Runs `read` inside one read transaction.
    ///
    /// # Errors
    /// Those of `read`, and those of reading the first page.
    pub(crate) fn read_snapshot<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&mut Snapshot<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let transaction = self.map_err(self.sqlite.unchecked_transaction())?;
        let mut pages = self.map_err(PageReader::new(&self.sqlite))?;
        let mut page = Vec::new();
        // A deferred transaction starts with its first read.
        self.map_err(pages.read(1, &mut page))?;
        let header = DatabaseHeader::parse(&page).map_err(|malformed| self.damaged(&malformed.to_string()))?;
        let mut snapshot = Snapshot {
            connection: self,
            pages,
            header,
            page,
        };
        let result = read(&mut snapshot);
        drop(snapshot);
        drop(transaction);
        self.confirm(result)
    }
}

impl Snapshot<'_> {
    /// What page 1 says of the database.
    pub(crate) fn header(&self) -> &DatabaseHeader {
        &self.header
    }

    /// The bytes of a page; `None` where the database has no such page.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn page(&mut self, number: u32) -> Result<Option<&[u8]>> {
        let is_there = self.connection.map_err(self.pages.read(number, &mut self.page))?;
        Ok(is_there.then_some(&self.page[..]))
    }

    /// Gives every row with an id in `ids` to `visit`, by id, if its texts can be indexed.
    ///
    /// # Errors
    /// The database cannot be read, a row is no event, and the errors of `visit`.
    pub(crate) fn rows(&self, ids: &RangeInclusive<i64>, visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.connection.scan_short(ids, visit)
    }

    /// Whether the pages of the table and of its indexes are what SQLite takes them for.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn is_intact(&self) -> Result<bool> {
        self.connection.is_intact()
    }

    /// The page that a table or an index starts on; `None` if there is none of that name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) fn root(&self, name: &str) -> Result<Option<u32>> {
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
        match self.connection.sqlite.query_row(root, [name], |row| row.get(0)) {
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            root => self.connection.map_err(root).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::data_dir::DataDir;
    use crate::storage::sqlite::scratch_db::new_log;

    #[test]
    fn pages_roots_and_rows_are_those_of_the_moment_when_it_began() {
        let (dir, sqlite) = new_log("WAL");
        let insert = "INSERT INTO audit_events VALUES (NULL, 5, 1, 'LOGIN', 'T', 'r', 0, 1)";
        sqlite.execute(insert, []).unwrap();
        let root = |name: &str| {
            let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
            sqlite.query_row(root, [name], |row| row.get::<_, u32>(0)).unwrap()
        };
        let connection = Connection::open(&DataDir::new(dir.path())).unwrap();
        assert!(connection.has_pages().unwrap());
        let read = connection.read_snapshot(|snapshot| {
            sqlite.execute(insert, []).unwrap();
            for name in ["audit_events", "idx_created_at"] {
                assert_eq!(snapshot.root(name)?, Some(root(name)));
            }
            assert_eq!(snapshot.root("nothing")?, None);
            assert_eq!(snapshot.header().page_size, 4096);
            let leaf = snapshot.page(root("audit_events"))?.unwrap().to_vec();
            // A leaf of a table, and how many cells it has.
            assert_eq!((leaf.len(), leaf[0], &leaf[3..5]), (4096, 13, &[0, 1][..]));
            assert!(snapshot.page(9_999)?.is_none());
            assert!(snapshot.is_intact()?);
            let mut ids = Vec::new();
            snapshot.rows(&(i64::MIN..=i64::MAX), |row| {
                ids.push(row.id);
                Ok(())
            })?;
            Ok::<_, Error>(ids)
        });
        assert_eq!(read.unwrap(), [1]);
        let failed = connection.read_snapshot(|_| Err::<(), _>(Error::usage("no")));
        assert_eq!(failed.unwrap_err().to_string(), "no");
        let second =
            connection.read_snapshot(|snapshot| Ok::<_, Error>(snapshot.page(root("audit_events"))?.unwrap()[4]));
        assert_eq!(second.unwrap(), 2, "the transaction of the error is over");
    }
}
