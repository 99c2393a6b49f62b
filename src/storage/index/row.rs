//! A row with its own texts.

use crate::model::{Key, PayloadRef, Row};

/// A row that belongs to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedRow {
    pub(crate) key: Key,
    pub(crate) actor_id: i64,
    pub(crate) texts: Texts,
    pub(crate) payload_ref: PayloadRef,
}

/// The three texts of a row, one behind the other: a delta has many rows, and each piece of memory takes time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    all: Box<str>,
    action_end: u32,
    resource_type_end: u32,
}

impl Texts {
    /// Cuts a text behind the first two, whose lengths are given in bytes; `None` where that is within a character, or
    /// behind its end.
    pub(crate) fn cut(all: &str, action: u32, resource_type: u32) -> Option<Self> {
        let resource_type_end = action.checked_add(resource_type)?;
        let is_cut = |at: u32| all.is_char_boundary(at as usize);
        (is_cut(action) && is_cut(resource_type_end)).then(|| Texts {
            all: all.into(),
            action_end: action,
            resource_type_end,
        })
    }

    pub(crate) fn action(&self) -> &str {
        &self.all[..self.action_end as usize]
    }

    pub(crate) fn resource_type(&self) -> &str {
        &self.all[self.action_end as usize..self.resource_type_end as usize]
    }

    pub(crate) fn resource_id(&self) -> &str {
        &self.all[self.resource_type_end as usize..]
    }
}

impl OwnedRow {
    /// The row, for who reads it.
    pub(crate) fn as_row(&self) -> Row<'_> {
        Row {
            id: self.key.id,
            created_at: self.key.created_at,
            actor_id: self.actor_id,
            action: self.texts.action(),
            resource_type: self.texts.resource_type(),
            resource_id: self.texts.resource_id(),
            payload_ref: self.payload_ref,
        }
    }
}

impl From<&Row<'_>> for OwnedRow {
    fn from(row: &Row<'_>) -> Self {
        OwnedRow {
            key: Key {
                created_at: row.created_at,
                id: row.id,
            },
            actor_id: row.actor_id,
            // SQLite is told to give no value of more than 256 MiB.
            texts: Texts {
                all: [row.action, row.resource_type, row.resource_id].concat().into(),
                action_end: row.action.len() as u32,
                resource_type_end: (row.action.len() + row.resource_type.len()) as u32,
            },
            payload_ref: row.payload_ref,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_or_not_at_all() {
        let texts = Texts::cut("LÖGINTr-1", 6, 1).unwrap();
        assert_eq!(
            [texts.action(), texts.resource_type(), texts.resource_id()],
            ["LÖGIN", "T", "r-1"]
        );
        let texts = Texts::cut("", 0, 0).unwrap();
        assert_eq!([texts.action(), texts.resource_type(), texts.resource_id()], [""; 3]);
        // Within the Ö, and behind the end.
        for (action, resource_type) in [(2, 4), (1, 1), (10, 1), (6, 5), (u32::MAX, 1)] {
            assert_eq!(
                Texts::cut("LÖGINTr-1", action, resource_type),
                None,
                "{action} {resource_type}"
            );
        }
    }

    #[test]
    fn a_row_keeps_what_it_was_made_of() {
        let row = Row {
            id: 5,
            created_at: 6,
            actor_id: 7,
            action: "LOGIN",
            resource_type: "TYPE",
            resource_id: "r",
            payload_ref: PayloadRef { offset: 8, len: 9 },
        };
        let owned = OwnedRow::from(&row);
        assert_eq!(OwnedRow::from(&owned.as_row()), owned);
        assert_eq!(format!("{:?}", owned.as_row()), format!("{row:?}"));
    }
}
