//! Why an index file is not to be used.

use std::num::NonZeroU32;
use std::{fmt, io};

use super::section::Section;
use crate::error::Error;
use crate::storage::data_dir::DataDir;

/// An index file is not what was written, and which check said so, and where, as far as that is known: whatever it said
/// so far is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupted {
    check: &'static str,
    place: Place,
    /// Its number in the file. Not in `place`, so that results stay small: pages are made of millions of them.
    block: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Unknown,
    Header,
    Section(Section),
    Delta,
}

impl Corrupted {
    /// Not damaged: written by another version of this program.
    pub(crate) const OTHER_VERSION: Corrupted = Corrupted::new("it is of another version");

    pub(crate) const fn new(check: &'static str) -> Self {
        Corrupted {
            check,
            place: Place::Unknown,
            block: None,
        }
    }

    /// A fault of the first block.
    pub(crate) fn in_header(self) -> Self {
        self.at(Place::Header, None)
    }

    /// A fault of a section's records.
    pub(crate) fn in_section(self, section: Section) -> Self {
        self.at(Place::Section(section), None)
    }

    /// A fault of a block, by its number in the file.
    pub(crate) fn in_block(self, section: Section, number: u64) -> Self {
        let block = u32::try_from(number).ok().and_then(NonZeroU32::new);
        self.at(Place::Section(section), block)
    }

    /// A fault of the file of changes.
    pub(crate) fn in_delta(self) -> Self {
        self.at(Place::Delta, None)
    }

    /// Whoever found the fault knew the place best.
    fn at(self, place: Place, block: Option<NonZeroU32>) -> Self {
        match self.place {
            Place::Unknown => Corrupted { place, block, ..self },
            _ => self,
        }
    }

    /// The error of an operation on the index of a directory that this stopped: `action` is as in [`Error::Io`].
    pub(crate) fn error(self, dir: &DataDir, action: &'static str) -> Error {
        Error::Io {
            path: dir.index(),
            action,
            source: io::Error::new(io::ErrorKind::InvalidData, self.to_string()),
        }
    }
}

impl fmt::Display for Corrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place, self.block) {
            (Place::Unknown, _) => {}
            (Place::Header, _) => f.write_str("header: ")?,
            (Place::Section(section), None) => write!(f, "section \"{}\": ", section.name())?,
            (Place::Section(section), Some(block)) => write!(f, "section \"{}\", block {block}: ", section.name())?,
            (Place::Delta, _) => f.write_str("delta: ")?,
        }
        f.write_str(self.check)
    }
}
