//! The SQLite side of a log: the only module that names rusqlite.

pub(crate) mod btree;
mod committer;
mod connection;
mod copy;
mod hardening;
mod immutable;
mod name;
mod oldest_first;
mod pages;
mod posix_locks;
mod queries;
mod row;
mod scan;
mod schema;
#[cfg(test)]
mod scratch_db;
mod snapshot;
mod table;
pub(crate) mod wal;
mod writer;

pub(crate) use committer::{Committer, Journal};
pub(crate) use connection::Connection;
pub(crate) use copy::copy_database;
pub(crate) use queries::texts_len;
pub(crate) use scan::{MAX_INDEXED_TEXT, Soundness};
pub(crate) use schema::Schema;
pub(crate) use snapshot::Snapshot;
pub(crate) use table::IfChanged;
pub(crate) use writer::Writer;
