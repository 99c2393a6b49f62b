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
mod cli;
mod contract;
mod cost;
mod damage;
mod faulty_engines;
mod keyset;
mod parity;
mod race;
mod seed;
mod truth;
mod verify;
