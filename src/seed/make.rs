//! Making a dataset beside the one that may be there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use sha2::{Digest, Sha256};

use super::batch::{Batch, generate};
use super::publish::remove;
use super::{DatasetSpec, Digests, Progress, label};
use crate::contract::dataset::SCHEMA_SQL;
use crate::contract::digests::{RowsDigest, hex};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::atomic_file::{DirLock, TempFile};
use crate::storage::sqlite::{Connection, Writer};

/// How many batches may wait for a stage that is slower than the generator.
const STAGED_PREFIX: usize = 4;

/// A whole dataset under names that nobody looks for.
#[derive(Debug)]
pub(crate) struct TempFiles {
    pub(super) database: TempFile,
    pub(super) payloads: TempFile,
    /// The payload file's by what was written, the rows' by what the database then held.
    pub(crate) digests: Digests,
}

/// Writes the spec's dataset, down to the disk itself, and checks that the database holds the rows it was
/// given.
pub(crate) fn make(dir: &DataDir, lock: &DirLock, spec: DatasetSpec, progress: Progress<'_>) -> Result<TempFiles> {
    let database = TempFile::create_shared(lock, "audit.db")?;
    if dir.database().exists() {
        database.copy_permissions(dir.database())?;
    }
    let payloads = TempFile::create(lock, "payloads.jsonl")?;
    payloads.copy_permissions(database.path())?;

    let (to_payloads, payload_batches) = sync_channel(STAGED_PREFIX);
    let (to_database, database_batches) = sync_channel(STAGED_PREFIX);
    let (written, inserted) = thread::scope(|scope| {
        scope.spawn(move || generate(spec, &[to_payloads, to_database]));
        let written = scope.spawn(|| write_payloads(&payloads, &dir.payloads(), payload_batches));
        let inserted = fill_database(database.path(), database_batches, spec.events, progress);
        (written.join(), inserted)
    });
    let written = written.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    // A full disk is said of the file that it was met in, by the name it was to have.
    let (payload_bytes, payloads_sha256) = written?;
    let given = inserted.map_err(|error| named(error, dir.database()))?;
    database
        .file()
        .sync_all()
        .map_err(Error::io(dir.database(), "cannot write"))?;

    let rows = rows_of(database.path())?;
    if rows != given {
        return Err(Error::Database {
            path: dir.database().to_owned(),
            problem: "the new database does not hold the rows it was given: nothing was replaced, check the disk"
                .to_owned(),
        });
    }
    let digests = Digests {
        payload_bytes,
        payloads: payloads_sha256,
        rows,
    };
    Ok(TempFiles {
        database,
        payloads,
        digests,
    })
}

/// Labels the dataset that is there as a scale study, or as none.
pub(crate) fn set_label(dir: &DataDir, lock: &DirLock, spec: DatasetSpec) -> Result<()> {
    if is_labelled(dir, spec) {
        return Ok(());
    }
    let target = label::path(dir.root());
    if spec.is_contract() {
        remove(&target)
    } else {
        label::write(&target, lock, spec, dir.database())
    }
}

fn is_labelled(dir: &DataDir, spec: DatasetSpec) -> bool {
    DatasetSpec::of_dir(dir.root()) == spec && spec.is_contract() != label::path(dir.root()).exists()
}

/// Writes and digests every line; then waits for the disk.
fn write_payloads(draft: &TempFile, target: &Path, batches: Receiver<Arc<Batch>>) -> Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for batch in batches {
        digest.update(batch.lines());
        draft
            .file()
            .write_all(batch.lines())
            .map_err(Error::io(target, "cannot write"))?;
        bytes += batch.lines().len() as u64;
    }
    draft.file().sync_all().map_err(Error::io(target, "cannot write"))?;
    Ok((bytes, hex(&digest.finalize())))
}

/// Inserts every row, then makes the index; gives the digest of the rows.
fn fill_database(path: &Path, batches: Receiver<Arc<Batch>>, events: u64, progress: Progress<'_>) -> Result<String> {
    let (table, index) = SCHEMA_SQL.split_at(SCHEMA_SQL.find("CREATE INDEX").unwrap_or(SCHEMA_SQL.len()));
    let mut writer = Writer::create(path, table)?;
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
    let connection = Connection::open_baseline(path)?;
    super::inspect::rows(&connection)
}

/// The error by the name that the file was to have.
fn named(error: Error, target: &Path) -> Error {
    let path = PathBuf::from(target);
    match error {
        Error::Database { problem, .. } => Error::Database { path, problem },
        Error::Unreadable { problem, .. } => Error::Unreadable { path, problem },
        Error::Io { action, source, .. } => Error::Io { path, action, source },
        other => other,
    }
}
