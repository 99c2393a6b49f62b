//! The system calls that the standard library has no cheap or portable form of.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, Stat};

use crate::error::Exit;

/// What the file system says of a file, without its content. Any write, truncation, rename or replacement
/// changes it: ctime cannot be set by a program, and every one of these moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) inode: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since the epoch.
    pub(crate) mtime_ns: i64,
    /// Nanoseconds since the epoch.
    pub(crate) ctime_ns: i64,
}

impl FileState {
    /// Whether it is the same file with the same content. Its name, owner and permissions may have changed.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        (self.inode, self.size, self.mtime_ns) == (other.inode, other.size, other.mtime_ns)
    }

    /// The state of whatever `path` leads to now; `None` where there is nothing.
    pub(crate) fn of_path(path: &Path) -> io::Result<Option<Self>> {
        match rustix::fs::stat(path) {
            Ok(stat) => Ok(Some(Self::from_stat(&stat))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The state of an open file, whatever its name is now.
    pub(crate) fn of_open(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_stat(&rustix::fs::fstat(file)?))
    }

    #[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]
    fn from_stat(stat: &Stat) -> Self {
        let ns = |seconds: i64, ns: u64| seconds.wrapping_mul(1_000_000_000).wrapping_add(ns as i64);
        FileState {
            inode: stat.st_ino,
            size: stat.st_size as u64,
            mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
            ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// Which file it is, whatever its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    /// Which file is open.
    pub(crate) fn of_open(file: impl AsFd) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        Ok(Identity(stat.st_dev, stat.st_ino))
    }

    /// Which file `path` leads to.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::stat(path)?;
        Ok(Identity(stat.st_dev, stat.st_ino))
    }

    /// Whether `path` leads to this file now.
    pub(crate) fn is_at(self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|stat| Identity(stat.st_dev, stat.st_ino) == self)
    }
}

/// Opens `path` for asking its state and nothing else; `None` where there is nothing.
///
/// An `O_PATH` descriptor takes part in no POSIX lock: closing it, unlike closing any other descriptor of a
/// database file, does not drop the locks that SQLite holds on it in this process (fcntl(2), open(2)).
pub(crate) fn open_for_state(path: &Path) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Nanoseconds since the epoch by the clock that file times are taken from.
pub(crate) fn file_clock_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    now.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec)
}

/// The clock tick that is running, in nanoseconds: it changes every few milliseconds, and reading it is no
/// system call.
pub(crate) fn coarse_monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    now.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec)
}

/// How long processors have worked for this process.
pub(crate) fn processor_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

/// Lets a write beyond the process's limit of file sizes (`ulimit -f`) fail like one to a full disk: by default
/// the system ends the process without a word.
pub fn ignore_sigxfsz() {
    // The write's own error says all there is to know, so nobody looks at the flag. Where the signal cannot be
    // caught, the process ends as it would have.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Lets a process that gets no more memory end with the exit code of every error: the standard library has then said so in
/// one line, and would leave a core dump. The same for whatever else aborts.
pub fn exit_on_abort() {
    // Where the signal cannot be caught, the process ends by it as it would have.
    let _ = signal_hook::flag::register_conditional_shutdown(
        signal_hook::consts::SIGABRT,
        Exit::Failed as i32,
        Arc::new(AtomicBool::new(true)),
    );
}

/// Ends standard output for whoever reads it, though this process goes on. Best effort: where it cannot be done, the
/// reader waits for the end of the process. Only for the end of a command: what is printed later is lost.
pub(crate) fn close_stdout() {
    // Never a bare close: the next file that is opened would become standard output.
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Whether rights and file system let this process make files in a directory. A full disk does not count.
pub(crate) fn is_dir_writable(directory: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD};
    use rustix::io::Errno;
    let writing = Access::WRITE_OK | Access::EXEC_OK;
    let may = rustix::fs::accessat(CWD, directory, writing, AtFlags::EACCESS);
    !matches!(may, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
}

/// Whether there is a file that rights forbid this process to read.
pub(crate) fn is_unreadable(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD};
    let may = rustix::fs::accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS);
    may == Err(rustix::io::Errno::ACCESS)
}

/// Whether a path was not followed because its links lead in a circle, or there are too many.
pub(crate) fn is_link_loop(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

/// Whether the limit of open files leaves no room for the few that a database takes: itself, its log or journal, its
/// directory.
pub(crate) fn is_out_of_descriptors() -> bool {
    use rustix::io::Errno;
    // Held together until all are there; a directory that always exists, and no file that could be waited for.
    let opened: std::result::Result<Vec<_>, Errno> = (0..4)
        .map(|_| rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()))
        .collect();
    matches!(opened, Err(Errno::MFILE | Errno::NFILE))
}

