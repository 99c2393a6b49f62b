//! Whether a path still leads to the file that it led to.
//!
//! A rename or a replacement of the file itself moves its ctime. What makes a path mean another file without a trace on the
//! old one is a link on the way that is turned, a directory above that is moved, and a file system that is mounted over it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use super::platform::{Identity, coarse_monotonic_ns};

/// A path, and the file that it led to.
#[derive(Debug)]
pub(crate) struct PathWatch {
    path: PathBuf,
    identity: Identity,
    /// The path from the root on, if no link is on the way.
    direct: Option<PathBuf>,
    /// The tick in which the path was last seen to lead there.
    seen_in_tick: AtomicI64,
}

impl PathWatch {
    /// Watches `path`, which led to this file when it was opened.
    ///
    /// # Errors
    /// There is nothing at its end.
    pub(crate) fn new(path: &Path, identity: Identity) -> io::Result<Self> {
        let resolved = path.canonicalize()?;
        let is_direct = std::path::absolute(path)? == resolved;
        Ok(PathWatch {
            path: path.to_owned(),
            identity,
            direct: is_direct.then_some(resolved),
            seen_in_tick: AtomicI64::new(0),
        })
    }

    /// Whether the path has no link in it.
    pub(crate) fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Whether the path leads to the file. A link that was turned is seen at once; a directory that was moved, and a
    /// mount, at the next clock tick, some milliseconds later.
    pub(crate) fn leads_there(&self) -> bool {
        if !self.is_direct() {
            return self.leads_there_now();
        }
        let tick = coarse_monotonic_ns();
        if self.seen_in_tick.load(Ordering::Relaxed) == tick {
            return true;
        }
        let leads_there = self.leads_there_now();
        if leads_there {
            self.seen_in_tick.store(tick, Ordering::Relaxed);
        }
        leads_there
    }

    /// The same, looked at now. Not so for a path that had no link and now has one: it may be turned at any time.
    pub(crate) fn leads_there_now(&self) -> bool {
        let is_direct_still = |direct: &PathBuf| self.path.canonicalize().is_ok_and(|path| path == *direct);
        self.identity.is_at(&self.path) && self.direct.as_ref().is_none_or(is_direct_still)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_turned_link_is_seen_at_once_and_a_new_one_makes_the_path_another() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (one, other, link) = (root.join("one"), root.join("other"), root.join("link"));
        fs::write(&one, "1").unwrap();
        fs::write(&other, "2").unwrap();
        symlink(&one, &link).unwrap();
        let watch = |path: &Path| PathWatch::new(path, Identity::of_path(path).unwrap()).unwrap();
        let (direct, linked) = (watch(&one), watch(&link));
        assert!(direct.is_direct() && direct.leads_there() && direct.leads_there_now());
        assert!(!linked.is_direct() && linked.leads_there());
        fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        assert!(!linked.leads_there());
        // Moved away and linked to: the same file, by a path that can be turned.
        fs::rename(&one, root.join("moved")).unwrap();
        symlink(root.join("moved"), &one).unwrap();
        assert!(!direct.leads_there_now());
        // At the latest when the clock has ticked.
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!direct.leads_there() && !direct.leads_there());
        assert!(PathWatch::new(&root.join("none"), Identity::of_path(&other).unwrap()).is_err());
    }
}
