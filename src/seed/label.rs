//! The label of a scale study: a small file that says that a data directory does not hold the contract dataset.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DatasetSpec;
use crate::error::{Error, Result};
use crate::storage::fs::atomic_file::{DirLock, TempFile};

/// Its name.
pub(crate) const LABEL: &str = "scale-study.json";

#[derive(Debug, Serialize, Deserialize)]
struct Label {
    events: u64,
    /// Epoch seconds.
    anchor: i64,
}

/// Where the label of a data directory is.
pub(super) fn path(root: &Path) -> PathBuf {
    root.join(LABEL)
}

/// What the label says; `None` where there is none that can be read.
pub(crate) fn read(root: &Path) -> Option<DatasetSpec> {
    let Label { events, anchor } = serde_json::from_slice(&fs::read(path(root)).ok()?).ok()?;
    Some(DatasetSpec { events, anchor })
}

/// Writes the label of a spec to `target`: an empty one for the contract's, which has none. It gets the rights
/// of the database it speaks of.
pub(super) fn write(target: &Path, lock: &DirLock, spec: DatasetSpec, database: &Path) -> Result<()> {
    let draft = TempFile::create(lock, LABEL)?;
    draft.copy_permissions(database)?;
    text(spec)
        .and_then(|text| {
            draft.file().write_all(&text)?;
            draft.file().sync_all()
        })
        .map_err(Error::io(target, "cannot write"))?;
    draft.publish(target).map(drop)
}

fn text(spec: DatasetSpec) -> io::Result<Vec<u8>> {
    if spec.is_contract() {
        return Ok(Vec::new());
    }
    let DatasetSpec { events, anchor } = spec;
    let mut text = serde_json::to_vec(&Label { events, anchor })?;
    text.push(b'\n');
    Ok(text)
}
