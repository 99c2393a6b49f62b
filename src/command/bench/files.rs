//! Export files, replaced atomically.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::open::refuse_special;

/// Checks that there is a directory for the file, and in its place nothing that is no file: what `/dev/null` names, or a
/// link to it, is nobody's to replace.
pub(super) fn require_place(path: &Path) -> Result<()> {
    let (directory, _) = split(path)?;
    if directory.is_dir() {
        return refuse_special(path).map_err(Error::io(path, "cannot replace"));
    }
    let problem = "there is no such directory to write results in".to_owned();
    Err(Error::Missing {
        path: directory.to_owned(),
        problem,
    })
}

/// Replaces the file `path` by `bytes`, atomically.
pub(super) fn publish(path: &Path, bytes: &[u8]) -> Result<()> {
    require_place(path)?;
    let (directory, name) = split(path)?;
    // No lock: an export may go to any directory, where another user can hold one for ever.
    let temp = TempFile::create_unlocked(directory, name)?;
    let mut file = temp.file();
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(Error::io(path, "cannot write"))?;
    temp.publish(path)?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(Error::io(directory, "cannot sync"))
}

fn split(path: &Path) -> Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::io(path, "cannot write")(io::ErrorKind::InvalidFilename.into()))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok((parent.unwrap_or(Path::new(".")), name))
}
