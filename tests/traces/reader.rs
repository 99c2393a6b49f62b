//! Who reads, and as whom.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::auditq;
use crate::harness::faults::is_root;
use crate::harness::program::{FOR_EVER, behind, limited};

/// The database's owner, as whom the service runs.
pub(super) const OWNER: u32 = 65_534;
pub(super) const GROUP: u32 = 65_533;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The database's owner, as the service is.
    Owner,
    Root,
    /// Root in a container that may not give files away.
    RootWithoutChown,
    /// Somebody else, in the log's group, which may read.
    Auditor,
    /// The same where the group may write, too.
    AuditorWhoMayWrite,
    /// Somebody else, in no group of the log.
    Stranger,
    /// Whoever runs the tests, to whom the log belongs.
    Oneself,
}

impl Reader {
    /// All that can be tried here.
    pub(super) fn all() -> Vec<Reader> {
        use Reader::{Auditor, AuditorWhoMayWrite, Oneself, Owner, Root, RootWithoutChown, Stranger};
        let all = [Owner, Root, RootWithoutChown, Auditor, AuditorWhoMayWrite, Stranger];
        let can_be_others = is_root() && all.iter().all(|reader| reader.can_run());
        if can_be_others { all.to_vec() } else { vec![Oneself] }
    }

    fn can_run(self) -> bool {
        let mut program = auditq();
        program.arg("--version");
        self.command(&program)
            .output()
            .is_ok_and(|output| output.status.success())
    }

    /// The permissions of the log's files.
    pub(super) fn permissions(self) -> u32 {
        match self {
            Reader::AuditorWhoMayWrite => 0o660,
            Reader::Stranger => 0o644,
            _ => 0o640,
        }
    }

    /// Whether SQLite's own files beside the database would be the owner's, if this reader made them.
    pub(super) fn makes_files_of_the_owner(self) -> bool {
        matches!(self, Reader::Owner | Reader::Root | Reader::Oneself)
    }

    fn command(self, program: &Command) -> Command {
        let arguments: &[&str] = match self {
            Reader::Oneself | Reader::Root => &[],
            Reader::Owner => &["--reuid=65534", "--regid=65533", "--clear-groups"],
            Reader::RootWithoutChown => &["--bounding-set=-chown"],
            Reader::Auditor | Reader::AuditorWhoMayWrite => &["--reuid=12345", "--regid=65533", "--clear-groups"],
            Reader::Stranger => &["--reuid=12345", "--regid=12345", "--clear-groups"],
        };
        if self == Reader::Oneself {
            return limited(program, FOR_EVER);
        }
        let mut setpriv = Command::new("setpriv");
        // It wants at least one option.
        setpriv.arg("--inh-caps=-all").args(arguments);
        limited(&behind(setpriv, program), FOR_EVER)
    }

    pub(super) fn run(self, root: &Path, arguments: &[&str]) -> Output {
        let mut program = auditq();
        program.arg("--data-dir").arg(root).args(arguments);
        self.command(&program).stdin(Stdio::null()).output().unwrap()
    }
    /// The same for a command that goes on for ever: it is let be once it has said something of the event `last`. What it
    /// said is all in standard error.
    pub(super) fn follow(self, root: &Path, arguments: &[&str], last: i64) -> Output {
        let mut program = auditq();
        program.arg("--data-dir").arg(root).args(arguments);
        let (said, to_us) = std::io::pipe().unwrap();
        let mut command = self.command(&program);
        command.stdin(Stdio::null());
        command.stdout(to_us.try_clone().unwrap()).stderr(to_us);
        let mut child = command.spawn().unwrap();
        // Else this process would keep the pipe open.
        drop(command);
        let (event, key) = (format!("\"id\": {last},"), format!(":{last}: "));
        let mut stderr = String::new();
        let mut said = BufReader::new(said);
        while said.read_line(&mut stderr).unwrap() > 0 {
            let line = stderr.lines().last().unwrap_or_default();
            if line.contains(&event) || line.contains(&key) {
                break;
            }
        }
        // Nobody reads it any more: that ends it.
        drop(said);
        Output {
            status: child.wait().unwrap(),
            stdout: Vec::new(),
            stderr: stderr.into_bytes(),
        }
    }
}
