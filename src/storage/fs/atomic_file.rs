//! Files that appear whole or not at all: written under another name in the same directory, then renamed.

use std::fs::{self, DirEntry, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::platform;
use crate::error::{Error, Result};

/// What the names of unfinished files start with.
const PREFIX: &str = ".auditq-";
/// What the names of finished ones start with that wait for others to be put in place together. They are no
/// leftovers to this module: only who put them there knows what they are worth.
pub(crate) const STAGED_PREFIX: &str = ".auditq-next-";

/// The right to write in a directory, held by one process at a time until it is dropped or the process ends.
///
/// It is a lock on the directory itself, so there is no lock file to leave behind. Where the file system has no
/// such locks, everybody has the right: a file is still published whole, the last one wins.
#[derive(Debug)]
pub(crate) struct DirLock {
    path: PathBuf,
    dir: File,
}

impl DirLock {
    /// Takes the lock; `None` where another process has it. Then removes what killed runs left unfinished.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let dir = open(path)?;
        match dir.try_lock() {
            Ok(()) => Ok(Some(Self::hold(path, dir))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(_)) => Ok(Some(Self::go_without(path, dir))),
        }
    }

    /// Takes the lock, and waits for it where another process has it.
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        let dir = open(path)?;
        Ok(match dir.lock() {
            Ok(()) => Self::hold(path, dir),
            Err(_) => Self::go_without(path, dir),
        })
    }

    /// Makes every rename and removal so far outlast a power failure.
    pub(crate) fn sync(&self) -> Result<()> {
        self.dir.sync_all().map_err(Error::io(&self.path, "cannot sync"))
    }

    fn hold(path: &Path, dir: File) -> Self {
        let lock = Self::go_without(path, dir);
        lock.remove_leftovers();
        lock
    }

    fn go_without(path: &Path, dir: File) -> Self {
        DirLock {
            path: path.to_owned(),
            dir,
        }
    }

    /// Whoever holds the lock is the only one who writes here, so an unfinished file is nobody's. One that
    /// cannot be removed is in nobody's way either.
    fn remove_leftovers(&self) {
        for entry in ours(&self.path) {
            let is_waiting = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(STAGED_PREFIX.as_bytes());
            if !is_waiting {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The files of a directory that are named as unfinished, or as waiting.
fn ours(path: &Path) -> impl Iterator<Item = DirEntry> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| {
        entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(Error::io(path, "cannot open the directory"))
}

/// A file that is being made. Dropped without [`TempFile::publish`], it is gone.
#[derive(Debug)]
pub(crate) struct TempFile {
    file: NamedTempFile,
}

impl TempFile {
    /// Makes an empty file beside the one it will become, for nobody else to read.
    pub(crate) fn create(lock: &DirLock, name: &str) -> Result<Self> {
        Self::with_mode(lock, name, 0o600)
    }

    /// Makes an empty file that has the rights any new file gets.
    pub(crate) fn create_shared(lock: &DirLock, name: &str) -> Result<Self> {
        Self::with_mode(lock, name, 0o666)
    }

    fn with_mode(lock: &DirLock, name: &str, mode: u32) -> Result<Self> {
        // O_EXCL under a name that cannot be guessed: a planted link is never followed.
        let made = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}."))
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(&lock.path);
        let file = made
            .map_err(unnamed)
            .map_err(Error::io(&lock.path.join(name), "cannot create"))?;
        Ok(TempFile { file })
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Its name for now.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives it the rights of `model`.
    pub(crate) fn copy_permissions(&self, model: &Path) -> Result<()> {
        platform::copy_permissions(model, self.file()).map_err(Error::io(self.path(), "cannot set the rights"))
    }

    /// Puts it in the place of whatever is called `target`. A link there is replaced, not followed.
    pub(crate) fn publish(self, target: &Path) -> Result<File> {
        self.file
            .persist(target)
            .map_err(|failed| Error::io(target, "cannot replace")(failed.error))
    }
}

/// The system's error without the temporary name that the crate adds to it.
fn unnamed(error: io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        assert!(DirLock::try_acquire(dir.path()).unwrap().is_none());
        drop(first);
        assert!(DirLock::try_acquire(dir.path()).unwrap().is_some());
        assert!(DirLock::try_acquire(&dir.path().join("no")).is_err());
    }

    #[test]
    fn the_holder_removes_what_a_killed_run_left_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".auditq-audit.db.x", "audit.db", ".auditq"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(".auditq-dir")).unwrap();
        let _lock = DirLock::acquire(dir.path()).unwrap();
        assert_eq!(names(dir.path()), [".auditq", ".auditq-dir", "audit.db"]);
    }

    #[test]
    fn a_draft_is_private_and_disappears_unless_published() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::acquire(dir.path()).unwrap();
        let draft = TempFile::create(&lock, "file").unwrap();
        assert_eq!(draft.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(draft);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn publishing_replaces_a_link_and_leaves_what_it_points_at() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, target) = (dir.path().join("victim"), dir.path().join("target"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &target).unwrap();
        let lock = DirLock::acquire(dir.path()).unwrap();
        let draft = TempFile::create(&lock, "target").unwrap();
        draft.copy_permissions(&victim).unwrap();
        draft.file().write_all(b"new").unwrap();
        draft.publish(&target).unwrap();
        lock.sync().unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(!target.is_symlink());
    }
}
