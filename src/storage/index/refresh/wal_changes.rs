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
