//! The write-ahead log, read without SQLite ("The Write-Ahead Log" in SQLite's file format documentation,
//! <https://www.sqlite.org/fileformat2.html#walformat>).
//!
//! A log is a header and frames, each one page. All frames that one run of the log writes bear the salts of its
//! header; when everything is in the database file, the next writer starts a new run, with other salts, at the
//! front of the same file. The checksum of a frame covers the header and every frame before it. Which frames are
//! committed the log alone cannot tell: a writer may have written them and not yet said so. SQLite says it.
//!
//! SQLite takes no POSIX lock on the log, so closing a descriptor of it drops none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

mod format;

pub(crate) use format::WalHeader;

use crate::storage::fs::open::open_regular;
use format::{FRAME_HEADER_LEN, FRAME_NUMBERS_LEN, FrameHeader};

/// How much of a log is read at a time. Bytes.
const CHUNK_LEN: u64 = 256 * 1024;

/// Why frames of a log prove nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalProblem {
    #[error("the header of the write-ahead log is invalid: {0}")]
    InvalidHeader(&'static str),
    #[error("the write-ahead log ends before the end of frame {frame}")]
    TooShort { frame: u64 },
    #[error("frame {frame} of the write-ahead log is of another run of the log")]
    OtherSalts { frame: u64 },
    #[error("the checksum of frame {frame} of the write-ahead log is wrong")]
    WrongChecksum { frame: u64 },
    #[error("frame {frame} of the write-ahead log is of page 0")]
    PageZero { frame: u64 },
    #[error("the write-ahead log no longer holds its first {frame} frames as they were")]
    PositionLost { frame: u64 },
    #[error("frame {frame} of the write-ahead log is not the last of a commit")]
    NotACommit { frame: u64 },
    #[error("frame {to} of the write-ahead log was asked for, but frame {from} has been read")]
    Backwards { from: u64, to: u64 },
    #[error("the write-ahead log cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// A place behind a frame of one run of a log. It also proves all that is before it: see
/// [`WalReader::still_holds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramePosition {
    /// How many frames are before it.
    pub(crate) frame: u64,
    /// The run's.
    pub(crate) salts: [u32; 2],
    /// The checksum of the last frame before it; that of the log's header where there is none.
    pub(crate) checksum: [u32; 2],
}

/// Frames whose checksums are right, up to the end of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedFrames {
    /// The page of each frame, in the order of the log; never 0. A page may occur more than once.
    pub(crate) pages: Vec<u32>,
    /// Behind the last of them.
    pub(crate) end: FramePosition,
}

/// Frames that were read one after another, and whose checksums are right.
struct Run {
    pages: Vec<u32>,
    /// Behind the last of them.
    end: FramePosition,
    /// Behind the last that ends a commit; where none does, the position that the run began at.
    commit: FramePosition,
}

impl Run {
    /// The commits of the run that began at `from`, without what comes behind them.
    fn into_committed(mut self, from: &FramePosition) -> CommittedFrames {
        self.pages.truncate((self.commit.frame - from.frame) as usize);
        CommittedFrames {
            pages: self.pages,
            end: self.commit,
        }
    }
}

/// A log that is open for reading, and the run that it held then.
///
/// What is read is the file that was opened. Whether it still is the database's log, the caller must know: a log
/// is deleted when the last connection closes.
#[derive(Debug)]
pub(crate) struct WalReader {
    file: File,
    header: WalHeader,
}

impl WalReader {
    /// Opens the log at `path`; `None` where there is no file, or none that is as long as a header.
    ///
    /// # Errors
    /// [`WalProblem::InvalidHeader`] and [`WalProblem::Io`].
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, WalProblem> {
        let file = match open_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = [0; WalHeader::LEN];
        if !read_at(&file, &mut bytes, 0)? {
            return Ok(None);
        }
        let header = WalHeader::parse(&bytes)?;
        Ok(Some(WalReader { file, header }))
    }

