//! Pages of a database by number, as the connection's transaction sees them, and the header on page 1.

use rusqlite::{CachedStatement, Connection};

use super::btree::{FILE_HEADER_LEN, Malformed, USABLE_RANGE};

/// `sqlite_dbpage` takes pages from the pager, so the write-ahead log and a transaction's own changes count. Called
/// as a function, because a hostile schema may hold a table or a view of that name, which is none.
const READ_PAGE: &str = "SELECT data FROM sqlite_dbpage('main') WHERE pgno = ?1";
const MODULE: &str = "sqlite_dbpage";

/// Reads pages of the main database.
///
/// Pages are of one state only as long as the connection is in a read transaction.
pub(crate) struct PageReader<'c> {
    read_page: CachedStatement<'c>,
}

impl<'c> PageReader<'c> {
    /// Whether SQLite was compiled with the table that pages are read from (`SQLITE_ENABLE_DBPAGE_VTAB`).
    ///
    /// # Errors
    /// Those of SQLite: a database that is locked, for one, is no answer.
    pub(crate) fn is_available(connection: &Connection) -> rusqlite::Result<bool> {
        has_module(connection, MODULE)
    }

    /// # Errors
    /// Those of SQLite, among them that there is no such table (see [`PageReader::is_available`]), or that the
    /// database holds another one of that name.
    pub(crate) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(PageReader {
            read_page: connection.prepare_cached(READ_PAGE)?,
        })
    }

    /// Puts page `number` (the first is 1) into `into`, whatever that held. Says whether there is such a page; if
    /// not, `into` is empty.
    ///
    /// # Errors
    /// Those of SQLite.
    pub(crate) fn read(&mut self, number: u32, into: &mut Vec<u8>) -> rusqlite::Result<bool> {
        into.clear();
        let mut rows = self.read_page.query([number])?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        into.extend_from_slice(row.get_ref(0)?.as_blob()?);
        Ok(true)
    }
}

fn has_module(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT count(*) FROM pragma_module_list() WHERE name = ?1";
    connection.query_row(query, [name], |row| row.get(0))
}

/// What page 1 says of the database ("The Database Header" in SQLite's file format documentation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseHeader {
    /// Bytes of a page: a power of two, 512 to 65,536.
    pub(crate) page_size: u32,
    /// Bytes at each page's end that b-trees do not use.
    pub(crate) reserved: u8,
    /// Rises with every change in a rollback journal's mode; in WAL mode it does not.
    pub(crate) change_counter: u32,
    /// Pages of the database. Right only if `change_counter` is `valid_for`: very old writers leave it as it is.
    pub(crate) page_count: u32,
    /// First trunk page of the freelist; 0 where it is empty.
    pub(crate) freelist_trunk: u32,
    /// Pages on the freelist.
    pub(crate) freelist_count: u32,
    /// Another number with each change of the schema.
    pub(crate) schema_cookie: u32,
    /// The greatest root page where the database vacuums itself, which lets pages move; 0 otherwise.
    pub(crate) largest_root: u32,
    /// The change counter with which `page_count` was written.
    pub(crate) valid_for: u32,
}

impl DatabaseHeader {
    /// Parses the header that page 1 begins with.
    ///
    /// # Errors
    /// The bytes are no header of a database.
    pub(crate) fn parse(page_1: &[u8]) -> Result<Self, Malformed> {
        let header: &[u8; FILE_HEADER_LEN] = page_1
            .first_chunk()
            .ok_or(Malformed("the database is shorter than its header"))?;
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(Malformed("the file is no SQLite database"));
        }
        // The greatest page size does not fit in its two bytes; 1 stands for it.
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => u32::from(size),
        };
        if !page_size.is_power_of_two() || page_size < 512 {
            return Err(Malformed("no page size is such a number"));
        }
        let (words, _) = header.as_chunks::<4>();
        let word = |offset: usize| u32::from_be_bytes(words[offset / 4]);
        let header = DatabaseHeader {
            page_size,
            reserved: header[20],
            change_counter: word(24),
            page_count: word(28),
            freelist_trunk: word(32),
            freelist_count: word(36),
            schema_cookie: word(40),
            largest_root: word(52),
            valid_for: word(92),
        };
        if !USABLE_RANGE.contains(&header.usable()) {
            return Err(Malformed("too many bytes of each page are reserved"));
        }
        Ok(header)
    }

    /// Bytes of each page that b-trees use: 480 to 65,536.
    pub(crate) fn usable(&self) -> usize {
        self.page_size as usize - usize::from(self.reserved)
    }
}

#[cfg(test)]
mod tests;
