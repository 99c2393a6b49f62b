//! One comparison with the contract: what `seed` and `verify-baseline` report.

use serde::Serialize;

/// One thing that was compared. As a JSON line it has these keys, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was compared: `sha256`, `rows`, `objects`, `columns` or `index`.
    pub(crate) check: &'static str,
    /// Of which file or table.
    pub(crate) subject: String,
    /// What the contract says; null where it says nothing.
    pub(crate) expected: Option<String>,
    /// What is there; null where nothing is.
    pub(crate) found: Option<String>,
    /// Whether what is there is what is expected.
    pub(crate) ok: bool,
    /// A remark for the reader, or null.
    pub(crate) note: Option<String>,
}
