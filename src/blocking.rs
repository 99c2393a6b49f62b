//! The standard streams, which wait whatever flags they have.
//!
//! Whoever starts a program can leave `O_NONBLOCK` on what becomes its standard input, output or error, for all who share
//! it: then a read finds nothing yet, and a write no room, and both are no end and no failure. The flag is not ours to
//! take away, so what would block is waited for.
//!
//! The standard library's streams pass for empty and for written where the descriptor cannot be read or written, such as
//! one that was opened the wrong way round. So the descriptors themselves are read and written.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// How many columns the terminal has that a stream is; `None` where it is none, or does not know its size.
pub(crate) fn width(stream: &impl AsFd) -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(stream)?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

/// A stream's descriptor, read and written without a buffer, that never says that it would block.
#[derive(Debug)]
pub(crate) struct Blocking<S>(S);

impl<S: AsFd> Blocking<S> {
    pub(crate) fn new(stream: S) -> Self {
        Blocking(stream)
    }

    /// Does it until it would not block. `attempt` must have done nothing where it would.
    fn retry<T>(&self, ready: PollFlags, mut attempt: impl FnMut(&S) -> rustix::io::Result<T>) -> io::Result<T> {
        loop {
            match attempt(&self.0) {
                Err(Errno::AGAIN) => self.wait(ready)?,
                done => return done.map_err(io::Error::from),
            }
        }
    }

    /// Waits until the stream is ready, or at its end, or broken.
    fn wait(&self, ready: PollFlags) -> io::Result<()> {
        match poll(&mut [PollFd::new(&self.0, ready)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<S: AsFd> Read for Blocking<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |stream| rustix::io::read(stream, &mut *buffer))
    }
}

impl<S: AsFd> Write for Blocking<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::OUT, |stream| rustix::io::write(stream, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::fs::{OFlags, fcntl_setfl};

    use super::*;

    #[test]
    fn a_pipe_that_would_block_is_waited_for_at_both_ends() {
        let (reader, writer) = io::pipe().unwrap();
        fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        // More than a pipe holds.
        let sent: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
        let expected = sent.clone();
        let writing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            let mut writer = Blocking::new(writer);
            writer.write_all(&sent).and_then(|()| writer.flush()).unwrap();
        });
        let mut received = Vec::new();
        Blocking::new(reader).read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == expected);
    }
}
