//! The check of developers on all of this: with `AUDITQ_VERIFY_REFRESH=1`, each refreshed index is compared with one that
//! is built from scratch in the same read transaction. A difference is a fault of this program, so it ends the process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::RefreshError;
use super::directory::leaves_from;
use crate::error::Error;
use crate::escape::escape_for_terminal;
use crate::model::{Filter, Key, Position, Query, Rows};
use crate::storage::fs::platform;
use crate::storage::fs::read_full::read_full_at;
use crate::storage::index::Corrupted;
use crate::storage::index::base::reader::Base;
use crate::storage::index::base::source::{ContentVersion, DatabaseFacts, Source};
use crate::storage::index::base::writer::{BaseNames, write};
use crate::storage::index::build::rows::Part;
use crate::storage::index::build::segment::{Leaves, SegmentData};
use crate::storage::index::delta::Delta;
use crate::storage::index::hash::{HashKey, entry_hash};
use crate::storage::index::select::Index;
use crate::storage::sqlite::Snapshot;

/// Rows of a list that are compared at once. The unit tests' lists are short.
const AT_ONCE: u64 = if cfg!(test) { 100 } else { 1_000 };
/// Bytes of two files that are compared at once.
const CHUNK: usize = 1 << 16;

static COMPARED: AtomicU64 = AtomicU64::new(0);
static SKIPPED: AtomicU64 = AtomicU64::new(0);

/// How many refreshes of this process were compared with a build, and how many could not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifiedRefreshes {
    /// The refreshed index was the one that a build made.
    pub compared: u64,
    /// Something wrote to the database file between the refresh and the build, so that they read different states.
    pub skipped: u64,
}

/// Whether refreshes are verified in this process.
pub(super) fn is_on() -> bool {
    static IS_ON: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("AUDITQ_VERIFY_REFRESH").is_some_and(|value| !value.is_empty()));
    *IS_ON
}

/// What was verified in this process; `None` where it was not asked for.
#[must_use]
pub fn verified_refreshes() -> Option<VerifiedRefreshes> {
    is_on().then(|| VerifiedRefreshes {
        compared: COMPARED.load(Ordering::Relaxed),
        skipped: SKIPPED.load(Ordering::Relaxed),
    })
}

/// Says that a refresh could not be compared.
pub(super) fn skip() {
    SKIPPED.fetch_add(1, Ordering::Relaxed);
}

/// An index as a refresh left it, with what it knows of the database.
pub(super) struct Subject<'a> {
    pub(super) index: &'a Index,
    pub(super) leaves: Leaves,
    pub(super) rows_sum: u64,
}

/// What a build from scratch made.
pub(super) struct FromScratch {
    file: File,
    index: Index,
    rows_sum: u64,
    source: Source,
    key: HashKey,
}

impl FromScratch {
    /// Builds an index of the snapshot, in memory.
    ///
    /// # Errors
    /// The database cannot be read, or not be indexed.
    pub(super) fn build(
        snapshot: &mut Snapshot<'_>,
        facts: &DatabaseFacts,
        key: HashKey,
    ) -> Result<Self, RefreshError> {
        let all_ids = (i64::MIN, i64::MAX);
        let key_of = |number| Key {
            created_at: number,
            id: number,
        };
        let all_keys = (key_of(i64::MIN), key_of(i64::MAX));
        let leaves = Leaves {
            table: leaves_from(snapshot, facts.table_root, key, all_ids, u64::MAX)?.leaves,
            time: match facts.time_root {
                0 => Vec::new(),
                root => leaves_from(snapshot, root, key, all_keys, u64::MAX)?.leaves,
            },
        };
        let (mut part, mut rows_sum) = (Part::default(), 0_u64);
        snapshot.rows(&(i64::MIN..=i64::MAX), |row| {
            rows_sum = rows_sum.wrapping_add(entry_hash(key, row.created_at, row.id));
            part.push(row);
            Ok(())
        })?;
        let source = Source {
            version: None,
            content: ContentVersion::default(),
            facts: *facts,
            rows_sum,
        };
        let file = base_file(part, leaves, &source, key)?;
        let base = file.try_clone().map_err(in_memory)?;
        Ok(FromScratch {
            index: Index::of_base(Base::open(base)?),
            file,
            rows_sum,
            source,
            key,
        })
    }

    /// Compares everything that a refreshed index says, and the base that it would be folded into.
    ///
    /// # Errors
    /// In one line, the first difference.
    fn compare(&self, subject: Subject<'_>) -> Result<(), String> {
        self.compare_lists(subject.index)?;
        if subject.rows_sum != self.rows_sum {
            return Err("the sum of the rows' hashes".to_owned());
        }
        let mut part = Part::default();
        let read = subject.index.each_row(&mut |row| part.push(row));
        read.map_err(|why| why.to_string())?;
        let folded = base_file(part, subject.leaves, &self.source, self.key).map_err(|why| why.to_string())?;
        compare_files(&self.file, &folded)
    }

