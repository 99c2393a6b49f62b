//! The arguments of `auditq bench`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::query::threads;
use crate::config::{BenchArgs, ColdCache, Export, ExportFormat, JournalMode, WriteArgs};
use crate::contract::workload::Workload;
use crate::error::{Error, Result};
use crate::measure::MIN_ROUNDS_FOR_VERDICT;

const EXAMPLES: &str = "\
Examples:
  auditq bench                                both workloads, 16 clients
  auditq bench --workload legacy --threads 1 --histogram
  auditq bench --min-speedup 10 --export bench.json     exit 1 if in doubt
  auditq bench --plot latency.svg             and a picture: latency by page
  auditq bench --plot sizes.svg --from-exports 50k.json 500k.json 5m.json
  auditq bench --rate 100                     100 requests a second in any case
  auditq bench --write-rate 0,10,100          beside a writer, on a copy
  auditq bench --cold --rounds 25             pages that are not in memory
  auditq bench --workload legacy --dry-run | auditq query --batch - | head -1";

const METHOD: &str = "\
Method:
  Three subjects: the baseline, the enhanced engine, and the floor, which reads
  the same payloads and does nothing else. First every answer of the enhanced
  engine is compared with the baseline's; where one differs there are no
  figures, and the exit code is 2. Then each round asks every subject the same
  requests, in turn: the baseline once, a fast subject again and again until
  0.1 s have passed. Six rounds have all six orders of three subjects, so that
  each comes as often in each place, and behind each of the others. Last, from
  one thread and in turn as well, the mean cost of a request, also of the pages
  that hold events alone: the figure to compare engines by. Percentiles are
  taken from all samples, at index (n - 1) * p with linear interpolation; those
  of more clients than cores hold waits for a core and have no ratio. A ratio
  is the geometric mean over the rounds, above 1 is faster. Its interval is
  Student's t on the logarithms, widened for rounds that depend on each other
  (correlation up to 0.6) and for the number of ratios, so that all of them
  together hold with 95 % confidence. A verdict takes six rounds, and so does
  --min-speedup, which passes only where the low end of every interval reaches
  X.

Beside a writer:
  With --write-rate the log is copied, for each journal mode, to a directory
  beside it or else to the system's temporary one; the log itself is never
  written, and the copy is removed. A writer appends a payload, inserts its row
  and commits, R times a second (rollback journal: synchronous FULL; WAL:
  NORMAL). It has its turn alone, beside the baseline's clients and beside the
  enhanced engine's, each turn --write-seconds long. Every answer must be the
  page of one moment between the last commit that had returned when it was
  asked for and the last that had begun when it came; at the end the whole log
  and every request are compared between the engines. Else there are no
  figures.

Cold:
  With --cold one request is asked at a time, for pages of 1, 20 and 50 events
  all over the log, by each engine in turn. Before each, the files of the log
  and of its index leave the system's memory (posix_fadvise); with
  --cold=system, which only root may, whatever the system keeps of any file
  does (drop_caches). Opening the engine is part of the time, the start of a
  process is not. If answers differ, there are no figures.

JSON lines, told apart by their type:
  run        schema_version, commit, command_line, method, machine, dataset
  summary    of a workload and subject: n, errors, rps, mean_us, p50_us,
             p90_us, p95_us, p99_us, max_us; p99_is_weak where fewer than 1,000
             different requests stand behind it; with --rate also started_per_s
             and kept_up: where a subject did not keep up, its latencies are of
             a queue
  depth      the same by depth: shallow (the newest tenth of the matching
             events), middle (the newer half), deep, past_the_end
  histogram  with --histogram: buckets of from_us, to_us, count
  ratio      of a metric: cost and cost_with_events (one thread), rps (not with
             --rate, which sets it for all), and with --rate or no more clients
             than cores p50, p90, p95, p99; ratio, low, high, verdict (faster,
             slower, inconclusive), improvement_percent
  cost       from one thread, of all pages and of those with events:
             us_per_request, and of_floor: ratio, low, high
  gate       with --min-speedup: passed, failures
  write      with --write-rate, in the place of all but run and gate: of a
             journal, write_rate_per_s, workload and subject (none: the writer
             alone) the commits with their per_s, p50_us, p99_us, the requests
             with their rps and latencies, the refreshes of the index by kind,
             and the ratios
  cold_run   with --cold: dropped, is_dropped (null where the file system does
             not tell), events, rounds
  cold       of a subject and page_size: p50_us, p90_us, of_one_event, speedup
  The export to a .json file holds all of them, every round, and with --plot
  the latency by page: pages of page, page_size, n, p50_us.";

