//! The arguments of `auditq verify-baseline`.

use std::path::PathBuf;

use clap::Args;

use crate::config::VerifyArgs;

const EXAMPLES: &str = "\
Examples:
  auditq verify-baseline                        fixtures/baseline, and ./data
  auditq verify-baseline --dir ~/live-service   the live service's own files
  auditq verify-baseline --format jsonl | jq -r .subject";

/// Check the frozen files and the dataset against the contract
///
/// Takes the SHA-256 of each frozen file and compares it with the sums compiled into this program. Where the
/// data directory holds a dataset, its payload file, its rows and its schema are checked as well. The exit code
/// is 1 where anything differs or is missing.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE, before_help = EXAMPLES, after_long_help = FIELDS)]
pub(super) struct Flags {
    /// The directory with audit_log_service.py and runner.py: this repository's or the live service's own
    #[arg(long, value_name = "DIR", default_value = "fixtures/baseline")]
    dir: PathBuf,
}

/// The JSON lines of `seed` and of `verify-baseline`.
pub(super) const FIELDS: &str = "\
JSON lines, one a check:
  check     what was compared: sha256, rows, objects, columns, index
  subject   the file or table
  expected  what the contract says; null where it says nothing
  found     what is there; null where nothing is
  ok        true or false
  note      which set of files, why nothing was found, or that the dataset is
            not the contract's; or null";

impl Flags {
    pub(super) fn resolve(self) -> VerifyArgs {
        VerifyArgs { dir: self.dir }
    }
}
