//! Digests of what a data directory holds, and of what it should hold.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::batch::{Batches, divide};
use super::spec::{DatasetSpec, Digests};
use crate::contract::digests::{RowsDigest, hex};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::fs::open::open_regular;
use crate::storage::sqlite::{Connection, IfChanged, Schema};

/// How much of a file is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// How often a database that is written to is read anew.
const ATTEMPTS: usize = 4;

/// What stands in the place of the digest of a view's rows.
const UNREAD_VIEW: &str = "not read: audit_events is a view, which may have no end";

/// A whole file's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileDigest {
    /// The file's size.
    pub(crate) bytes: u64,
    /// SHA-256 in hex.
    pub(crate) sha256: String,
}

/// What a database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseContents {
    /// The digest of its rows, or why they were not read.
    pub(crate) rows: String,
    /// Its schema.
    pub(crate) schema: Schema,
    /// Whether all that is of one moment. If not, another process wrote to it each time it was read.
    pub(crate) is_of_one_moment: bool,
}

/// Whether a dataset, or a part of one, is in the directory.
pub(crate) fn is_anything_there(dir: &DataDir) -> bool {
    let database = dir.database().to_owned();
    // A dangling link counts, too.
    [database, dir.payloads(), dir.wal(), dir.journal()]
        .iter()
        .any(|path| fs::symlink_metadata(path).is_ok())
}

/// The payload file; `None` where there is none.
pub(crate) fn payloads(dir: &DataDir, progress: Progress<'_>) -> Result<Option<FileDigest>> {
    sha256(&dir.payloads(), progress)
}

/// What the database holds, of one moment unless it was written to each time it was read; `None` where there is none.
pub(crate) fn database(dir: &DataDir) -> Result<Option<DatabaseContents>> {
    if fs::symlink_metadata(dir.database()).is_err() {
        return Ok(None);
    }
    for _ in 1..ATTEMPTS {
        match read_database(dir, IfChanged::Stop) {
            Err(Error::Overtaken { .. }) => {}
            Ok(found) if !found.is_of_one_moment => {}
            done => return done.map(Some),
        }
    }
    read_database(dir, IfChanged::GoOn).map(Some)
}

fn read_database(dir: &DataDir, if_changed: IfChanged) -> Result<DatabaseContents> {
    let mut digest = RowsDigest::new();
    let read = Connection::open(dir)?.read_table(if_changed, &mut |row| {
        digest.add(row);
        Ok(())
    })?;
    Ok(DatabaseContents {
        rows: if read.is_view {
            UNREAD_VIEW.to_owned()
        } else {
            digest.finish()
        },
        schema: read.schema,
        is_of_one_moment: read.is_of_one_moment,
    })
}

/// The digest of all rows, by id, of a database that nobody else can write to.
pub(super) fn rows(connection: &Connection) -> Result<String> {
    let mut digest = RowsDigest::new();
    if let Some(ids) = connection.id_bounds()? {
        connection.scan(&ids, |row| {
            digest.add(row);
            Ok(())
        })?;
    }
    Ok(digest.finish())
}

/// The digests that the spec's dataset has, without making it.
pub(crate) fn expected_digests(spec: DatasetSpec) -> Digests {
    if spec.is_contract() {
        return Digests::of_contract();
    }
    let ((payload_bytes, payloads), rows) = divide(spec, payloads_of, rows_of);
    Digests {
        payload_bytes,
        payloads,
        rows,
    }
}

/// How many bytes the payload lines have, and their digest.
fn payloads_of(batches: &mut Batches<'_>) -> (u64, String) {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for batch in batches {
        digest.update(batch.lines());
        bytes += batch.lines().len() as u64;
    }
    (bytes, hex(&digest.finalize()))
}

fn rows_of(batches: &mut Batches<'_>) -> String {
    let mut digest = RowsDigest::new();
    batches.for_each(|batch| batch.rows().for_each(|row| digest.add(&row)));
    digest.finish()
}

/// Digests a whole file; `None` where there is none.
pub(crate) fn sha256(path: &Path, progress: Progress<'_>) -> Result<Option<FileDigest>> {
    let mut file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, "cannot open")(error)),
    };
    let size = file.metadata().map_err(Error::io(path, "cannot look at"))?.len();
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io(path, "cannot read")(error)),
        };
        digest.update(&chunk[..read]);
        bytes += read as u64;
        progress(bytes, size);
    }
    Ok(Some(FileDigest {
        bytes,
        sha256: hex(&digest.finalize()),
    }))
}