/// Measure both engines on the same requests
///
/// Reports throughput and latency of each engine, the speedup with its confidence interval, and how close the
/// enhanced engine comes to a floor that only reads the payloads.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE, before_help = EXAMPLES, after_long_help = METHOD)]
pub(super) struct Flags {
    /// Concurrent clients, one thread each
    #[arg(long, value_name = "N", default_value = "16", value_parser = threads, allow_negative_numbers = true)]
    threads: usize,

    /// Which of the contract's request streams
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Choice::All)]
    workload: Choice,

    /// How many of each stream's first requests
    #[arg(long, value_name = "N", default_value = "1000", value_parser = at_most::<MAX_REQUESTS>, allow_negative_numbers = true)]
    requests: usize,

    /// Rounds: how often each subject is measured; a multiple of 6 balances their order
    #[arg(long, value_name = "N", default_value = "6", value_parser = at_most::<MAX_ROUNDS>, allow_negative_numbers = true)]
    rounds: usize,

    /// Exit 1 unless every ratio is surely this or more: the low end of its confidence interval reaches it
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    min_speedup: Option<f64>,

    /// Write the full report to this file, FILE.json or FILE.md
    #[arg(long, value_name = "FILE", value_parser = export)]
    export: Option<Export>,

    /// Show latency histograms
    #[arg(long)]
    histogram: bool,

    /// Draw the latency of a page by its place in the log, or figures by rate of commits, to FILE.svg
    #[arg(long, value_name = "FILE", value_parser = svg)]
    plot: Option<PathBuf>,

    /// Measure nothing: draw to --plot what a page costs by the size of the log, from exports of earlier runs with --plot
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "plot", conflicts_with_all = ["threads", "workload",
        "requests", "rounds", "min_speedup", "export", "histogram", "rate", "write_rate", "cold", "dry_run"])]
    from_exports: Vec<PathBuf>,

    /// Open loop: this many requests a second in total, each latency measured from its intended start
    #[arg(long, value_name = "R", value_parser = positive, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// Measure beside a writer that commits so many events a second to a copy of the log; 0 is none
    #[arg(long, value_name = "R[,R…]", value_parser = write_rate, value_delimiter = ',',
        allow_negative_numbers = true, conflicts_with_all = ["histogram", "rate"])]
    write_rate: Vec<f64>,

    /// The journal mode of the copy that is written to [default: both]
    #[arg(long, value_name = "MODE", value_enum, requires = "write_rate")]
    journal: Option<Journals>,

    /// How long each turn beside the writer lasts [default: 2]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true, requires = "write_rate")]
    write_seconds: Option<f64>,

    /// Measure one request at a time while the log's files are not in memory, or, as root, no file at all is
    #[arg(long, value_name = "WHAT", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "files",
        conflicts_with_all = ["threads", "workload", "requests", "min_speedup", "export", "histogram", "plot", "rate",
            "write_rate"])]
    cold: Option<Cold>,

    /// Print the requests as JSON lines and measure nothing
    #[arg(long, conflicts_with_all = ["min_speedup", "export", "histogram", "plot", "rate", "write_rate", "cold"])]
    dry_run: bool,
}

