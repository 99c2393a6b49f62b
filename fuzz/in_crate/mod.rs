//! What the fuzz oracles call: the readers of bytes from outside, which are otherwise private.
//!
//! The files of this folder are modules of the program itself, so that they see what is private: the module they open
//! names each of them by its path. They are compiled for unit tests and with the feature `fuzzing` only, and are no public
//! API: they change as the oracles in `fuzz/oracles` need it.

mod draw;

pub use crate::cli::fuzzing::{Time, Written, window};
pub use crate::command::fuzzing::{Answered, MAX_LINE, answer_batch, parse_request};
pub use crate::engine::Engine;
pub use crate::error::Result;
pub use crate::escape::escape_for_terminal;
pub use crate::model::{Event, Filter, Key, MAX_PAGE_SIZE, Page, Position, Query};
pub use crate::output::jsonl;
pub use crate::storage::payload::fuzzing::{check_payload, is_valid_fast, join_lines, read_payload};
pub use draw::Draw;

/// An index file that lies under right checksums, and what is asked of it: panics where an answer is wrong.
///
/// This oracle and the next two call the index's writer, which is private.
pub fn index(data: &[u8]) {
    crate::storage::index::fuzzing::forged(data);
}

/// A small log, its index, damage to that file, and what is asked of it: panics where an answer is wrong.
pub fn index_damage(data: &[u8]) {
    crate::storage::index::fuzzing::damaged(data);
}

/// A small log, what happens to it, and the file of the changes: panics where an answer is wrong.
pub fn index_delta(data: &[u8]) {
    crate::storage::index::fuzzing::changed(data);
}
