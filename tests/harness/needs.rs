//! What a test needs of the machine, and the one way to say that a test, or a form of it, is left out: on standard
//! error, in lines that `.ci/run` counts and lists.

use std::io::Write;
use std::panic::Location;
use std::process::{Command, Stdio};

use super::faults::is_root;

/// What not every machine has, or not for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To be root.
    Root,
    /// `python3`: the live service's side of a test.
    Python,
    /// `jq`.
    Jq,
    /// The shell `sqlite3`.
    Sqlite,
    /// An `strace` that may trace here, and can make system calls fail.
    Strace,
    /// `setpriv` and `prlimit` of util-linux.
    Setpriv,
    /// `script` of util-linux, with a terminal of its own.
    Script,
}

impl Need {
    /// The program, as recipes name it; no recipe names root.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Need::Root => "root",
            Need::Python => "python3",
            Need::Jq => "jq",
            Need::Sqlite => "sqlite3",
            Need::Strace => "strace",
            Need::Setpriv => "setpriv",
            Need::Script => "script",
        }
    }

    pub(crate) fn is_met(self) -> bool {
        match self {
            Need::Root => is_root(),
            Need::Python => runs("python3", &["-c", "import sqlite3"]),
            Need::Jq => runs("jq", &["--version"]),
            Need::Sqlite => runs("sqlite3", &["--version"]),
            Need::Strace => runs(
                "strace",
                &[
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    "inject=fsync:error=EIO:when=65535",
                    "true",
                ],
            ),
            Need::Setpriv => runs("setpriv", &["--version"]) && runs("prlimit", &["--version"]),
            Need::Script => runs("script", &["--version"]),
        }
    }

    /// Why a test is left out that has it not.
    pub(crate) fn why(self) -> &'static str {
        match self {
            Need::Root => "only root can do this",
            Need::Python => "no python3 with sqlite3",
            Need::Jq => "no jq",
            Need::Sqlite => "no sqlite3",
            Need::Strace => "no strace that can inject",
            Need::Setpriv => "no setpriv or no prlimit",
            Need::Script => "no script",
        }
    }
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether the test that runs cannot: one of these is missing, and it was said. Use it by [`needs!`].
#[track_caller]
pub(crate) fn lacks(needs: &[Need]) -> bool {
    let missing = needs.iter().find(|need| !need.is_met());
    if let Some(need) = missing {
        say(&format!("skipped: {}: {}", test(Location::caller()), need.why()));
    }
    missing.is_some()
}

/// Leaves the test here if anything that it needs is missing.
macro_rules! needs {
    ($($need:ident),+) => {
        if $crate::harness::needs::lacks(&[$($crate::harness::needs::Need::$need),+]) {
            return;
        }
    };
}
pub(crate) use needs;

/// Says that a form of a test was left out; the rest of the test runs.
#[track_caller]
pub(crate) fn skipped(what: &str, why: &str) {
    let why = why.replace('\n', " ");
    say(&format!("skipped in part: {}: {what}: {why}", test(Location::caller())));
}

/// The test's name, which its thread has; where all tests share one thread, where the test stands.
fn test(caller: &Location<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main");
    name.map_or_else(|| format!("{}:{}", caller.file(), caller.line()), str::to_owned)
}

/// Past the capture of the test harness, and in one write, so that lines of other tests do not come between.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Every need is looked for, and `true` and root's rights are there or not there as the system says.
#[test]
fn what_is_missing_is_known() {
    assert!(!runs("no-such-program-anywhere", &[]) && !runs("false", &[]) && runs("true", &[]));
    assert_eq!(Need::Root.is_met(), is_root());
    for need in [
        Need::Root,
        Need::Python,
        Need::Jq,
        Need::Sqlite,
        Need::Strace,
        Need::Setpriv,
        Need::Script,
    ] {
        assert!(need.why().contains(need.name()), "{need:?}");
    }
}
