//! The figures as they are exported and printed. Units are in the names; times are microseconds with three decimals,
//! so no measured nanosecond is lost.

use serde::Serialize;

pub(crate) mod cold;

/// What the floor is called among the subjects.
pub const FLOOR: &str = "floor";

/// Changes whenever a key changes its name, its place or its meaning.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// The export, whole.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) run: Run,
    pub(crate) workloads: Vec<Workload>,
    /// Beside a writer. Not there without `--write-rate`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) writes: Vec<Write>,
    /// By place in the log. Not there without `--plot`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pages: Vec<PageTime>,
    /// Null without `--min-speedup`.
    pub(crate) gate: Option<Gate>,
}

/// What was run, on what.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) schema_version: u32,
    pub(crate) auditq_version: &'static str,
    /// Of the source this program was built from; "unknown" where the build did not say.
    pub(crate) commit: &'static str,
    pub(crate) command_line: String,
    pub(crate) started_at_epoch_s: u64,
    pub(crate) method: Method,
    pub(crate) machine: Machine,
    pub(crate) dataset: Dataset,
}

impl Run {
    /// Whether no client ever waits for another to leave the processor: only then latencies are of the engines alone.
    pub(crate) fn have_clients_a_core_each(&self) -> bool {
        self.method.clients <= self.machine.cores
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Method {
    /// "closed" or "open".
    #[serde(rename = "loop")]
    pub(crate) pace: &'static str,
    pub(crate) clients: usize,
    /// Null in a closed loop.
    pub(crate) rate_requests_per_s: Option<f64>,
    /// Null in an open loop.
    pub(crate) think_time_us: Option<u32>,
    pub(crate) rounds: usize,
    pub(crate) label: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu_model: String,
    /// Cores that this process may use at once.
    pub(crate) cores: usize,
    pub(crate) ram_bytes: Option<u64>,
    pub(crate) kernel: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Dataset {
    pub(crate) is_contract: bool,
    pub(crate) label: String,
    pub(crate) events: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) payloads_sha256: String,
    pub(crate) rows_sha256: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Workload {
    pub(crate) workload: String,
    pub(crate) requests: usize,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) costs: Vec<Cost>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subject {
    pub(crate) subject: String,
    /// How often each round asked all requests.
    pub(crate) passes_per_round: usize,
    pub(crate) total: Summary,
    /// Not there in a closed loop.
    #[serde(flatten)]
    pub(crate) open: Option<Open>,
    pub(crate) depths: Vec<Depth>,
    pub(crate) histogram: Vec<Bucket>,
    pub(crate) rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) rps: f64,
    pub(crate) errors: usize,
    #[serde(flatten)]
    pub(crate) latency: Latency,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) n: usize,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
    /// Of fewer than 1,000 different requests: fewer than ten lie beyond the P99, however often each was asked.
    pub(crate) p99_is_weak: bool,
}

/// Whether a subject kept up with the rate of an open loop. Where it did not, its latencies are those of a queue that
/// grows as long as the round lasts.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Open {
    /// Requests a second that were begun.
    pub(crate) started_per_s: f64,
    /// Whether that is nearly the rate.
    pub(crate) kept_up: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Depth {
    pub(crate) depth: &'static str,
    #[serde(flatten)]
    pub(crate) latency: Latency,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bucket {
    pub(crate) from_us: f64,
    /// Belongs to the next bucket. Null where there is none.
    pub(crate) to_us: Option<f64>,
    pub(crate) count: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Round {
    /// From 1.
    pub(crate) round: usize,
    /// From 1: which of the subjects it was in this round.
    pub(crate) turn: usize,
    pub(crate) wall_s: f64,
    #[serde(flatten)]
    pub(crate) summary: Summary,
}

/// How many times faster than the baseline: above 1 is faster, in every metric.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) subject: String,
    pub(crate) against: String,
    /// "cost", "cost_with_events" (one thread, all pages and those with events), "rps", "p50", "p90", "p95" or "p99". No
    /// "rps" in an open loop, where the rate sets it; no percentiles of more clients than cores in a closed one, nor of
    /// an open one that a subject could not keep up with.
    pub(crate) metric: &'static str,
    #[serde(flatten)]
    pub(crate) speedup: Speedup,
    /// "faster", "slower" or "inconclusive".
    pub(crate) verdict: &'static str,
    /// More requests a second, or less time, than the baseline, in percent of the baseline's.
    pub(crate) improvement_percent: f64,
    /// A P99 from too few samples on either side.
    pub(crate) is_weak: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Speedup {
    pub(crate) ratio: f64,
    /// The low end of the interval. The intervals of all ratios of a report hold at once with 95 % confidence; a cost's
    /// interval against the floor's holds with that on its own. Null from a single round.
    pub(crate) low: Option<f64>,
    /// The high end. Null from a single round.
    pub(crate) high: Option<f64>,
}

/// An interval whose ends are farther apart than this many times, as two or three rounds have, tells a reader nothing.
const TELLING: f64 = 1_000.0;

impl Speedup {
    /// The interval, if it tells anything.
    pub(crate) fn interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.low.zip(self.high)?;
        (high <= TELLING * low).then_some((low, high))
    }
}

/// The mean service time from one thread, as a multiple of the floor's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) subject: String,
    /// "all" or "with events".
    pub(crate) pages: &'static str,
    /// How many different requests that are.
    pub(crate) requests: usize,
    pub(crate) n: usize,
    pub(crate) us_per_request: f64,
    pub(crate) rounds_us_per_request: Vec<f64>,
    /// Null for the floor itself.
    pub(crate) of_floor: Option<Speedup>,
}

/// One page of the whole log, no filter, from one thread.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PageTime {
    pub(crate) subject: String,
    /// From 1, the newest events.
    pub(crate) page: u64,
    /// In events.
    pub(crate) page_size: u64,
    pub(crate) n: usize,
    pub(crate) p50_us: f64,
}

/// One subject beside a writer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Write {
    /// "rollback" or "wal".
    pub(crate) journal: &'static str,
    /// Commits a second that were asked for.
    pub(crate) write_rate_per_s: f64,
    pub(crate) workload: String,
    /// "none" is the writer alone.
    pub(crate) subject: &'static str,
    /// Null where nobody wrote.
    pub(crate) commits: Option<Commits>,
    /// Null where nobody read.
    pub(crate) requests: Option<Summary>,
    /// Null where nobody read, and for the baseline, which knows nothing that could grow old.
    pub(crate) refreshes: Option<Refreshes>,
    /// Against the baseline beside the same writer.
    pub(crate) ratios: Vec<Ratio>,
}

/// What the writer reached.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Commits {
    pub(crate) per_s: f64,
    /// Of a commit with its payload, from when it began.
    #[serde(flatten)]
    pub(crate) latency: Option<Latency>,
}

/// How often the index was brought up to date, by kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Refreshes {
    /// By the frames of the write-ahead log.
    pub(crate) by_frames: u64,
    /// By the hashes of leaf pages.
    pub(crate) by_hashes: u64,
    /// Indexes that were built from the whole table.
    pub(crate) rebuilds: u64,
    /// New bases that were written of a base and its delta.
    pub(crate) folds: u64,
    /// Answers that SQLite gave.
    pub(crate) answers_by_sqlite: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Gate {
    pub(crate) min_speedup: f64,
    pub(crate) passed: bool,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) workload: String,
    #[serde(flatten)]
    pub(crate) ratio: Ratio,
}
