//! Generating a dataset into a staging directory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::batch::{Batches, divide};
use super::label::{self, LABEL};
use super::spec::{DatasetSpec, Digests};
use crate::contract::dataset::SCHEMA_SQL;
use crate::contract::digests::{RowsDigest, hex};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::permissions;
use crate::storage::fs::staging::StagingDir;
use crate::storage::sqlite::{Connection, Writer};

/// The parts of a dataset. The database says that the others are there: it goes first and comes last.
pub(super) const DATABASE: &str = "audit.db";
pub(super) const PAYLOADS: &str = "payloads.jsonl";

/// A whole dataset in a staging directory, and on the disk.
#[derive(Debug)]
pub(crate) struct StagedDataset<'lock> {
    pub(super) files: StagingDir<'lock>,
    /// The payload file's by what was written, the rows' by what the database then held.
    pub(crate) digests: Digests,
}

/// Writes the spec's dataset, waits for the disk, and checks that the database holds the rows it was given. It gets
/// the permissions of the database that it is to replace.
///
/// # Errors
/// A file cannot be written, or the database does not hold what it was given.
pub(crate) fn make<'lock>(
    dir: &DataDir,
    lock: &'lock DirLock,
    spec: DatasetSpec,
    progress: Progress<'_>,
) -> Result<StagedDataset<'lock>> {
    let files = StagingDir::create(lock)?;
    let replaces = dir.database().exists();
    // Private where the old database's permissions cannot be copied.
    let create = |name: &str| files.create_file(name, if replaces { 0o600 } else { 0o666 });
    let like_the_old = |file: &File, name: &str| {
        if !replaces {
            return Ok(());
        }
        let copied = permissions::copy_permissions(dir.database(), file);
        copied.map_err(Error::io(&dir.root().join(name), "cannot set the permissions"))
    };
    let database = create(DATABASE)?;
    let payloads = create(PAYLOADS)?;
    like_the_old(&payloads, PAYLOADS)?;
    if !spec.is_contract() {
        let file = create(LABEL)?;
        like_the_old(&file, LABEL)?;
        label::write(&file, spec).map_err(Error::io(&dir.root().join(LABEL), "cannot write"))?;
    }
    let database_path = files.path().join(DATABASE);

    let (written, inserted) = divide(
        spec,
        |batches| write_payloads(&payloads, &dir.payloads(), batches),
        |batches| fill_database(&database_path, &database, batches, spec.events, progress),
    );
    // An error such as a full disk names the file as it will be called, not the staged one.
    let (payload_bytes, payloads_sha256) = written?;
    let given = inserted.map_err(|error| named(error, dir.database()))?;
    let rows = rows_of(&database_path)?;
    if rows != given {
        return Err(Error::Database {
            path: dir.database().to_owned(),
            problem: "the new database does not hold the rows it was given: nothing was replaced, check the disk"
                .to_owned(),
        });
    }
    // Last, because SQLite opens the database by its name: the old one may have been read-only for its owner.
    like_the_old(&database, DATABASE)?;
    database.sync_all().map_err(Error::io(dir.database(), "cannot write"))?;
    let digests = Digests {
        payload_bytes,
        payloads: payloads_sha256,
        rows,
    };
    Ok(StagedDataset { files, digests })
}

/// Writes and digests every line; then waits for the disk.
fn write_payloads(mut file: &File, target: &Path, batches: &mut Batches<'_>) -> Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for batch in batches {
        digest.update(batch.lines());
        file.write_all(batch.lines())
            .map_err(Error::io(target, "cannot write"))?;
        bytes += batch.lines().len() as u64;
    }
    file.sync_all().map_err(Error::io(target, "cannot write"))?;
    Ok((bytes, hex(&digest.finalize())))
}

/// Inserts every row, then makes the index; gives the digest of the rows.
fn fill_database(
    path: &Path,
    file: &File,
    batches: &mut Batches<'_>,
    events: u64,
    progress: Progress<'_>,
) -> Result<String> {
    let (table, index) = SCHEMA_SQL.split_at(SCHEMA_SQL.find("CREATE INDEX").unwrap_or(SCHEMA_SQL.len()));
    let mut writer = Writer::create(path, file, table)?;
    let mut digest = RowsDigest::new();
    let mut done = 0;
    for batch in batches {
        for row in batch.rows() {
            digest.add(&row);
            writer.insert(&row)?;
        }
        done += batch.len() as u64;
        progress(done, events);
    }
    writer.finish(index)?;
    Ok(digest.finish())
}

fn rows_of(path: &Path) -> Result<String> {
    let connection = Connection::open_file(path)?;
    super::inspect::rows(&connection)
}

/// The error with the name that the file will have.
fn named(error: Error, target: &Path) -> Error {
    let path = PathBuf::from(target);
    match error {
        Error::Database { problem, .. } => Error::Database { path, problem },
        Error::Unreadable { problem, .. } => Error::Unreadable { path, problem },
        Error::Io { action, source, .. } => Error::Io { path, action, source },
        other => other,
    }
}
