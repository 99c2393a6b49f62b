//! Why an index file is not to be used.

use std::{fmt, io};

use crate::error::Error;
use crate::storage::data_dir::DataDir;

/// An index file is not what was written, and which check said so: whatever it said so far is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupted(pub(crate) &'static str);

impl Corrupted {
    /// Not damaged: written by another version of this program.
    pub(crate) const OTHER_VERSION: Corrupted = Corrupted("it is of another version");

    /// The error of an operation on the index of a directory that this stopped: `action` is as in [`Error::Io`].
    pub(crate) fn error(self, dir: &DataDir, action: &'static str) -> Error {
        Error::Io {
            path: dir.index(),
            action,
            source: io::Error::new(io::ErrorKind::InvalidData, self.0),
        }
    }
}

impl fmt::Display for Corrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
