//! A path as SQLite takes it for nothing but a path.

use std::borrow::Cow;
use std::path::Path;

/// The name by which SQLite opens the file at `path`. It takes a name that begins with `file:` for a URI, and `:memory:` for
/// no file at all; one that begins with `.` or `/` is a path.
pub(super) fn plain_name(path: &Path) -> Cow<'_, Path> {
    if path.is_absolute() {
        return Cow::Borrowed(path);
    }
    Cow::Owned(Path::new(".").join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_uri_and_none_is_changed_in_meaning() {
        for (path, name) in [
            ("file:x/audit.db", "./file:x/audit.db"),
            (":memory:", "./:memory:"),
            ("data/audit.db", "./data/audit.db"),
            ("/data/file:x", "/data/file:x"),
            ("../x", "./../x"),
        ] {
            assert_eq!(plain_name(Path::new(path)), Path::new(name));
        }
    }
}