/// Whether so many more files may be open, as far as one look tells: descriptors are given out from the lowest on.
pub(crate) fn has_room_for_descriptors(wanted: u64) -> bool {
    use rustix::process::{Resource, getrlimit};
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return true;
    };
    match rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(next) => limit.saturating_sub(u64::from(next.as_raw_fd().unsigned_abs())) >= wanted,
        Err(error) => !matches!(error, rustix::io::Errno::MFILE | rustix::io::Errno::NFILE),
    }
}

/// How many threads this process has; 1 where the system does not say.
pub(crate) fn running_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count).max(1)
}

/// Whether a file belongs to the user as whom this process runs, and may be written by it.
pub(crate) fn is_own_and_writable(path: &Path) -> io::Result<bool> {
    use rustix::fs::{Access, AtFlags, CWD};
    let is_own = rustix::fs::stat(path)?.st_uid == rustix::process::geteuid().as_raw();
    Ok(is_own && rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok())
}

/// Whether this process may give files to other users.
pub(crate) fn may_give_files_away() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::CHOWN))
}

/// Random bytes that nobody can guess.
pub(crate) fn random<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A file without a name, in memory.
pub(crate) fn memory_file() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("audit.idx", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_files_state_is_what_the_file_system_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(FileState::of_path(&path).unwrap(), None);
        std::fs::write(&path, "12345").unwrap();
        let state = FileState::of_path(&path).unwrap().unwrap();
        let said = std::fs::metadata(&path).unwrap();
        assert_eq!((state.inode, state.size), (said.ino(), 5));
        assert_eq!(state.mtime_ns, said.mtime() * 1_000_000_000 + said.mtime_nsec());
        assert_eq!(state.ctime_ns, said.ctime() * 1_000_000_000 + said.ctime_nsec());
        // Of the file, whatever leads to it.
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(FileState::of_path(&link).unwrap(), Some(state));
        let open = open_for_state(&link).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(FileState::of_path(&link).unwrap(), None);
        assert_eq!(FileState::of_open(&open).unwrap().inode, state.inode);
        assert!(open_for_state(&path).unwrap().is_none());
        // What is no file below a file is an error, and not nothing.
        std::fs::write(&path, "").unwrap();
        assert!(FileState::of_path(&path.join("below")).is_err() && open_for_state(&path.join("below")).is_err());
    }

    #[test]
    fn content_is_the_same_where_file_size_and_time_are() {
        let state = FileState {
            inode: 1,
            size: 2,
            mtime_ns: 3,
            ctime_ns: 4,
        };
        assert!(state.has_content_of(&FileState { ctime_ns: 5, ..state }));
        for other in [
            FileState { inode: 5, ..state },
            FileState { size: 5, ..state },
            FileState { mtime_ns: 5, ..state },
        ] {
            assert!(!state.has_content_of(&other), "{other:?}");
        }
    }

    #[test]
    fn a_file_is_itself_by_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        std::fs::write(&path, "").unwrap();
        std::fs::write(&other, "").unwrap();
        let identity = Identity::of_path(&path).unwrap();
        assert_eq!(Identity::of_open(File::open(&path).unwrap()).unwrap(), identity);
        assert!(identity.is_at(&path) && !identity.is_at(&other));
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        assert!(!identity.is_at(&path) && identity.is_at(&dir.path().join("moved")));
        assert!(Identity::of_path(&path).is_err());
    }

    #[test]
    fn clocks_go_on() {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos() as i64;
        // The coarse clock is a tick behind at most.
        assert!((now - file_clock_ns()).abs() < 1_000_000_000);
        let (before, spent) = (coarse_monotonic_ns(), processor_time());
        assert!(before > 0);
        while coarse_monotonic_ns() == before {}
        assert!(coarse_monotonic_ns() > before && processor_time() > spent);
    }

    #[test]
    fn what_can_be_made_and_read_is_known_beforehand() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_dir_writable(dir.path()));
        // What is not there is not refused by rights.
        assert!(is_dir_writable(&dir.path().join("nothing")) && !is_unreadable(&dir.path().join("nothing")));
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        assert!(!is_unreadable(&path) && is_own_and_writable(&path).unwrap());
        assert!(is_own_and_writable(&dir.path().join("nothing")).is_err());
        let circle = dir.path().join("circle");
        symlink(&circle, &circle).unwrap();
        assert!(is_link_loop(&File::open(&circle).unwrap_err()));
        assert!(!is_link_loop(&File::open(dir.path().join("nothing")).unwrap_err()));
        assert!(!is_out_of_descriptors() && has_room_for_descriptors(3) && !has_room_for_descriptors(u64::MAX - 1));
        let beside = std::thread::scope(|scope| scope.spawn(running_threads).join().unwrap());
        assert!(beside > 1, "{beside}");
    }

    #[test]
    fn random_bytes_are_others_each_time_and_memory_is_a_file() {
        assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
        let file = memory_file().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"kept", 2).unwrap();
        assert_eq!(FileState::of_open(&file).unwrap().size, 6);
    }
}
