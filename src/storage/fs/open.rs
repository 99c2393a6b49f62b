//! Opening files that somebody else may have put there.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading. A FIFO is not waited for, a device is not read.
///
/// # Errors
/// It cannot be opened, or is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    open_with_size(path).map(|(file, _)| file)
}

/// The same, with the file's size in bytes.
///
/// # Errors
/// Those of [`open_regular`].
pub(crate) fn open_with_size(path: &Path) -> io::Result<(File, u64)> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(not_regular())
}

/// Refuses a path that leads to something else than a regular file. That nothing is there is fine.
///
/// # Errors
/// It leads to a FIFO, a device, a directory or a socket.
pub(crate) fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(not_regular()),
        _ => Ok(()),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}
