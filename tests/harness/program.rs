//! The program as its callers see it: exit codes, errors of one line, pipes, and long conversations.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::auditq;

/// Both engines, by the name that `--mode` takes.
pub(crate) const MODES: [&str; 2] = ["baseline", "enhanced"];

/// What hangs this long hangs for ever: so many seconds, as `timeout` takes them.
pub(crate) const FOR_EVER: &str = "300";
const PATIENCE: Duration = Duration::from_secs(300);

/// The exit code is 2, standard output is empty, and standard error is one line that holds all of `says`.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, says: &[&str], what: &str) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{what}: {said}");
    assert_eq!(
        output.stdout,
        b"",
        "{what}: nothing on standard output\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(said.lines().count(), 1, "{what}: one line\n{said}");
    assert!(said.starts_with("auditq: ") && said.ends_with('\n'), "{what}: {said}");
    for part in says {
        assert!(said.contains(part), "{what}: {part:?} is not in: {said}");
    }
}

/// A program behind another that runs it: the same arguments, the same changes of the environment.
pub(crate) fn behind(mut wrapper: Command, program: &Command) -> Command {
    wrapper.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    wrapper
}

/// The same program, killed where it does not end within so many seconds: what waits for ever is a failure, too.
pub(crate) fn limited(program: &Command, seconds: &str) -> Command {
    let mut timeout = Command::new("timeout");
    timeout.args(["--signal=KILL", seconds]);
    behind(timeout, program)
}

/// Exit code 0 and nothing on standard error.
#[track_caller]
pub(crate) fn assert_quiet(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{what}: {said}");
    assert_eq!(said, "", "{what}");
}

/// A pipe that nobody reads any more.
pub(crate) fn pipe_without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn run_with_input(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A child that has gone early says why on standard error.
        scope.spawn(move || {
            let _ = to.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// `auditq query --batch -` on a data directory, with a request at a time. One that does not answer is killed,
/// and the test that waits for it fails.
pub(crate) struct Coprocess {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _watchdog: Sender<()>,
}

/// How a coprocess ended.
pub(crate) struct Ending {
    /// What it still had to say.
    pub(crate) rest: String,
    pub(crate) errors: String,
    pub(crate) status: ExitStatus,
}

impl Coprocess {
    pub(crate) fn start(root: &Path, arguments: &[&str]) -> Self {
        Self::of(auditq(), root, arguments)
    }

    /// The same in a process that compares each refresh with a build from scratch.
    pub(crate) fn start_verified(root: &Path, arguments: &[&str]) -> Self {
        let mut command = auditq();
        command.env(super::verified::VARIABLE, "1");
        Self::of(command, root, arguments)
    }

    /// The same by a command that ends with the program.
    pub(crate) fn of(mut command: Command, root: &Path, arguments: &[&str]) -> Self {
        let mut child = command
            .arg("--data-dir")
            .arg(root)
            .args(["query", "--batch", "-"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let watchdog = watcher(child.id());
        Coprocess {
            child,
            requests,
            answers,
            _watchdog: watchdog,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes as it stands, without a newline.
    pub(crate) fn write(&mut self, text: &str) {
        let requests = self.requests.as_mut().unwrap();
        requests.write_all(text.as_bytes()).unwrap();
        requests.flush().unwrap();
    }

    /// The next answer, with its newline.
    pub(crate) fn read(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "no answer came, but {line:?}");
        line
    }

    /// One request, and its answer before anything else is written.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        self.write(request);
        self.write("\n");
        self.read()
    }

    /// So many copies of the same lines, written beside the reading; gives the answers' number and bytes.
    pub(crate) fn ask_many(&mut self, lines: &str, times: usize) -> (usize, usize) {
        let expected = lines.lines().count() * times;
        let requests = self.requests.as_mut().unwrap();
        let answers = &mut self.answers;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..times {
                    requests.write_all(lines.as_bytes()).unwrap();
                }
                requests.flush().unwrap();
            });
            let (mut line, mut count, mut bytes) = (Vec::new(), 0, 0);
            while count < expected {
                line.clear();
                let read = answers.read_until(b'\n', &mut line).unwrap();
                assert!(read > 0, "{count} of {expected} answers came");
                count += 1;
                bytes += read;
            }
            (count, bytes)
        })
    }

    /// Ends its input and waits for its end.
    pub(crate) fn close(mut self) -> Ending {
        drop(self.requests.take());
        let (mut rest, mut errors) = (String::new(), String::new());
        self.answers.read_to_string(&mut rest).unwrap();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        Ending {
            rest,
            errors,
            status: self.child.wait().unwrap(),
        }
    }
}

impl Drop for Coprocess {
    fn drop(&mut self) {
        // After a good end there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills the process when it is still there after all that patience; dropping the sender calls that off.
fn watcher(id: u32) -> Sender<()> {
    let (called_off, waiting) = channel();
    let id = Pid::from_raw(id as i32).unwrap();
    std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = kill_process(id, Signal::KILL);
        }
    });
    called_off
}
