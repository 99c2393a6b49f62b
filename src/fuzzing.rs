//! What a fuzzer may ask: one function for each reader of bytes from outside, each with its oracle.
//!
//! Compiled for tests and for fuzzers only. A function takes any bytes and returns; whatever it finds wrong it says by a
//! panic. The checks themselves lie beside what they check, as those readers are nobody else's business. `fuzz/`
//! calls these functions with bytes without end, the tests below with every file of `fuzz/corpus`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a fuzzer finds, it says by these")]

mod cursor;
mod draw;

pub(crate) use cursor::{plain as plain_cursor, whole_number};
pub(crate) use draw::Draw;

/// A target: takes any bytes, and panics where its oracle does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name of its folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 6] = [
    ("index", index),
    ("index_damage", index_damage),
    ("batch_request", batch_request),
    ("time", time),
    ("cursor", cursor),
    ("payload_text", payload_text),
];

/// Has everything done on the thread that asks, from now on: the writer would hand each of its steps to others, and that
/// takes longer than the step where a log is this small.
pub fn on_one_thread() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    // Once is enough.
    let _ = pool.use_current_thread().build_global();
}

/// An index file that lies under right checksums, and what is asked of it.
pub fn index(data: &[u8]) {
    crate::storage::index::fuzzing::forged(data);
}

/// A small log, its index, damage to that file, and what is asked of it.
pub fn index_damage(data: &[u8]) {
    crate::storage::index::fuzzing::damaged(data);
}

/// Lines of a batch.
pub fn batch_request(data: &[u8]) {
    crate::command::fuzzing::batch_request(data);
}

/// What stands behind `--from`, `--to` and `--now`, a line each.
pub fn time(data: &[u8]) {
    crate::cli::fuzzing::window(data);
}

/// What stands behind `--after`.
pub fn cursor(data: &[u8]) {
    cursor::check(data);
}

/// A payload as it lies in the payload file.
pub fn payload_text(data: &[u8]) {
    crate::storage::payload::validate::fuzzing::check(data);
}

#[cfg(test)]
mod tests;
