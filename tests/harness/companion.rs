//! Another process beside a test, which holds something or has done something while the test goes on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use super::python;

/// A Python process that has run its script, and keeps all that the script opened until it is dropped.
pub(crate) struct Companion(Child);

impl Companion {
    /// Runs a script in a directory, and waits until it is done with it.
    #[track_caller]
    pub(crate) fn start(root: &Path, script: &str) -> Self {
        let mut child = python(&format!(
            "{script}\nimport sys\nprint('ready', flush=True)\nsys.stdin.read()"
        ))
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
        let mut said = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        Companion(child)
    }

    /// Ends it without a chance to close anything.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
