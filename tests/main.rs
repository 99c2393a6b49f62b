//! All integration tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by these"
)]

mod harness;

mod batch;
mod bench;
mod busy;
mod cli;
mod contract;
mod cost;
mod damage;
mod diff;
mod disks;
mod faulty_engines;
mod hostile;
mod keyset;
mod kills;
mod parity;
mod race;
mod read_only;
mod rights;
mod rotten;
mod seed;
mod soak;
mod truth;
mod verify;
