//! Notices of the file system that something in a directory was written to, so that waiting for a commit costs nothing.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::ending::Ending;

/// Why a wait was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something in a directory was written to, made, moved or removed.
    Noticed,
    /// The time was up, or a signal came in between.
    TimeIsUp,
    /// The process is to end.
    Ending,
}

/// What a commit, a checkpoint and a rotation do to files.
const WRITES: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

/// Room for some dozen notices of the longest names.
const BUFFER: usize = 16 << 10;

/// Directories that are watched (inotify). Where the system or the file system gives no notices, waits last their whole time.
#[derive(Debug)]
pub(crate) struct Notices {
    inotify: Option<OwnedFd>,
    directories: Vec<PathBuf>,
}

impl Notices {
    /// Watches nothing.
    pub(crate) fn none() -> Self {
        Notices {
            inotify: None,
            directories: Vec::new(),
        }
    }

    /// Watches these directories, if it does not yet.
    pub(crate) fn watch(&mut self, mut directories: Vec<PathBuf>) {
        directories.sort();
        directories.dedup();
        if self.inotify.is_some() && self.directories == directories {
            return;
        }
        // Best effort: without notices the files are looked at every second all the same.
        self.inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        if let Some(inotify) = &self.inotify {
            for directory in &directories {
                let _ = inotify::add_watch(inotify, directory, WRITES);
            }
        }
        self.directories = directories;
    }

    /// Waits for a notice, for `ending` if it is given, or until the time is up. What was noticed up to then is noticed once.
    pub(crate) fn wait(&self, ending: Option<&Ending>, time: Duration) -> Woken {
        let woken = wait(self.inotify.as_ref().map(AsFd::as_fd), ending, time);
        if woken == Woken::Noticed {
            self.drain();
        }
        woken
    }

    fn drain(&self) {
        if let Some(inotify) = &self.inotify {
            let mut buffer = [MaybeUninit::uninit(); BUFFER];
            let mut notices = Reader::new(inotify, &mut buffer);
            while notices.next().is_ok() {}
        }
    }
}

/// Waits until the time is up, or for `ending`.
pub(crate) fn pause(ending: Option<&Ending>, time: Duration) -> Woken {
    wait(None, ending, time)
}

fn wait(notices: Option<BorrowedFd<'_>>, ending: Option<&Ending>, time: Duration) -> Woken {
    let mut waited: Vec<PollFd<'_>> = ending.map(Ending::poll_fds).into_iter().flatten().collect();
    let endings = waited.len();
    waited.extend(notices.map(|notices| PollFd::from_borrowed_fd(notices, PollFlags::IN)));
    let time = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(&mut waited, Some(&time)) {
        Ok(0) | Err(Errno::INTR) => Woken::TimeIsUp,
        Ok(_) if waited[..endings].iter().any(|fd| !fd.revents().is_empty()) => Woken::Ending,
        Ok(_) => Woken::Noticed,
        Err(error) => {
            // Nothing can be waited for: not to spin is all that is left.
            debug_assert!(false, "{}", io::Error::from(error));
            std::thread::sleep(Duration::from_millis(100));
            Woken::TimeIsUp
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_write_wakes_once_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut notices = Notices::none();
        notices.watch(vec![dir.path().to_owned(), dir.path().to_owned()]);
        assert_eq!(notices.wait(None, Duration::from_millis(1)), Woken::TimeIsUp);
        std::fs::write(dir.path().join("audit.db"), "1").unwrap();
        std::fs::write(dir.path().join("audit.db"), "2").unwrap();
        let start = Instant::now();
        assert_eq!(notices.wait(None, Duration::from_secs(600)), Woken::Noticed);
        assert!(start.elapsed() < Duration::from_secs(300));
        assert_eq!(notices.wait(None, Duration::from_millis(1)), Woken::TimeIsUp);
    }

    #[test]
    fn what_came_before_the_same_is_watched_again_is_noticed() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let watched = |dir: &tempfile::TempDir| vec![dir.path().to_owned()];
        let mut notices = Notices::none();
        notices.watch(watched(&one));
        std::fs::write(one.path().join("audit.db"), "1").unwrap();
        notices.watch(watched(&one));
        assert_eq!(notices.wait(None, Duration::from_secs(600)), Woken::Noticed);
        notices.watch(watched(&other));
        std::fs::write(one.path().join("audit.db"), "2").unwrap();
        assert_eq!(notices.wait(None, Duration::from_millis(1)), Woken::TimeIsUp);
        std::fs::write(other.path().join("audit.db"), "1").unwrap();
        assert_eq!(notices.wait(None, Duration::from_secs(600)), Woken::Noticed);
    }

    #[test]
    fn without_notices_the_time_is_up() {
        let notices = Notices::none();
        assert_eq!(notices.wait(None, Duration::from_millis(1)), Woken::TimeIsUp);
    }
}
