//! The figures of `bench --cold`. Times are microseconds.

use serde::Serialize;

/// How long one request takes that finds nothing of the log in memory.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColdReport {
    /// The file names, or "system": what left memory before each sample.
    pub(crate) dropped: Vec<String>,
    /// Whether it was seen to be gone; `None` where the file system does not tell.
    pub(crate) is_dropped: Option<bool>,
    /// In the log.
    pub(crate) events: u64,
    /// How often each subject had its turn at each size.
    pub(crate) rounds: usize,
    pub(crate) figures: Vec<ColdFigure>,
}

/// One engine at one page size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColdFigure {
    pub(crate) subject: &'static str,
    /// In events.
    pub(crate) page_size: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    /// The median by that of a page of one event.
    pub(crate) of_one_event: f64,
    /// The baseline's median by this one: above 1 is faster.
    pub(crate) speedup: f64,
}
