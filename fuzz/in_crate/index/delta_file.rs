//! The file of a delta: what was written comes back, and whatever is damaged, foreign or forged is refused or harmless.

use std::sync::Arc;

use super::changed::{History, make_lists};
use super::forged;
use super::image::open_base;
use super::log::{Log, NAMES, SOURCE};
use crate::fuzzing::Draw;
use crate::model::Key;
use crate::storage::index::base::leaf_directory::Leaf;
use crate::storage::index::base::reader::Base;
use crate::storage::index::base::writer::BaseNames;
use crate::storage::index::delta::{DeltaFile, DirectoryChanges};
use crate::storage::index::hash::page_hash;
use crate::storage::index::{Corrupted, Index};

/// Bytes of the checksum.
const SUM: usize = 8;

pub(super) fn check(history: &History, draw: &mut Draw<'_>) {
    let written = file_of(history);
    let bytes = written.encode(&history.base);
    comes_back(history, &written, &bytes, draw);
    is_of_no_other_base(&bytes);

    let mut damaged = bytes.clone();
    damage(&mut damaged, draw);
    if damaged != bytes {
        let decoded = DeltaFile::decode(&damaged, &history.base);
        assert!(
            decoded.is_err(),
            "{} of {} bytes, damaged: {history:?}",
            damaged.len(),
            bytes.len()
        );
    }
    reseal(&mut damaged);
    is_harmless(&damaged, history, draw);
}

/// The file of a history, its directory made up.
pub(super) fn file_of(history: &History) -> DeltaFile {
    let key = |number: i64| Key {
        created_at: -number,
        id: number,
    };
    let rows = history.log.rows.len() as u32;
    DeltaFile {
        source: SOURCE,
        delta: history.index.delta().clone(),
        table: DirectoryChanges {
            gone: (0..rows % 5).collect(),
            leaves: (1..=rows % 7).map(|page| (page, leaf(page, i64::from))).collect(),
        },
        time: DirectoryChanges {
            gone: (7..7 + rows % 3).collect(),
            leaves: (1..=rows % 4)
                .map(|page| (page, leaf(page, |page| key(page.into()))))
                .collect(),
        },
    }
}

fn leaf<K>(page: u32, key: impl Fn(u32) -> K) -> Leaf<K> {
    Leaf {
        entries: page,
        first: key(page),
        last: key(page),
        hash: u64::from(page) << 40,
        sum: 0,
    }
}

fn comes_back(history: &History, written: &DeltaFile, bytes: &[u8], draw: &mut Draw<'_>) {
    let read = DeltaFile::decode(bytes, &history.base).unwrap();
    assert_eq!(read.source, written.source);
    assert_eq!((&read.table, &read.time), (&written.table, &written.time));
    assert_eq!(read.encode(&history.base), bytes, "{history:?}");
    let of_lists = DeltaFile {
        delta: history.with_lists.delta().clone(),
        ..file_of(history)
    };
    assert_eq!(of_lists.encode(&history.base), bytes, "{history:?}");
    let with_lists = Index::new(Arc::clone(&history.base), read.delta.clone());
    make_lists(&with_lists);
    let again = History {
        base: Arc::clone(&history.base),
        with_lists,
        index: Index::new(Arc::clone(&history.base), read.delta),
        log: history.log.clone(),
        gone: Vec::new(),
        known: history.known.clone(),
    };
    for _ in 0..3 {
        again.ask(&again.known.question(draw));
    }
}

/// No base takes the delta of another, not even of the same log.
fn is_of_no_other_base(bytes: &[u8]) {
    let foreign = Err(Corrupted::new("it belongs to another base").in_delta());
    for base_id in [NAMES.base_id + 1, NAMES.base_id | 1 << 127] {
        let base = open(&Log::default(), BaseNames { base_id, ..NAMES });
        assert_eq!(DeltaFile::decode(bytes, &base).map(|_| ()), foreign);
    }
}

fn open(log: &Log, names: BaseNames) -> Base {
    open_base(log.index_of(names).as_flattened()).unwrap()
}

/// Changes the file, by all that is left to be drawn.
fn damage(bytes: &mut Vec<u8>, draw: &mut Draw<'_>) {
    for _ in 0..1 + draw.below(3) {
        match draw.byte() % 8 {
            0 => bytes.truncate(draw.below(bytes.len())),
            1 => bytes.push(draw.byte()),
            2 => {
                let at = draw.below(bytes.len());
                bytes.splice(at..at, [draw.byte()]);
            }
            _ => {
                let at = draw.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= draw.byte().max(1);
                }
            }
        }
    }
}

/// Gives the file the checksum of what it holds.
pub(super) fn reseal(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(SUM) {
        let sum = page_hash(NAMES.hash_key, &bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// A file under a right checksum may say anything; what must hold all the same is what must hold of a forged base.
fn is_harmless(bytes: &[u8], history: &History, draw: &mut Draw<'_>) {
    if let Ok(forged) = DeltaFile::decode(bytes, &history.base) {
        let index = Index::new(Arc::clone(&history.base), forged.delta);
        for _ in 0..3 {
            let question = history.known.question(draw);
            forged::check(&index, question.clone());
            make_lists(&index);
            forged::check(&index, question);
        }
    }
}
