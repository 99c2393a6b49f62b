//! A small log and what happens to it: a base with its delta against the plain model of the log, and the delta's file.
//!
//! The model knows neither ranks nor lists: it is the rows by id, as they would be in the table. What a refresh would
//! find is the difference of two such models.

use std::sync::Arc;

use super::image::open_base;
use super::log::{Log, Stored, draw_actor, draw_text, is_right};
use super::question::Known;
use crate::fuzzing::Draw;
use crate::model::{Filter, Key, MAX_PAGE_SIZE, Position, Query, Rows};
use crate::storage::index::base::reader::Base;
use crate::storage::index::delta::RowChanges;
use crate::storage::index::row::OwnedRow;
use crate::storage::index::{Corrupted, Index};

/// Any history of a small log.
pub(crate) fn changed(data: &[u8]) {
    let mut draw = Draw::new(data);
    let mut history = History::draw(&mut draw);
    while !draw.is_used_up() {
        history.step(&mut draw);
        for _ in 0..3 {
            history.ask(&history.known.question(&mut draw));
        }
    }
    history.check_rows(&mut draw);
    super::delta_file::check(&history, &mut draw);
}

/// A log, its base, and what happened to the log since.
#[derive(Debug)]
pub(super) struct History {
    pub(super) base: Arc<Base>,
    pub(super) index: Index,
    /// The same, of the same changes, with posting lists from the first one on.
    pub(super) with_lists: Index,
    /// The log as it is now.
    pub(super) log: Log,
    /// Rows that there were once.
    pub(super) gone: Vec<Stored>,
    pub(super) known: Known,
}

impl History {
    pub(super) fn draw(draw: &mut Draw<'_>) -> Self {
        Self::of(Log::draw(draw))
    }

    pub(super) fn of(log: Log) -> Self {
        let base = Arc::new(open_base(log.index().as_flattened()).unwrap());
        let mut known = Known::default();
        log.rows.iter().for_each(|row| known.add(&row.row()));
        let index = Index::new(Arc::clone(&base), Default::default());
        History {
            with_lists: index.clone(),
            index,
            base,
            log,
            gone: Vec::new(),
            known,
        }
    }

    /// A commit: some rows come, go or become others.
    pub(super) fn step(&mut self, draw: &mut Draw<'_>) {
        let before = self.log.clone();
        for _ in 0..1 + draw.below(4) {
            self.change(draw);
        }
        self.refuse_contradictions(&before, draw);
        let changes = difference(&before, &self.log);
        self.follow(changes);
        for index in [&self.index, &self.with_lists] {
            assert_eq!(index.events(), self.log.rows.len() as u64, "{self:?}");
        }
    }

    /// Brings the indexes to what the log is now.
    pub(super) fn follow(&mut self, changes: RowChanges) {
        self.with_lists = self.with_lists.changed(changes.clone()).unwrap();
        make_lists(&self.with_lists);
        self.index = self.index.changed(changes).unwrap();
    }

    /// One change of the log.
    fn change(&mut self, draw: &mut Draw<'_>) {
        let rows = self.log.rows.len();
        match draw.byte() % 16 {
            0..=4 => self.insert(draw),
            kind @ 5..=10 if rows > 0 => {
                let place = draw.below(rows);
                let mut row = self.log.rows[place].clone();
                update(&mut row, kind, draw);
                self.put(row);
            }
            11..=12 if rows > 0 => {
                let row = self.log.rows.remove(draw.below(rows));
                self.gone.push(row);
            }
            // As it was, or under an id that another row has now.
            13..=14 if !self.gone.is_empty() => {
                let row = self.gone[draw.below(self.gone.len())].clone();
                self.put(row);
            }
            15 if draw.byte() < 32 => self.gone.append(&mut self.log.rows),
            _ => self.insert(draw),
        }
    }

    /// A new row, close to others in the order or anywhere, with an id that is not taken.
    fn insert(&mut self, draw: &mut Draw<'_>) {
        let near = self.known.key(draw);
        let number = 100 + draw.byte() % 100;
        let mut row = Stored::draw(draw, near.id, number);
        if !draw.byte().is_multiple_of(4) {
            row.key.created_at = near.created_at;
        }
        let is_taken = |id| self.log.rows.iter().any(|row| row.key.id == id);
        while is_taken(row.key.id) {
            row.key.id = row.key.id.wrapping_add(1);
        }
        self.put(row);
    }

    /// Puts a row where its id belongs, in the place of any other of that id.
    fn put(&mut self, row: Stored) {
        self.known.add(&row.row());
        let rows = &mut self.log.rows;
        match rows.binary_search_by_key(&row.key.id, |row| row.key.id) {
            Ok(place) => self.gone.push(std::mem::replace(&mut rows[place], row)),
            Err(place) => rows.insert(place, row),
        }
    }

