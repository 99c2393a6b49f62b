//! What is asked of an index: mostly of what it holds, now and then of anything.

use crate::fuzzing::Draw;
use crate::model::{Filter, Key, MAX_PAGE_SIZE, Position, Query, Row, Rows};

/// What an index is known to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    keys: Vec<Key>,
    actors: Vec<i64>,
    actions: Vec<String>,
}

impl Known {
    pub(super) fn of_rows(rows: &Rows) -> Self {
        let mut known = Known::default();
        rows.iter().for_each(|row| known.add(&row));
        known
    }

    pub(super) fn add(&mut self, row: &Row<'_>) {
        self.keys.push(row.key());
        self.actors.push(row.actor_id);
        self.actions.push(row.action.to_owned());
    }

    /// Draws a question: any filters, any window, a page or a cursor.
    pub(super) fn question(&self, draw: &mut Draw<'_>) -> Query {
        let kind = draw.byte();
        let is_asked = |bit: u8| kind >> bit & 1 == 1;
        let filter = Filter {
            from_ts: if is_asked(0) {
                self.key(draw).created_at
            } else {
                i64::MIN
            },
            to_ts: if is_asked(1) {
                self.key(draw).created_at
            } else {
                i64::MAX
            },
            actor_id: is_asked(2).then(|| self.actor(draw)),
            action: is_asked(3).then(|| self.action(draw)),
            as_of: is_asked(7).then(|| self.key(draw)),
        };
        let position = if is_asked(4) {
            Position::After(self.key(draw))
        } else {
            Position::Page(1 + draw.below(12) as u64)
        };
        let size = match draw.byte() {
            0 => u64::from(MAX_PAGE_SIZE),
            size => u64::from(size % 8 + 1),
        };
        let far = Position::Page(draw.number().unsigned_abs());
        let position = if is_asked(5) && is_asked(6) { far } else { position };
        Query::new(filter.clone(), position, size)
            .or_else(|_| Query::new(filter, Position::Page(1), size))
            .unwrap()
    }

    /// The place of an event, or one close by.
    pub(super) fn key(&self, draw: &mut Draw<'_>) -> Key {
        let known = draw.one_of(&self.keys).copied();
        let near = |number: i64, draw: &mut Draw<'_>| match draw.byte() {
            step @ 0..=4 => number.saturating_add(i64::from(step) - 2),
            5 => draw.number(),
            _ => number,
        };
        let key = known.unwrap_or(Key { created_at: 0, id: 0 });
        Key {
            created_at: near(key.created_at, draw),
            id: near(key.id, draw),
        }
    }

    fn actor(&self, draw: &mut Draw<'_>) -> i64 {
        match (draw.byte(), draw.one_of(&self.actors)) {
            (1.., Some(&actor)) => actor,
            _ => draw.number(),
        }
    }

    fn action(&self, draw: &mut Draw<'_>) -> String {
        match (draw.byte(), draw.one_of(&self.actions)) {
            (0, Some(action)) => format!("{action}!"),
            (1, Some(action)) => action.chars().skip(1).collect(),
            (2.., Some(action)) => action.clone(),
            (_, None) => "UPDATE".to_owned(),
        }
    }
}
