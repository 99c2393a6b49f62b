//! The lock on a data directory, and the temp files that its holder may sweep.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::temp_name::is_temp_name;
use crate::error::{Error, Result};

/// The files that whoever takes the lock writes first under a temp name: whoever builds an index does.
const INDEX_FILES: [&str; 2] = ["audit.idx", "audit.idx-delta"];

/// The right to write in a directory, held by one process at a time until it is dropped or the process ends.
///
/// It is a lock on the directory itself, so there is no lock file to leave behind. On a file system without such
/// locks everybody gets the right: files are still replaced whole, and the last writer wins.
#[derive(Debug)]
pub(crate) struct DirLock {
    path: PathBuf,
    dir: File,
}

impl DirLock {
    /// Takes the lock, then removes stale temp files of the index; `None` where another process has the lock.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub(crate) fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let lock = Self::open(path)?;
        match lock.dir.try_lock() {
            Ok(()) => lock.remove_leftovers(&INDEX_FILES),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(_)) => {}
        }
        Ok(Some(lock))
    }

    /// Takes the lock like [`DirLock::try_acquire`], and waits for it where another process has it, but not for longer
    /// than `patience`: everybody who may read the directory can take its lock and keep it.
    ///
    /// # Errors
    /// The directory cannot be opened; another process has the lock all the time ([`Error::DirectoryLocked`]).
    pub(crate) fn acquire(path: &Path, patience: Duration) -> Result<Self> {
        const PAUSE: Duration = Duration::from_millis(10);
        let deadline = Instant::now() + patience;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            // No system waits for a file's lock with a deadline.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::DirectoryLocked {
                    path: path.to_owned(),
                    waited: patience,
                });
            }
            std::thread::sleep(PAUSE.min(left));
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes every rename and removal so far outlast a power failure.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn sync(&self) -> Result<()> {
        self.dir.sync_all().map_err(Error::io(&self.path, "cannot sync"))
    }

    /// Removes the temp files that a killed run left of these files, and no other file. Best effort: failures are
    /// ignored.
    pub(crate) fn remove_leftovers(&self, targets: &[&str]) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            // Only the lock's holder writes here, so a temp file that is there now is stale.
            let is_stale = targets.iter().any(|target| is_temp_name(&entry.file_name(), target));
            if is_stale && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn open(path: &Path) -> Result<Self> {
        Ok(DirLock {
            path: path.to_owned(),
            dir: open_directory(path).map_err(Error::io(path, "cannot open the directory"))?,
        })
    }
}

/// Fails at once for whatever is no directory.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NONBLOCK;
    File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // To close it is not enough: a process that was forked meanwhile has a descriptor of the same lock. Best effort:
        // the lock then ends with that process.
        let _ = self.dir.unlock();
    }
}

impl AsFd for DirLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        assert!(DirLock::try_acquire(dir.path()).unwrap().is_none());
        drop(first);
        assert!(DirLock::try_acquire(dir.path()).unwrap().is_some());
        assert!(DirLock::try_acquire(&dir.path().join("no")).is_err());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(DirLock::try_acquire(&file).is_err());
    }

    /// As a service in Python does, which forks while its index is written.
    #[test]
    fn it_ends_with_its_holder_also_where_a_forked_process_has_its_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        let inherited = lock.dir.try_clone().unwrap();
        assert!(DirLock::try_acquire(dir.path()).unwrap().is_none());
        drop(lock);
        assert!(DirLock::try_acquire(dir.path()).unwrap().is_some());
        // Whoever is refused ends nobody's lock.
        let lock = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        drop(inherited);
        for _ in 0..2 {
            assert!(DirLock::try_acquire(dir.path()).unwrap().is_none());
        }
        drop(lock);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::try_acquire(dir.path()).unwrap().unwrap();
        let patience = Duration::from_millis(50);
        let start = Instant::now();
        let refused = DirLock::acquire(dir.path(), patience).unwrap_err();
        assert!(start.elapsed() >= patience);
        assert!(refused.to_string().ends_with(
            ": another process holds the lock on the directory for more than 0.05 s: wait for it or stop it, then try again"
        ));
        let released = std::thread::spawn(move || {
            std::thread::sleep(patience);
            drop(first);
        });
        DirLock::acquire(dir.path(), Duration::from_secs(60)).unwrap();
        released.join().unwrap();
    }

    #[test]
    fn the_holder_removes_stale_temp_files_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let kept = [
            ".auditq",
            ".auditq-audit.db.abc123",
            ".auditq-audit.idx.abc123.bak",
            ".auditq-audit.idx.bak",
            ".auditq-next-audit.db",
            ".auditq-notes.abc123",
            "audit.db",
        ];
        let stale = [".auditq-audit.idx.abc123", ".auditq-audit.idx-delta.Xyz789"];
        for name in kept.iter().chain(&stale) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(".auditq-audit.idx.direct")).unwrap();
        let lock = DirLock::acquire(dir.path(), Duration::ZERO).unwrap();
        let names = || {
            let entries = fs::read_dir(dir.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.retain(|name| name != ".auditq-audit.idx.direct");
            names.sort();
            names
        };
        assert_eq!(names(), kept);
        lock.remove_leftovers(&["audit.db"]);
        assert!(!names().contains(&".auditq-audit.db.abc123".into()));
        assert_eq!(names().len(), kept.len() - 1);
    }
}
