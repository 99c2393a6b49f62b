//! All integration tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by these"
)]

mod harness;

mod damage;
mod parity;
mod race;
mod truth;
