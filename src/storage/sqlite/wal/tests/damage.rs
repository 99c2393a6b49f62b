//! Logs that are cut off or changed. What SQLite recovers from the same bytes is the reference.

use super::*;

/// A log of several commits and frames behind them, with the database file it belongs to.
struct Sample {
    database: Vec<u8>,
    log: Vec<u8>,
    start: FramePosition,
    /// The last frame of each commit.
    commits: Vec<u64>,
    page_size: usize,
}

fn sample() -> Sample {
    let db = wal_db(512);
    // The frames of an earlier run lie behind those of this one.
    db.insert(200, 60);
    db.execute("PRAGMA wal_checkpoint(RESTART)");
    let mut commits = Vec::new();
    for rows in [1, 6, 12] {
        db.insert(rows, 60);
        commits.push(db.committed_frames());
    }
    let sample = Sample {
        database: std::fs::read(db.database()).unwrap(),
        log: std::fs::read(db.wal()).unwrap(),
        start: open(&db).start(),
        commits,
        page_size: 512,
    };
    assert!(sample.log.len() > sample.frame_start(sample.last() + 3));
    sample
}

impl Sample {
    fn last(&self) -> u64 {
        self.commits[self.commits.len() - 1]
    }

    fn frame_start(&self, frame: u64) -> usize {
        32 + (frame as usize - 1) * (24 + self.page_size)
    }

    /// The last commit of which no byte at `at` or behind it is part.
    fn last_commit_before(&self, at: usize) -> u64 {
        let ends_before = |&&frame: &&u64| self.frame_start(frame + 1) <= at;
        self.commits.iter().rfind(ends_before).copied().unwrap_or(0)
    }

    /// Where the commits of such a log end by our reading, and what it says of all frames of the whole one.
    fn ask(&self, log: &[u8]) -> Result<(u64, Result<CommittedFrames, WalProblem>), WalProblem> {
        let wal = open_bytes(log)?.unwrap();
        let tail = wal.committed_tail(&wal.start())?;
        let end = tail.map_or(0, |tail| tail.end.frame);
        Ok((end, wal.frames(&self.start, self.last())))
    }
}

#[test]
fn a_log_that_is_cut_off_ends_at_its_last_whole_commit() {
    let sample = sample();
    for len in (32..sample.frame_start(sample.last() + 2)).step_by(29) {
        let log = &sample.log[..len];
        let commit = sample.last_commit_before(len);
        let (end, all) = sample.ask(log).unwrap();
        assert_eq!(end, commit, "{len}");
        if commit == sample.last() {
            assert_eq!(all.unwrap().end.frame, commit);
        } else {
            let whole = (len as u64 - 32) / 536;
            assert!(
                matches!(all, Err(WalProblem::TooShort { frame }) if frame == whole + 1),
                "{len}"
            );
        }
        if len % 10 == 0 {
            let recovered = ScratchDb::recovered(&sample.database, log);
            assert_eq!(recovered.committed_frames(), commit, "{len}");
        }
    }
}

#[test]
fn a_log_of_which_any_byte_was_changed_ends_before_it() {
    let mut sample = sample();
    // Every byte of a header, and some of each page.
    let is_of_header = |at: &usize| *at < 32 || (at - 32) % 536 < 24;
    let damaged = (0..sample.frame_start(sample.last() + 2)).filter(|at| is_of_header(at) || at % 37 == 0);
    for at in damaged {
        let flip = 1 << (at % 8);
        sample.log[at] ^= flip;
        let commit = if at < 32 { 0 } else { sample.last_commit_before(at) };
        match sample.ask(&sample.log) {
            Ok((end, all)) => {
                assert_eq!((end, at < 32), (commit, false), "{at}");
                assert_eq!(all.is_ok(), commit == sample.last(), "{at}");
            }
            Err(problem) => {
                assert!(matches!(problem, WalProblem::InvalidHeader(_)), "{problem}");
                assert!(at < 32, "{at}");
            }
        }
        if at % 11 == 0 {
            let recovered = ScratchDb::recovered(&sample.database, &sample.log);
            assert_eq!(recovered.committed_frames(), commit, "{at}");
        }
        sample.log[at] ^= flip;
    }
}

#[test]
fn each_problem_of_a_frame_has_its_name() {
    let sample = sample();
    let frame = sample.commits[1];
    let at = sample.frame_start(frame);
    let with = |offset: usize| {
        let mut log = sample.log.clone();
        log[at + offset] ^= 1;
        sample.ask(&log).unwrap().1.unwrap_err()
    };
    let is_of = |bad: u64| bad == frame;
    for salt in [8, 15] {
        assert!(matches!(with(salt), WalProblem::OtherSalts { frame } if is_of(frame)));
    }
    for summed in [0, 7, 16, 23, 24, 24 + 511] {
        assert!(matches!(with(summed), WalProblem::WrongChecksum { frame } if is_of(frame)));
    }
    let mut log = sample.log.clone();
    log[at..at + 4].fill(0);
    let problem = sample.ask(&log).unwrap().1.unwrap_err();
    assert!(matches!(problem, WalProblem::PageZero { frame } if is_of(frame)));
}
