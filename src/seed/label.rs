//! The label of a scale study: a small file that says that a data directory does not hold the contract dataset.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::spec::DatasetSpec;
use crate::contract::dataset::MAX_EVENTS;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::permissions::open_trusted;

/// Its name.
pub(crate) const LABEL: &str = "scale-study.json";
/// The largest label that is read, in bytes.
const LIMIT: u64 = 4_096;

/// Bytes that an event has in the payload file and in the database at least: far fewer than any.
const LEAST_LINE: u64 = 64;
const LEAST_ROW: u64 = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Label {
    events: u64,
    /// Epoch seconds.
    anchor: i64,
}

/// What lies where the label of a data directory would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Label,
    /// A link, which can be replaced without a loss.
    Link,
    /// A file that auditq did not write.
    Foreign,
}

/// Where the label of a data directory is.
fn path(root: &Path) -> PathBuf {
    root.join(LABEL)
}

fn find(root: &Path) -> Found {
    match fs::symlink_metadata(path(root)) {
        Err(_) => Found::Nothing,
        Ok(metadata) if metadata.is_symlink() => Found::Link,
        Ok(_) if read(root).is_some() => Found::Label,
        Ok(_) => Found::Foreign,
    }
}

/// What the label says; `None` where there is none that can be read and trusted. The file may be anything of any size.
pub(super) fn read(root: &Path) -> Option<DatasetSpec> {
    let file = open_trusted(&path(root), DataDir::new(root).database()).ok()?;
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text).ok()?;
    let Label { events, anchor } = serde_json::from_slice(&text).ok()?;
    (events <= MAX_EVENTS).then_some(DatasetSpec { events, anchor })
}

/// Whether the files of a data directory are as large as so many events make them at least: to compare them with more
/// would take as long as the label says.
pub(super) fn is_plausible(root: &Path, spec: DatasetSpec) -> bool {
    let dir = DataDir::new(root);
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let most = (size(&dir.payloads()) / LEAST_LINE).max(size(dir.database()) / LEAST_ROW);
    spec.events <= most
}

/// Whether the label that is there has to go when the dataset of a spec comes.
///
/// # Errors
/// The dataset needs a label, and a file that auditq did not write has its name.
pub(crate) fn is_label_replaced(dir: &DataDir, spec: DatasetSpec, force: bool) -> Result<bool> {
    match find(dir.root()) {
        Found::Nothing => Ok(false),
        Found::Label => Ok(true),
        Found::Link if force => Ok(true),
        // The contract dataset has no label, so the file can stay.
        Found::Link | Found::Foreign if spec.is_contract() => Ok(false),
        Found::Link | Found::Foreign => Err(Error::usage(format!(
            "{}: it is not a label that auditq wrote, so it is not replaced: move it away",
            path(dir.root()).display()
        ))),
    }
}

/// Labels the dataset that is there as a scale study, or as none.
///
/// # Errors
/// A file that auditq did not write has the label's name, or it cannot be written.
pub(crate) fn set_label(dir: &DataDir, lock: &DirLock, spec: DatasetSpec) -> Result<()> {
    if !spec.is_contract() && read(dir.root()) == Some(spec) {
        return Ok(());
    }
    let is_replaced = is_label_replaced(dir, spec, false)?;
    let target = path(dir.root());
    if spec.is_contract() {
        return match is_replaced {
            true => fs::remove_file(&target).map_err(Error::io(&target, "cannot remove")),
            false => Ok(()),
        };
    }
    let temp = TempFile::create(lock, LABEL)?;
    temp.copy_permissions(dir.database())?;
    write(temp.file(), spec).map_err(Error::io(&target, "cannot write"))?;
    if is_replaced {
        temp.publish(&target)?;
    } else {
        temp.publish_new(&target)?;
    }
    lock.sync()
}

/// Writes the label of a spec into an empty file, and waits for the disk.
pub(super) fn write(mut file: &File, spec: DatasetSpec) -> io::Result<()> {
    let DatasetSpec { events, anchor } = spec;
    let mut text = serde_json::to_vec(&Label { events, anchor })?;
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()
}
