//! Reading until a buffer is full or the file ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Fills the buffer from this offset (bytes) on, unless the file ends before: how many bytes there are.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_filled_as_far_as_the_file_goes() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        for (len, offset, expected) in [
            (4, 3, "3456"),
            (10, 0, "0123456789"),
            (4, 8, "89"),
            (4, 10, ""),
            (0, 2, ""),
        ] {
            let mut buffer = vec![b'-'; len];
            let read = read_full_at(&file, &mut buffer, offset).unwrap();
            assert_eq!(&buffer[..read], expected.as_bytes());
            assert!(buffer[read..].iter().all(|&byte| byte == b'-'));
        }
        assert!(read_full_at(&File::open("/").unwrap(), &mut [0], 0).is_err());
    }
}
