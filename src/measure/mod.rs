//! Statistics of latencies: pure numbers. Nothing here reads a clock or a file, or prints.
//!
//! Latencies are whole nanoseconds; every statistic is taken from all samples, none from a sketch.

mod depth;
mod histogram;
mod percentile;
mod ratio;
mod student;
mod summary;

pub use depth::Depth;
pub(crate) use histogram::{Bucket, histogram};
pub(crate) use percentile::percentile;
pub use ratio::{Interval, MIN_ROUNDS_FOR_VERDICT, Ratio, Verdict};
pub(crate) use summary::{Latency, Summary, is_p99_weak};
