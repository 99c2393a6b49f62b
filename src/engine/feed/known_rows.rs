//! What the rows of a filter were, small enough to keep for all of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::model::{Key, Row};

/// The keys of rows by id, and a hash of each whole row.
///
/// The hash has 128 bits and keys that nobody else knows: what the log holds is hostile, and a change that hashes to the
/// same must not be makeable.
#[derive(Debug, Default)]
pub(super) struct KnownRows {
    rows: HashMap<i64, Known>,
    hashers: [RandomState; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    created_at: i64,
    hash: [u64; 2],
}

impl KnownRows {
    /// None, to be compared with these.
    pub(super) fn to_compare(&self) -> Self {
        KnownRows {
            rows: HashMap::with_capacity(self.rows.len()),
            hashers: self.hashers.clone(),
        }
    }

    pub(super) fn insert(&mut self, row: &Row<'_>) {
        self.rows.insert(row.id, self.known(row));
    }

    /// The row of this id stays what it is among `others`.
    pub(super) fn keep(&mut self, others: &KnownRows, id: i64) {
        self.rows.extend(others.rows.get_key_value(&id));
    }

    /// Whether the row was there, and just as it is.
    pub(super) fn has(&self, row: &Row<'_>) -> bool {
        self.rows.get(&row.id) == Some(&self.known(row))
    }

    /// The keys of the rows whose ids are not among `others`, in the order.
    pub(super) fn without(&self, others: &KnownRows) -> Vec<Key> {
        let gone = self.rows.iter().filter(|(id, _)| !others.rows.contains_key(*id));
        let mut keys: Vec<Key> = gone
            .map(|(&id, known)| Key {
                created_at: known.created_at,
                id,
            })
            .collect();
        keys.sort_unstable();
        keys
    }

    fn known(&self, row: &Row<'_>) -> Known {
        let hash = self.hashers.each_ref().map(|keyed| {
            let mut hasher = keyed.build_hasher();
            (row.created_at, row.actor_id).hash(&mut hasher);
            (row.action, row.resource_type, row.resource_id).hash(&mut hasher);
            (row.payload_ref.offset, row.payload_ref.len).hash(&mut hasher);
            hasher.finish()
        });
        Known {
            created_at: row.created_at,
            hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PayloadRef;

    fn row(id: i64) -> Row<'static> {
        Row {
            id,
            created_at: 7,
            actor_id: 1,
            action: "LOGIN",
            resource_type: "USER",
            resource_id: "USER-1",
            payload_ref: PayloadRef { offset: 3, len: 4 },
        }
    }

    #[test]
    fn every_column_counts() {
        let mut known = KnownRows::default();
        known.insert(&row(1));
        assert!(known.has(&row(1)) && !known.has(&row(2)));
        let moved = |offset, len| Row {
            payload_ref: PayloadRef { offset, len },
            ..row(1)
        };
        for other in [
            Row {
                created_at: 8,
                ..row(1)
            },
            Row { actor_id: 2, ..row(1) },
            Row {
                action: "LOGINU",
                resource_type: "SER",
                ..row(1)
            },
            Row {
                resource_id: "USER-2",
                ..row(1)
            },
            moved(4, 3),
            moved(3, 5),
        ] {
            assert!(!known.has(&other), "{other:?}");
        }
    }

    #[test]
    fn what_is_gone_is_told_in_order() {
        let mut before = KnownRows::default();
        [3, 1, 2].iter().for_each(|id| before.insert(&row(*id)));
        let mut after = before.to_compare();
        after.insert(&Row { actor_id: 9, ..row(2) });
        let gone: Vec<i64> = before.without(&after).iter().map(|key| key.id).collect();
        assert_eq!(gone, [1, 3]);
    }
}
