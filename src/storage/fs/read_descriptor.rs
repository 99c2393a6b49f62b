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

/// How many files may be open at once: each that was replaced by another keeps its space on disk.
const MOST: usize = 16;

static OPENED: Mutex<Vec<(Identity, Arc<File>)>> = Mutex::new(Vec::new());

/// A descriptor of the file that `path` leads to, if that is the one that is meant; `None` if it is another one, and where
/// too many files are open already.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn open_forever(path: &Path, meant: Identity) -> io::Result<Option<Arc<File>>> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, file)) = opened.iter().find(|(identity, _)| *identity == meant) {
        return Ok(Some(Arc::clone(file)));
    }
    if opened.len() >= MOST || !meant.is_at(path) {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    // Nothing may close it from here on, whatever it turns out to be.
    let file = ManuallyDrop::new(File::from(rustix::fs::open(path, flags, Mode::empty())?));
    let identity = Identity::of_open(&*file)?;
    let file = Arc::new(ManuallyDrop::into_inner(file));
    // The list keeps it, though its place may be taken: then there are two descriptors of one file, both open.
    opened.push((identity, Arc::clone(&file)));
    Ok((identity == meant).then_some(file))
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
        let identity = Identity::of_path(&one).unwrap();
        let file = open_forever(&one, identity).unwrap().unwrap();
        assert!(Arc::ptr_eq(&file, &open_forever(&one, identity).unwrap().unwrap()));
        assert!(
            open_forever(&other, Identity::of_path(&dir.path().join("one")).unwrap())
                .unwrap()
                .is_some(),
            "known by identity"
        );
        let unknown = Identity::of_path(dir.path()).unwrap();
        assert!(open_forever(&other, unknown).unwrap().is_none());
    }
}