    /// The header that the log had when it was opened.
    pub(crate) fn header(&self) -> &WalHeader {
        &self.header
    }

    /// The position before the first frame.
    pub(crate) fn start(&self) -> FramePosition {
        FramePosition {
            frame: 0,
            salts: self.header.salts,
            checksum: self.header.checksum,
        }
    }

    /// The frames behind `from` up to and including number `to_frame` (the first is 1), which must end a commit.
    /// Nothing before `from` is read but the header.
    ///
    /// # Errors
    /// One of these frames is missing, or not of this run, or not as it was written.
    pub(crate) fn frames(&self, from: &FramePosition, to_frame: u64) -> Result<CommittedFrames, WalProblem> {
        if to_frame < from.frame {
            return Err(WalProblem::Backwards {
                from: from.frame,
                to: to_frame,
            });
        }
        let written = self.written_frames()?;
        if to_frame > written {
            return Err(WalProblem::TooShort { frame: written + 1 });
        }
        let (run, problem) = self.read_run(from, to_frame)?;
        match problem {
            Some(problem) => Err(problem),
            None if run.commit.frame < to_frame => Err(WalProblem::NotACommit { frame: to_frame }),
            None => Ok(run.into_committed(from)),
        }
    }

    /// The frames behind `from` up to the last commit of this run that is whole in the file; `None` where there is
    /// no further one. That is as far as SQLite would recover the log, and never less than it has published.
    ///
    /// All that is behind `from` is read, the frames of an unfinished transaction too.
    ///
    /// # Errors
    /// [`WalProblem::PositionLost`] and [`WalProblem::Io`]. Frames that are not whole, or of an earlier run, are no
    /// error: the commits end before them.
    pub(crate) fn committed_tail(&self, from: &FramePosition) -> Result<Option<CommittedFrames>, WalProblem> {
        let (run, _) = self.read_run(from, self.written_frames()?)?;
        let has_commit = run.commit.frame > from.frame;
        Ok(has_commit.then(|| run.into_committed(from)))
    }

    /// Reads and checks frames from behind `from` on, up to `to_frame` or the first that is not whole, with what is
    /// wrong with that one.
    fn read_run(&self, from: &FramePosition, to_frame: u64) -> Result<(Run, Option<WalProblem>), WalProblem> {
        let lost = WalProblem::PositionLost { frame: from.frame };
        if from.salts != self.header.salts {
            return Err(lost);
        }
        let mut run = Run {
            pages: Vec::new(),
            end: *from,
            commit: *from,
        };
        let problem = match self.extend_run(&mut run, to_frame) {
            Err(WalProblem::Io(error)) => return Err(error.into()),
            read => read.err(),
        };
        // A new run leaves the old one's frames where it has not yet overwritten them. So the header is looked at
        // last: as long as it is this run's, all frames that were read before are, too.
        if !self.still_holds(&run.commit)? {
            return Err(lost);
        }
        Ok((run, problem))
    }

    fn extend_run(&self, run: &mut Run, to_frame: u64) -> Result<(), WalProblem> {
        let frame_len = self.header.frame_len();
        let count = to_frame.saturating_sub(run.end.frame);
        let frames_at_once = (CHUNK_LEN / frame_len).clamp(1, count.max(1));
        // At most the larger of a chunk and a frame of 64 KiB.
        let mut chunk = vec![0; (frames_at_once * frame_len) as usize];
        while run.end.frame < to_frame {
            let frames = frames_at_once.min(to_frame - run.end.frame);
            let chunk = &mut chunk[..(frames * frame_len) as usize];
            let frame = run.end.frame + 1;
            let offset = self.header.frame_offset(frame);
            let is_there = offset.map(|offset| read_at(&self.file, chunk, offset)).transpose()?;
            if is_there != Some(true) {
                return Err(WalProblem::TooShort { frame });
            }
            for bytes in chunk.chunks_exact(frame_len as usize) {
                self.check_frame(bytes, run)?;
            }
        }
        Ok(())
    }

