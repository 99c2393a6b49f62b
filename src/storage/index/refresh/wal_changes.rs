//! Which pages the write-ahead log says may have changed.
//!
//! What SQLite reads is the database file overlaid by the committed frames of the log. So as long as the database file
//! itself is the same, a page can only have changed if it is in a frame that the log held then or holds now; and if the
//! log is still in the same run, only if it is in a frame that came since. No proof is needed of how the log came from
//! there to here: restarts, truncations and a deleted log are all covered.

use std::path::Path;
use std::sync::Arc;

use super::tree::PageSet;
use crate::storage::sqlite::wal::{CommittedFrames, FramePosition, WalProblem, WalReader};

/// The log as it was when a database was read.
#[derive(Clone, Debug)]
pub(crate) struct LogBasis {
    /// Behind the last frame of which SQLite said that it is committed.
    pub(crate) position: FramePosition,
    /// The pages of all frames before it; `None` where they were never asked for.
    pub(crate) pages: Option<Arc<PageSet>>,
}

/// What the log says about an open snapshot.
#[derive(Debug, Default)]
pub(crate) struct LogChanges {
    /// Pages that may differ from what they were at the basis if the database file does not.
    pub(crate) since: PageSet,
    /// Pages that SQLite may take from the log.
    pub(crate) overlay: PageSet,
    /// The basis for the next look; `None` where it cannot be told.
    pub(crate) basis: Option<LogBasis>,
    /// Whether the log goes on from the basis without a new frame.
    pub(crate) is_same: bool,
}

/// Salts of the run that a log is in; `None` where there is no log.
///
/// # Errors
/// The log cannot be read, or is none.
pub(crate) fn salts(wal: &Path) -> Result<Option<[u32; 2]>, WalProblem> {
    Ok(WalReader::open(wal)?.map(|log| log.header().salts))
}

/// Reads the log while a snapshot is open that was taken after SQLite said that `committed` frames are published, at a
/// time when the log was in the run with `salts`. `needs_overlay` is whether all pages of the log are of interest.
///
/// Frames that are committed on disk but were not published in time are taken for changes as well, but not for the
/// basis: they will be read again next time.
///
/// # Errors
/// The log does not hold what SQLite says, or says nothing certain of the past: nothing is proven then.
pub(crate) fn read(
    wal: &Path,
    committed: u64,
    salts: Option<[u32; 2]>,
    then: Option<&LogBasis>,
    needs_overlay: bool,
) -> Result<LogChanges, WalProblem> {
    let log = WalReader::open(wal)?;
    let mut since = PageSet::default();
    let Some(log) = log else {
        if committed > 0 {
            return Err(WalProblem::TooShort { frame: 1 });
        }
        since.extend(known_pages(then)?);
        return Ok(LogChanges {
            since,
            overlay: PageSet::default(),
            basis: None,
            is_same: then.is_none(),
        });
    };
    let same_run = match then {
        Some(then) if then.position.frame <= committed && log.still_holds(&then.position)? => Some(then),
        _ => None,
    };
    let (start, mut pages) = match same_run {
        Some(then) => (then.position, then.pages.as_deref().cloned()),
        None => {
            since.extend(known_pages(then)?);
            (log.start(), Some(PageSet::default()))
        }
    };
    if pages.is_none() && needs_overlay {
        let before = log.frames(&log.start(), start.frame)?;
        pages = Some(before.pages.into_iter().collect());
    }
    let published = if committed > start.frame {
        log.frames(&start, committed)?
    } else {
        CommittedFrames {
            pages: Vec::new(),
            end: start,
        }
    };
    let unpublished = log
        .committed_tail(&published.end)?
        .map_or_else(Vec::new, |tail| tail.pages);
    if let Some(pages) = &mut pages {
        pages.extend(&published.pages);
    }
    since.extend(published.pages.iter().chain(&unpublished));
    let mut overlay = pages.clone().unwrap_or_default();
    overlay.extend(&unpublished);
    let is_one_run = salts == Some(log.header().salts);
    Ok(LogChanges {
        is_same: same_run.is_some() && since.is_empty(),
        since,
        overlay,
        basis: is_one_run.then(|| LogBasis {
            position: published.end,
            pages: pages.map(Arc::new),
        }),
    })
}

