//! The writer: appends a payload, inserts its row, commits, so many times a second.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::clock::{Clock, Commits};
use super::timeline::Timeline;
use crate::error::{Error, Result};
use crate::model::PayloadRef;
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::{Committer, Journal};

/// The length of a payload's note, in bytes: the mean of the contract's.
const NOTE: usize = 640;
/// A writer that waits for its next commit looks so often whether its turn is over.
const LOOK: Duration = Duration::from_millis(20);

/// Appends events to a copy of a log.
pub(super) struct Writer<'a> {
    committer: Committer,
    payloads: File,
    path: PathBuf,
    /// Bytes in the payload file.
    end: u64,
    timeline: &'a Timeline,
    commits: &'a Commits,
}

/// What a writer did in one turn.
pub(super) struct Written {
    /// From the turn's start to the end of the last commit or of the turn, whichever came later.
    pub(super) wall: Duration,
    /// Of each commit with its payload, nanoseconds.
    pub(super) latencies_ns: Vec<u64>,
}

impl<'a> Writer<'a> {
    /// Puts the database into the journal mode.
    ///
    /// # Errors
    /// A file of the copy cannot be written.
    pub(super) fn open(copy: &DataDir, journal: Journal, timeline: &'a Timeline, commits: &'a Commits) -> Result<Self> {
        let path = copy.payloads();
        let payloads = OpenOptions::new().append(true).open(&path);
        let payloads = payloads.map_err(Error::io(&path, "cannot open"))?;
        let end = payloads.metadata().map_err(Error::io(&path, "cannot look at"))?.len();
        Ok(Writer {
            committer: Committer::open(copy.database(), journal)?,
            payloads,
            path,
            end,
            timeline,
            commits,
        })
    }

    /// Commits until the turn is over. Each commit has its intended time; one that is late is followed by the next at
    /// once, so the mean rate is kept as long as it can be.
    ///
    /// # Errors
    /// A file cannot be written, a commit fails.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn write(&mut self, rate_per_s: f64, clock: &Clock) -> Result<Written> {
        let mut latencies_ns = Vec::new();
        loop {
            let intended = clock.start + Duration::from_secs_f64(latencies_ns.len() as f64 / rate_per_s);
            while !clock.is_over() && Instant::now() < intended {
                std::thread::sleep(LOOK.min(intended.saturating_duration_since(Instant::now())));
            }
            if clock.is_over() {
                break;
            }
            let start = Instant::now();
            self.append()?;
            latencies_ns.push(start.elapsed().as_nanos() as u64);
        }
        Ok(Written {
            wall: clock.start.elapsed(),
            latencies_ns,
        })
    }

    fn append(&mut self) -> Result<()> {
        let number = self.commits.begin();
        let line = format!("{{\"event\": {number}, \"note\": \"{}\"}}\n", "x".repeat(NOTE));
        let written = self.payloads.write_all(line.as_bytes());
        written.map_err(Error::io(&self.path, "cannot append"))?;
        let too_long = || Error::usage(format!("{}: it cannot grow any longer", self.path.display()));
        let payload_ref = PayloadRef {
            offset: i64::try_from(self.end).map_err(|_| too_long())?,
            len: i64::try_from(line.len()).map_err(|_| too_long())?,
        };
        self.end += line.len() as u64;
        let resource_id = format!("ORDER-{number}");
        self.committer
            .commit(&self.timeline.event(number, &resource_id, payload_ref))?;
        self.commits.end();
        Ok(())
    }
}
