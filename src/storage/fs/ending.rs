//! What ends a command that would go on for ever: a signal, or that nobody reads its output any more.

use std::io::{self, PipeReader, Read, Stdout};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// How long a command that was told to end may go on with what it writes: its last line is then whole, if anybody reads it.
const GRACE: Duration = Duration::from_secs(1);

/// Watches for SIGINT, SIGTERM and the end of whoever reads standard output.
#[derive(Debug)]
pub struct Ending {
    signalled: PipeReader,
    stdout: Stdout,
}

impl Ending {
    /// From now on these signals do not end the process at once: it is told of them, and ended where it does not react
    /// within a second, because nobody reads what it writes.
    ///
    /// # Errors
    /// The system has no room for a pipe or a thread.
    pub fn watch() -> io::Result<Self> {
        let (signalled, to_us) = io::pipe()?;
        let (mut last_resort, to_last_resort) = io::pipe()?;
        for signal in [SIGINT, SIGTERM] {
            pipe::register(signal, to_us.try_clone()?)?;
            pipe::register(signal, to_last_resort.try_clone()?)?;
        }
        std::thread::Builder::new().spawn(move || {
            if last_resort.read(&mut [0]).is_ok_and(|read| read > 0) {
                std::thread::sleep(GRACE);
                std::process::exit(0);
            }
        })?;
        Ok(Ending {
            signalled,
            stdout: io::stdout(),
        })
    }

    /// Whether the process is to end now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        poll(&mut self.poll_fds(), Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// What is ready when the process is to end. Of standard output only that it broke is reported.
    pub(super) fn poll_fds(&self) -> [PollFd<'_>; 2] {
        [
            PollFd::new(&self.signalled, PollFlags::IN),
            PollFd::new(&self.stdout, PollFlags::empty()),
        ]
    }
}
