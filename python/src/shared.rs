//! Two SQLites in one process.
//!
//! Python's `sqlite3` has a SQLite of its own, and POSIX locks belong to a process: neither copy sees the other's, and
//! whichever closes a descriptor of the database drops the locks of both (fcntl(2), sqlite.org/howtocorrupt.html). So a log
//! that is open in the other copy is not opened in this one, and one that is about to be is closed here first.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::fork;

/// Device and inode.
type Identity = (u64, u64);

/// `O_NONBLOCK` and `O_PATH`: SQLite opens with neither, and this program with one of them where SQLite does not.
const NOT_OF_SQLITE: u32 = 0o4000 | 0o10_000_000;

/// Which file a path leads to.
fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether another SQLite of this process has the database open, so that this one must not open it.
pub(crate) fn is_shared(database: &Path) -> bool {
    let meant = identity(database);
    let slots = fork::slots();
    let mut alike = slots
        .iter()
        .filter(|slot| identity(slot.database()) == meant)
        .peekable();
    if alike.peek().is_some() {
        // Descriptors of this copy cannot be told from the other's, but what happened since was noticed.
        return alike.any(|slot| slot.is_shared());
    }
    is_open_elsewhere(database)
}

/// Whether this process has a descriptor of the database that may be SQLite's. To be asked while this copy has none.
fn is_open_elsewhere(database: &Path) -> bool {
    let Some(meant) = identity(database) else {
        return false;
    };
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        // Without /proc nobody can tell; what is opened from now on is noticed all the same.
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        identity(&descriptor.path()) == Some(meant)
            && may_be_sqlite(&Path::new("/proc/self/fdinfo").join(descriptor.file_name()))
    })
}

fn may_be_sqlite(fdinfo: &Path) -> bool {
    let info = fs::read_to_string(fdinfo).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| flags & NOT_OF_SQLITE == 0)
}

/// Called by Python for everything that it audits; `sqlite3.connect` is called before the database is opened.
#[pyfunction]
fn audit(py: Python<'_>, event: &Bound<'_, PyString>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
    if event.as_any().eq("sqlite3.connect")? {
        let name = arguments.get_item(0)?;
        // What is no path opens no file.
        if let Ok(path) = name.extract::<PathBuf>() {
            close_here(py, &path);
        } else if let Ok(bytes) = name.extract::<Vec<u8>>() {
            close_here(py, Path::new(&String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(())
}

fn close_here(py: Python<'_>, name: &Path) {
    let slots = fork::slots();
    if slots.is_empty() {
        return;
    }
    let plain = identity(name);
    let of_uri = name
        .to_str()
        .and_then(|name| name.strip_prefix("file:"))
        .and_then(path_of_uri);
    let of_uri = of_uri.and_then(|path| identity(&path));
    for slot in slots {
        let database = identity(slot.database());
        if database.is_some() && (database == plain || database == of_uri) {
            // An answer under way may have a connection of its own.
            fork::alone(py, || slot.share());
        }
    }
}

/// The path of a URI behind its scheme, as SQLite reads it.
fn path_of_uri(uri: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let path = uri.split(['?', '#']).next()?;
    let path = match path.strip_prefix("//") {
        // An authority, which is empty or "localhost".
        Some(rest) => rest.get(rest.find('/')?..)?,
        None => path,
    };
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = |text: &[u8]| u8::from_str_radix(str::from_utf8(text).ok()?, 16).ok();
        match behind.get(..2).filter(|_| *first == b'%').and_then(hex) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..)?;
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// Has Python call this module before `sqlite3` opens a database.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    py.import("sys")?
        .call_method1("addaudithook", (wrap_pyfunction!(audit, py)?,))?;
    Ok(())
}
