//! The seeds of the `index` corpus are what the writer makes of these logs.

use std::fs;
use std::path::Path;

use super::forged::QUESTIONS;
use super::image::{self, fit, pack, seal, unpack};
use super::log::{Log, Stored};
use crate::model::{Filter, Key, PayloadRef, Position, Query, Rows};
use crate::storage::index::base::section::Section;
use crate::storage::index::{Corrupted, Index};

/// Set, the seeds are written anew, as after a change of the format.
const WRITE: &str = "AUDITQ_WRITE_SEEDS";

fn log(events: i64, created_at: impl Fn(i64) -> i64, texts: impl Fn(i64) -> [String; 3]) -> Log {
    let row = |id: i64| Stored {
        key: Key {
            created_at: created_at(id),
            id,
        },
        actor_id: id % 3,
        texts: texts(id),
        payload_ref: PayloadRef {
            offset: id * 100,
            len: 100,
        },
    };
    Log {
        rows: (1..=events).map(row).collect(),
    }
}

fn plain(id: i64) -> [String; 3] {
    let action = ["LOGIN", "UPDATE", "DELETE"][id as usize % 3];
    [action.to_owned(), "ORDER".to_owned(), format!("ORDER-{id}")]
}

fn odd(id: i64) -> [String; 3] {
    let texts = ["", "\u{0}\n", "\u{dc}n\u{ef}", "\u{1f980}", "LOGIN", "LOGI"];
    [0, 1, 2].map(|place| texts[(id as usize + place) % texts.len()].to_owned())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let logs = [
        ("no-events", Log::default()),
        ("one-event", log(1, |_| 0, plain)),
        ("three-events", log(3, |id| id, plain)),
        ("ties", log(12, |id| id / 5, plain)),
        ("times-not-by-id", log(9, |id| -(id * 7 % 9), plain)),
        (
            "extreme-times",
            log(4, |id| [i64::MIN, -1, 0, i64::MAX][id as usize - 1], plain),
        ),
        ("odd-texts", log(12, |id| id, odd)),
        ("forty-events", log(40, |id| 1_000_000 + id / 2, plain)),
        // 454 records of nine bytes fill a block of events.
        ("two-blocks-of-events", log(500, |id| id, plain)),
    ];
    // Each asks three things: a page and a cursor with all filters, a window, an actor's action.
    let kinds = [0b0001_1111, 0b0000_0011, 0b0000_1100, 0b0001_0000, 0, 0b0110_1000];
    let mut seeds = Vec::new();
    for (number, (name, log)) in logs.iter().enumerate() {
        let mut questions = [0x21; QUESTIONS];
        for (place, byte) in questions.iter_mut().enumerate().skip(1) {
            *byte = (place * 37 + number) as u8;
        }
        questions[1] = kinds[number % kinds.len()];
        let seed = [&questions[..], &pack(&log.index())].concat();
        seeds.push(((*name).to_owned(), seed));
    }
    seeds
}

#[test]
fn the_seeds_are_what_the_writer_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/index");
    for (name, seed) in seeds() {
        let path = folder.join(&name);
        if std::env::var_os(WRITE).is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &seed).unwrap();
        }
        assert!(
            fs::read(&path).is_ok_and(|file| file == seed),
            "{name} is of another format: {WRITE}=1 cargo test writes it anew"
        );
    }
}

#[test]
fn a_packed_file_comes_back_as_it_was() {
    for (name, seed) in seeds() {
        let mut image = unpack(&seed[QUESTIONS..]);
        let blocks = image.len();
        fit(&mut image);
        assert_eq!(image.len(), blocks, "{name}: its length is what its header says");
        seal(&mut image);
        assert!(image::open(image.as_flattened()).is_ok(), "{name}");
        assert_eq!(pack(&image), seed[QUESTIONS..], "{name}");
    }
}

/// The index of a log whose events come a second apart, with some bytes of a block others, under right checksums.
fn lying(block: usize, at: usize, bytes: &[u8]) -> Index {
    let mut image = log(9, |id| id, plain).index();
    image[block][at..at + bytes.len()].copy_from_slice(bytes);
    seal(&mut image);
    image::open(image.as_flattened()).unwrap()
}

const OUT_OF_ORDER: Corrupted = Corrupted::new("events are out of order");

/// Block 1 holds the times, a byte each: here the event at `rank` says that it is the newest.
fn lying_in_its_time(rank: usize) -> Index {
    lying(1, rank, &[99])
}

#[test]
fn a_page_out_of_order_is_damage() {
    let query = Query::new(Filter::ALL, Position::Page(1), 9).unwrap();
    assert_eq!(
        lying_in_its_time(0).page(&query, &mut Rows::default()),
        Err(OUT_OF_ORDER)
    );
}

/// Behind that cursor the event that is at this rank would come again, and `query --all` would print for ever. The actor
/// has the events 1, 4 and 7.
#[test]
fn a_page_before_its_cursor_is_damage() {
    let index = lying_in_its_time(3);
    let filter = Filter {
        actor_id: Some(1),
        ..Filter::ALL
    };
    let behind = |id| {
        let cursor = Position::After(Key { created_at: id, id });
        let query = Query::new(filter.clone(), cursor, 1).unwrap();
        index.page(&query, &mut Rows::default())
    };
    assert_eq!(behind(4), Ok(()));
    assert_eq!(behind(7), Err(OUT_OF_ORDER));
}

/// Block 11 holds the ranks by id: here the first is that of the fourth event.
#[test]
fn ids_that_do_not_ascend_are_damage() {
    let index = lying(11, 0, &[3]);
    let corrupted = Corrupted::new("ids do not ascend").in_section(Section::ById);
    assert_eq!(index.each_row(&mut |_| {}), Err(corrupted));
    assert_eq!(index.rows_in(&(i64::MIN..=4)), Err(corrupted));
}

/// Block 4 holds the actors: an id, the start in their events, the start in their pairs.
#[test]
fn a_list_that_ends_before_it_starts_is_damage() {
    let filter = Filter {
        actor_id: Some(0),
        action: Some("LOGIN".to_owned()),
        ..Filter::ALL
    };
    let query = Query::new(filter, Position::Page(1), 9).unwrap();
    let ends_early = Corrupted::new("a list ends before it starts").in_section(Section::Actors);
    for start in [8, 12] {
        let index = lying(4, start, &4_u32.to_le_bytes());
        assert_eq!(index.page(&query, &mut Rows::default()), Err(ends_early), "{start}");
        assert_eq!(index.count(query.filter()), Err(ends_early), "{start}");
    }
}
