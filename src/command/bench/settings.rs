//! What is measured, and how.

use crate::model::Query;

/// A workload: requests under a name.
#[derive(Clone, Debug)]
pub struct Work {
    /// The workload's name.
    pub name: String,
    /// At least one.
    pub requests: Vec<Query>,
}

/// How it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Client threads.
    pub threads: usize,
    /// How often each subject gets its turn.
    pub rounds: usize,
    /// When requests are sent.
    pub pace: Pace,
}

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Closed loop: each client sends its next request once it has its answer, without think time.
    Closed,
    /// Open loop: requests are sent at a fixed rate by all clients together, whether or not answers have come.
    Open {
        /// Requests a second.
        requests_per_s: f64,
    },
}
