//! All printing.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::blocking::Blocking;
use crate::error::{Error, Result};

pub(crate) mod bench;
pub(crate) mod checks;
pub(crate) mod diff;
pub(crate) mod document;
mod fit;
pub mod jsonl;
pub(crate) mod plot;
pub(crate) mod pretty;
pub mod progress;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod wrap;

/// The buffer, in bytes: about a page of events of the contract's size.
const BUFFER: usize = 64 * 1024;

/// Standard output for results, locked and buffered. Bytes not flushed by [`Stdout::flush`] may be lost.
#[derive(Debug)]
pub struct Stdout {
    out: BufWriter<Blocking<StdoutLock<'static>>>,
}

impl Stdout {
    /// Locks standard output until the value is dropped.
    #[must_use]
    pub fn lock() -> Self {
        Stdout {
            out: BufWriter::with_capacity(BUFFER, Blocking::new(io::stdout().lock())),
        }
    }

    /// Writes some bytes.
    ///
    /// # Errors
    /// [`Error::Output`], also for a closed pipe, see [`Error::is_closed_pipe`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::Output)
    }

    /// Flushes everything written so far.
    ///
    /// # Errors
    /// As [`Stdout::write`].
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(Error::Output)
    }
}

/// Prints ready text: help, the version, a generated page.
///
/// # Errors
/// As [`Stdout::write`].
pub fn text(text: &str) -> Result<()> {
    let mut out = Stdout::lock();
    out.write(text.as_bytes())?;
    out.flush()
}

/// A value as a line of compact JSON.
///
/// # Errors
/// [`Error::Output`]: JSON cannot hold the value.
fn json_line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(unprintable)?;
    line.push(b'\n');
    Ok(line)
}

fn unprintable(error: serde_json::Error) -> Error {
    Error::Output(error.into())
}

/// For commands whose exit code is the result: a closed pipe does not change the verdict.
///
/// # Errors
/// Every other error.
pub fn unless_closed(printed: Result<()>) -> Result<()> {
    match printed {
        Err(error) if error.is_closed_pipe() => Ok(()),
        other => other,
    }
}
