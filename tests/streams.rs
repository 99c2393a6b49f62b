//! Standard streams as a parent may have left them: non-blocking, slow, in pieces.

use std::io::{Read, Write, pipe};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::faults::{DEEP_REQUESTS, auditq_on};
use crate::harness::program::{MODES, assert_refused, run_with_input};
use crate::harness::{Log, auditq};

/// What a command said: exit code, standard output, standard error.
type Said = (Option<i32>, Vec<u8>, Vec<u8>);

/// Waits until the command has said what becomes of SIGXFSZ, which kills it before.
fn wait_for_handler(id: Pid) {
    let status = format!("/proc/{}/status", id.as_raw_nonzero());
    let handles = |line: &str| {
        let mask = line.strip_prefix("SigCgt:").or_else(|| line.strip_prefix("SigIgn:"));
        mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << (Signal::XFSZ.as_raw() - 1) != 0)
    };
    // Before it has become the program, it is a copy of this process, which may have a handler of its own.
    let is_ready = |status: &str| status.starts_with("Name:\tauditq\n") && status.lines().any(handles);
    while std::fs::read_to_string(&status).is_ok_and(|status| !is_ready(&status) && !status.contains("State:\tZ")) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a command whose three streams would block, gives it `input` in pieces with pauses between, reads what it says
/// slowly, and sends it signals that mean nothing meanwhile.
fn run_unwilling(mut command: Command, input: &[u8], piece: usize) -> Said {
    let [(stdin, mut to), (mut from, stdout), (mut errors, stderr)] =
        [pipe().unwrap(), pipe().unwrap(), pipe().unwrap()];
    fcntl_setfl(&stdin, OFlags::NONBLOCK).unwrap();
    fcntl_setfl(&stdout, OFlags::NONBLOCK).unwrap();
    fcntl_setfl(&stderr, OFlags::NONBLOCK).unwrap();
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    let mut child = command.spawn().unwrap();
    // The command holds this process's copies of its ends.
    drop(command);
    let id = Pid::from_raw(child.id() as i32).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            wait_for_handler(id);
            for piece in input.chunks(piece) {
                std::thread::sleep(Duration::from_millis(2));
                let _ = kill_process(id, Signal::XFSZ);
                if to.write_all(piece).is_err() {
                    return;
                }
            }
        });
        let said = scope.spawn(move || {
            let mut said = Vec::new();
            errors.read_to_end(&mut said).unwrap();
            said
        });
        let (mut output, mut piece) = (Vec::new(), vec![0; 8192]);
        std::thread::sleep(Duration::from_millis(50));
        while let read @ 1.. = from.read(&mut piece).unwrap() {
            output.extend_from_slice(&piece[..read]);
            std::thread::sleep(Duration::from_millis(1));
        }
        (child.wait().unwrap().code(), output, said.join().unwrap())
    })
}

#[test]
fn streams_that_would_block_are_waited_for() {
    let log = Log::plain(4_000);
    let requests: String = (1..40)
        .map(|page| format!("{{\"page\": {page}, \"page_size\": 100}}\n"))
        .collect();
    let questions: [(&[&str], &[u8], usize); 5] = [
        (&["query", "--all"], b"", 1),
        (&["query", "--all", "--format", "table"], b"", 1),
        (&["query", "--batch", "-"], requests.as_bytes(), 7),
        (
            &["query", "--batch", "-", "--threads", "1"],
            b"{\"page\": 2}\n{\"page\": 3}",
            1,
        ),
        (&["diff", "--workload", "deep", "--requests", DEEP_REQUESTS], b"", 1),
    ];
    for (question, input, piece) in questions {
        let said = MODES.map(|mode| {
            let command = || {
                let mode: &[&str] = if question[0] == "query" { &["--mode", mode] } else { &[] };
                auditq_on(log.root(), &[question, mode].concat())
            };
            let expected = run_with_input(command(), input);
            let found = run_unwilling(command(), input, piece);
            let what = format!("{question:?} {mode}: {}", String::from_utf8_lossy(&found.2));
            assert_eq!(found.0, expected.status.code(), "{what}");
            assert!(
                found.1 == expected.stdout,
                "{what}: {} of {}",
                found.1.len(),
                expected.stdout.len()
            );
            assert_eq!(found.2, expected.stderr, "{what}");
            (found.1, found.2)
        });
        assert!(said[0] == said[1] || question[0] != "query", "{question:?}");
    }
}

/// A descriptor that was opened the wrong way round is no output and no end of the input.
#[test]
fn streams_that_cannot_be_used_are_said() {
    let log = Log::plain(300);
    for mode in MODES {
        for question in [
            &["query"][..],
            &["query", "--count"],
            &["query", "--all"],
            &["query", "--format", "table"],
            &["query", "--batch", "-"],
        ] {
            let mut command = auditq_on(log.root(), &[question, &["--mode", mode]].concat());
            let (stdin, mut to) = pipe().unwrap();
            to.write_all(b"{\"page\": 2}\n").unwrap();
            drop(to);
            command.stdin(stdin).stdout(std::fs::File::open("/dev/null").unwrap());
            let output = command
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
                .wait_with_output()
                .unwrap();
            assert_refused(
                &output,
                &["standard output: Bad file descriptor"],
                &format!("{question:?} {mode}"),
            );
        }
        let mut command = auditq_on(log.root(), &["query", "--batch", "-", "--mode", mode]);
        let unreadable = std::fs::File::options().write(true).open("/dev/null").unwrap();
        let output = command.stdin(unreadable).output().unwrap();
        assert_refused(&output, &["standard input: cannot read: Bad file descriptor"], mode);
    }
    let mut help = auditq();
    let output = help.arg("--help").stdout(std::fs::File::open("/dev/null").unwrap());
    let output = output
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_refused(&output, &["standard output: Bad file descriptor"], "--help");
}

/// A batch that waits for its first request, and one by one for the others.
#[test]
fn a_coprocess_with_non_blocking_input_answers_each_request() {
    let log = Log::plain(300);
    for mode in MODES {
        let (stdin, mut to) = pipe().unwrap();
        fcntl_setfl(&stdin, OFlags::NONBLOCK).unwrap();
        let mut command = auditq_on(log.root(), &["query", "--batch", "-", "--mode", mode]);
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn().unwrap();
        drop(command);
        let mut answers = std::io::BufReader::new(child.stdout.take().unwrap());
        for page in 1..4 {
            std::thread::sleep(Duration::from_millis(60));
            to.write_all(format!("{{\"page\": {page}}}\n").as_bytes()).unwrap();
            let mut line = String::new();
            std::io::BufRead::read_line(&mut answers, &mut line).unwrap();
            assert!(line.contains(&format!("\"page\": {page},")), "{mode}: {line}");
        }
        drop(to);
        assert!(child.wait().unwrap().success(), "{mode}");
    }
}

/// Who closes the pipe in the middle ends an export quietly, non-blocking or not.
#[test]
fn a_closed_pipe_is_noticed_while_it_is_waited_for() {
    let log = Log::plain(4_000);
    for mode in MODES {
        let (mut from, stdout) = pipe().unwrap();
        fcntl_setfl(&stdout, OFlags::NONBLOCK).unwrap();
        let mut command = auditq_on(log.root(), &["query", "--all", "--mode", mode]);
        let child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        from.read_exact(&mut [0; 100]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        drop(from);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), &output.stderr[..]),
            (Some(0), &b""[..]),
            "{mode}"
        );
    }
}
