//! The place of a payload.

/// Where the metadata says a payload lies, in bytes. Untrusted: either number may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadRef {
    /// Of its first byte in the payload file.
    pub offset: i64,
    /// With the line's newline.
    pub len: i64,
}
