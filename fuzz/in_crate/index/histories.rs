//! Histories of small logs: each with every question there is to ask, thousands at random, and their files.

use std::sync::Arc;

use super::changed::{History, changed, difference, owned};
use super::delta_file::{file_of, reseal};
use super::image::open_base;
use super::log::{Log, Stored};
use crate::fuzzing::Draw;
use crate::model::{Filter, Key, PayloadRef, Position, Query};
use crate::storage::index::delta::{DeltaFile, RowChanges};
use crate::storage::index::{Corrupted, Index};

/// Bytes that look random and are the same in every run (xorshift64*).
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn random_histories() {
    for seed in 0..300 {
        changed(&bytes(seed, 64 + seed as usize % 1_200));
    }
}

/// Windows, cursors and pages that say something else of each other than those of any log with these keys: before,
/// at, between and behind each of them.
fn every_question(log: &Log) -> Vec<Query> {
    let mut keys: Vec<Key> = log.rows.iter().map(|row| row.key).collect();
    keys.sort_unstable();
    let mut times: Vec<i64> = keys.iter().map(|key| key.created_at).collect();
    times.dedup();
    let times = [i64::MIN, i64::MAX]
        .into_iter()
        .chain(times.iter().copied())
        .chain(times.last().map(|last| last + 1));
    let times: Vec<i64> = times.collect();
    let mut positions = vec![Position::Page(u64::from(u32::MAX))];
    positions.extend((1..=log.rows.len() as u64 + 1).map(Position::Page));
    for key in keys {
        for step in -1..=1 {
            positions.push(Position::After(Key {
                id: key.id.saturating_add(step),
                ..key
            }));
        }
        positions.push(Position::After(Key {
            created_at: key.created_at + 1,
            id: i64::MIN,
        }));
    }
    let mut queries = Vec::new();
    let actors = [None, Some(0), Some(1), Some(2), Some(77)];
    let actions = [None, Some("LOGIN"), Some("UPDATE"), Some("NEW"), Some("UNKNOWN")];
    for (number, (&from_ts, &to_ts)) in times
        .iter()
        .flat_map(|from| times.iter().map(move |to| (from, to)))
        .enumerate()
    {
        for actor_id in actors {
            for action in actions {
                let filter = Filter {
                    from_ts,
                    to_ts,
                    actor_id,
                    action: action.map(str::to_owned),
                    as_of: None,
                };
                for (turn, &position) in positions.iter().enumerate() {
                    // Every second page is of one event.
                    let size = if (number + turn) % 2 == 0 { 1 } else { 3 };
                    queries.push(Query::new(filter.clone(), position, size).unwrap());
                }
            }
        }
    }
    queries.extend(every_pin(log, &actors, &actions, &positions));
    queries
}

/// The same positions and filters under every pin that says something else than another, in the widest window and in one
/// that cuts both ends off.
fn every_pin(
    log: &Log,
    actors: &[Option<i64>],
    actions: &[Option<&str>],
    positions: &[Position],
) -> impl Iterator<Item = Query> {
    let mut pins = vec![Key::MIN];
    for row in &log.rows {
        let Key { created_at, id } = row.key;
        pins.extend([id - 1, id, id + 1, i64::MIN, i64::MAX].map(|id| Key { created_at, id }));
    }
    pins.push(Key {
        created_at: i64::MAX,
        id: i64::MAX,
    });
    let times = log.rows.iter().map(|row| row.key.created_at);
    let inner = times
        .clone()
        .min()
        .zip(times.max())
        .map(|(first, last)| (first + 1, last - 1));
    let windows: Vec<_> = [(i64::MIN, i64::MAX)].into_iter().chain(inner).collect();
    let mut filters = Vec::new();
    for (from_ts, to_ts) in windows {
        for &pin in &pins {
            for &actor_id in actors {
                filters.extend(actions.iter().map(|action| Filter {
                    from_ts,
                    to_ts,
                    actor_id,
                    action: action.map(str::to_owned),
                    as_of: Some(pin),
                }));
            }
        }
    }
    // A few of the positions for each: all of them come with some filter.
    let positions: Vec<_> = positions.to_vec();
    filters.into_iter().enumerate().flat_map(move |(number, filter)| {
        let turns = (0..4).map(|turn| positions[(number * 7 + turn * 5) % positions.len()]);
        let queries = turns.map(|position| Query::new(filter.clone(), position, 1 + number as u64 % 3).unwrap());
        queries.collect::<Vec<_>>()
    })
}

fn row(id: i64, created_at: i64, actor_id: i64, action: &str) -> Stored {
    Stored {
        key: Key { created_at, id },
        actor_id,
        texts: [action.to_owned(), "ORDER".to_owned(), format!("ORDER-{id}")],
        payload_ref: PayloadRef { offset: id, len: 9 },
    }
}

