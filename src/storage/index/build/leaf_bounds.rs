//! Does a search lead where reading in turn does? A damaged inner page of a table leads SQLite astray only when it
//! searches, and the live service searches for every row that it returns.
//!
//! An inner page says of each two neighbouring leaf pages which ids lie on the left one. If SQLite finds the last
//! row of the left one and the first row of the right one, it finds all rows of both: on a leaf, the ids ascend.

use super::rows::Part;

/// The first and the last id of each leaf page, which hold so many rows each; `None` if the rows do not ascend or
/// are not as many.
pub(crate) fn edges(parts: &[Part], leaf_sizes: &[u64]) -> Option<Vec<i64>> {
    let mut ids = parts.iter().flat_map(|part| &part.rows).map(|row| row.id);
    let mut edges = Vec::with_capacity(leaf_sizes.len() * 2);
    let mut last = None;
    for &rows in leaf_sizes {
        for place in 0..rows {
            let id = ids.next()?;
            if last.is_some_and(|last| id <= last) {
                return None;
            }
            last = Some(id);
            if place == 0 || place == rows - 1 {
                edges.push(id);
            }
        }
    }
    ids.next().is_none().then_some(edges)
}

#[cfg(test)]
mod tests {
    use super::edges;
    use crate::storage::index::build::rows::{CompactRow, Part};

    fn part(ids: &[i64]) -> Part {
        let row = |&id| CompactRow {
            id,
            ..CompactRow::default()
        };
        Part {
            rows: ids.iter().map(row).collect(),
            ..Part::default()
        }
    }

    #[test]
    fn each_leaf_has_a_first_and_a_last_row() {
        let parts = [part(&[i64::MIN, 2, 3]), part(&[]), part(&[5, 9])];
        let edges = |leaf_sizes: &[u64]| edges(&parts, leaf_sizes);
        assert_eq!(edges(&[2, 3]), Some(vec![i64::MIN, 2, 3, 9]));
        assert_eq!(edges(&[1, 0, 4]), Some(vec![i64::MIN, 2, 9]));
        assert_eq!(edges(&[2, 2]), None, "a row more than the leaves hold");
        assert_eq!(edges(&[2, 4]), None, "a row less");
    }

    #[test]
    fn rows_that_do_not_ascend_have_no_edges() {
        assert_eq!(edges(&[part(&[1, 3]), part(&[3])], &[3]), None);
        assert_eq!(edges(&[part(&[2, 1])], &[1, 1]), None);
        assert_eq!(edges(&[part(&[])], &[0]), Some(vec![]));
    }
}
