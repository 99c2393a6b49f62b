//! The resolved arguments of each subcommand: values are checked, defaults filled in, times in epoch seconds.

use std::path::PathBuf;
use std::time::Duration;

use crate::contract::workload::Workload;
use crate::model::{Filter, Key, Mode, Query};

/// What `seed` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedArgs {
    /// Replace an existing dataset.
    pub force: bool,
    /// How many events, 0 to 10¹².
    pub events: u64,
    /// The newest second an event can have, in epoch seconds.
    pub anchor: i64,
}

/// What `verify-baseline` checks beside the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyArgs {
    /// The directory with the frozen files.
    pub dir: PathBuf,
}

/// What `query` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryArgs {
    /// Which engine answers.
    pub mode: Mode,
    /// What is asked.
    pub request: QueryRequest,
    /// Print the cursor of what follows on standard error.
    pub cursor: bool,
    /// Pin the request to the newest event that there is once it is answered.
    pub is_pinned_to_newest: bool,
}

/// What `query` asks an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryRequest {
    /// One page.
    Page(Query),
    /// How many events match.
    Count(Filter),
    /// Every event that matches, behind this one if there is one.
    All(Filter, Option<Key>),
    /// Every event that becomes visible from now on; first what is newer than this one already, if there is one.
    Follow(Filter, Option<Key>),
    /// One request a line.
    Batch {
        /// Where the requests come from.
        source: BatchSource,
        /// How many threads answer, 1 to 1024.
        threads: usize,
    },
}

impl QueryRequest {
    /// The same request, pinned to this event.
    #[must_use]
    pub fn pinned(self, as_of: Key) -> Self {
        let pinned = |filter: Filter| Filter {
            as_of: Some(as_of),
            ..filter
        };
        match self {
            QueryRequest::Page(query) => QueryRequest::Page(query.pinned(as_of)),
            QueryRequest::Count(filter) => QueryRequest::Count(pinned(filter)),
            QueryRequest::All(filter, after) => QueryRequest::All(pinned(filter), after),
            // Nothing that is newer can become visible; and each request of a batch has a pin of its own.
            QueryRequest::Follow(..) | QueryRequest::Batch { .. } => self,
        }
    }
}

/// Where a batch's requests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchSource {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

/// What `diff` compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffArgs {
    /// One after the other.
    pub workloads: Vec<DiffWorkload>,
    /// How many requests of each workload; `None` for the workload's default.
    pub requests: Option<usize>,
    /// How many mismatches of each workload are shown.
    pub max_mismatches: usize,
    /// How many threads send requests, 1 to 1024.
    pub threads: usize,
}

/// Which requests `diff` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffWorkload {
    /// One of the contract's request streams.
    Stream(Workload),
    /// Every kind of page that the log has.
    Sweep,
}

impl DiffWorkload {
    /// Every workload, in the order in which `--workload all` runs them.
    pub const ALL: [DiffWorkload; 3] = [
        DiffWorkload::Stream(Workload::Legacy),
        DiffWorkload::Stream(Workload::Deep),
        DiffWorkload::Sweep,
    ];
}

/// What `bench` measures.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchArgs {
    /// Client threads, 1 to 1024.
    pub threads: usize,
    /// The request streams, in order.
    pub workloads: Vec<Workload>,
    /// How many of each stream's first requests, 1 to 1,000,000.
    pub requests: usize,
    /// How often each subject gets its turn, 1 to 1,000.
    pub rounds: usize,
    /// Requests a second in an open loop; `None` for a closed loop.
    pub rate: Option<f64>,
    /// The gate: the least speedup that passes.
    pub min_speedup: Option<f64>,
    /// Where the results are exported to.
    pub export: Option<Export>,
    /// Whether to show latency histograms.
    pub histogram: bool,
    /// Where the SVG plot goes.
    pub plot: Option<PathBuf>,
    /// Exports of earlier runs that are drawn by the size of their logs; empty: this run measures.
    pub from_exports: Vec<PathBuf>,
    /// Print the requests and measure nothing.
    pub dry_run: bool,
    /// The writer to measure beside; `None` measures a log that nobody writes to.
    pub writes: Option<WriteArgs>,
    /// What leaves memory before each request; `None` measures a log that is in memory.
    pub cold: Option<ColdCache>,
}

/// What leaves memory before a request that is to meet a cold disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdCache {
    /// The files of the log and of its index.
    Files,
    /// All that the system keeps of any file.
    System,
}

/// The writer to measure beside.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteArgs {
    /// Commits a second, in order, 0 to 100,000; 0 is a writer that rests.
    pub rates_per_s: Vec<f64>,
    /// The journal modes of the copy that is written to, in order.
    pub journals: Vec<JournalMode>,
    /// How long each turn lasts, 0.05 to 600 s.
    pub turn: Duration,
}

/// The journal mode of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalMode {
    /// A rollback journal that is deleted with each commit.
    Rollback,
    /// A write-ahead log.
    Wal,
}

/// A file for the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The file.
    pub path: PathBuf,
    /// Its format, from its name.
    pub format: ExportFormat,
}

/// The format of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Everything, every round included.
    Json,
    /// Tables.
    Markdown,
}
