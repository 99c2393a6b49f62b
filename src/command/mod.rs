//! One file per subcommand; none knows another.

use crate::config::{Config, Task};
use crate::error::{Exit, Result};

pub mod bench;
pub(crate) mod check;
pub mod diff;
mod no_event;
mod notify;
mod query;
mod reproduce;
mod seed;
mod verify_baseline;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use query::fuzzing;

/// Runs the command.
///
/// # Errors
/// The command failed, or has no verdict.
pub fn run(config: &Config) -> Result<Exit> {
    match &config.task {
        Task::Seed(args) => seed::run(config, args),
        Task::VerifyBaseline(args) => verify_baseline::run(config, args),
        Task::Query(args) => query::run(config, args),
        Task::Diff(args) => diff::run(config, args),
        Task::Bench(args) => bench::run(config, args),
    }
}