    /// Changes that contradict what is there are refused.
    fn refuse_contradictions(&self, before: &Log, draw: &mut Draw<'_>) {
        let refused = |removed: Vec<Key>, added: Vec<&Stored>, what: &str| {
            let added = added.into_iter().map(owned).collect();
            let changes = RowChanges { removed, added };
            for index in [&self.index, &self.with_lists] {
                assert!(index.changed(changes.clone()).is_err(), "{what} of {before:?}");
            }
        };
        let row = draw.one_of(&before.rows);
        let id = self.known.key(draw).id;
        let stranger = Stored::draw(draw, id, 0);
        if let Some(row) = row {
            refused(vec![], vec![row], "a row that is there comes");
            refused(vec![row.key, row.key], vec![], "a row goes twice");
            refused(vec![row.key], vec![row, row], "a row comes twice");
            let other = Stored {
                key: Key {
                    created_at: row.key.created_at.wrapping_add(1),
                    ..row.key
                },
                ..stranger.clone()
            };
            refused(vec![], vec![&other], "an id that is there comes");
            refused(vec![other.key], vec![], "a row goes from where it is not");
        }
        match before.rows.iter().find(|row| row.key.id == stranger.key.id) {
            Some(row) if row.key == stranger.key => {}
            _ => refused(vec![stranger.key], vec![], "a row goes that is not there"),
        }
    }

    /// Whether a query is answered as the model answers it.
    pub(super) fn ask(&self, query: &Query) {
        for index in [&self.index, &self.with_lists] {
            let mut rows = Rows::default();
            // What was in them before goes.
            self.log.rows.iter().take(1).for_each(|row| rows.push(&row.row()));
            assert_eq!(index.page(query, &mut rows), Ok(()), "{query:?} of {self:?}");
            assert!(
                is_right(&rows, &self.log.page(query)),
                "{query:?}: {rows:?} of {self:?}"
            );
            let counted = index.count(query.filter());
            assert_eq!(counted, Ok(self.log.count(query.filter())), "{query:?} of {self:?}");
        }
    }

    /// Whether the rows of ranges of ids are those of the model, and the whole log that of a base of its own.
    pub(super) fn check_rows(&self, draw: &mut Draw<'_>) {
        let (one, other) = (self.known.key(draw).id, self.known.key(draw).id);
        for ids in [i64::MIN..=i64::MAX, one.min(other)..=one.max(other), one..=one] {
            let rows: Vec<_> = self.log.rows.iter().filter(|row| ids.contains(&row.key.id)).collect();
            let rows: Vec<OwnedRow> = rows.into_iter().map(owned).collect();
            for index in [&self.index, &self.with_lists] {
                assert_eq!(index.rows_in(&ids).as_ref(), Ok(&rows), "{ids:?} of {self:?}");
            }
        }
        let expected: Vec<OwnedRow> = self.log.rows.iter().map(owned).collect();
        let mut rows = Vec::new();
        let visited = self.index.each_row(&mut |row| rows.push(OwnedRow::from(row)));
        assert_eq!(visited, Ok(()));
        assert_eq!(rows, expected, "{self:?}");
        for about in 1..4 {
            assert_eq!(self.rows_by(about), expected, "about {about} at once of {self:?}");
        }

        let rebuilt = Index::of_base(open_base(self.log.index().as_flattened()).unwrap());
        let query = Query::new(Filter::ALL, Position::Page(1), u64::from(MAX_PAGE_SIZE)).unwrap();
        let (mut rows, mut other) = (Rows::default(), Rows::default());
        let answered: [Result<(), Corrupted>; 2] =
            [rebuilt.page(&query, &mut rows), self.index.page(&query, &mut other)];
        assert_eq!(answered, [Ok(()), Ok(())]);
        assert!(rows.iter().eq(other.iter()), "{self:?}");
    }

    /// All rows, about so many at once.
    fn rows_by(&self, about: usize) -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        let mut next = Some(i64::MIN);
        while let Some(from) = next {
            let some = self.index.delta().rows_from(&self.base, from, about).unwrap();
            next = some.last().and_then(|row| row.key.id.checked_add(1));
            rows.extend(some);
        }
        rows
    }
}

/// Asks for one list so often that all of them are made.
pub(super) fn make_lists(index: &Index) {
    let filter = Filter {
        actor_id: Some(1),
        ..Filter::ALL
    };
    for _ in 0..100 {
        _ = index.delta().list(&filter);
    }
}

/// Another value in one column.
fn update(row: &mut Stored, kind: u8, draw: &mut Draw<'_>) {
    match kind {
        5 => row.key.created_at = draw.number(),
        6 => row.key.created_at = row.key.created_at.saturating_add(i64::from(draw.byte() % 3) - 1),
        7 => row.actor_id = draw_actor(draw),
        8 => row.payload_ref.offset = draw.number(),
        _ => row.texts[draw.below(3)] = draw_text(draw),
    }
}

pub(super) fn owned(row: &Stored) -> OwnedRow {
    OwnedRow::from(&row.row())
}

/// What changed between two logs, found row by row.
pub(super) fn difference(before: &Log, now: &Log) -> RowChanges {
    let not_in = |log: &Log, row: &&Stored| !log.rows.contains(row);
    RowChanges {
        removed: before
            .rows
            .iter()
            .filter(|row| not_in(now, row))
            .map(|row| row.key)
            .collect(),
        added: now.rows.iter().filter(|row| not_in(before, row)).map(owned).collect(),
    }
}
