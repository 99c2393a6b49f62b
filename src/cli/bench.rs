//! The arguments of `auditq bench`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::query::threads;
use crate::config::{BenchArgs, Export, ExportFormat};
use crate::contract::workload::Workload;
use crate::error::{Error, Result};
use crate::measure::MIN_ROUNDS;

const EXAMPLES: &str = "\
Examples:
  auditq bench                                             both workloads, 16 clients
  auditq bench --workload legacy --threads 1 --histogram
  auditq bench --min-speedup 10 --export bench.json        exit 1 if surely not ten times faster
  auditq bench --plot latency.svg                          latency by page depth
  auditq bench --rate 100                                  100 requests a second, come what may
  auditq bench --workload legacy --requests 2000 --dry-run | auditq query --batch -";

const METHOD: &str = "\
Method:
  Three subjects: the baseline, the enhanced engine, and the floor, which reads the same payloads and does nothing
  else. First every answer of the enhanced engine is compared with the baseline's; where one differs there are no
  figures, and the exit code is 2. Then each round asks every subject the same requests, in turn, in another order
  each round: the baseline once, a fast subject again and again until 0.1 s have passed. Last, from one thread, the
  mean cost of a request. Percentiles are taken from all samples, at index (n - 1) * p with linear interpolation.
  A ratio is the geometric mean over the rounds, above 1 is faster; its 95 % interval is a bootstrap over them.

JSON lines, told apart by their type:
  run        schema_version, commit, command_line, method, machine, dataset
  summary    of a workload and subject: n, errors, rps, mean_us, p50_us, p90_us, p95_us, p99_us, max_us; p99_is_weak
             where fewer than 1,000 samples stand behind it
  depth      the same by depth: shallow (the newest tenth of the matching events), middle (the newer half), deep,
             past_the_end
  histogram  with --histogram: buckets of from_us, to_us, count
  ratio      of a metric: ratio, low, high, verdict (faster, slower, inconclusive), improvement_percent
  cost       from one thread: us_per_request, and of_floor: ratio, low, high
  gate       with --min-speedup: passed, failures
  The export to a .json file holds all of them, and every round.";

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

    /// Rounds: how often each subject is measured
    #[arg(long, value_name = "N", default_value = "5", value_parser = at_most::<MAX_ROUNDS>, allow_negative_numbers = true)]
    rounds: usize,

    /// Exit 1 if the whole confidence interval of any ratio is below this
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    min_speedup: Option<f64>,

    /// Write the full report to this file, FILE.json or FILE.md
    #[arg(long, value_name = "FILE", value_parser = export)]
    export: Option<Export>,

    /// Show latency histograms
    #[arg(long)]
    histogram: bool,

    /// Plot latency by page depth to this file, FILE.svg
    #[arg(long, value_name = "FILE", value_parser = svg)]
    plot: Option<PathBuf>,

    /// Open loop: this many requests a second in total, each latency measured from its intended start
    #[arg(long, value_name = "R", value_parser = positive, allow_negative_numbers = true)]
    rate: Option<f64>,

    /// Print the requests as JSON lines and measure nothing
    #[arg(long, conflicts_with_all = ["min_speedup", "export", "histogram", "plot", "rate"])]
    dry_run: bool,
}

const MAX_REQUESTS: usize = 1_000_000;
const MAX_ROUNDS: usize = 1_000;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    Legacy,
    Deep,
    All,
}

impl Flags {
    pub(super) fn resolve(self) -> Result<BenchArgs> {
        if self.min_speedup.is_some() && self.rounds < MIN_ROUNDS {
            return Err(Error::usage(format!(
                "--min-speedup needs an interval, and one round has none: --rounds takes {MIN_ROUNDS} or more"
            )));
        }
        let workloads = match self.workload {
            Choice::Legacy => vec![Workload::Legacy],
            Choice::Deep => vec![Workload::Deep],
            Choice::All => vec![Workload::Legacy, Workload::Deep],
        };
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
            dry_run: self.dry_run,
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
