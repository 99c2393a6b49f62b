//! The mode that a query is answered in.

use crate::engine::{Notice, Notify};
use crate::model::Mode;
use crate::storage::fs::platform::has_room_for_descriptors;

/// How many descriptors an index and the way back to SQLite take, and some.
const DESCRIPTORS: u64 = 12;

/// The mode that was asked for, or the baseline where so few files may be open that an index would be in the way of the
/// log's own.
pub(super) fn affordable(mode: Mode, notify: &Notify) -> Mode {
    if mode == Mode::Baseline || has_room_for_descriptors(DESCRIPTORS) {
        return mode;
    }
    notify(
        Notice::Warning,
        "so few files may be open that no index is used: raise the limit (`ulimit -n`)",
    );
    Mode::Baseline
}
