//! Files of ours that are read as true.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::storage::data_dir::DataDir;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::permissions;

/// Opens a file that only we, or who may write the database, can have written. What can be read by more people than the
/// database is removed.
pub(super) fn open_ours(dir: &DataDir, path: &Path) -> std::result::Result<File, String> {
    let open = || permissions::open_copy_of(path, dir.database());
    let refused = match open() {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    if refused.kind() == io::ErrorKind::PermissionDenied
        && let Ok(Some(_lock)) = DirLock::try_acquire(dir.root())
        // Another process may have replaced it meanwhile.
        && open().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    {
        // Best effort: it may be somebody else's, in a directory where nobody removes another's files.
        let _ = std::fs::remove_file(path);
    }
    Err(refused.to_string())
}
