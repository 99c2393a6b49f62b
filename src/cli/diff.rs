//! The arguments of `auditq diff`.

use clap::{Args, ValueEnum};

use super::Environment;
use super::query::threads;
use crate::config::{DiffArgs, DiffWorkload};
use crate::contract::workload::Workload;

const EXAMPLES: &str = "\
Examples:
  auditq diff                                    every workload, on ./data
  auditq diff --workload deep --requests 5000    more of one workload
  auditq diff --workload sweep --format jsonl | jq -r .verdict
  auditq diff --max-mismatches 1000 > mismatches.jsonl || echo different";

const DETAILS: &str = "\
Workloads:
  legacy  the live service's own mix: the last seven days, half with an actor,
          most with an action
  deep    no filter, the whole log, pages up to 2000
  sweep   systematic, made from the log: every page of the sizes 10, 20 and 50;
          each action; every actor; actors with actions; windows that start or
          end on, between and beyond events; unknown actors and actions;
          cursors at every kind of boundary; pages far beyond the end; counts;
          whole results. What would take too long is thinned out evenly, which
          is said
  all     one after the other

Mismatches:
  missing, extra   an event that only one answer has, or another count
  reordered        an event in another place
  field, payload   an event's column, its payload's bytes
  error            one fails where the other answers, or with another text
  Where two answers differ, the baseline is asked again. If it repeats itself,
  the mismatch counts; if the log has changed, the request is asked anew.

JSON lines, each an object with its type:
  self_check  workload, planted (differences that were planted, and found),
              requests and events for which the baseline agrees with itself
  thinned     workload, part, kept, of: so many of so many requests were made
  mismatch    workload, class, event, what, baseline, enhanced, reproduce (a
              command line for each mode)
  verdict     workload, verdict (same, different, none), requests, events,
              differing (requests), mismatches (by class, also those not
              shown), failed_alike, asked_again, unsettled (requests)

The exit code is 0 where every answer is the same, 1 where one differs, and 2
where nothing was compared.";

/// Compare both engines, answer by answer
///
/// Sends the same requests to both engines and compares counts, order, every field, payload bytes and errors.
/// Before that, the comparison checks itself: it must find planted differences, and none between the baseline and
/// itself.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE, before_help = EXAMPLES, after_long_help = DETAILS)]
pub(super) struct Flags {
    /// Which requests
    #[arg(long, value_enum, default_value_t = Choice::All, hide_possible_values = true)]
    #[arg(help = "Which requests [possible values: legacy, deep, sweep, all]")]
    workload: Choice,

    /// How many requests of each workload [default: 2000, of sweep all]
    #[arg(long, value_name = "N", value_parser = number, allow_hyphen_values = true)]
    requests: Option<usize>,

    /// How many mismatches of each workload to show, the classes in turn; all are counted
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number, allow_hyphen_values = true)]
    max_mismatches: usize,

    /// Threads, 1 to 1024 [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = threads, allow_hyphen_values = true)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    Legacy,
    Deep,
    Sweep,
    All,
}

impl Flags {
    pub(super) fn resolve(self, environment: &Environment) -> DiffArgs {
        let workloads = match self.workload {
            Choice::Legacy => vec![DiffWorkload::Stream(Workload::Legacy)],
            Choice::Deep => vec![DiffWorkload::Stream(Workload::Deep)],
            Choice::Sweep => vec![DiffWorkload::Sweep],
            Choice::All => DiffWorkload::ALL.to_vec(),
        };
        DiffArgs {
            workloads,
            requests: self.requests,
            max_mismatches: self.max_mismatches,
            threads: self.threads.unwrap_or_else(|| environment.default_threads()),
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("a whole number from 0 to {} is accepted", usize::MAX))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        flags: Flags,
    }

    fn args(line: &str) -> DiffArgs {
        let environment = Environment {
            variables: crate::cli::Variables::UNSET,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            no_color: false,
            width: 80,
            verbose: false,
            now: 0,
            threads: 3,
        };
        let words = std::iter::once("diff").chain(line.split_whitespace());
        Alone::parse_from(words).flags.resolve(&environment)
    }

    #[test]
    fn without_arguments_everything_is_compared_by_all_threads() {
        let workloads = vec![
            DiffWorkload::Stream(Workload::Legacy),
            DiffWorkload::Stream(Workload::Deep),
            DiffWorkload::Sweep,
        ];
        let expected = DiffArgs {
            workloads,
            requests: None,
            max_mismatches: 10,
            threads: 3,
        };
        assert_eq!(args(""), expected);
        assert_eq!(args("--workload all"), expected);
    }

    #[test]
    fn every_argument_arrives() {
        let line = "--workload sweep --requests 0 --max-mismatches 7 --threads 1024";
        let expected = DiffArgs {
            workloads: vec![DiffWorkload::Sweep],
            requests: Some(0),
            max_mismatches: 7,
            threads: 1024,
        };
        assert_eq!(args(line), expected);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-1", "1e3", "x", "99999999999999999999"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
