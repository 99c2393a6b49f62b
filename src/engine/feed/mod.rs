//! Every event that becomes visible, as it becomes visible.
//!
//! *Visible* is what a reader's snapshot of the database shows. A feed compares one snapshot with the next, so whatever is
//! there in the end was told, and an event that came and went between two snapshots was never visible.

mod advance;
mod index_walk;
mod indexed;
mod known_rows;
mod scanned;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use advance::{Advance, Came};
use indexed::{Begun, IndexedSource, Next};
use scanned::ScannedSource;

use super::{Notice, Notify};
use crate::error::{Error, Result};
use crate::model::{Filter, Key, Mode, Page, Rows};
use crate::storage::absent::require_database;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::{DbVersion, DbWatcher};
use crate::storage::fs::ending::Ending;
use crate::storage::fs::notices::{Notices, Woken, pause};
use crate::storage::fs::platform::{FileState, processor_time};
use crate::storage::payload::{self, Payloads};

/// How many events are given at once.
const CHUNK: usize = 500;
/// The files are looked at this often, whether or not the file system gives a notice.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The first pause where it cannot be told yet whether a commit is published; each further one is twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_millis(1);
/// The pause after a look that found something, in multiples of what that took of a processor: with a rollback journal,
/// looks take a fifth of one at most, and leave the writer its turns.
const REST: u32 = 4;
const LEAST_REST: Duration = Duration::from_millis(1);
/// The longest pause with a write-ahead log, where no commit waits for a look. What comes meanwhile makes the next look
/// longer: pauses in proportion to the looks would grow with them under many commits.
const MOST_REST: Duration = Duration::from_millis(5);
/// The least pause there after a look that took very long, as a part of that: looks take eight ninths of a processor at most.
const LEAST_PART: u32 = 8;
/// So long after the last look the database is left alone.
const IDLE: Duration = Duration::from_millis(100);

/// What a feed has to tell.
#[derive(Debug)]
pub enum Update {
    /// The page holds events that became visible, or are other ones now: oldest first within a snapshot.
    Events,
    /// These were visible and are no longer, or no longer match: each as it was last told.
    Removed(Vec<Key>),
    /// An event that became visible and cannot be shown; its key.
    Unreadable(Key, Error),
    /// One line: a file was replaced, or cannot be read for now.
    Notice(String),
    /// There is nothing to tell now: [`Feed::wait`].
    UpToDate,
}

#[derive(Debug)]
enum Source {
    Indexed(Box<IndexedSource>),
    Scanned(Box<ScannedSource>),
}

/// The events of a filter, from now on.
///
/// What is only changed in the payload file, with no row changed, is not seen.
pub struct Feed {
    dir: DataDir,
    filter: Filter,
    source: Source,
    payloads: PayloadReader,
    payload_file: Option<FileState>,
    notices: Notices,
    /// To be told, the next first.
    updates: VecDeque<Update>,
    came: Came,
    /// Rows that are being told, and from which of them on they are read one by one.
    rows: Rows,
    alone: Option<usize>,
    /// What was said and not taken back.
    trouble: Option<String>,
    back_off: Duration,
    looked_at: Instant,
    rest: Duration,
    seen: Option<Seen>,
}

/// The database's files, as they were when they were last looked at.
type Seen = (Option<FileState>, FileState);

enum PayloadReader {
    Baseline,
    Shared(Payloads),
}

impl Feed {
    /// Begins with the log as it is now: told is what becomes visible from now on and, before that, what is newer than
    /// `after` already.
    ///
    /// # Errors
    /// There is no log in the directory, or it cannot be read.
    pub fn open(mode: Mode, dir: &DataDir, filter: &Filter, after: Option<Key>, notify: &Notify) -> Result<Self> {
        dir.require()?;
        let scanned = || {
            let (source, advance) = ScannedSource::open(dir, filter, after)?;
            Ok::<_, Error>((Source::Scanned(Box::new(source)), advance))
        };
        let (source, advance) = match mode {
            Mode::Baseline => scanned()?,
            Mode::Enhanced => match IndexedSource::open(dir, filter, after)? {
                Begun::Indexed(source, advance) => (Source::Indexed(source), advance),
                Begun::Refused(why) => {
                    notify(Notice::Warning, &not_indexed(&why));
                    scanned()?
                }
            },
        };
        let mut feed = Feed {
            dir: dir.clone(),
            filter: filter.clone(),
            source,
            payloads: match mode {
                Mode::Baseline => PayloadReader::Baseline,
                Mode::Enhanced => PayloadReader::Shared(Payloads::new(dir)),
            },
            payload_file: FileState::of_path(&dir.payloads()).ok().flatten(),
            notices: Notices::none(),
            updates: VecDeque::new(),
            came: advance.came,
            rows: Rows::default(),
            alone: None,
            trouble: None,
            back_off: FIRST_BACK_OFF,
            looked_at: Instant::now(),
            rest: LEAST_REST,
            seen: None,
        };
        feed.watch();
        Ok(feed)
    }

