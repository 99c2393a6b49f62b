//! A writer that is another process and goes on from one step to the next: its connections can stay open.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::harness::python;

/// Runs a statement of Python a line, each a JSON string, and says how each ended.
///
/// A raw write is done by a process of its own: a descriptor of the database that this one closes would take the locks
/// of its connections along.
const SERVE: &str = r#"
import json, os, shutil, sqlite3, subprocess, sys, time, traceback
stays = None

def connect():
    return sqlite3.connect('audit.db', isolation_level=None, timeout=10)

def staying():
    global stays
    if stays is None:
        stays = connect()
    return stays

def close():
    global stays
    if stays is not None:
        stays.close()
        stays = None

def run(connection, *statements):
    for statement in statements:
        connection.execute(statement).fetchall()

def commit(*statements):
    "On a connection that closes at once."
    connection = connect()
    try:
        run(connection, *statements)
    finally:
        connection.close()

def commit_staying(*statements):
    run(staying(), *statements)

def journal_mode(mode, *statements):
    "Readers that stay for a moment are in the way of leaving WAL mode, and SQLite does not wait for them."
    close()
    connection = connect()
    end = time.monotonic() + 10
    while True:
        try:
            now = connection.execute('PRAGMA journal_mode = ' + mode).fetchone()[0]
            assert now == mode or (now == 'wal') == (mode == 'wal'), now
            break
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
    run(connection, *statements)
    connection.close()

def elsewhere(script):
    subprocess.run([sys.executable, '-c', 'import os, shutil\n' + script], check=True)

for line in sys.stdin:
    try:
        exec(json.loads(line))
        print('done', flush=True)
    except BaseException:
        print(json.dumps(traceback.format_exc()), flush=True)
close()
"#;

pub(super) struct Writer {
    child: Child,
    statements: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Writer {
    pub(super) fn start(root: &Path) -> Self {
        let mut child = python(SERVE)
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let statements = child.stdin.take();
        let replies = BufReader::new(child.stdout.take().unwrap());
        Writer {
            child,
            statements,
            replies,
        }
    }

    pub(super) fn process(&self) -> &Child {
        &self.child
    }

    /// Runs a statement of Python and waits for its end; gives what went wrong.
    pub(super) fn try_run(&mut self, statement: &str) -> Result<(), String> {
        let statements = self.statements.as_mut().unwrap();
        let line = serde_json::to_string(statement).unwrap();
        statements.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        self.replies.read_line(&mut reply).unwrap();
        match reply.trim() {
            "done" => Ok(()),
            failed => Err(serde_json::from_str(failed).unwrap_or_default()),
        }
    }

    /// The same, which must succeed.
    #[track_caller]
    pub(super) fn run(&mut self, statement: &str) {
        if let Err(why) = self.try_run(statement) {
            panic!("{statement}: {why}");
        }
    }

    /// Ends it in the middle of whatever it holds open.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.statements.take());
        let _ = self.child.wait();
    }
}
