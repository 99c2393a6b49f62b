//! `query --follow`: whatever becomes visible is told, once, whoever writes how; and how it ends.

mod begins_and_ends;
mod beside_a_writer;
mod changes;
mod feed;
mod folds;
