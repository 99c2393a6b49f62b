//! A directory for files that nobody needs once the work is done.

use std::path::Path;

use tempfile::{Builder, TempDir};

use crate::error::{Error, Result};

/// A directory of its own, readable by its owner only. It goes with everything in it when it is dropped; a process that
/// is killed leaves it behind.
#[derive(Debug)]
pub(crate) struct ScratchDir(TempDir);

impl ScratchDir {
    /// Makes one in `parent`, or in the system's directory for temporary files where nothing can be made there.
    ///
    /// # Errors
    /// Nothing can be made in either.
    pub(crate) fn create(parent: &Path, prefix: &str) -> Result<Self> {
        let temporary = std::env::temp_dir();
        let mut builder = Builder::new();
        builder.prefix(prefix);
        let made = builder.tempdir_in(parent).or_else(|_| builder.tempdir_in(&temporary));
        made.map(ScratchDir)
            .map_err(Error::io(&temporary, "cannot make a temporary directory"))
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_directory_goes_with_what_is_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = ScratchDir::create(parent.path(), "work-").unwrap();
        assert_eq!(scratch.path().parent(), Some(parent.path()));
        std::fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn where_nothing_can_be_made_the_systems_directory_serves() {
        let scratch = ScratchDir::create(Path::new("no/such/directory"), "work-").unwrap();
        assert!(scratch.path().starts_with(std::env::temp_dir()));
    }
}
