//! Which second a log ends at, for the request streams; and whether it is the contract's dataset at another anchor.
//!
//! The live service takes the wall clock as its anchor. Its dataset is the contract's with every `created_at` moved by one
//! number of seconds, and with the same payload file.

use std::path::Path;

use super::label;
use super::spec::DatasetSpec;
use crate::contract::dataset::{ANCHOR, EVENTS, Rows as ContractRows};
use crate::error::Result;
use crate::model::{Filter, Position, Query, Row, Rows};
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Connection;

/// So many of the first rows tell the contract's dataset from any other.
const SAMPLE: i64 = 64;

impl DatasetSpec {
    /// The dataset that a data directory is labelled as, or else the contract's at the anchor that its first rows tell;
    /// the contract's own where they tell none, or cannot be read.
    pub(crate) fn of_dir(dir: &DataDir) -> Self {
        labelled(dir.root())
            .or_else(|| recognised(dir).ok().flatten())
            .unwrap_or(Self::CONTRACT)
    }
}

/// The last second of the request streams on a log, in epoch seconds: the anchor of a dataset of the contract's make, and
/// on any other log its newest event. The contract's own where there is none, or it cannot be read.
pub fn stream_anchor(dir: &DataDir) -> i64 {
    if let Some(spec) = labelled(dir.root()) {
        return spec.anchor;
    }
    let of_rows = || match recognised(dir)? {
        Some(spec) => Ok(Some(spec.anchor)),
        None => newest(dir),
    };
    // Whoever asks the streams is told what is wrong with the log.
    of_rows().ok().flatten().unwrap_or(ANCHOR)
}

fn labelled(root: &Path) -> Option<DatasetSpec> {
    label::read(root).filter(|spec| label::is_plausible(root, *spec))
}

fn recognised(dir: &DataDir) -> Result<Option<DatasetSpec>> {
    let connection = Connection::open(dir)?;
    connection.snapshot(|| {
        if connection.is_view()? || connection.id_bounds()? != Some(1..=EVENTS.cast_signed()) {
            return Ok(None);
        }
        let mut contract = ContractRows::new(EVENTS, ANCHOR);
        let (mut moved_by, mut alike) = (None, 0);
        connection.scan(&(1..=SAMPLE), |row| {
            let Some(expected) = contract.next_row() else {
                return Ok(());
            };
            let expected = expected.row();
            let seconds = row.created_at.wrapping_sub(expected.created_at);
            let found = Row {
                created_at: expected.created_at,
                ..*row
            };
            alike += i64::from(found == expected && seconds == *moved_by.get_or_insert(seconds));
            Ok(())
        })?;
        let anchor = moved_by.and_then(|seconds| ANCHOR.checked_add(seconds));
        Ok(anchor
            .filter(|_| alike == SAMPLE)
            .map(|anchor| DatasetSpec { events: EVENTS, anchor }))
    })
}

fn newest(dir: &DataDir) -> Result<Option<i64>> {
    let mut rows = Rows::default();
    Connection::open(dir)?.baseline_page(&Query::new(Filter::ALL, Position::Page(1), 1)?, &mut rows)?;
    Ok(rows.iter().next().map(|row| row.created_at))
}