/// Five rows, two of them at one time.
fn five() -> Log {
    Log {
        rows: vec![
            row(10, 100, 0, "LOGIN"),
            row(20, 103, 1, "UPDATE"),
            row(30, 103, 0, "LOGIN"),
            row(40, 101, 1, "LOGIN"),
            row(50, 109, 0, "UPDATE"),
        ],
    }
}

/// One change after the other, and every question after each.
/// What happens to a log, and what it is called.
type Step<'a> = (&'a str, &'a dyn Fn(&mut Log));

fn asked_everything(steps: &[Step<'_>]) {
    let mut history = History::of(five());
    for (what, step) in steps {
        let before = history.log.clone();
        step(&mut history.log);
        history.log.rows.sort_unstable_by_key(|row| row.key.id);
        history.follow(difference(&before, &history.log));
        assert_eq!(history.index.events(), history.log.rows.len() as u64, "{what}");
        for query in every_question(&history.log) {
            history.ask(&query);
        }
        history.check_rows(&mut Draw::new(&[]));
    }
}

#[test]
fn every_question_after_rows_came() {
    asked_everything(&[
        ("behind all", &|log| log.rows.push(row(60, 109, 1, "LOGIN"))),
        ("before all", &|log| log.rows.push(row(5, 90, 0, "NEW"))),
        ("between two of one time", &|log| {
            log.rows.push(row(25, 103, 2, "UPDATE"))
        }),
        ("late, under an early id", &|log| log.rows.push(row(-7, 200, 2, "NEW"))),
    ]);
}

#[test]
fn every_question_after_rows_went_and_came_back() {
    asked_everything(&[
        ("the oldest goes", &|log| log.rows.retain(|row| row.key.id != 10)),
        ("one of two of one time goes", &|log| {
            log.rows.retain(|row| row.key.id != 20)
        }),
        ("all go", &|log| log.rows.clear()),
        ("one comes back as it was", &|log| {
            log.rows.push(row(30, 103, 0, "LOGIN"))
        }),
        ("one comes back as another", &|log| {
            log.rows.push(row(10, 104, 1, "NEW"))
        }),
        ("all are as they were", &|log| *log = five()),
    ]);
}

#[test]
fn every_question_after_rows_became_others() {
    asked_everything(&[
        ("time", &|log| log.rows[0].key.created_at = 105),
        ("actor", &|log| log.rows[1].actor_id = 2),
        ("action", &|log| log.rows[1].texts[0] = "NEW".to_owned()),
        ("resource", &|log| log.rows[2].texts[2] = "ORDER-x".to_owned()),
        ("payload", &|log| log.rows[3].payload_ref.offset = 99),
        ("back again", &|log| *log = five()),
    ]);
}

/// The delta of a log with rows that came, went and became others.
fn some_history() -> History {
    let mut history = History::of(five());
    let before = history.log.clone();
    history.log.rows.remove(1);
    history.log.rows[1].texts[0] = "NEW".to_owned();
    history.log.rows.push(row(60, 104, 77, "LOGIN"));
    history.log.rows.push(row(61, 104, 77, ""));
    history.follow(difference(&before, &history.log));
    history
}

#[test]
fn changes_that_cancel_out_leave_no_delta() {
    let mut history = some_history();
    assert!(!history.index.delta().is_empty());
    let back = difference(&history.log, &five());
    history.follow(back);
    for index in [&history.index, &history.with_lists] {
        assert!(index.delta().is_empty());
        assert_eq!((index.delta().removed(), index.delta().added()), (0, 0));
    }
}

#[test]
fn a_contradiction_is_refused() {
    let index = some_history().index;
    let key = |id, created_at| Key { created_at, id };
    let refused = |removed: &[Key], added: &[Stored]| {
        let changes = RowChanges {
            removed: removed.to_vec(),
            added: added.iter().map(owned).collect(),
        };
        index.changed(changes).is_err()
    };
    assert!(refused(&[key(20, 103)], &[]), "it went already");
    assert!(refused(&[key(10, 101)], &[]), "it is elsewhere");
    assert!(refused(&[key(60, 105)], &[]), "what came is elsewhere");
    assert!(refused(&[key(99, 100)], &[]), "it was never there");
    assert!(
        refused(&[], &[row(10, 100, 0, "LOGIN")]),
        "it is there as the base has it"
    );
    assert!(refused(&[], &[row(10, 100, 0, "UPDATE")]), "it is there, as another");
    assert!(refused(&[], &[row(10, 99, 0, "LOGIN")]), "it is there, at another time");
    assert!(refused(&[], &[row(60, 1, 0, "LOGIN")]), "it came already");
    assert!(!refused(&[key(10, 100)], &[row(10, 99, 0, "LOGIN")]));
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_delta_file_is_seen() {
    let history = some_history();
    let bytes = file_of(&history).encode(&history.base);
    let read = |bytes: &[u8]| DeltaFile::decode(bytes, &history.base).map(|_| ());
    assert_eq!(read(&bytes), Ok(()));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&damaged).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err(), "cut at {len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(read(&longer).is_err());
}

/// A file under the right checksum whose rows cannot be those of any log.
#[test]
fn a_forged_order_is_refused() {
    let history = some_history();
    let bytes = file_of(&history).encode(&history.base);
    // Behind magic, version, base and source: two removed events, and three added ones.
    let removed = 8 + 8 + 16 + 144;
    let ranks = removed + 8;
    let rank_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let second = ranks + 16 + rank_at(ranks + 12) as usize;
    let added = second + 16 + rank_at(second + 12) as usize + 8;
    assert_eq!([rank_at(ranks), rank_at(second)], [2, 3]);
    let mut next = added;
    let rows: Vec<usize> = (0..3)
        .map(|_| {
            let row = next;
            let texts: u32 = [44, 48, 52].map(|at| rank_at(row + at)).iter().sum();
            next = row + 56 + texts as usize;
            row
        })
        .collect();
    let events = history.base.events() as u32;
    let refused = |changes: &[(usize, u32)]| {
        let mut forged = bytes.clone();
        for &(at, number) in changes {
            forged[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        reseal(&mut forged);
        DeltaFile::decode(&forged, &history.base).err()
    };
    let error = |why| Some(Corrupted::new(why).in_delta());
    assert_eq!(refused(&[]), None);
    let gone = error("an event is to go that is not there");
    assert_eq!(refused(&[(ranks, 3)]), gone, "twice");
    assert_eq!(refused(&[(ranks, 4)]), gone, "they do not ascend");
    assert_eq!(refused(&[(second, events)]), gone, "behind the end");
    assert_eq!(refused(&[(second, events - 1)]), None);
    let ids = error("its ids do not ascend");
    // Behind rank and time.
    let id_at = |row: usize| rows[row] + 12;
    assert_eq!(refused(&[(id_at(1), rank_at(id_at(0)))]), ids);
    assert_eq!(refused(&[(id_at(1), rank_at(id_at(2)))]), ids);
    let order = error("its events are out of order");
    assert_eq!([0, 1, 2].map(|row| rank_at(rows[row])), [3, 4, 4]);
    assert_eq!(refused(&[(rows[0], 5)]), order);
    assert_eq!(refused(&[(rows[2], 3)]), order);
    assert_eq!(refused(&[(rows[2], events + 1)]), order);
    assert_eq!(refused(&[(rows[2], events)]), None);

    // An event that comes under an id whose event in the base stays is found by who reads rows by id.
    let mut forged = bytes.clone();
    forged[id_at(0)..id_at(0) + 4].copy_from_slice(&40_u32.to_le_bytes());
    reseal(&mut forged);
    let delta = DeltaFile::decode(&forged, &history.base).unwrap().delta;
    let rows = Index::new(Arc::clone(&history.base), delta).rows_in(&(i64::MIN..=i64::MAX));
    assert_eq!(rows, Err(Corrupted::new("ids do not ascend")));

    let mut longer = [&bytes[..], &[0]].concat();
    reseal(&mut longer);
    let read = DeltaFile::decode(&longer, &history.base).map(|_| ());
    assert_eq!(read.err(), error("it goes on behind its end"));
}

/// Where its rows lie all over the base, it would be most of what a process that answers once takes.
#[test]
fn to_open_a_delta_reads_no_block_of_its_base() {
    let history = some_history();
    let bytes = file_of(&history).encode(&history.base);
    let base = open_base(five().index().as_flattened()).unwrap();
    let file = DeltaFile::decode(&bytes, &base).unwrap();
    assert_eq!((file.delta.removed(), file.delta.added()), (2, 3));
    assert_eq!(base.blocks().first_touches(), 0);
}

/// Counts are checked against what is there before anything is made of them.
#[test]
fn a_forged_count_is_refused_at_once() {
    let history = some_history();
    let bytes = file_of(&history).encode(&history.base);
    let too_many = Err(Corrupted::new("it says that it holds more than there is").in_delta());
    let mut seen = 0;
    for at in 0..bytes.len() - 16 {
        let mut forged = bytes.clone();
        forged[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        reseal(&mut forged);
        let read = DeltaFile::decode(&forged, &history.base).map(|_| ());
        seen += usize::from(read == too_many);
    }
    assert!(seen >= 6, "removed, added, and two counts for each tree: {seen}");
}
