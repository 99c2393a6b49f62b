//! One function for each reader of bytes from outside, each with its oracle.
//!
//! A function takes any bytes and returns; whatever it finds wrong it says by a panic. The programs in
//! `fuzz/fuzz_targets` call these functions with bytes without end, the tests of this crate with every file of
//! `fuzz/corpus`. An oracle shares no code with what it checks: it reads the same bytes by the plainest means.

mod batch;
mod cursor;
mod payload;
mod plain_batch;
mod plain_time;
mod time;

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
    auditq::fuzzing::index(data);
}

/// A small log, its index, damage to that file, and what is asked of it.
pub fn index_damage(data: &[u8]) {
    auditq::fuzzing::index_damage(data);
}

/// Lines of a batch.
pub fn batch_request(data: &[u8]) {
    batch::check(data);
}

/// What stands behind `--from`, `--to` and `--now`, a line each.
pub fn time(data: &[u8]) {
    time::check(data);
}

/// What stands behind `--after`.
pub fn cursor(data: &[u8]) {
    cursor::check(data);
}

/// A payload as it lies in the payload file.
pub fn payload_text(data: &[u8]) {
    payload::check(data);
}

#[cfg(test)]
mod tests;
