//! Whether there is memory to hold all rows of a log at once, as a build and a fold do.

use std::io::ErrorKind::OutOfMemory;

use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::memory;
use crate::storage::fs::platform::{FileState, running_threads};

/// What is touched, for each byte of the database file: its rows, their order and the posting lists. Measured: 1.6 bytes
/// for the contract's rows, 1.9 for shorter ones (`docs/benchmarks.md`).
const TOUCHED: u64 = 3;
/// What is asked for besides is not all used.
const ASKED_FOR: u64 = 4;
/// For each thread: its stack, the allocator's arena, a connection.
const PER_THREAD: u64 = 72 << 20;
const ANYHOW: u64 = 16 << 20;

/// Refuses to hold all rows of the log where there is no memory for them: there are other ways to an answer.
///
/// # Errors
/// The process, a control group that it is in, or the machine has less than that.
pub(crate) fn require_memory(dir: &DataDir) -> Result<()> {
    let database = FileState::of_path(dir.database()).ok().flatten();
    let size = database.map_or(0, |state| state.size);
    // Those that will build, and those that answer beside them.
    let threads = (std::thread::available_parallelism().map_or(1, Into::into) + running_threads()) as u64;
    let address_space = size
        .saturating_mul(ASKED_FOR)
        .saturating_add(threads * PER_THREAD + ANYHOW);
    let touched = size.saturating_mul(TOUCHED).saturating_add(ANYHOW);
    let is_there = |left: Option<u64>, wanted| left.is_none_or(|left| left >= wanted);
    if is_there(memory::address_space_left(), address_space) && is_there(memory::available(), touched) {
        return Ok(());
    }
    Err(Error::io(&dir.index(), "cannot build")(OutOfMemory.into()))
}
