//! A process that follows a log, and what it said so far.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::dataset::value;
use crate::harness::{Log, auditq};

/// What takes this long does not happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// One thing that was said.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A line on standard output, and when it came.
    Line(String, Instant),
    /// A line on standard error.
    Note(String),
}

/// `auditq query --follow` on a log.
pub(super) struct Following {
    child: Child,
    said: Receiver<Said>,
}

impl Following {
    pub(super) fn start(log: &Log, arguments: &[&str]) -> Self {
        let mut command = auditq();
        command.arg("--data-dir").arg(log.root());
        command.args(["query", "--follow"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (lines, said) = channel();
        let notes = lines.clone();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let _ = lines.send(Said::Line(line.unwrap(), Instant::now()));
            }
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let _ = notes.send(Said::Note(line.unwrap()));
            }
        });
        Following { child, said }
    }

    /// The same once it tells what becomes visible: probes are inserted until it tells one. They go again, and what is said
    /// of them is read.
    pub(super) fn start_and_probe(log: &Log, arguments: &[&str]) -> Self {
        let mut following = Self::start(log, arguments);
        // All by one actor, so that they come through the filters that are tested.
        let first = (1 << 40) / 7 * 7 + 3;
        let mut sent = 0;
        loop {
            insert(log, first + sent, 1_000_000_000 + sent, "PROBE");
            sent += 7;
            match following.said.recv_timeout(Duration::from_millis(300)) {
                Ok(Said::Line(..)) => break,
                Ok(Said::Note(note)) => panic!("{note}"),
                Err(_) => assert!(following.child.try_wait().unwrap().is_none(), "it has ended"),
            }
        }
        // All before this one is told before it.
        let last = first + sent;
        insert(log, last, 1_000_000_000 + sent, "PROBE");
        let is_last = |line: &str| value(line)["id"] == last;
        following.wait_for(|said| matches!(said, Said::Line(line, _) if is_last(line)));
        log.sql(&format!("DELETE FROM audit_events WHERE id >= {first}"));
        following.wait_for(|said| matches!(said, Said::Note(note) if note.ends_with(&format!(":{last}"))));
        following
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What is said next.
    #[track_caller]
    pub(super) fn next(&mut self) -> Said {
        self.said
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("nothing is said: {error}"))
    }

    /// The event that is told next.
    #[track_caller]
    pub(super) fn event(&mut self) -> Value {
        match self.next() {
            Said::Line(line, _) => value(&line),
            Said::Note(note) => panic!("{note}"),
        }
    }

    #[track_caller]
    pub(super) fn note(&mut self) -> String {
        match self.next() {
            Said::Note(note) => note,
            Said::Line(line, _) => panic!("{line}"),
        }
    }

    /// Everything up to what is waited for, that included.
    #[track_caller]
    pub(super) fn wait_for(&mut self, is_it: impl Fn(&Said) -> bool) -> Vec<Said> {
        let mut all = Vec::new();
        loop {
            let said = self.next();
            let is_it = is_it(&said);
            all.push(said);
            if is_it {
                return all;
            }
        }
    }

    /// Nothing is said for a while.
    #[track_caller]
    pub(super) fn is_silent(&mut self) {
        if let Ok(said) = self.said.recv_timeout(Duration::from_millis(1_500)) {
            panic!("{said:?}");
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Waits for its end, and gives what it still said.
    #[track_caller]
    pub(super) fn end(mut self) -> (ExitStatus, Vec<Said>) {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(start.elapsed() < PATIENCE, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        (status, self.said.iter().collect())
    }

    /// Ends it by a signal: quietly, with exit code 0.
    #[track_caller]
    pub(super) fn terminate(self) {
        self.signal(Signal::TERM);
        let (status, rest) = self.end();
        assert_eq!((status.code(), rest.len()), (Some(0), 0), "{rest:?}");
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Commits one event whose payload is that of event 1.
pub(super) fn insert(log: &Log, id: i64, created_at: i64, resource: &str) {
    log.sql(&insertion(id, created_at, resource));
}

/// The statement that inserts an event.
pub(super) fn insertion(id: i64, created_at: i64, resource: &str) -> String {
    format!("INSERT INTO audit_events VALUES ({id}, {created_at}, {id} % 7, 'LOGIN', 'T', '{resource}', 0, {LEN});")
}

/// The length of the first payload of a plain log.
const LEN: usize = "{\"event\": 1, \"note\": \"ünï \\ud83e\"}\n".len();

/// A child's standard output that nobody reads on.
pub(super) fn read_some(child: &mut Child, bytes: usize) {
    let mut buffer = vec![0; bytes];
    child.stdout.as_mut().unwrap().read_exact(&mut buffer).unwrap();
}