    /// What there is to tell next. Events are put into `page`.
    ///
    /// # Errors
    /// The log cannot be read any more, or what became visible cannot be told. A lock that is held for long and a database
    /// that is missing are waited for.
    pub fn next(&mut self, page: &mut Page) -> Result<Update> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Ok(update);
            }
            if self.rows.is_empty() {
                self.read_came()?;
            }
            if !self.rows.is_empty() {
                return self.tell_rows(page);
            }
            self.look_at_payloads();
            if !self.updates.is_empty() {
                continue;
            }
            if !self.is_to_look() {
                return Ok(Update::UpToDate);
            }
            let spent = processor_time();
            match self.advance() {
                Ok(advance) => {
                    self.trouble = None;
                    self.take(advance);
                }
                Err(error) if is_passing(&error) => {
                    self.back_off();
                    // Once, and not at every look.
                    let line = format!("{error}; the log is looked at again until it can be read");
                    if self.trouble.as_ref() != Some(&line) {
                        self.updates.push_back(Update::Notice(line.clone()));
                        self.trouble = Some(line);
                    }
                }
                Err(error) => return Err(error),
            }
            self.looked_at = Instant::now();
            // What was waited for a lock cost nobody anything.
            let spent = processor_time().saturating_sub(spent);
            self.rest = rest_after(spent, self.has_write_ahead_log());
            if self.updates.is_empty() && matches!(self.came, Came::Nothing) {
                return Ok(Update::UpToDate);
            }
        }
    }

    /// Waits until there may be something to tell, for a second at most, or until `ending` or `time`.
    pub fn wait(&mut self, ending: Option<&Ending>, time: Duration) -> Woken {
        let end = Instant::now() + time.min(LOOK_EVERY);
        let rest = self.rest.saturating_sub(self.looked_at.elapsed());
        if !rest.is_zero() {
            let paused = pause(ending, rest.min(time));
            if paused == Woken::Ending || rest >= time {
                return paused;
            }
        }
        // The notice may have come, and been taken, before the rest.
        if self.is_to_look() {
            return Woken::Noticed;
        }
        let due = match self.version() {
            Some(_) => end,
            None => end.min(self.looked_at + self.back_off),
        };
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let idle = left(due.min(Instant::now() + IDLE));
        match self.notices.wait(ending, idle) {
            Woken::TimeIsUp => {
                // However short the times are that the caller waits at once.
                if self.looked_at.elapsed() >= IDLE {
                    self.idle();
                }
                if self.is_fold_due() {
                    return Woken::Noticed;
                }
                if left(due).is_zero() {
                    return Woken::TimeIsUp;
                }
                self.notices.wait(ending, left(due))
            }
            woken => woken,
        }
    }

    /// Closes its connection to the database until it looks again. It loses nothing.
    pub fn disconnect(&mut self) {
        if let Source::Indexed(source) = &mut self.source {
            source.disconnect();
        }
    }

    fn idle(&mut self) {
        if let Source::Indexed(source) = &mut self.source {
            source.idle();
        }
    }

    fn is_fold_due(&self) -> bool {
        // Where the database cannot be read, nothing can be folded either.
        self.trouble.is_none() && matches!(&self.source, Source::Indexed(source) if source.is_fold_due())
    }

    /// As far as the last look saw: without one, commits wait for readers.
    fn has_write_ahead_log(&self) -> bool {
        matches!(self.seen, Some((Some(_), _)))
    }

    /// Keeps for other processes what this one knows.
    pub fn close(mut self) {
        if let Source::Indexed(source) = &mut self.source {
            source.persist();
        }
    }

    fn version(&self) -> Option<DbVersion> {
        match &self.source {
            Source::Indexed(source) => source.version(),
            Source::Scanned(source) => source.version(),
        }
    }

    fn watcher(&self) -> &DbWatcher {
        match &self.source {
            Source::Indexed(source) => source.watcher(),
            Source::Scanned(source) => source.watcher(),
        }
    }

    /// Whether the database moved, or may be about to: where a commit is written and not yet published, and where times
    /// prove nothing, it is looked at again after a while.
    fn is_to_look(&self) -> bool {
        if self.looked_at.elapsed() < self.rest {
            return false;
        }
        if self.is_fold_due() {
            return true;
        }
        match self.version() {
            Some(version) if self.trouble.is_none() => !self.watcher().matches(&version),
            _ => self.looked_at.elapsed() >= self.back_off || self.watcher().states() != self.seen,
        }
    }

    fn advance(&mut self) -> Result<Advance> {
        require_database(self.dir.database())?;
        self.seen = self.watcher().states();
        let source = match &mut self.source {
            Source::Scanned(source) => return source.advance(),
            Source::Indexed(source) => source,
        };
        match source.advance()? {
            Next::Advanced(advance) => Ok(advance),
            Next::Refused(why, known) => {
                self.updates.push_back(Update::Notice(not_indexed(&why)));
                let mut scanned = ScannedSource::of(&self.dir, &self.filter, known)?;
                let advance = scanned.advance();
                self.source = Source::Scanned(Box::new(scanned));
                advance
            }
        }
    }

    fn take(&mut self, advance: Advance) {
        if self.version().is_some() || self.watcher().states() != self.seen {
            self.back_off = FIRST_BACK_OFF;
        } else {
            self.back_off();
        }
        if advance.is_replaced {
            self.watch();
            self.updates.push_back(Update::Notice(format!(
                "{} was replaced by another file: {} of the events that were visible are not in it",
                self.dir.database().display(),
                advance.removed.len()
            )));
        } else if !advance.removed.is_empty() {
            self.updates.push_back(Update::Removed(advance.removed));
        }
        self.came = advance.came;
    }

    fn back_off(&mut self) {
        self.back_off = (self.back_off * 2).min(LOOK_EVERY);
    }

    /// Takes the next of the rows that came.
    fn read_came(&mut self) -> Result<()> {
        match &mut self.came {
            Came::Nothing => {}
            Came::Rows(rows) => std::mem::swap(&mut self.rows, rows),
            Came::Spooled(reader) => reader.read(CHUNK, &mut self.rows)?,
            Came::Walk(walk) => {
                let read = walk.read(&mut self.rows)?;
                read.map_err(|why| why.error(&self.dir, "cannot be read: go on with --follow --after"))?;
            }
        }
        if self.rows.is_empty() || matches!(self.came, Came::Rows(_)) {
            self.came = Came::Nothing;
        }
        Ok(())
    }

    /// Puts rows with their payloads into the page: all, or one by one where one of them cannot be read.
    fn tell_rows(&mut self, page: &mut Page) -> Result<Update> {
        let Some(at) = self.alone else {
            return match self.payloads.fill(&self.dir, page, self.rows.iter()) {
                Ok(()) => {
                    self.rows.clear();
                    Ok(Update::Events)
                }
                Err(Error::Payload { .. }) => {
                    self.alone = Some(0);
                    self.tell_rows(page)
                }
                Err(error) => Err(error),
            };
        };
        let key = self.rows.iter().nth(at).map(|row| row.key());
        let filled = self.payloads.fill(&self.dir, page, self.rows.iter().skip(at).take(1));
        self.alone = Some(at + 1);
        if at + 1 >= self.rows.len() {
            self.rows.clear();
            self.alone = None;
        }
        match (filled, key) {
            (Err(error @ Error::Payload { .. }), Some(key)) => Ok(Update::Unreadable(key, error)),
            (filled, _) => filled.map(|()| Update::Events),
        }
    }

    /// Says where the payload file is another one, or was cut.
    fn look_at_payloads(&mut self) {
        let path = self.dir.payloads();
        let Ok(now) = FileState::of_path(&path) else {
            return;
        };
        let said = match (self.payload_file, now) {
            (Some(_), None) => Some("is gone"),
            (Some(before), Some(now)) if before.inode != now.inode => Some("was replaced by another file"),
            (Some(before), Some(now)) if before.size > now.size => Some("was cut"),
            (None, Some(_)) => Some("is there again"),
            _ => None,
        };
        self.payload_file = now;
        if let Some(what) = said {
            let line = format!("{} {what}: payloads are read from what is there now", path.display());
            self.updates.push_back(Update::Notice(line));
        }
    }

    /// Watches the directories that the files really lie in, and those of their names.
    fn watch(&mut self) {
        let payloads = self.dir.payloads();
        let real = payloads.canonicalize().ok();
        let database = self.watcher().files().database();
        let paths = [
            Some(self.dir.database()),
            Some(&payloads),
            Some(database),
            real.as_deref(),
        ];
        let parents = paths.into_iter().flatten().filter_map(Path::parent);
        let directories = parents.map(|parent| {
            if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            }
        });
        let directories = directories.map(Path::to_owned).collect();
        self.notices.watch(directories);
    }
}

impl PayloadReader {
    fn fill<'row>(
        &self,
        dir: &DataDir,
        page: &mut Page,
        rows: impl Iterator<Item = crate::model::Row<'row>>,
    ) -> Result<()> {
        let find = |empty: &mut Rows| {
            rows.for_each(|row| empty.push(&row));
            Ok(())
        };
        match self {
            PayloadReader::Baseline => payload::fill_baseline(dir, page, find),
            PayloadReader::Shared(payloads) => payloads.fill(page, find),
        }
    }
}

/// How long the database is left alone after a look that took so much of a processor.
fn rest_after(spent: Duration, has_write_ahead_log: bool) -> Duration {
    let rest = (spent * REST).max(LEAST_REST);
    if has_write_ahead_log {
        rest.min(MOST_REST.max(spent / LEAST_PART))
    } else {
        rest
    }
}

fn not_indexed(why: &str) -> String {
    format!("the log cannot be indexed, so all of it is read whenever it moved: {why}")
}

/// Whether it may be over at the next look.
fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::Busy { .. } | Error::DirectoryLocked { .. } | Error::Overtaken { .. } | Error::Missing { .. }
    )
}

#[cfg(test)]
mod tests;
