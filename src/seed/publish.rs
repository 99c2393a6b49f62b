//! Putting a new dataset in the place of the one that is there, in one step that a kill cannot divide.
//!
//! Three files change together. The new ones first stand beside the old ones, whole, under fixed names. The
//! step is taken when the old database goes, or, where there is none, when the new one stands there: before it,
//! the old dataset is whole and the new files are rubbish; after it, whoever comes next puts them in place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{DatasetSpec, TempFiles, label};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::atomic_file::{self, DirLock};

/// Where the files of a new dataset wait for the step.
struct Staged {
    database: PathBuf,
    payloads: PathBuf,
    /// Empty where the new dataset has no label: then the old one's has to go.
    label: PathBuf,
}

impl Staged {
    fn in_dir(dir: &DataDir) -> Self {
        let staged = |name| dir.root().join(format!("{}{name}", atomic_file::STAGED_PREFIX));
        Staged {
            database: staged("audit.db"),
            payloads: staged("payloads.jsonl"),
            label: staged(label::LABEL),
        }
    }
}

/// Replaces whatever is there. A kill at any moment leaves the old dataset or the new one.
pub(crate) fn publish(dir: &DataDir, lock: &DirLock, drafts: TempFiles, spec: DatasetSpec) -> Result<()> {
    let staged = Staged::in_dir(dir);
    label::write(&staged.label, lock, spec, drafts.database.path())?;
    drafts.payloads.publish(&staged.payloads)?;
    // The step must not be on the disk before what it stands for is.
    lock.sync()?;
    drafts.database.publish(&staged.database)?;
    lock.sync()?;
    commit_staged(dir, lock, &staged)
}

/// Ends what a killed run began: puts the new dataset in place if the old one has gone, else removes it.
pub(crate) fn recover_staged(dir: &DataDir, lock: &DirLock) -> Result<()> {
    let staged = Staged::in_dir(dir);
    if is_there(&staged.database) && !is_there(dir.database()) {
        return commit_staged(dir, lock, &staged);
    }
    // The database first: without it, the rest is nothing.
    for path in [&staged.database, &staged.payloads, &staged.label] {
        remove(path)?;
    }
    Ok(())
}

/// Can be done again from the start, wherever it was left.
fn commit_staged(dir: &DataDir, lock: &DirLock, staged: &Staged) -> Result<()> {
    remove(&dir.index())?;
    remove(dir.database())?;
    // The journals belong to the old database: left behind, they would be played into the new one.
    for journal in [dir.journal(), dir.wal(), dir.wal_index()] {
        remove(&journal)?;
    }
    // The removals must be on the disk before anything new is.
    lock.sync()?;
    let label = label::path(dir.root());
    if fs::metadata(&staged.label).is_ok_and(|label| label.len() == 0) {
        remove(&label)?;
        remove(&staged.label)?;
    }
    replace(&staged.label, &label)?;
    replace(&staged.payloads, &dir.payloads())?;
    lock.sync()?;
    replace(&staged.database, dir.database())?;
    lock.sync()
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

pub(super) fn remove(path: &Path) -> Result<()> {
    unless_gone(fs::remove_file(path)).map_err(Error::io(path, "cannot remove"))
}

fn replace(new: &Path, target: &Path) -> Result<()> {
    unless_gone(fs::rename(new, target)).map_err(Error::io(target, "cannot replace"))
}

fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
