//! The arguments of `auditq seed`.

use clap::Args;

use super::time::{self, Time};
use crate::config::SeedArgs;
use crate::contract::dataset::{EVENTS, MAX_EVENTS};
use crate::error::Result;

const EXAMPLES: &str = "\
Examples:
  auditq seed                                   the contract dataset, in ./data
  auditq --data-dir big seed --events 5000000   a scale study of the same make";

/// Generate the contract dataset and print its digests
///
/// Writes audit.db, payloads.jsonl and the rank index to the data directory and checks them against the
/// contract's digests. Killed at any moment, it leaves the old dataset or none, the new one, or a step that the next
/// seed finishes or undoes. An existing contract dataset is kept as it is.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE, before_help = EXAMPLES, after_long_help = format!("{}\n\n{}", time::HELP, super::verify::FIELDS))]
pub(super) struct Flags {
    /// Replace an existing dataset
    #[arg(long)]
    force: bool,

    /// How many events; any number but 50000 makes a scale study, not the contract dataset
    #[arg(long, value_name = "N", default_value_t = EVENTS, value_parser = events, allow_negative_numbers = true)]
    events: u64,

    /// The newest second an event can have; any but the contract's makes a scale study
    #[arg(long, value_name = "TIME", default_value = "2025-12-30", value_parser = time::parse)]
    #[arg(allow_hyphen_values = true)]
    anchor: Time,
}

impl Flags {
    pub(super) fn resolve(self) -> Result<SeedArgs> {
        Ok(SeedArgs {
            force: self.force,
            events: self.events,
            anchor: self.anchor.fixed("--anchor")?,
        })
    }
}

fn events(text: &str) -> std::result::Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number <= MAX_EVENTS);
    number.ok_or_else(|| format!("a whole number from 0 to {MAX_EVENTS} is accepted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::ANCHOR;

    #[test]
    fn the_default_anchor_is_the_contracts() {
        assert_eq!(time::parse("2025-12-30").unwrap().fixed("--anchor").unwrap(), ANCHOR);
    }

    #[test]
    fn a_number_of_events_is_checked() {
        assert_eq!(events("0"), Ok(0));
        assert_eq!(events("5000000"), Ok(5_000_000));
        for text in ["-1", "", "1e6", "1000000000001", "99999999999999999999"] {
            assert!(events(text).is_err(), "{text}");
        }
    }
}
