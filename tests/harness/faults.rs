//! Faults on purpose: limits, permissions that bind even root, small and read-only file systems, kills.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::auditq;
use super::needs::skipped;
use super::program::behind;

/// What every data directory may hold once all is done.
const KNOWN: [&str; 5] = [
    "audit.db",
    "audit.idx",
    "audit.idx-delta",
    "payloads.jsonl",
    "scale-study.json",
];

/// How many requests of the deep stream a small log is asked, as an argument: of the first 243, one has events in any
/// log of 30 events or more, and without an event there is nothing to compare or to measure.
pub(crate) const DEEP_REQUESTS: &str = "250";

/// A bench of a small log; how many rounds comes behind.
pub(crate) const DEEP_BENCH: [&str; 6] = ["bench", "--workload", "deep", "--requests", DEEP_REQUESTS, "--rounds"];

/// The shortest bench that there is; the file that it exports to comes behind.
pub(crate) fn short_bench(export: &str) -> Vec<&str> {
    [&DEEP_BENCH[..], &["1", "--export", export]].concat()
}

/// Says a figure that a run is worth citing for, past the capture of the test harness.
pub(crate) fn report(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// A number from the environment, or the default.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

/// The program by way of a util-linux command, or where that is missing, of a Python statement that does the same
/// to its own process and becomes the program.
fn auditq_by(tool: &[&str], prelude: &str, root: &Path, arguments: &[&str]) -> Command {
    let is_there = Command::new(tool[0])
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let command = if is_there {
        let mut command = Command::new(tool[0]);
        command.args(&tool[1..]);
        command
    } else {
        let mut command = Command::new("python3");
        command.arg("-c").arg(format!(
            "import ctypes, os, resource, signal, sys\n{prelude}\nos.execv(sys.argv[1], sys.argv[1:])"
        ));
        command
    };
    behind(command, &auditq_on(root, arguments))
}

/// The program under a limit of file sizes in bytes (`ulimit -f`), with the signal's default action.
pub(crate) fn with_size_limit(bytes: u64, root: &Path, arguments: &[&str]) -> Command {
    let prelude = format!(
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nresource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, {bytes}))"
    );
    let tool = ["prlimit", &format!("--fsize={bytes}")];
    auditq_by(&tool, &prelude, root, arguments)
}

/// The program under a limit of memory, in bytes of address space.
pub(crate) fn with_memory_limit(bytes: u64, root: &Path, arguments: &[&str]) -> Command {
    let prelude = format!("resource.setrlimit(resource.RLIMIT_AS, ({bytes}, {bytes}))");
    auditq_by(&["prlimit", &format!("--as={bytes}")], &prelude, root, arguments)
}

/// The program as a user whom permissions bind: root without the capabilities to pass over them, or whoever runs
/// the tests.
pub(crate) fn bound_by_permissions(root: &Path, arguments: &[&str]) -> Command {
    if !is_root() {
        return auditq_on(root, arguments);
    }
    // PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: the next exec comes out without them.
    let prelude = "for capability in (1, 2):\n    \
                   assert ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0) == 0";
    let tool = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    auditq_by(&tool, prelude, root, arguments)
}

/// The program as an ordinary user of this number, in a group of the same number; only root can start it.
pub(crate) fn as_user(id: u32, root: &Path, arguments: &[&str]) -> Command {
    let prelude = format!("os.setgroups([]); os.setresgid({id}, {id}, {id}); os.setresuid({id}, {id}, {id})");
    let (user, group) = (format!("--reuid={id}"), format!("--regid={id}"));
    auditq_by(&["setpriv", &user, &group, "--clear-groups"], &prelude, root, arguments)
}

/// Gives a file an access control list: a named user and the mask have these permissions, the file's group has none.
/// Whether the file system has such lists.
pub(crate) fn set_acl(path: &Path, user: u32, permissions: u16) -> bool {
    let nobody = u32::MAX;
    let entries = [
        (1, 6, nobody),
        (2, permissions, user),
        (4, 0, nobody),
        (16, permissions, nobody),
        (32, 0, nobody),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend([u16::to_le_bytes(tag), u16::to_le_bytes(permissions)].concat());
        list.extend(u32::to_le_bytes(id));
    }
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, "system.posix_acl_access", &list, flags).is_ok()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A file system of its own, for as long as the value lives.
pub(crate) struct Mounted {
    place: TempDir,
    /// What it shows, where that is nothing else's.
    _layers: Option<TempDir>,
}

