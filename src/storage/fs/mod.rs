//! The file system: files that appear whole, the lock on a directory, staging, and the system calls that the standard
//! library has no form of.

pub(crate) mod atomic_file;
pub(crate) mod dir_lock;
pub(crate) mod ending;
pub(crate) mod file_times;
pub(crate) mod install;
pub(crate) mod memory;
pub(crate) mod notices;
pub(crate) mod open;
pub(crate) mod page_cache;
pub(crate) mod path_watch;
pub(crate) mod permissions;
pub(crate) mod platform;
pub(crate) mod read_descriptor;
pub(crate) mod read_full;
pub(crate) mod scratch_dir;
pub(crate) mod spool;
pub(crate) mod staging;
pub(crate) mod temp_name;
