//! The names of temp files, by which a later run knows its own.

use std::ffi::OsStr;

/// What the names of temp files start with. The name of the file that it will become follows, then a dot, then
/// letters and digits at random.
pub(super) const PREFIX: &str = ".auditq-";
/// How many random letters and digits end a temp name.
pub(crate) const RANDOM_LEN: usize = 6;

/// Whether a name is one that a temp file for `target` can have.
pub(super) fn is_temp_name(name: &OsStr, target: &str) -> bool {
    let random = || {
        let name = name.to_str()?.strip_prefix(PREFIX)?;
        name.strip_prefix(target)?.strip_prefix('.')
    };
    random().is_some_and(is_random_part)
}

/// Whether a text can be the random end of a temp name.
pub(super) fn is_random_part(text: &str) -> bool {
    text.len() == RANDOM_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
