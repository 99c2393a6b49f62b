//! A copy of the log to write to: the log itself is only read.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::open::open_regular;
use crate::storage::fs::scratch_dir::ScratchDir;
use crate::storage::sqlite::copy_database;

/// A log that is gone when this is dropped.
pub(super) struct LogCopy {
    _scratch: ScratchDir,
    dir: DataDir,
}

impl LogCopy {
    /// Copies database and payloads to a directory beside the log's own, on the same disk where that can be.
    ///
    /// # Errors
    /// The log cannot be read, or there is no room for its copy.
    pub(super) fn of(log: &DataDir) -> Result<Self> {
        let root = log
            .root()
            .canonicalize()
            .map_err(Error::io(log.root(), "cannot open"))?;
        let scratch = ScratchDir::create(root.parent().unwrap_or(&root), ".auditq-bench-")?;
        let dir = DataDir::new(scratch.path());
        // The payloads last: those of every row that was copied are there by then.
        copy_database(log, dir.database())?;
        copy(&log.payloads(), &dir.payloads())?;
        Ok(LogCopy { _scratch: scratch, dir })
    }

    pub(super) fn dir(&self) -> &DataDir {
        &self.dir
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = open_regular(from).and_then(|mut from| io::copy(&mut from, &mut File::create_new(to)?));
    copied.map(|_| ()).map_err(Error::io(from, "cannot copy"))
}
