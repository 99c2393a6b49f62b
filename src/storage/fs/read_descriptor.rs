//! Descriptors for reading database files beside SQLite.
//!
//! SQLite's locks on a file belong to the process, and closing *any* descriptor of that file drops them all (fcntl(2)). So a
//! descriptor that was once opened stays open until the process ends.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};

use super::platform::Identity;

/// How many files may be open at once: each that was replaced by another keeps its space on disk. The unit tests share one
/// process, and each has logs of its own.
const MOST: usize = if cfg!(test) { 512 } else { 16 };

static OPENED: Opened = Opened::new(MOST);

/// Descriptors that stay open.
#[derive(Debug)]
struct Opened {
    most: usize,
    files: Mutex<Vec<(Identity, Arc<File>)>>,
}

/// A descriptor of the file that `path` leads to, if that is the one that is meant; `None` if it is another one, and where
/// too many files are open already.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn open_forever(path: &Path, meant: Identity) -> io::Result<Option<Arc<File>>> {
    OPENED.open(path, meant)
}

impl Opened {
    const fn new(most: usize) -> Self {
        Opened {
            most,
            files: Mutex::new(Vec::new()),
        }
    }

    fn open(&self, path: &Path, meant: Identity) -> io::Result<Option<Arc<File>>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = files.iter().find(|(identity, _)| *identity == meant) {
            return Ok(Some(Arc::clone(file)));
        }
        if files.len() >= self.most || !meant.is_at(path) {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // Nothing may close it from here on, whatever it turns out to be.
        let file = ManuallyDrop::new(File::from(rustix::fs::open(path, flags, Mode::empty())?));
        let identity = Identity::of_open(&*file)?;
        let file = Arc::new(ManuallyDrop::into_inner(file));
        // The list keeps it, though its place may be taken: then there are two descriptors of one file, both open.
        files.push((identity, Arc::clone(&file)));
        Ok((identity == meant).then_some(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_descriptor_for_a_file_and_none_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&other, "2").unwrap();
        let opened = Opened::new(2);
        let identity = Identity::of_path(&one).unwrap();
        let file = opened.open(&one, identity).unwrap().unwrap();
        assert!(Arc::ptr_eq(&file, &opened.open(&one, identity).unwrap().unwrap()));
        assert!(opened.open(&other, identity).unwrap().is_some(), "known by identity");
        let unknown = Identity::of_path(dir.path()).unwrap();
        assert!(opened.open(&other, unknown).unwrap().is_none());
    }

    #[test]
    fn it_waits_for_no_writer_and_is_not_inherited() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let opened = open_forever(&fifo, Identity::of_path(&fifo).unwrap()).unwrap().unwrap();
        let flags = rustix::io::fcntl_getfd(&*opened).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn no_more_files_than_allowed_are_open() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["one", "two", "three"].map(|name| dir.path().join(name));
        let opened = Opened::new(2);
        let is_open = paths.each_ref().map(|path| {
            std::fs::write(path, "1").unwrap();
            opened.open(path, Identity::of_path(path).unwrap()).unwrap().is_some()
        });
        assert_eq!(is_open, [true, true, false]);
        // What is open stays so.
        assert!(
            opened
                .open(&paths[0], Identity::of_path(&paths[0]).unwrap())
                .unwrap()
                .is_some()
        );
    }
}
