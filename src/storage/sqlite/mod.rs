//! The SQLite side of a log: the only room that names rusqlite.

mod connection;
mod immutable;
mod queries;
mod row;
mod scan;
mod schema;
mod writer;

pub(crate) use connection::Connection;
pub(crate) use scan::Soundness;
pub(crate) use schema::Schema;
pub(crate) use writer::Writer;
