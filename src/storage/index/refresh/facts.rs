//! Where the trees of a database lie.

use super::RefreshError;
use crate::storage::index::base::source::DatabaseFacts;
use crate::storage::index::hash::{HashKey, page_hash};
use crate::storage::sqlite::Snapshot;

/// Bytes of page 1 before the schema.
const FILE_HEADER: usize = 100;

impl DatabaseFacts {
    /// What the snapshot says.
    ///
    /// # Errors
    /// The database cannot be read, or has no table of events.
    pub(crate) fn read(snapshot: &mut Snapshot<'_>, key: HashKey) -> Result<Self, RefreshError> {
        let missing = || RefreshError::Rebuild("there is no table audit_events".to_owned());
        Ok(DatabaseFacts {
            table_root: snapshot.root("audit_events")?.ok_or_else(missing)?,
            time_root: snapshot.root("idx_created_at")?.unwrap_or(0),
            ..Self::without_roots(snapshot, key)?
        })
    }

    /// The same, except for the roots, which cannot be other ones unless one of these is: the schema says where they are.
    pub(super) fn without_roots(snapshot: &mut Snapshot<'_>, key: HashKey) -> Result<Self, RefreshError> {
        let header = *snapshot.header();
        let page_1 = snapshot.page(1)?.unwrap_or_default();
        Ok(DatabaseFacts {
            page_size: header.page_size,
            reserved: header.reserved.into(),
            schema_cookie: header.schema_cookie,
            table_root: 0,
            time_root: 0,
            has_other_indexes: false,
            schema_hash: page_hash(key, page_1.get(FILE_HEADER..).unwrap_or_default()),
        })
    }
}
