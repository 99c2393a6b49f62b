//! A data directory: the metadata, the payload file, the rank index, and whether the index is still current.

pub(crate) mod absent;
pub(crate) mod cold_files;
pub mod data_dir;
pub(crate) mod db_files;
pub(crate) mod db_version;
pub(crate) mod fs;
pub(crate) mod index;
pub(crate) mod payload;
pub(crate) mod sqlite;

pub use fs::ending::Ending;
pub use fs::install::install;
pub use fs::notices::Woken;
pub use fs::platform::{exit_on_abort, ignore_sigxfsz};
