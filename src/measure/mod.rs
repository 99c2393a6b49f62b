//! What is said about measured times: pure numbers. Nothing here reads a clock or a file, or prints.
//!
//! Latencies are whole nanoseconds; every statistic is taken from all samples, none from a sketch.

mod depth;
mod histogram;
mod percentile;
mod ratio;
mod summary;

pub use depth::Depth;
pub use histogram::{Bucket, histogram};
pub use percentile::percentile;
pub use ratio::{Interval, MIN_ROUNDS, Ratio, Verdict};
pub use summary::{Latency, Summary};
