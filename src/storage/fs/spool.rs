//! Bytes that are written once and then read once, in bounded memory.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::error::{Error, Result};

/// Takes bytes: the first of them in memory, all of them in a temp file without a name once there are more.
#[derive(Debug)]
pub(crate) struct Spool(BufWriter<SpooledTempFile>);

impl Spool {
    /// An empty spool that holds at most `memory` bytes in memory. The file would lie in the system's directory for
    /// temp files: a log that is only read may be where nothing can be written, or where nobody else may write.
    pub(crate) fn new(memory: usize) -> Self {
        Spool(BufWriter::new(SpooledTempFile::new(memory)))
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// The temp file cannot be made or written.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(unwritable)
    }

    /// Everything that was written, from the first byte.
    ///
    /// # Errors
    /// The temp file cannot be written.
    pub(crate) fn into_reader(self) -> Result<SpoolReader> {
        let mut file = self.0.into_inner().map_err(|error| unwritable(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        Ok(SpoolReader(BufReader::new(file)))
    }
}

/// Gives back what a [`Spool`] took.
#[derive(Debug)]
pub(crate) struct SpoolReader(BufReader<SpooledTempFile>);

impl SpoolReader {
    /// Fills `bytes` with those that come next.
    ///
    /// # Errors
    /// The temp file cannot be read, or is shorter.
    pub(crate) fn read_exact(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.0.read_exact(bytes).map_err(unreadable)
    }
}

fn unwritable(error: io::Error) -> Error {
    Error::io(
        &std::env::temp_dir(),
        "cannot write a temp file (TMPDIR names the directory) in",
    )(error)
}

fn unreadable(error: io::Error) -> Error {
    Error::io(&std::env::temp_dir(), "cannot read a temp file in")(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_from_memory_and_from_a_file() {
        for memory in [0, 10, 1 << 20] {
            let mut spool = Spool::new(memory);
            let written: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
            for part in written.chunks(777) {
                spool.write(part).unwrap();
            }
            let mut reader = spool.into_reader().unwrap();
            assert_eq!(reader.0.get_ref().is_rolled(), memory < written.len());
            let mut read = vec![0; written.len()];
            reader.read_exact(&mut read).unwrap();
            assert!(read == written, "{memory}");
            assert!(reader.read_exact(&mut [0]).is_err(), "{memory}: there is no more");
        }
    }
}
