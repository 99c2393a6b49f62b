//! What is frozen: the dataset, the request streams and the digests that prove both.
//!
//! Everything here follows from one page, `docs/contract.md`, and from CPython's `random.Random`.
//! Nothing in this module reads a file, a clock or a flag: the same call gives the same bytes on
//! every machine, for ever. A change that breaks a test here is a change of the contract, not a
//! fix.

pub mod dataset;
pub mod digests;
pub mod python_random;
pub mod workload;
