//! All integration tests, in one binary.

mod harness;

mod damage;
mod parity;
mod race;
mod truth;
