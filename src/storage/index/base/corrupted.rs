//! Why an index file is not to be used.

use std::fmt;

/// An index file is not what was written, and which check said so: whatever it said so far is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupted(pub(crate) &'static str);

impl Corrupted {
    /// Not damaged: written by another version of this program.
    pub(crate) const OTHER_VERSION: Corrupted = Corrupted("it is of another version");
}

impl fmt::Display for Corrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
