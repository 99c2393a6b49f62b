//! What the times that a file system keeps can prove.

use std::io;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use super::platform::FileState;

/// `statfs(2)`'s names for file systems whose times rise with every write that follows a look, since Linux 6.13
/// ("multigrain timestamps"): ext4, XFS, Btrfs and tmpfs.
const FINE_GRAINED: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];
/// File systems that show attributes which may be seconds old: NFS, SMB and CIFS, FUSE, 9P, Ceph, AFS, Coda, GFS2, OCFS2.
const CACHED: [u64; 12] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x6b41_4653,
    0x7375_7245,
    0x0116_1970,
    0x7461_636f,
];

/// How the times of a file system move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileTimes {
    /// Another write leaves another time, however soon it comes.
    Exact,
    /// Another write leaves another time once the clock has gone on: see [`clock_grain`].
    Coarse,
    /// They may be seconds old: another machine, or another process, may have written without their moving.
    Cached,
}

impl FileTimes {
    /// Those of the file system that an open file lies on.
    ///
    /// # Errors
    /// The system cannot say.
    pub(crate) fn of(file: impl AsFd) -> io::Result<Self> {
        // The width and the sign of the field differ between platforms; the numbers have 32 bits.
        #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
        let kind = rustix::fs::fstatfs(file)?.f_type as u64 & 0xffff_ffff;
        Ok(Self::of_kind(kind, kernel()))
    }

    /// Those of a file system of this kind under a kernel of this release.
    fn of_kind(kind: u64, kernel: (u32, u32)) -> Self {
        if CACHED.contains(&kind) {
            FileTimes::Cached
        } else if FINE_GRAINED.contains(&kind) && kernel >= (6, 13) {
            FileTimes::Exact
        } else {
            FileTimes::Coarse
        }
    }

    /// Whether a file that is found again in this state was not written to since it was seen in it. The clock of file times
    /// stood in `seen`, in nanoseconds since the epoch, while it was looked at.
    ///
    /// Not asked with a later clock: the file may have been young when it was looked at, and been written to right after.
    pub(crate) fn prove(self, state: &FileState, seen: &RangeInclusive<i64>) -> bool {
        match self {
            FileTimes::Exact => true,
            FileTimes::Coarse => !is_young(state, seen),
            FileTimes::Cached => false,
        }
    }
}

/// How long after a change of a file another change may still leave the same time on it: kernels before 6.13
/// use the last clock tick (10 ms at the slowest), and a file system without nanoseconds whole seconds (FAT: two).
pub(crate) fn clock_grain(state: &FileState) -> Duration {
    let whole_seconds = state.ctime_ns % 1_000_000_000 == 0 && state.mtime_ns % 1_000_000_000 == 0;
    if whole_seconds {
        Duration::from_secs(2)
    } else {
        Duration::from_millis(20)
    }
}

/// Whether the file changed so lately that another change might leave the same times.
fn is_young(state: &FileState, seen: &RangeInclusive<i64>) -> bool {
    let changed = state.ctime_ns.max(state.mtime_ns);
    let grain = i64::try_from(clock_grain(state).as_nanos()).unwrap_or(i64::MAX);
    // A time far in the future is no danger: a change would put the present in its place. One that is near may come from a
    // finer clock, which is ahead of this one by up to a tick.
    changed.saturating_sub(grain) <= *seen.end() && changed.saturating_add(grain) > *seen.start()
}

fn kernel() -> (u32, u32) {
    static RELEASE: OnceLock<(u32, u32)> = OnceLock::new();
    let release = RELEASE.get_or_init(|| {
        let name = rustix::system::uname();
        parse_release(&name.release().to_string_lossy())
    });
    *release
}

