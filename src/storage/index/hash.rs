//! Keyed hashes of pages and of entries. What a log holds is hostile text: without a secret key, two contents of a
//! page could be made to have one hash.

use std::hash::Hasher;

use highway::{HighwayHash, HighwayHasher, Key as HighwayKey};
use siphasher::sip::SipHasher13;

/// The secret of one index.
pub(crate) type HashKey = [u64; 2];

/// Stands for a page that must be read again always, whatever its bytes are.
pub(crate) const VOLATILE: u64 = 0;

/// The hash of a page's bytes, never [`VOLATILE`].
pub(crate) fn page_hash(key: HashKey, bytes: &[u8]) -> u64 {
    let [a, b] = key;
    let hash = HighwayHasher::new(HighwayKey([a, b, !a, !b])).hash64(bytes);
    hash.max(1)
}

/// The hash of one entry of the order. Sums of them, modulo 2^64, tell sets of entries apart whatever their order:
/// the table's rows must add up to what the entries of its index on `created_at` add up to.
pub(crate) fn entry_hash(key: HashKey, created_at: i64, id: i64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key[0], key[1]);
    hasher.write_i64(created_at);
    hasher.write_i64(id);
    hasher.finish()
}
