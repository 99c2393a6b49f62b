//! Opening files that somebody else may have put there.

use std::fs::{File, FileType, Metadata};
use std::io::{self, IsTerminal};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// `statfs(2)`'s name for where pipes without a name live.
const PIPEFS: u64 = 0x5049_5045;

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
    // What cannot be opened at all, such as a socket, may be no file either.
    let file = open_without_waiting(path).map_err(|error| refuse_special(path).err().unwrap_or(error))?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(not_regular(metadata.file_type()))
}

/// Opens what is read once from its front to its end: a regular file, a terminal, `/dev/null`, or a pipe that somebody
/// holds open already, as `/dev/stdin` and a shell's `<(…)` are.
///
/// # Errors
/// It cannot be opened; it is a FIFO, whose writer may never come, or a device, which may have no end.
pub(crate) fn open_stream(path: &Path) -> io::Result<File> {
    let file = open_without_waiting(path).map_err(|error| refuse_special(path).err().unwrap_or(error))?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    // A directory is refused by its first read, in the system's words.
    if kind.is_file() || kind.is_dir() || is_null(&metadata) {
        return Ok(file);
    }
    if kind.is_fifo() && !is_nameless(&file)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a FIFO, which may have no writer: read it as standard input, by -",
        ));
    }
    if kind.is_fifo() || file.is_terminal() {
        // The descriptor has flags of its own, so nobody else is told to wait.
        rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
        return Ok(file);
    }
    Err(not_regular(kind))
}

/// Refuses a path that leads to something else than a regular file. That nothing is there is fine.
///
/// # Errors
/// It leads to a FIFO, a device, a directory or a socket.
pub(crate) fn refuse_special(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(not_regular(metadata.file_type())),
        _ => Ok(()),
    }
}

fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn is_null(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == rustix::fs::makedev(1, 3)
}

/// Whether a pipe has no place in a directory.
fn is_nameless(pipe: &File) -> io::Result<bool> {
    // The width and the sign of the field differ between platforms; the numbers have 32 bits.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let kind = rustix::fs::fstatfs(pipe)?.f_type as u64 & 0xffff_ffff;
    Ok(kind == PIPEFS)
}

fn not_regular(kind: FileType) -> io::Error {
    let kind = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, not a regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_no_end_or_no_writer_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        for path in [dir.path(), Path::new("/dev/zero"), &fifo] {
            assert!(refuse_special(path).is_err(), "{}", path.display());
            assert!(open_regular(path).is_err(), "{}", path.display());
            let read = open_stream(path).and_then(|mut stream| io::Read::read(&mut stream, &mut [0]));
            assert!(read.is_err(), "{}", path.display());
        }
        let file = dir.path().join("file");
        std::fs::write(&file, "four").unwrap();
        assert!(refuse_special(&file).is_ok() && refuse_special(&dir.path().join("none")).is_ok());
        assert_eq!(open_with_size(&file).unwrap().1, 4);
        assert!(open_stream(&file).is_ok() && open_stream(Path::new("/dev/null")).is_ok());
    }

    /// As a shell's `<(…)` is.
    #[test]
    fn a_pipe_without_a_name_is_read_and_waited_for() {
        use std::io::{Read, Write};
        use std::os::fd::AsRawFd;
        let (ours, mut writer) = io::pipe().unwrap();
        let mut stream = open_stream(Path::new(&format!("/proc/self/fd/{}", ours.as_raw_fd()))).unwrap();
        drop(ours);
        let writing = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            writer.write_all(b"a request").unwrap();
        });
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a request");
        writing.join().unwrap();
    }
}
