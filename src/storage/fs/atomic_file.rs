//! Files that appear whole or not at all: written to a temp file in the same directory, then renamed.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::dir_lock::DirLock;
use super::permissions;
use super::temp_name::{PREFIX, RANDOM_LEN};
use crate::error::{Error, Result};

/// A file that is being written. Dropped without [`TempFile::publish`], it is removed.
#[derive(Debug)]
pub(crate) struct TempFile {
    file: NamedTempFile,
}

impl TempFile {
    /// Makes an empty temp file beside the file it will become, with mode 0600.
    ///
    /// # Errors
    /// The directory cannot be written, or the disk is full.
    pub(crate) fn create(lock: &DirLock, name: &str) -> Result<Self> {
        Self::with_mode(lock.path(), name, 0o600)
    }

    /// Makes an empty temp file in a directory that nobody locks, with the permissions of any new file.
    ///
    /// # Errors
    /// As for [`TempFile::create`].
    pub(crate) fn create_unlocked(directory: &Path, name: &str) -> Result<Self> {
        Self::with_mode(directory, name, 0o666)
    }

    fn with_mode(directory: &Path, name: &str, mode: u32) -> Result<Self> {
        // O_EXCL under a name that cannot be guessed: a planted link is never followed.
        let made = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}."))
            .rand_bytes(RANDOM_LEN)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory);
        let file = made
            .map_err(without_temp_name)
            .map_err(Error::io(&directory.join(name), "cannot create"))?;
        Ok(TempFile { file })
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives it the owner and the permissions of `model`.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn copy_permissions(&self, model: &Path) -> Result<()> {
        permissions::copy_permissions(model, self.file())
            .map_err(Error::io(self.file.path(), "cannot set the permissions"))
    }

    /// Renames it to `target` and replaces what is there. A link is replaced, not followed.
    ///
    /// # Errors
    /// The system refused; the temp file is removed.
    pub(crate) fn publish(self, target: &Path) -> Result<File> {
        let done = self.file.persist(target);
        done.map_err(|failed| Error::io(target, "cannot replace")(failed.error))
    }

    /// Renames it to `target`, where nothing may be yet.
    ///
    /// # Errors
    /// Something is there, or the system refused; the temp file is removed.
    pub(crate) fn publish_new(self, target: &Path) -> Result<File> {
        let done = self.file.persist_noclobber(target);
        done.map_err(|failed| Error::io(target, "cannot create")(failed.error))
    }
}

/// The system's error without the temp name that the crate adds to it.
pub(super) fn without_temp_name(error: io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::super::temp_name::is_temp_name;
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_temp_file_is_private_and_removed_unless_published() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        let temp = TempFile::create(&lock, "file").unwrap();
        assert_eq!(temp.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(is_temp_name(temp.file.path().file_name().unwrap(), "file"));
        drop(temp);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn publishing_replaces_a_link_and_leaves_what_it_points_at() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, target) = (dir.path().join("victim"), dir.path().join("target"));
        fs::write(&victim, "precious").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&victim, &target).unwrap();
        let lock = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        let temp = TempFile::create(&lock, "target").unwrap();
        temp.copy_permissions(&victim).unwrap();
        temp.file().write_all(b"new").unwrap();
        temp.publish(&target).unwrap();
        lock.sync().unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(!target.is_symlink());
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn publishing_a_new_file_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let lock = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        TempFile::create(&lock, "target").unwrap().publish_new(&target).unwrap();
        fs::write(&target, "precious").unwrap();
        assert!(TempFile::create(&lock, "target").unwrap().publish_new(&target).is_err());
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert_eq!(names(dir.path()), ["target"]);
    }
}
