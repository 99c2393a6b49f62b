//! Why a file of the log is not there: one line that says what is in its place.

use std::io::ErrorKind;
use std::path::Path;

use super::fs::platform::is_link_loop;
use crate::error::{Error, Result};

const WHAT_TO_DO: &str = "`auditq seed` makes the contract dataset, --data-dir names another directory";

/// Refuses a data directory that is none.
pub(super) fn require_directory(root: &Path) -> Result<()> {
    require(root, "there is no such data directory")?;
    if root.is_dir() {
        return Ok(());
    }
    Err(Error::Missing {
        path: root.to_owned(),
        problem: "this is no directory: --data-dir takes the directory that audit.db and payloads.jsonl lie in"
            .to_owned(),
    })
}

/// Refuses a database that is not there.
pub(crate) fn require_database(path: &Path) -> Result<()> {
    require(path, "the data directory has no database")
}

/// Refuses a payload file that is not there.
pub(super) fn require_payloads(path: &Path) -> Result<()> {
    require(path, "the data directory has no payload file")
}

/// Refuses a path at which nothing is found; `nothing` is for the plainest reason of that.
fn require(path: &Path, nothing: &str) -> Result<()> {
    let Err(error) = std::fs::metadata(path) else {
        return Ok(());
    };
    let missing = |problem: String| {
        Err(Error::Missing {
            path: path.to_owned(),
            problem,
        })
    };
    if is_link_loop(&error) {
        return missing("a link on the way leads back to itself: mend the link".to_owned());
    }
    if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
        return Err(Error::io(path, "cannot look at")(error));
    }
    match std::fs::read_link(path) {
        Ok(target) => missing(format!(
            "this is a link to {}, where nothing is: mend the link, or put back what it led to",
            target.display()
        )),
        Err(_) => missing(format!("{nothing}: {WHAT_TO_DO}")),
    }
}
