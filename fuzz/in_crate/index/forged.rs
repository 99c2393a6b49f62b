//! Files whose checksums are right and whose content is anything: what the checksums cannot keep out.
//!
//! Only a fault of the writer or a hand that knows the format makes such a file, so its answers may be nonsense: a
//! row that the filter does not fit, an actor's events left out. What must hold all the same: it is refused
//! or answered, in bounded time and memory; every page is in the order, behind its cursor, and no larger than was
//! asked; a walk comes to its end; and how many match fits the page.

use super::image::{self, Image};
use super::question::Known;
use crate::fuzzing::Draw;
use crate::model::{Filter, Key, Position, Query, Rows};
use crate::storage::index::{Corrupted, Index};

/// How many bytes in front of the blocks decide what is asked.
pub(super) const QUESTIONS: usize = 48;

/// Where there are more, each may say that its texts are all the text there is, and they are all read.
const MOST_ROWS: u64 = 64;

pub(crate) fn forged(data: &[u8]) {
    let (questions, packed) = data.split_at(QUESTIONS.min(data.len()));
    let mut draw = Draw::new(questions);
    let mut image: Image = image::unpack(packed);
    // Now and then the file is longer or shorter than its header says.
    if draw.byte() >= 32 {
        image::fit(&mut image);
    }
    image::seal(&mut image);
    let Ok(index) = image::open(image.as_flattened()) else {
        return;
    };
    let newest = Query::new(Filter::ALL, Position::Page(1), 64).unwrap();
    let mut rows = Rows::default();
    let known = match ask(&index, &newest, &mut rows) {
        Ok(()) => Known::of_rows(&rows),
        Err(_) => Known::default(),
    };
    for _ in 0..3 {
        check(&index, known.question(&mut draw));
    }
}

/// A query, and all that could follow it.
pub(super) fn check(index: &Index, query: Query) {
    // All may find the damage, or any: they do not touch the same blocks.
    let _ = ask(index, &query, &mut Rows::default());
    let _ = walk(index, query);
    if index.events() <= MOST_ROWS {
        let _ = read_rows(index);
    }
}

/// All rows by id, as a new base is written from them.
fn read_rows(index: &Index) -> Result<(), Corrupted> {
    let mut last = None;
    let mut rows = 0;
    index.each_row(&mut |row| {
        assert!(last < Some(row.id), "{} behind {last:?}", row.id);
        last = Some(row.id);
        rows += 1;
    })?;
    assert!(rows <= index.events(), "{rows} rows");
    let again = index.rows_in(&(i64::MIN..=i64::MAX))?;
    assert_eq!(again.len() as u64, rows);
    Ok(())
}

/// One page, and what must hold for it.
fn ask(index: &Index, query: &Query, rows: &mut Rows) -> Result<(), Corrupted> {
    let counted = index.count(query.filter());
    index.page(query, rows)?;
    let found = rows.len() as u64;
    assert!(found <= u64::from(query.page_size()), "{query:?}: {found} rows");
    let keys: Vec<Key> = rows.iter().map(|row| row.key()).collect();
    assert!(keys.is_sorted_by(|newer, older| newer > older), "{query:?}: {keys:?}");
    if let (Position::After(cursor), Some(&newest)) = (query.position(), keys.first()) {
        assert!(newest < cursor, "{query:?}: {newest}");
    }

    let mut again = Rows::default();
    assert_eq!(index.page(query, &mut again), Ok(()), "{query:?}");
    assert!(again.iter().eq(rows.iter()), "{query:?}");

    let Ok(counted) = counted else {
        return Ok(());
    };
    assert!(counted <= index.events(), "{query:?}: {counted} counted");
    // A later page may be cut short by an actor's list that is shorter than its lists by action; the first never.
    let expected = counted.min(u64::from(query.page_size()));
    let is_first = query.position() == Position::Page(1);
    assert!(
        found == expected || found < expected && !is_first,
        "{query:?}: {found} rows of {counted}"
    );
    Ok(())
}

/// Everything from the query's page on, as `query --all` walks it.
fn walk(index: &Index, mut query: Query) -> Result<(), Corrupted> {
    let mut rows = Rows::default();
    let mut found = 0;
    loop {
        ask(index, &query, &mut rows)?;
        let Some(last) = rows.iter().last().map(|row| row.key()) else {
            return Ok(());
        };
        found += rows.len() as u64;
        assert!(found <= index.events(), "{query:?}: {found} rows and more");
        query.move_after(last);
    }
}
