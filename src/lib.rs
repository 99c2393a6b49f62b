//! `auditq` pages through a disk-backed audit log at any depth in constant time, and proves that nothing but
//! the speed changed.
//!
//! ```text
//!   arguments                                            results, verdicts, notes
//!       │                                                          ▲
//!       ▼                                                          │
//!   ┌───────┐ config ┌───────────┐                           ┌─────┴────┐
//!   │  cli  │───────▶│  command  │──────────────────────────▶│  output  │
//!   └───────┘        └─────┬─────┘   events, checks, errors  └──────────┘
//!                          │ query            ▲ page
//!                          ▼                  │
//!                    ┌────────────────────────┴─┐
//!                    │          engine          │   baseline │ indexed
//!                    └─────┬──────────────────▲─┘
//!                          ▼                  │
//!                    ┌────────────────────────┴─┐
//!                    │          storage         │   sqlite │ payload │ index │ fs
//!                    └─────┬──────────────────▲─┘
//!                          ▼                  │
//!                     audit.db    payloads.jsonl    audit.idx
//!
//!   beside: contract (what is frozen: dataset, streams, digests), measure (statistics of latencies: pure numbers)
//! ```
//!
//! Data flows one way: cli → command → engine → storage. A layer may be skipped (`seed` goes straight to
//! storage), never reversed. `docs/architecture.md` has the table of which part may import which, and a test reads it.

// Public is what `main`, the Python module, the integration tests and the fuzz oracles use; this is no library.
mod blocking;
pub mod cli;
pub mod command;
pub mod config;
pub mod contract;
pub mod engine;
pub mod error;
pub mod escape;
#[cfg(any(test, feature = "fuzzing"))]
#[path = "../fuzz/in_crate/mod.rs"]
pub mod fuzzing;
pub mod measure;
pub mod model;
pub mod output;
mod parallel;
pub mod progress;
pub(crate) mod seed;
mod shell;
pub mod storage;

pub use seed::stream_anchor;
