//! Why a log cannot be indexed, kept in the index's place: the next process need not read the whole table to find it
//! out again, and an index that can no longer be true does not stay on the disk.

use std::io::{Read, Write};
use std::time::SystemTime;

use super::base::codec::{Fixed, Input};
use super::base::corrupted::Corrupted;
use super::refresh::RefreshError;
use super::trusted::open_ours;
use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;
use crate::storage::data_dir::DataDir;
use crate::storage::db_version::DbVersion;
use crate::storage::fs::atomic_file::TempFile;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::permissions;

const MAGIC: [u8; 8] = *b"AUDITQNO";
/// Goes up with every change of what a byte means, and of what can be indexed.
const FORMAT: u64 = 2;
/// The longest reason that is kept, in bytes.
const MAX_REASON: usize = 1 << 10;
/// More than any such file has, in bytes.
const LIMIT: u64 = 1 << 12;
/// How long a log is let be whose whole table must be read to see whether it can be indexed by now, in seconds.
const PAUSE: i64 = 60;
/// How long a refusal is not written anew for each state of the log, where one row tells that it still holds, in seconds.
const PAUSE_OF_ROW: i64 = 2;

/// Why a log could not be indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The state of the database that it holds for; `None` where that cannot be told.
    pub(crate) version: Option<DbVersion>,
    /// The row that cannot be indexed, if it is one: as long as it is as it is, no state of the log can be indexed.
    pub(crate) event: Option<i64>,
    /// Until then, in epoch seconds, this is kept for later states, too, unless the row is another; 0 if it is cheap to
    /// find out.
    pub(crate) kept_until: i64,
    /// In words.
    pub(crate) reason: String,
}

impl Refusal {
    /// Why a log in this state could not be indexed.
    pub(crate) fn new(version: Option<DbVersion>, why: &RefreshError) -> Self {
        Refusal {
            version,
            event: match why {
                RefreshError::Row { event, .. } => Some(*event),
                _ => None,
            },
            kept_until: match why {
                RefreshError::LongTexts => now().saturating_add(PAUSE),
                RefreshError::Row { .. } => now().saturating_add(PAUSE_OF_ROW),
                _ => 0,
            },
            reason: why.to_string(),
        }
    }

    /// Whether it is kept for the present state: to find it out again costs a single request many times what it asks for.
    pub(crate) fn is_to_be_kept(&self) -> bool {
        // A clock that was set back does not make it last.
        (now()..=now().saturating_add(PAUSE)).contains(&self.kept_until)
    }

    /// The one that lies in the place of the index; `None` where there is none that can be trusted.
    pub(crate) fn read(dir: &DataDir) -> Option<Self> {
        let mut bytes = Vec::new();
        let file = open_ours(dir, &dir.index()).ok()?;
        file.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Self::decode(&bytes).ok()
    }

    /// Puts it in the place of the index. Where it cannot be written, the index goes all the same.
    pub(crate) fn publish(&self, dir: &DataDir, lock: &DirLock) {
        if self.write(dir, lock).is_err() {
            // Best effort: who cannot remove it either leaves it.
            let _ = std::fs::remove_file(dir.index());
        }
        let _ = std::fs::remove_file(dir.index_delta());
    }

    fn write(&self, dir: &DataDir, lock: &DirLock) -> Result<()> {
        let file = TempFile::create(lock, "audit.idx")?;
        file.file()
            .write_all(&self.encode())
            .and_then(|()| permissions::copy_permissions(dir.database(), file.file()))
            .map_err(Error::io(&dir.index(), "cannot write"))?;
        file.publish(&dir.index()).map(drop)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        FORMAT.put(&mut out);
        self.version.put(&mut out);
        u64::from(self.event.is_some()).put(&mut out);
        self.event.unwrap_or(0).put(&mut out);
        self.kept_until.put(&mut out);
        let reason = &self.reason[..self.reason.floor_char_boundary(MAX_REASON)];
        (reason.len() as u64).put(&mut out);
        out.extend_from_slice(reason.as_bytes());
        u64::from(crc32fast::hash(&out)).put(&mut out);
        out
    }

    fn decode(bytes: &[u8]) -> std::result::Result<Self, Corrupted> {
        let (content, checksum) = bytes.split_last_chunk::<8>().ok_or(Corrupted::new("it is too short"))?;
        let mut input = Input(content);
        if input.bytes(MAGIC.len())? != MAGIC {
            return Err(Corrupted::new("it is something else"));
        }
        if input.take::<u64>()? != FORMAT {
            return Err(Corrupted::OTHER_VERSION);
        }
        if u64::from(crc32fast::hash(content)) != u64::from_le_bytes(*checksum) {
            return Err(Corrupted::new("a checksum is wrong"));
        }
        let version = input.take()?;
        let (is_row, event) = (input.take::<u64>()? == 1, input.take()?);
        let kept_until = input.take()?;
        let len = input.count(1)?;
        let reason = std::str::from_utf8(input.bytes(len)?).map_err(|_| Corrupted::new("a text is not UTF-8"))?;
        Ok(Refusal {
            version,
            event: is_row.then_some(event),
            kept_until,
            reason: escape_for_terminal(reason),
        })
    }
}

/// Epoch seconds.
fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let refusal = Refusal {
            version: None,
            event: Some(-3),
            kept_until: 1_767_052_800,
            reason: "event -3: column action is not UTF-8".to_owned(),
        };
        let bytes = refusal.encode();
        assert_eq!(Refusal::decode(&bytes), Ok(refusal.clone()));
        for len in 0..bytes.len() {
            assert!(Refusal::decode(&bytes[..len]).is_err(), "{len}");
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert!(Refusal::decode(&other).is_err(), "{place}");
        }
        let long = Refusal {
            reason: "ü".repeat(5_000),
            ..refusal
        };
        let encoded = long.encode();
        assert!(encoded.len() < LIMIT as usize);
        assert_eq!(Refusal::decode(&encoded).unwrap().reason.len(), MAX_REASON);
    }

    #[test]
    fn only_what_takes_a_whole_table_to_see_is_kept_and_not_for_ever() {
        assert!(Refusal::new(None, &RefreshError::LongTexts).is_to_be_kept());
        assert!(!Refusal::new(None, &RefreshError::Rebuild("a view".to_owned())).is_to_be_kept());
        for (kept_until, is_kept) in [
            (now() - 1, false),
            (now() + PAUSE / 2, true),
            (now() + 2 * PAUSE, false),
        ] {
            let refusal = Refusal {
                kept_until,
                ..Refusal::new(None, &RefreshError::LongTexts)
            };
            assert_eq!(refusal.is_to_be_kept(), is_kept, "{kept_until}");
        }
    }
}
