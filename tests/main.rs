//! All integration tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by these"
)]

mod architecture;
mod harness;

mod at_once;
mod batch;
mod bench;
mod both_modes;
mod cli;
mod cold_pages;
mod concurrent_writer;
mod contract;
mod control_groups;
mod corrupt_data;
mod corrupt_index;
mod crash_safety;
mod diff;
mod environment;
mod export;
mod faults_beside_a_writer;
mod faulty_engines;
mod follow;
mod hostile_schema;
mod hostile_sizes;
mod index_invalidation;
mod io_errors;
mod keyset;
mod live_log;
mod locked_database;
mod locked_directory;
mod misplaced;
mod no_event;
mod odd_paths;
mod other_anchor;
mod parity;
mod path_changes;
mod permissions;
mod pinned;
mod plot_by_size;
mod read_only;
mod recipes;
mod refused_resources;
mod resource_usage;
mod screens;
mod seed;
mod soak;
mod special_files;
mod staging;
mod steady_commits;
mod streams;
mod syscalls;
mod terminal_escaping;
mod traces;
mod trust;
mod unreadable_event;
mod verify;
