//! The base: the file `audit.idx`. `format`, `records` and `packed` say what every byte means, `blocks` reads and checks
//! them, `reader` finds ranks in them (`search`) and `writer` makes them.

pub(crate) mod blocks;
pub(crate) mod codec;
pub(crate) mod corrupted;
pub(crate) mod format;
pub(crate) mod leaf_directory;
pub(crate) mod packed;
pub(crate) mod reader;
pub(crate) mod records;
pub(crate) mod search;
pub(crate) mod section;
pub(crate) mod source;
pub(crate) mod writer;
