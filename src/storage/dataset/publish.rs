//! Putting a new dataset in the place of the one that is there, in one step that a kill cannot divide.
//!
//! Three files change together. The new ones first stand beside the old ones, whole, under fixed names. The
//! step is taken when the old database goes, or, where there is none, when the new one stands there: before it,
//! the old dataset is whole and the new files are rubbish; after it, whoever comes next puts them in place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Drafts, Recipe, label};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::atomic_file::{self, DirLock};

/// Where the files of a new dataset wait for the step.
struct Waiting {
    database: PathBuf,
    payloads: PathBuf,
    /// Empty where the new dataset has no label: then the old one's has to go.
    label: PathBuf,
}

impl Waiting {
    fn in_dir(dir: &DataDir) -> Self {
        let waiting = |name| dir.root().join(format!("{}{name}", atomic_file::WAITING));
        Waiting {
            database: waiting("audit.db"),
            payloads: waiting("payloads.jsonl"),
            label: waiting(label::LABEL),
        }
    }
}

/// Replaces whatever is there. A kill at any moment leaves the old dataset or the new one.
pub(crate) fn publish(dir: &DataDir, lock: &DirLock, drafts: Drafts, recipe: Recipe) -> Result<()> {
    let waiting = Waiting::in_dir(dir);
    label::write(&waiting.label, lock, recipe, drafts.database.path())?;
    drafts.payloads.publish(&waiting.payloads)?;
    // The step must not be on the disk before what it stands for is.
    lock.sync()?;
    drafts.database.publish(&waiting.database)?;
    lock.sync()?;
    take_over(dir, lock, &waiting)
}

/// Ends what a killed run began: puts the new dataset in place if the old one has gone, else removes it.
pub(crate) fn settle(dir: &DataDir, lock: &DirLock) -> Result<()> {
    let waiting = Waiting::in_dir(dir);
    if is_there(&waiting.database) && !is_there(dir.database()) {
        return take_over(dir, lock, &waiting);
    }
    // The database first: without it, the rest is nothing.
    for path in [&waiting.database, &waiting.payloads, &waiting.label] {
        remove(path)?;
    }
    Ok(())
}

/// Ends what a killed run began if there is no dataset until that is done.
pub(crate) fn recover(dir: &DataDir) -> Result<()> {
    if is_there(dir.database()) || !is_there(&Waiting::in_dir(dir).database) {
        return Ok(());
    }
    settle(dir, &DirLock::acquire(dir.root())?)
}

/// Removes what killed runs left, unless another process is at work there.
pub(crate) fn tidy(dir: &DataDir) -> Result<()> {
    if atomic_file::has_strays(dir.root())
        && let Some(lock) = DirLock::try_acquire(dir.root())?
    {
        settle(dir, &lock)?;
    }
    Ok(())
}

/// Can be done again from the start, wherever it was left.
fn take_over(dir: &DataDir, lock: &DirLock, waiting: &Waiting) -> Result<()> {
    remove(&dir.index())?;
    remove(dir.database())?;
    // The journals belong to the old database: left behind, they would be played into the new one.
    for journal in [dir.journal(), dir.wal(), dir.wal_index()] {
        remove(&journal)?;
    }
    // The removals must be on the disk before anything new is.
    lock.sync()?;
    let label = label::path(dir.root());
    if fs::metadata(&waiting.label).is_ok_and(|label| label.len() == 0) {
        remove(&label)?;
        remove(&waiting.label)?;
    }
    replace(&waiting.label, &label)?;
    replace(&waiting.payloads, &dir.payloads())?;
    lock.sync()?;
    replace(&waiting.database, dir.database())?;
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
