//! Datasets that `auditq seed` makes.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::auditq;

/// A data directory of the program's own making.
pub(crate) struct Dataset {
    dir: TempDir,
}

impl Dataset {
    /// A directory with nothing in it.
    pub(crate) fn none() -> Self {
        Dataset {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A scale study.
    pub(crate) fn of(events: u64) -> Self {
        let dataset = Self::none();
        dataset.seeded(&["--events", &events.to_string()]);
        dataset
    }

    /// The contract's, which nobody may change: it is shared by the tests that run at the same time.
    pub(crate) fn contract() -> Arc<Self> {
        static SHARED: Mutex<Weak<Dataset>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let dataset = Arc::new(Self::none());
            dataset.seeded(&[]);
            *shared = Arc::downgrade(&dataset);
            dataset
        })
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn auditq(&self, arguments: &[&str]) -> Output {
        auditq()
            .arg("--data-dir")
            .arg(self.root())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// `auditq seed`, which must succeed: its checks, and what it said.
    pub(crate) fn seeded(&self, arguments: &[&str]) -> (Vec<Value>, String) {
        let output = self.auditq(&[&["seed"], arguments].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        (values(&output.stdout), said)
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// JSON lines, each parsed.
pub(crate) fn values(lines: &[u8]) -> Vec<Value> {
    std::str::from_utf8(lines).unwrap().lines().map(value).collect()
}

/// A JSON line, parsed.
pub(crate) fn value(line: &str) -> Value {
    // Half a surrogate pair, as the payloads of a `Log` have it: Python takes it, serde_json does not.
    let line = line.replace("\\ud83e\"", "\"");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    auditq::contract::digests::hex(&Sha256::digest(bytes))
}