    fn compare_lists(&self, index: &Index) -> Result<(), String> {
        for filter in lists(&[&self.index, &base_alone(index), index])? {
            compare_list(&self.index, index, &filter)
                .map_err(|why| format!("actor {:?}, action {:?}: {why}", filter.actor_id, filter.action))?;
        }
        Ok(())
    }
}

/// Compares a refreshed index with a build from scratch of the same snapshot, and ends the process if they differ.
pub(super) fn check(expected: Result<FromScratch, RefreshError>, subject: Subject<'_>) {
    let compared = match expected {
        Ok(expected) => expected.compare(subject),
        // Then nothing is known of what a build would make.
        Err(RefreshError::Failed(_)) => return skip(),
        Err(why) => Err(format!("a build from scratch is refused: {why}")),
    };
    match compared {
        Ok(()) => _ = COMPARED.fetch_add(1, Ordering::Relaxed),
        Err(why) => end(&why),
    }
}

/// Ends the process: no panic that a test or a thread could catch.
fn end(why: &str) -> ! {
    let why = escape_for_terminal(why);
    let line = format!("auditq: AUDITQ_VERIFY_REFRESH: a refreshed index is not what a build makes: {why}\n");
    // In one call, so that no other thread's line comes between, and whether or not somebody reads it.
    let _ = std::io::stderr().write_all(line.as_bytes());
    std::process::exit(2)
}

/// The base of an index, with nothing changed.
fn base_alone(index: &Index) -> Index {
    Index::new(index.base().clone(), Delta::default())
}

/// A filter for each list that one of these indexes has: one that lost its last event must be empty.
fn lists(indexes: &[&Index]) -> Result<Vec<Filter>, String> {
    let (mut actors, mut actions, mut pairs) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for index in indexes {
        let read = index.each_row(&mut |row| {
            if pairs.insert((row.actor_id, row.action.to_owned())) {
                actors.insert(row.actor_id);
                actions.insert(row.action.to_owned());
            }
        });
        read.map_err(|why| why.to_string())?;
    }
    let filter = |actor_id, action| Filter {
        actor_id,
        action,
        ..Filter::ALL
    };
    let mut filters = vec![Filter::ALL];
    filters.extend(actors.into_iter().map(|actor| filter(Some(actor), None)));
    filters.extend(actions.into_iter().map(|action| filter(None, Some(action))));
    filters.extend(
        pairs
            .into_iter()
            .map(|(actor, action)| filter(Some(actor), Some(action))),
    );
    Ok(filters)
}

/// Compares the events of a list, place by place.
fn compare_list(expected: &Index, index: &Index, filter: &Filter) -> Result<(), String> {
    let corrupted = |why: Corrupted| why.to_string();
    let (count, found) = (
        expected.count(filter).map_err(corrupted)?,
        index.count(filter).map_err(corrupted)?,
    );
    if count != found {
        return Err(format!("{found} events, where there are {count}"));
    }
    let (mut there, mut here) = (Rows::default(), Rows::default());
    // One page more than there is: it must be empty.
    for number in 1..=count / AT_ONCE + 1 {
        let query = Query::new(filter.clone(), Position::Page(number), AT_ONCE).map_err(|error| error.to_string())?;
        expected.page(&query, &mut there).map_err(corrupted)?;
        index.page(&query, &mut here).map_err(corrupted)?;
        if there.len() != here.len() {
            return Err(format!(
                "page {number} has {} events, where there are {}",
                here.len(),
                there.len()
            ));
        }
        let (wanted, found) = (there.iter(), here.iter());
        if let Some((wanted, found)) = wanted.zip(found).find(|(wanted, found)| wanted != found) {
            return Err(format!("{found:?}, where there is {wanted:?}"));
        }
    }
    Ok(())
}

/// The base of these rows, which come by id, as a build writes it: in memory, and with no name of its own.
fn base_file(part: Part, leaves: Leaves, source: &Source, key: HashKey) -> Result<File, RefreshError> {
    let names = BaseNames {
        base_id: 0,
        hash_key: key,
    };
    let data = SegmentData::new(vec![part], leaves);
    let file = platform::memory_file().map_err(in_memory)?;
    write(&data, source, names, &file, &|_| {}).map_err(in_memory)?;
    Ok(file)
}

fn in_memory(error: std::io::Error) -> Error {
    Error::io(Path::new("audit.idx"), "cannot keep in memory")(error)
}

/// Compares two files byte by byte.
fn compare_files(expected: &File, found: &File) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let (mut there, mut here) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut at = 0;
    loop {
        let wanted = read_full_at(expected, &mut there, at).map_err(failed)?;
        let read = read_full_at(found, &mut here, at).map_err(failed)?;
        if there[..wanted] != here[..read] {
            let differs = there[..wanted]
                .iter()
                .zip(&here[..read])
                .take_while(|(a, b)| a == b)
                .count();
            return Err(format!("byte {} of the folded base", at + differs as u64));
        }
        if wanted == 0 {
            return Ok(());
        }
        at += wanted as u64;
    }
}

#[cfg(test)]
mod tests;