/// The first two numbers of a kernel's name; 0 for what cannot be told.
fn parse_release(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::platform::file_clock_ns;
    use super::*;

    #[test]
    fn releases_in_numbers() {
        assert_eq!(parse_release("6.18.44-generic"), (6, 18));
        assert_eq!(parse_release("5.4"), (5, 4));
        assert_eq!(parse_release("6-rc1"), (6, 0));
        assert_eq!(parse_release("unknown"), (0, 0));
    }

    #[test]
    fn what_proves_what() {
        let long_ago = FileState {
            ctime_ns: 1,
            mtime_ns: 1,
            ..FileState::default()
        };
        let clock = file_clock_ns();
        let now = FileState {
            ctime_ns: clock,
            ..long_ago
        };
        let in_the_future = FileState {
            ctime_ns: clock + 1_000_000_000_001,
            ..long_ago
        };
        let proven =
            |times: FileTimes| [long_ago, now, in_the_future].map(|state| times.prove(&state, &(clock..=clock)));
        assert_eq!(proven(FileTimes::Exact), [true; 3]);
        assert_eq!(proven(FileTimes::Coarse), [true, false, true]);
        assert_eq!(proven(FileTimes::Cached), [false; 3]);
    }

    /// By a simulated clock: a state proves nothing before the clock has ticked once more since its last change.
    #[test]
    fn a_young_state_proves_nothing_until_the_clock_has_ticked() {
        let long_ago = FileState {
            ctime_ns: 1_700_000_000_000_000_001,
            mtime_ns: 1_700_000_000_000_000_001,
            ..FileState::default()
        };
        let seconds = FileState {
            ctime_ns: 1_700_000_000_000_000_000,
            mtime_ns: 1_700_000_000_000_000_000,
            ..long_ago
        };
        let touched = FileState {
            ctime_ns: long_ago.ctime_ns + 5_000_000,
            ..long_ago
        };
        // One time of a whole second among two says nothing of the file system.
        let by_chance = FileState {
            ctime_ns: 1_700_000_001_000_000_000,
            ..long_ago
        };
        for (state, from_ns, grain_ns) in [
            (long_ago, long_ago.ctime_ns, 20_000_000),
            (touched, touched.ctime_ns, 20_000_000),
            (by_chance, by_chance.ctime_ns, 20_000_000),
            (seconds, seconds.ctime_ns, 2_000_000_000),
        ] {
            for (age, is_proven) in [
                (0, false),
                (grain_ns - 1, false),
                (grain_ns, true),
                (grain_ns * 9, true),
                (-grain_ns, false),
                (-grain_ns - 1, true),
            ] {
                let now = from_ns + age..=from_ns + age;
                assert_eq!(FileTimes::Coarse.prove(&state, &now), is_proven, "{state:?} {age}");
                assert!(FileTimes::Exact.prove(&state, &now));
                assert!(!FileTimes::Cached.prove(&state, &now));
            }
            // The clock went on while it was looked at: the change came meanwhile.
            let meanwhile = from_ns - 9 * grain_ns..=from_ns + 9 * grain_ns;
            assert!(!FileTimes::Coarse.prove(&state, &meanwhile));
        }
    }

    #[test]
    fn the_kernel_and_the_file_system_decide_what_times_are_worth() {
        const EXT4: u64 = 0xef53;
        const NFS: u64 = 0x6969;
        const OVERLAY: u64 = 0x794c_7630;
        assert_eq!(FileTimes::of_kind(EXT4, (6, 12)), FileTimes::Coarse);
        assert_eq!(FileTimes::of_kind(EXT4, (6, 13)), FileTimes::Exact);
        assert_eq!(FileTimes::of_kind(EXT4, (7, 0)), FileTimes::Exact);
        assert_eq!(FileTimes::of_kind(OVERLAY, (7, 0)), FileTimes::Coarse);
        assert_eq!(FileTimes::of_kind(NFS, (7, 0)), FileTimes::Cached);
    }

    /// As the system's own tools name both.
    #[test]
    fn the_file_system_and_the_kernel_are_those_of_this_machine() {
        let told = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = told.trim().split(['.', '-']);
        let mut number = || numbers.next().unwrap().parse().unwrap();
        assert_eq!(kernel(), (number(), number()));
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), "/dev/shm".as_ref(), "/proc".as_ref()] {
            let output = std::process::Command::new("stat")
                .args(["-f", "-c", "%t"])
                .arg(path)
                .output();
            let kind = String::from_utf8(output.unwrap().stdout).unwrap();
            let kind = u64::from_str_radix(kind.trim(), 16).unwrap();
            let times = FileTimes::of(std::fs::File::open(path).unwrap()).unwrap();
            assert_eq!(times, FileTimes::of_kind(kind, kernel()), "{}", path.display());
        }
    }

    #[test]
    fn where_times_are_exact_two_writes_at_once_leave_two_times() {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        if FileTimes::of(&file).unwrap() != FileTimes::Exact {
            let why = "not tried: this file system's times are not exact\n";
            std::io::stderr().write_all(why.as_bytes()).unwrap();
            return;
        }
        for _ in 0..200 {
            let before = FileState::of_open(&file).unwrap();
            file.write_all(b"x").unwrap();
            let between = FileState::of_open(&file).unwrap();
            rustix::fs::ftruncate(&file, before.size).unwrap();
            let after = FileState::of_open(&file).unwrap();
            assert_ne!(before.mtime_ns, between.mtime_ns);
            assert_ne!(between.mtime_ns, after.mtime_ns);
        }
    }
}
