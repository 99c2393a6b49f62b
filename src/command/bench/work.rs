//! What is asked.

use crate::model::Query;

/// Requests under a name.
#[derive(Clone, Debug)]
pub struct Work {
    /// The workload's name.
    pub name: String,
    /// At least one.
    pub requests: Vec<Query>,
}
