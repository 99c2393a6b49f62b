//! What an index says of the log as a whole, for a person who wonders why an answer is empty.

use super::base::corrupted::Corrupted;
use super::select::Index;
use crate::model::Filter;

/// So many actions are looked at: a log may have one of its own for each event.
const MOST_ACTIONS: usize = 1_000;
/// In bytes: no longer name is one that a person types.
const LONGEST_ACTION: u32 = 64;

impl Index {
    /// The actions of the log's events, ascending; where there are very many, or very long ones, not all.
    ///
    /// # Errors
    /// A damaged block.
    pub(crate) fn actions(&self) -> Result<Vec<String>, Corrupted> {
        let mut names = self.base().action_names(MOST_ACTIONS as u64, LONGEST_ACTION)?;
        let is_short = |name: &&str| name.len() <= LONGEST_ACTION as usize;
        let changed = self.delta().actions().into_iter().take(MOST_ACTIONS).filter(is_short);
        names.extend(changed.map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        // An action whose last event was removed is still named by the base.
        let mut found = Vec::new();
        for name in names {
            let filter = Filter {
                action: Some(name.clone()),
                ..Filter::ALL
            };
            if self.count(&filter)? > 0 {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The seconds of the oldest and of the newest event; `None` where there is no event.
    ///
    /// # Errors
    /// A damaged block.
    pub(crate) fn span(&self) -> Result<Option<(i64, i64)>, Corrupted> {
        let time_at = |number| Ok::<_, Corrupted>(self.nth_newest(&Filter::ALL, number)?.map(|key| key.created_at));
        Ok(time_at(self.events())?.zip(time_at(1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::SCHEMA_SQL;
    use crate::model::{Key, PayloadRef, Row};
    use crate::storage::data_dir::DataDir;
    use crate::storage::index::build::rebuild::{IfLocked, RebuildOutcome, rebuild};
    use crate::storage::index::delta::RowChanges;
    use crate::storage::index::row::OwnedRow;

    /// Events 1, 2, … of these actions, at ten times their ids.
    fn index(actions: &[&str]) -> Index {
        let place = tempfile::tempdir().unwrap();
        let dir = DataDir::new(place.path());
        let database = rusqlite::Connection::open(dir.database()).unwrap();
        database.execute_batch(SCHEMA_SQL).unwrap();
        for (at, action) in actions.iter().enumerate() {
            let insert = "INSERT INTO audit_events VALUES (?1, ?1 * 10, 1, ?2, 'T', 'R', 0, 1)";
            database.execute(insert, (at as i64 + 1, action)).unwrap();
        }
        match rebuild(&dir, IfLocked::GiveUp, &|_, _| {}).unwrap() {
            RebuildOutcome::Done {
                follower: Some(follower),
                ..
            } => follower.index().clone(),
            _ => panic!("no index was built"),
        }
    }

    fn row(id: i64, action: &str) -> OwnedRow {
        OwnedRow::from(&Row {
            id,
            created_at: id * 10,
            actor_id: 1,
            action,
            resource_type: "T",
            resource_id: "R",
            payload_ref: PayloadRef { offset: 0, len: 1 },
        })
    }

    fn key(id: i64) -> Key {
        Key {
            created_at: id * 10,
            id,
        }
    }

    #[test]
    fn actions_are_those_of_events_that_are_there() {
        let base = index(&["LOGIN", "EXPORT", "LOGIN", "DELETE"]);
        assert_eq!(base.actions().unwrap(), ["DELETE", "EXPORT", "LOGIN"]);
        let changed = base
            .changed(RowChanges {
                removed: vec![key(4), key(1)],
                added: vec![row(5, "CREATE"), row(6, "CREATE"), row(7, "LOGIN")],
            })
            .unwrap();
        assert_eq!(changed.actions().unwrap(), ["CREATE", "EXPORT", "LOGIN"]);
        assert_eq!(index(&[]).actions().unwrap(), [""; 0]);
    }

    #[test]
    fn long_names_are_left_out_and_so_is_what_follows_very_many() {
        let long = "L".repeat(LONGEST_ACTION as usize);
        let longer = format!("{long}L");
        let base = index(&[&long, &longer]);
        assert_eq!(base.actions().unwrap(), [&*long]);
        let changed = base
            .changed(RowChanges {
                removed: Vec::new(),
                added: vec![row(3, &format!("M{longer}")), row(4, &format!("K{}", &long[1..]))],
            })
            .unwrap();
        assert_eq!(changed.actions().unwrap(), [format!("K{}", &long[1..]), long]);

        let names: Vec<String> = (0..=MOST_ACTIONS).map(|number| format!("A{number:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = index(&names).actions().unwrap();
        assert_eq!(found, names[..MOST_ACTIONS]);
    }

    #[test]
    fn the_span_is_from_the_oldest_event_to_the_newest() {
        assert_eq!(index(&[]).span().unwrap(), None);
        assert_eq!(index(&["A"]).span().unwrap(), Some((10, 10)));
        let base = index(&["A", "B", "C"]);
        assert_eq!(base.span().unwrap(), Some((10, 30)));
        let changes = RowChanges {
            removed: vec![key(1), key(3)],
            added: vec![row(9, "A")],
        };
        assert_eq!(base.changed(changes).unwrap().span().unwrap(), Some((20, 90)));
        let changes = RowChanges {
            removed: vec![key(1), key(2), key(3)],
            added: Vec::new(),
        };
        assert_eq!(base.changed(changes).unwrap().span().unwrap(), None);
    }
}