fn known_pages(basis: Option<&LogBasis>) -> Result<PageSet, WalProblem> {
    match basis {
        None => Ok(PageSet::default()),
        Some(LogBasis { pages: Some(pages), .. }) => Ok(PageSet::clone(pages)),
        Some(LogBasis { position, .. }) => Err(WalProblem::OtherSalts { frame: position.frame }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: usize = 4096;

    /// A database in WAL mode whose log is copied back only where that is asked for.
    struct Log {
        writer: rusqlite::Connection,
        place: tempfile::TempDir,
    }

    impl Log {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let writer = rusqlite::Connection::open(place.path().join("audit.db")).unwrap();
            let log = Log { writer, place };
            log.run(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
                 CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);
                 WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 900)
                 INSERT INTO t SELECT i, hex(zeroblob(40)) FROM n;
                 PRAGMA wal_checkpoint(RESTART);",
            );
            log
        }

        fn run(&self, sql: &str) {
            self.writer.execute_batch(sql).unwrap();
        }

        fn path(&self) -> std::path::PathBuf {
            self.place.path().join("audit.db-wal")
        }

        /// The pages that the frames of this run name, by number of frame, by their own headers.
        fn frames(&self) -> Vec<u32> {
            let log = std::fs::read(self.path()).unwrap();
            let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
            let frames = (32..log.len()).step_by(24 + PAGE);
            let of_this_run = frames.take_while(|&at| log[at + 8..at + 16] == log[16..24]);
            of_this_run.map(number).collect()
        }

        fn read(&self, then: Option<&LogBasis>, needs_overlay: bool) -> LogChanges {
            self.read_to(self.frames().len(), then, needs_overlay).unwrap()
        }

        fn read_to(
            &self,
            committed: usize,
            then: Option<&LogBasis>,
            needs_overlay: bool,
        ) -> Result<LogChanges, WalProblem> {
            let salts = salts(&self.path()).unwrap();
            read(&self.path(), committed as u64, salts, then, needs_overlay)
        }
    }

    fn set<'a>(pages: impl IntoIterator<Item = &'a u32>) -> BTreeSet<u32> {
        pages.into_iter().copied().collect()
    }

    #[test]
    fn what_may_have_changed_is_on_the_pages_of_the_frames_since() {
        let log = Log::new();
        log.run("UPDATE t SET text = 'a' WHERE id = 1");
        let first = log.read(None, true);
        let basis = first.basis.unwrap();
        assert_eq!(set(&first.since), set(&log.frames()));
        assert!(!first.is_same);
        let nothing = log.read(Some(&basis), true);
        assert!(nothing.is_same && nothing.since.is_empty());
        assert_eq!(set(&nothing.overlay), set(&log.frames()));

        let before = log.frames().len();
        log.run("UPDATE t SET text = 'b' WHERE id = 800");
        let since = set(&log.frames()[before..]);
        assert!(!since.is_empty() && since != set(&log.frames()));
        let found = log.read(Some(&basis), true);
        assert_eq!(
            (set(&found.since), set(&found.overlay)),
            (since.clone(), set(&log.frames()))
        );
        assert!(!found.is_same);
        // Whoever knows no pages of what was before is told them where he asks.
        let unknown = LogBasis { pages: None, ..basis };
        let found = log.read(Some(&unknown), true);
        assert_eq!(
            (set(&found.since), set(&found.overlay)),
            (since.clone(), set(&log.frames()))
        );
        let found = log.read(Some(&unknown), false);
        assert_eq!(set(&found.since), since);
        assert!(found.basis.unwrap().pages.is_none());
    }

    /// They may be taken back by a crash, so they are read again next time.
    #[test]
    fn frames_that_are_not_published_count_as_changes_and_not_for_the_basis() {
        let log = Log::new();
        log.run("UPDATE t SET text = 'a' WHERE id = 1");
        let published = log.frames().len();
        log.run("UPDATE t SET text = 'b' WHERE id = 800");
        let later = set(&log.frames()[published..]);
        let found = log.read_to(published, None, true).unwrap();
        assert_eq!(
            (set(&found.since), set(&found.overlay)),
            (set(&log.frames()), set(&log.frames()))
        );
        let basis = found.basis.unwrap();
        assert_eq!(basis.position.frame, published as u64);
        assert_eq!(set(&**basis.pages.as_ref().unwrap()), set(&log.frames()[..published]));
        for committed in [published, log.frames().len()] {
            let again = log.read_to(committed, Some(&basis), true).unwrap();
            assert_eq!(set(&again.since), later);
            assert!(!again.is_same);
        }
    }

    #[test]
    fn behind_a_restart_the_pages_of_the_run_before_count_too() {
        for restart in ["RESTART", "TRUNCATE"] {
            let log = Log::new();
            log.run("UPDATE t SET text = 'a' WHERE id < 300");
            let before = set(&log.frames());
            let basis = log.read(None, true).basis.unwrap();
            log.run(&format!(
                "PRAGMA wal_checkpoint({restart}); UPDATE t SET text = 'b' WHERE id = 800"
            ));
            let now = set(&log.frames());
            assert!(!now.is_subset(&before) && !before.is_subset(&now));
            let found = log.read(Some(&basis), true);
            assert_eq!(set(&found.since), &before | &now, "{restart}");
            assert_eq!(set(&found.overlay), now);
            assert!(!found.is_same);
            // Where they are not known, nothing is proven.
            let unknown = LogBasis { pages: None, ..basis };
            let refused = log.read_to(log.frames().len(), Some(&unknown), true);
            assert!(matches!(refused, Err(WalProblem::OtherSalts { .. })), "{refused:?}");
        }
    }

    /// More frames than before, in another run: the position alone would say that it goes on.
    #[test]
    fn a_run_that_is_longer_than_the_one_before_is_another() {
        let log = Log::new();
        log.run("UPDATE t SET text = 'a' WHERE id = 1");
        let (before, basis) = (set(&log.frames()), log.read(None, true).basis.unwrap());
        log.run("PRAGMA wal_checkpoint(RESTART); UPDATE t SET text = 'b' WHERE id > 300");
        assert!(log.frames().len() as u64 > basis.position.frame);
        assert_eq!(set(&log.read(Some(&basis), true).since), &before | &set(&log.frames()));
    }

    #[test]
    fn without_a_log_the_pages_of_the_one_before_have_changed() {
        let log = Log::new();
        log.run("UPDATE t SET text = 'a' WHERE id = 1");
        let (before, basis) = (set(&log.frames()), log.read(None, true).basis.unwrap());
        std::fs::remove_file(log.path()).unwrap();
        assert_eq!(salts(&log.path()).unwrap(), None);
        let found = log.read_to(0, Some(&basis), true).unwrap();
        assert_eq!(set(&found.since), before);
        assert!(found.overlay.is_empty() && found.basis.is_none() && !found.is_same);
        assert!(log.read_to(0, None, true).unwrap().is_same);
        let refused = log.read_to(1, None, true);
        assert!(matches!(refused, Err(WalProblem::TooShort { .. })), "{refused:?}");
    }

    #[test]
    fn a_log_that_begins_anew_while_it_is_read_is_no_basis() {
        let log = Log::new();
        log.run("UPDATE t SET text = 'a' WHERE id = 1");
        let frames = log.frames().len() as u64;
        let [one, other] = salts(&log.path()).unwrap().unwrap();
        let basis = |salts| read(&log.path(), frames, salts, None, true).unwrap().basis;
        assert!(basis(Some([one, other])).is_some());
        assert!(basis(Some([one.wrapping_sub(1), other])).is_none() && basis(None).is_none());
    }
}
