//! A row with its own texts.

use crate::model::{Key, PayloadRef, Row};

/// A row that belongs to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedRow {
    pub(crate) key: Key,
    pub(crate) actor_id: i64,
    pub(crate) action: Box<str>,
    pub(crate) resource_type: Box<str>,
    pub(crate) resource_id: Box<str>,
    pub(crate) payload_ref: PayloadRef,
}

impl OwnedRow {
    /// The row, for who reads it.
    pub(crate) fn as_row(&self) -> Row<'_> {
        Row {
            id: self.key.id,
            created_at: self.key.created_at,
            actor_id: self.actor_id,
            action: &self.action,
            resource_type: &self.resource_type,
            resource_id: &self.resource_id,
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
            action: row.action.into(),
            resource_type: row.resource_type.into(),
            resource_id: row.resource_id.into(),
            payload_ref: row.payload_ref,
        }
    }
}
