//! Progress reports of long-running work.

/// Called with how much is done and how much there is, in any unit; by any thread, at any time.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);