    /// Checks the frame behind the run, and adds it.
    fn check_frame(&self, bytes: &[u8], run: &mut Run) -> Result<(), WalProblem> {
        let frame = run.end.frame + 1;
        let (header, page) = bytes.split_first_chunk().ok_or(WalProblem::TooShort { frame })?;
        let (numbers, _) = header.split_at(FRAME_NUMBERS_LEN);
        let header = FrameHeader::parse(header);
        if header.salts != self.header.salts {
            return Err(WalProblem::OtherSalts { frame });
        }
        if header.page == 0 {
            return Err(WalProblem::PageZero { frame });
        }
        let checksum = self.header.extend_checksum(run.end.checksum, numbers);
        if self.header.extend_checksum(checksum, page) != header.checksum {
            return Err(WalProblem::WrongChecksum { frame });
        }
        run.pages.push(header.page);
        run.end.frame = frame;
        run.end.checksum = header.checksum;
        if header.database_pages > 0 {
            run.commit = run.end;
        }
        Ok(())
    }

    /// How many frames the file is long enough for, of whatever run.
    fn written_frames(&self) -> io::Result<u64> {
        let len = self.file.metadata()?.len();
        Ok(len.saturating_sub(WalHeader::LEN as u64) / self.header.frame_len())
    }

    /// Whether the log still is in the run that `position` is of, with the same frames before it.
    ///
    /// # Errors
    /// The log cannot be read. One that was cut short is no error.
    pub(crate) fn still_holds(&self, position: &FramePosition) -> io::Result<bool> {
        // A frame with the old salts may be left behind the first frames of a new run, so the header counts, too.
        let Some(Ok(header)) = self.read_header()? else {
            return Ok(false);
        };
        if header.salts != position.salts {
            return Ok(false);
        }
        if position.frame == 0 {
            return Ok(header.checksum == position.checksum);
        }
        let frame = self.read_frame_header(&header, position.frame)?;
        Ok(frame.is_some_and(|frame| frame.salts == position.salts && frame.checksum == position.checksum))
    }

    /// Whether the log's present run has the frame number `frame` (the first is 1) and none behind it, be it
    /// committed or not, published or not.
    ///
    /// For 0 it says no: whether a log was restarted and is yet to be written, or is just being written, its bytes
    /// do not tell.
    ///
    /// # Errors
    /// [`WalProblem::InvalidHeader`] and [`WalProblem::Io`].
    pub(crate) fn ends_at(&self, frame: u64) -> Result<bool, WalProblem> {
        let Some(header) = self.read_header()? else {
            return Ok(false);
        };
        let header = header?;
        let is_of_this_run = |frame| -> io::Result<bool> {
            let frame = self.read_frame_header(&header, frame)?;
            Ok(frame.is_some_and(|frame| frame.salts == header.salts))
        };
        Ok(is_of_this_run(frame)? && !is_of_this_run(frame.saturating_add(1))?)
    }

    /// The header that the log has now; `None` where it has been cut off.
    fn read_header(&self) -> io::Result<Option<Result<WalHeader, WalProblem>>> {
        let mut bytes = [0; WalHeader::LEN];
        let is_there = read_at(&self.file, &mut bytes, 0)?;
        Ok(is_there.then(|| WalHeader::parse(&bytes)))
    }

    /// The header of a frame; `None` where the log ends before it.
    fn read_frame_header(&self, log: &WalHeader, frame: u64) -> io::Result<Option<FrameHeader>> {
        let mut bytes = [0; FRAME_HEADER_LEN];
        let Some(offset) = log.frame_offset(frame) else {
            return Ok(None);
        };
        let is_there = read_at(&self.file, &mut bytes, offset)?;
        Ok(is_there.then(|| FrameHeader::parse(&bytes)))
    }
}

/// Fills `bytes` from `offset` on; says whether the file is long enough.
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(bytes, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
