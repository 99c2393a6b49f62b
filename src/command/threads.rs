//! The thread pool of a command.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// A pool of `threads` threads, at least 1.
///
/// # Errors
/// [`Error::Threads`]: the system starts no more.
pub(super) fn pool(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Threads {
            threads,
            problem: error.to_string(),
        })
}
