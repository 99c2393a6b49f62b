//! What leaves the process: the shape of the export and of the JSON lines. Units are in the names; times are
//! microseconds with three decimals, which is every nanosecond that was measured.

use serde::Serialize;

/// Changes whenever a key changes its name, its place or its meaning.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// The export, whole.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) run: Run,
    pub(super) workloads: Vec<Workload>,
    /// Beside a writer. Not there without `--write-rate`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) writes: Vec<Write>,
    /// Null without `--min-speedup`.
    pub(super) gate: Option<Gate>,
}

/// What was run, on what.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    pub(super) schema_version: u32,
    pub(super) auditq_version: &'static str,
    /// Of the source this program was built from; "unknown" where the build did not say.
    pub(super) commit: &'static str,
    pub(super) command_line: String,
    pub(super) started_at_epoch_s: u64,
    pub(super) method: Method,
    pub(super) machine: Machine,
    pub(super) dataset: Dataset,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Method {
    /// "closed" or "open".
    #[serde(rename = "loop")]
    pub(super) pace: &'static str,
    pub(super) clients: usize,
    /// Null in a closed loop.
    pub(super) rate_requests_per_s: Option<f64>,
    /// Null in an open loop.
    pub(super) think_time_us: Option<u32>,
    pub(super) rounds: usize,
    pub(super) label: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu_model: String,
    /// Cores that this process may use at once.
    pub(super) cores: usize,
    pub(super) ram_bytes: Option<u64>,
    pub(super) kernel: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Dataset {
    pub(super) is_contract: bool,
    pub(super) label: String,
    pub(super) events: u64,
    pub(super) payload_bytes: u64,
    pub(super) payloads_sha256: String,
    pub(super) rows_sha256: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Workload {
    pub(super) workload: String,
    pub(super) requests: usize,
    pub(super) subjects: Vec<Subject>,
    pub(super) ratios: Vec<Ratio>,
    pub(super) costs: Vec<Cost>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Subject {
    pub(super) subject: String,
    /// How often each round asked all requests.
    pub(super) passes_per_round: usize,
    pub(super) total: Summary,
    pub(super) depths: Vec<Depth>,
    pub(super) histogram: Vec<Bucket>,
    pub(super) rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) rps: f64,
    pub(super) errors: usize,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) n: usize,
    pub(super) mean_us: f64,
    pub(super) p50_us: f64,
    pub(super) p90_us: f64,
    pub(super) p95_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
    /// Fewer than 1,000 samples: fewer than ten lie beyond the P99.
    pub(super) p99_is_weak: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Depth {
    pub(super) depth: &'static str,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Bucket {
    pub(super) from_us: f64,
    /// Belongs to the next bucket. Null where there is none.
    pub(super) to_us: Option<f64>,
    pub(super) count: usize,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Round {
    /// From 1.
    pub(super) round: usize,
    /// From 1: which of the subjects it was in this round.
    pub(super) turn: usize,
    pub(super) wall_s: f64,
    #[serde(flatten)]
    pub(super) summary: Summary,
}

/// How many times faster than the baseline: above 1 is faster, in every metric.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) subject: String,
    pub(super) against: String,
    /// "rps", "p50", "p90", "p95" or "p99".
    pub(super) metric: &'static str,
    #[serde(flatten)]
    pub(super) speedup: Speedup,
    /// "faster", "slower" or "inconclusive".
    pub(super) verdict: &'static str,
    /// More requests a second, or less time, than the baseline, in percent of the baseline's.
    pub(super) improvement_percent: f64,
    /// A P99 from too few samples on either side.
    pub(super) is_weak: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Speedup {
    pub(super) ratio: f64,
    /// Of the 95 % interval. Null from a single round.
    pub(super) low: Option<f64>,
    /// Of the 95 % interval. Null from a single round.
    pub(super) high: Option<f64>,
}

/// The mean service time from one thread, as a multiple of the floor's.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cost {
    pub(super) subject: String,
    pub(super) n: usize,
    pub(super) us_per_request: f64,
    pub(super) rounds_us_per_request: Vec<f64>,
    /// Null for the floor itself.
    pub(super) of_floor: Option<Speedup>,
}

/// One subject beside a writer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Write {
    /// "rollback" or "wal".
    pub(super) journal: &'static str,
    /// Commits a second that were asked for.
    pub(super) write_rate_per_s: f64,
    pub(super) workload: String,
    /// "none" is the writer alone.
    pub(super) subject: &'static str,
    /// Null where nobody wrote.
    pub(super) commits: Option<Commits>,
    /// Null where nobody read.
    pub(super) requests: Option<Summary>,
    /// Null where nobody read, and for the baseline, which knows nothing that could grow old.
    pub(super) refreshes: Option<Refreshes>,
    /// Against the baseline beside the same writer.
    pub(super) ratios: Vec<Ratio>,
}

/// What the writer reached.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Commits {
    pub(super) per_s: f64,
    /// Of a commit with its payload, from when it began.
    #[serde(flatten)]
    pub(super) latency: Option<Latency>,
}

/// How often the index was brought up to date, by kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Refreshes {
    /// By the frames of the write-ahead log.
    pub(super) by_frames: u64,
    /// By the hashes of leaf pages.
    pub(super) by_hashes: u64,
    /// Indexes that were built from the whole table.
    pub(super) rebuilds: u64,
    /// New bases that were written of a base and its delta.
    pub(super) folds: u64,
    /// Answers that SQLite gave.
    pub(super) answers_by_sqlite: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Gate {
    pub(super) min_speedup: f64,
    pub(super) passed: bool,
    pub(super) failures: Vec<Failure>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    pub(super) workload: String,
    #[serde(flatten)]
    pub(super) ratio: Ratio,
}

/// One JSON line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Run(&'a Run),
    Summary {
        workload: &'a str,
        subject: &'a str,
        passes_per_round: usize,
        #[serde(flatten)]
        total: Summary,
    },
    Depth {
        workload: &'a str,
        subject: &'a str,
        #[serde(flatten)]
        depth: &'a Depth,
    },
    Ratio {
        workload: &'a str,
        #[serde(flatten)]
        ratio: &'a Ratio,
    },
    Cost {
        workload: &'a str,
        #[serde(flatten)]
        cost: &'a Cost,
    },
    Histogram {
        workload: &'a str,
        subject: &'a str,
        buckets: &'a [Bucket],
    },
    Write(&'a Write),
    Gate(&'a Gate),
}

/// The report as JSON lines; the histograms only where they were asked for, the raw rounds in the export only.
pub(super) fn lines(report: &Report, with_histogram: bool) -> Vec<Line<'_>> {
    let mut lines = vec![Line::Run(&report.run)];
    for work in &report.workloads {
        let workload = work.workload.as_str();
        for it in &work.subjects {
            let (subject, total) = (it.subject.as_str(), it.total);
            let passes_per_round = it.passes_per_round;
            lines.push(Line::Summary {
                workload,
                subject,
                passes_per_round,
                total,
            });
            lines.extend(it.depths.iter().map(|depth| Line::Depth {
                workload,
                subject,
                depth,
            }));
            if with_histogram {
                lines.push(Line::Histogram {
                    workload,
                    subject,
                    buckets: &it.histogram,
                });
            }
        }
        lines.extend(work.ratios.iter().map(|ratio| Line::Ratio { workload, ratio }));
        lines.extend(work.costs.iter().map(|cost| Line::Cost { workload, cost }));
    }
    lines.extend(report.writes.iter().map(Line::Write));
    lines.extend(report.gate.as_ref().map(Line::Gate));
    lines
}