const MAX_REQUESTS: usize = 1_000_000;
const MAX_ROUNDS: usize = 1_000;
const MAX_WRITE_RATE: f64 = 100_000.0;
const MAX_WRITE_SECONDS: f64 = 600.0;
const WRITE_SECONDS: f64 = 2.0;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    Legacy,
    Deep,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Journals {
    Rollback,
    Wal,
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cold {
    /// The files of the log and of its index
    Files,
    /// Whatever the system keeps of any file
    System,
}

impl Flags {
    pub(super) fn resolve(self) -> Result<BenchArgs> {
        if self.min_speedup.is_some() && self.rounds < MIN_ROUNDS_FOR_VERDICT {
            return Err(Error::usage(format!(
                "--min-speedup is a verdict, and fewer rounds allow none: --rounds takes {MIN_ROUNDS_FOR_VERDICT} or more"
            )));
        }
        if self.from_exports.len() == 1 {
            return Err(Error::usage(
                "--from-exports takes two files or more: one size shows no difference",
            ));
        }
        let workloads = match self.workload {
            Choice::Legacy => vec![Workload::Legacy],
            Choice::Deep => vec![Workload::Deep],
            Choice::All => vec![Workload::Legacy, Workload::Deep],
        };
        let writes = self.writes();
        Ok(BenchArgs {
            threads: self.threads,
            workloads,
            requests: self.requests,
            rounds: self.rounds,
            rate: self.rate,
            min_speedup: self.min_speedup,
            export: self.export,
            histogram: self.histogram,
            plot: self.plot,
            from_exports: self.from_exports,
            dry_run: self.dry_run,
            cold: self.cold.map(|cold| match cold {
                Cold::Files => ColdCache::Files,
                Cold::System => ColdCache::System,
            }),
            writes,
        })
    }

    fn writes(&self) -> Option<WriteArgs> {
        let journals: &[_] = match self.journal.unwrap_or(Journals::Both) {
            Journals::Rollback => &[JournalMode::Rollback],
            Journals::Wal => &[JournalMode::Wal],
            Journals::Both => &[JournalMode::Rollback, JournalMode::Wal],
        };
        (!self.write_rate.is_empty()).then(|| WriteArgs {
            rates_per_s: self.write_rate.clone(),
            journals: journals.to_vec(),
            turn: Duration::from_secs_f64(self.write_seconds.unwrap_or(WRITE_SECONDS)),
        })
    }
}

fn at_most<const MOST: usize>(text: &str) -> std::result::Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {MOST} is accepted"))
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    // Below a thousandth, or beyond a billion, it is a slip.
    let number = text.parse().ok().filter(|number| (1e-3..=1e9).contains(number));
    number.ok_or_else(|| "a number from 0.001 to 1000000000 is accepted".to_owned())
}

fn write_rate(text: &str) -> std::result::Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| *number == 0.0 || (1e-3..=MAX_WRITE_RATE).contains(number));
    number.ok_or_else(|| format!("0, or a number from 0.001 to {MAX_WRITE_RATE}, is accepted"))
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.05..=MAX_WRITE_SECONDS).contains(number));
    number.ok_or_else(|| format!("a number from 0.05 to {MAX_WRITE_SECONDS} is accepted"))
}

fn export(text: &str) -> std::result::Result<Export, String> {
    let path = PathBuf::from(text);
    let format = match extension(&path) {
        Some("json") => ExportFormat::Json,
        Some("md") => ExportFormat::Markdown,
        _ => return Err("a file name that ends in .json or .md is accepted".to_owned()),
    };
    Ok(Export { path, format })
}

fn svg(text: &str) -> std::result::Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_svg = extension(&path) == Some("svg");
    if is_svg {
        Ok(path)
    } else {
        Err("a file name that ends in .svg is accepted".to_owned())
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_in_their_ranges() {
        assert_eq!(at_most::<16>("16"), Ok(16));
        for text in ["0", "17", "-1", "1.5", "", "x"] {
            assert_eq!(
                at_most::<16>(text),
                Err("a whole number from 1 to 16 is accepted".to_owned())
            );
        }
        assert_eq!(positive("2.5"), Ok(2.5));
        for text in ["0", "-1", "nan", "inf", "1e10", "1e-4", "x"] {
            assert!(positive(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_writer_may_rest() {
        assert_eq!(
            ["0", "0.5", "100000"].map(|text| write_rate(text).ok()),
            [Some(0.0), Some(0.5), Some(100_000.0)]
        );
        for text in ["-1", "1e-4", "100001", "nan", "", "x"] {
            assert!(write_rate(text).is_err(), "{text}");
        }
        assert_eq!(seconds("0.05"), Ok(0.05));
        for text in ["0", "-1", "601", "nan", "inf", "x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_files_name_says_its_form() {
        assert_eq!(export("a/b.json").map(|export| export.format), Ok(ExportFormat::Json));
        assert_eq!(export("b.md").map(|export| export.format), Ok(ExportFormat::Markdown));
        assert_eq!(svg("x.svg"), Ok(PathBuf::from("x.svg")));
        for text in ["", "json", ".json", "a.txt", "a.svg"] {
            assert!(export(text).is_err(), "{text}");
        }
        assert!(svg("x.png").is_err());
    }
}