impl Mounted {
    /// An empty one in memory, of so many bytes; `None`, said on standard error, where nothing can be mounted.
    pub(crate) fn tmpfs(bytes: u64, what: &str) -> Option<Self> {
        let options = format!("size={bytes},mode=755");
        Self::mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], what)
    }

    /// A view of a directory through which nothing can be written.
    pub(crate) fn read_only(of: &Path, what: &str) -> Option<Self> {
        let mounted = Self::mount(&["--bind", of.to_str().unwrap()], what)?;
        let again = run(Command::new("mount")
            .args(["-o", "remount,bind,ro"])
            .arg(mounted.root()));
        match again {
            Ok(()) => Some(mounted),
            Err(why) => {
                skipped(what, &why);
                None
            }
        }
    }

    /// The file system in a file, an ext4 that may have to recover first.
    pub(crate) fn image(file: &Path, what: &str) -> Option<Self> {
        Self::mount(&["-o", "loop", file.to_str().unwrap()], what)
    }

    /// An empty overlay, as a container has it: its times prove nothing of a file that was written a moment ago.
    pub(crate) fn overlay(what: &str) -> Option<Self> {
        let layers = tempfile::tempdir().unwrap();
        let [lower, upper, work] = ["lower", "upper", "work"].map(|name| {
            let path = layers.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path.display().to_string()
        });
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let mut mounted = Self::mount(&["-t", "overlay", "-o", &options, "overlay"], what)?;
        mounted._layers = Some(layers);
        Some(mounted)
    }

    fn mount(arguments: &[&str], what: &str) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        match run(Command::new("mount").args(arguments).arg(place.path())) {
            Ok(()) => Some(Mounted { place, _layers: None }),
            Err(why) => {
                skipped(what, &why);
                None
            }
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.place.path()
    }

    /// Fills it to the last byte, but for so many.
    pub(crate) fn fill(&self, but_for: u64) -> PathBuf {
        let path = self.root().join("filler");
        let mut filler = std::fs::File::create(&path).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        let len = filler.metadata().unwrap().len();
        filler.set_len(len.saturating_sub(but_for)).unwrap();
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(self.root()));
    }
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// How a command ended that was to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Killed,
    /// It was through before.
    Through,
}

/// Starts the command and kills it at a random moment of the time that it usually takes.
pub(crate) fn kill_at_random(mut command: Command, usual: Duration) -> (Fate, Duration) {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let moment = usual.mul_f64(random());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    while start.elapsed() < moment {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    let _ = child.kill();
    let status = child.wait().unwrap();
    let fate = match status.code() {
        None => Fate::Killed,
        Some(0) => Fate::Through,
        Some(code) => panic!("exit code {code}"),
    };
    (fate, moment)
}

/// From 0 to 1, another one each time.
fn random() -> f64 {
    use std::hash::BuildHasher;
    let hash = std::collections::hash_map::RandomState::new().hash_one(0);
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// How long a command takes when nobody disturbs it.
pub(crate) fn time_of(mut command: Command) -> Duration {
    let start = Instant::now();
    assert!(command.output().unwrap().status.success());
    start.elapsed()
}

/// Runs the command under strace and kills it before the `nth` system call of these, counted for each thread.
pub(crate) fn kill_at_call(command: &Command, calls: &str, nth: u32) -> Fate {
    let output = traced(command, calls, &format!("signal=KILL:when={nth}"));
    // strace ends as what it traced did.
    match output.status.code() {
        Some(_) => Fate::Through,
        None => Fate::Killed,
    }
}

/// Runs the command under strace, where the `nth` system call of these, counted for each thread, and every
/// later one fails with this error.
pub(crate) fn with_failing_calls(command: &Command, calls: &str, error: &str, nth: u32) -> Output {
    traced(command, calls, &format!("error={error}:when={nth}+"))
}

fn traced(command: &Command, calls: &str, injection: &str) -> Output {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={calls}"))
        .arg("-e")
        .arg(format!("inject={calls}:{injection}"));
    behind(strace, command).output().unwrap()
}

/// The names of all files but those that a data directory may hold.
pub(crate) fn leftovers(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !KNOWN.contains(&name.as_str()))
        .collect()
}

/// The program on a directory.
pub(crate) fn auditq_on(root: &Path, arguments: &[&str]) -> Command {
    let mut command = auditq();
    command.arg("--data-dir").arg(root).args(arguments);
    command
}

/// Standard output of a command that must succeed.
#[track_caller]
pub(crate) fn stdout_of(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
