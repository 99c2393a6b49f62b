//! The index: all events in the one total order, so that a page's place in it is arithmetic.
//!
//! `base` is the file of one state of the log and `delta` what changed since; `select` answers from both, and `fetch` puts
//! rows together from their records. `build` makes a base from the table, and `refresh` follows the commits of others.

mod base;
mod build;
mod delta;
mod fetch;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[path = "../../../fuzz/in_crate/index/mod.rs"]
pub(crate) mod fuzzing;
mod hash;
mod overview;
pub(crate) mod refresh;
mod refusal;
mod row;
mod select;
mod trusted;

pub(crate) use base::corrupted::Corrupted;
pub(crate) use build::memory::require_memory;
pub(crate) use build::rebuild::{IfLocked, RebuildOutcome, fold, rebuild};
pub(crate) use delta::RowChanges;
pub(crate) use fetch::WillRead;
pub(crate) use files::{IndexState, OpenError, OpenFiles, follow_permissions, follower_of_file, open, publish_delta};
pub(crate) use refresh::RefreshError;
pub(crate) use refresh::follower::Follower;
pub(crate) use refresh::refreshed::{Budget, Refreshed, Way};
pub use refresh::{VerifiedRefreshes, verified_refreshes};
pub(crate) use refusal::Refusal;
pub(crate) use select::Index;
