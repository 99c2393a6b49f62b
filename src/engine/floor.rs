//! What no engine can beat: the payload reads of a page, and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::model::PayloadRef;
use crate::storage::data_dir::DataDir;
use crate::storage::fs::open::open_regular;

/// One positional read for each event, from a file handle that all threads share, into one buffer, each payload
/// over the last. It finds nothing, checks nothing and decodes nothing: where the payloads lie must be known.
#[derive(Debug)]
pub struct Floor {
    path: PathBuf,
    file: File,
}

impl Floor {
    /// Opens the payload file of the log in `dir`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(dir: &DataDir) -> Result<Self> {
        let path = dir.payloads();
        let file = open_regular(&path).map_err(Error::io(&path, "cannot open"))?;
        Ok(Floor { path, file })
    }

    /// Reads each payload.
    ///
    /// # Errors
    /// A negative offset or length, or a read that fails.
    pub fn read(&self, payload_refs: &[PayloadRef], buffer: &mut Vec<u8>) -> Result<()> {
        for payload_ref in payload_refs {
            let (Ok(offset), Ok(len)) = (u64::try_from(payload_ref.offset), usize::try_from(payload_ref.len)) else {
                return Err(Error::io(&self.path, "cannot read")(
                    std::io::ErrorKind::InvalidInput.into(),
                ));
            };
            if buffer.len() < len {
                buffer.resize(len, 0);
            }
            let read = self.file.read_exact_at(&mut buffer[..len], offset);
            read.map_err(Error::io(&self.path, "cannot read"))?;
        }
        Ok(())
    }
}
