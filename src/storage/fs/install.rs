//! Files for others to read, such as man pages.

use std::path::Path;

use crate::error::{Error, Result};

/// Writes a text file, with the directories above it, where there are none; what was there is replaced.
///
/// # Errors
/// The system refuses.
pub fn install(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent, "cannot create"))?;
    }
    std::fs::write(path, text).map_err(Error::io(path, "cannot write"))
}
