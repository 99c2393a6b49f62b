//! The SQLite side of a log: the only room that names rusqlite.

#[allow(dead_code)]
pub(crate) mod btree;
mod committer;
mod connection;
mod immutable;
#[allow(dead_code)]
pub(crate) mod pages;
mod queries;
mod row;
mod scan;
#[cfg(test)]
mod scratch_db;
mod schema;
#[allow(dead_code)]
pub(crate) mod wal;
mod snapshot;
mod writer;

pub(crate) use committer::{Committer, Journal};
pub(crate) use connection::Connection;
pub(crate) use scan::Soundness;
pub(crate) use schema::Schema;
pub(crate) use snapshot::Snapshot;
pub(crate) use writer::Writer;
