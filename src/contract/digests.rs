//! Every digest of the contract, and what computes them. All are SHA-256 in lower-case hex.

use sha2::{Digest, Sha256};

use super::workload::Workload;
use crate::model::Row;

/// Bytes in the contract dataset's payload file.
pub const PAYLOADS_SIZE: u64 = 61_024_030;
/// The contract dataset's payload file.
pub const PAYLOADS_SHA256: &str = "7e9120858b688cdd6d73c4277a1d8e21c5dae1134b3735538409b914f0dd0d38";
/// The contract dataset's rows, as [`RowsDigest`] takes them.
pub const ROWS_SHA256: &str = "adea431ef0ebb918d38cfad82b2e3db4a31a4be7abd5772315c811dd328c412a";
/// How many different seconds the contract dataset's 50,000 events have.
pub const DISTINCT_CREATED_AT: usize = 49_516;

/// How many legacy requests [`LEGACY_REQUESTS_SHA256`] covers.
pub const LEGACY_REQUESTS: usize = 2_000;
/// The legacy stream's first requests: their `query` objects, one a line.
pub const LEGACY_REQUESTS_SHA256: &str = "5222d5723d880c0db793d7e107262b2a30e322848d4673a6aa13167cd53a1c63";

/// What the contract dataset answers to a stream's first requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responses {
    /// The stream.
    pub workload: Workload,
    /// How many requests, from the first.
    pub requests: usize,
    /// How many of the responses hold events.
    pub non_empty: usize,
    /// How many events they hold together.
    pub events: usize,
    /// The responses, one a line, each with its newline.
    pub sha256: &'static str,
}

/// The answers to the legacy stream.
pub const LEGACY_RESPONSES: Responses = Responses {
    workload: Workload::Legacy,
    requests: LEGACY_REQUESTS,
    non_empty: 110,
    events: 1_986,
    sha256: "5ca5afc9a55c2c1b7f8a0a13acb66fd2c9ce0c9cfbca65312637d10b686ec668",
};

/// The answers to the deep stream.
pub const DEEP_RESPONSES: Responses = Responses {
    workload: Workload::Deep,
    requests: 500,
    non_empty: 401,
    events: 9_160,
    sha256: "b26177a73392c98929878fa7b34265d48dcf2d262829c139c9c2121ae08344c7",
};

/// One frozen file of the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenFile {
    /// Its name, without a directory.
    pub name: &'static str,
    /// The digest of its bytes.
    pub sha256: &'static str,
}

/// The live service's own two files, which are not part of this repository.
pub const LIVE_FILES: [FrozenFile; 2] = [
    FrozenFile {
        name: "audit_log_service.py",
        sha256: "1aa1b83de1d6c4f87f7c1cdf641762c23417dfad5d67baa9d91d9dedaa8351e7",
    },
    FrozenFile {
        name: "runner.py",
        sha256: "9bd8e432e73c2a02a123a8e90d937bb11e448b7eaaf4c4efb95e469f6c85b6f9",
    },
];

/// The sums of this repository's own frozen files, as `sha256sum` prints them.
const OUR_SUMS: &str = include_str!("../../fixtures/baseline/SHA256SUMS");

/// This repository's own frozen files, by the sums compiled in.
#[must_use]
pub fn our_files() -> Vec<FrozenFile> {
    parse_sums(OUR_SUMS).collect()
}

/// Reads what `sha256sum` prints: a digest, two spaces and a name, a line each.
///
/// A line of another form becomes a file with no digest: nothing is left out, and nothing can match
/// it.
fn parse_sums(text: &'static str) -> impl Iterator<Item = FrozenFile> {
    text.lines().map(|line| {
        let (sha256, name) = line.split_once("  ").unwrap_or(("", line));
        FrozenFile { name, sha256 }
    })
}

/// Bytes in lower-case hex, two characters a byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|n| DIGITS[usize::from(n)])
        .collect()
}

/// The digest of a table's rows: every column in the table's order, separated by `|`, a line each.
/// That is what the `sqlite3` shell prints in its list mode, so `sqlite3 audit.db 'SELECT * …' |
/// sha256sum` agrees.
#[derive(Clone, Debug, Default)]
pub struct RowsDigest {
    digest: Sha256,
    line: Vec<u8>,
}

impl RowsDigest {
    /// The digest of no rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next row. The contract's order is by id.
    pub fn add(&mut self, row: &Row<'_>) {
        self.line.clear();
        write_list_line(&mut self.line, row);
        self.digest.update(&self.line);
    }

    /// The digest in hex.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.digest.finalize())
    }
}

/// One row as the `sqlite3` shell's list mode prints it, with its newline.
fn write_list_line(line: &mut Vec<u8>, row: &Row<'_>) {
    let mut decimal = itoa::Buffer::new();
    for number in [row.id, row.created_at, row.actor_id] {
        line.extend_from_slice(decimal.format(number).as_bytes());
        line.push(b'|');
    }
    for text in [row.action, row.resource_type, row.resource_id] {
        line.extend_from_slice(text.as_bytes());
        line.push(b'|');
    }
    line.extend_from_slice(decimal.format(row.payload_ref.offset).as_bytes());
    line.push(b'|');
    line.extend_from_slice(decimal.format(row.payload_ref.len).as_bytes());
    line.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::dataset::{ANCHOR, Rows};

    fn is_digest(text: &str) -> bool {
        text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn hex_is_lower_case_and_keeps_leading_zeros() {
        assert_eq!(hex(&[]), "");
        assert_eq!(hex(&[0x00, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }

    #[test]
    fn the_compiled_sums_name_the_same_files_as_the_live_service_has() {
        let ours = our_files();
        let names = |files: &[FrozenFile]| files.iter().map(|file| file.name).collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&LIVE_FILES));
        assert!(ours.iter().chain(&LIVE_FILES).all(|file| is_digest(file.sha256)));
    }

    #[test]
    fn the_compiled_sums_are_those_of_the_frozen_files() {
        let service = include_bytes!("../../fixtures/baseline/audit_log_service.py");
        let runner = include_bytes!("../../fixtures/baseline/runner.py");
        let sums = our_files();
        assert_eq!(hex(&Sha256::digest(service)), sums[0].sha256);
        assert_eq!(hex(&Sha256::digest(runner)), sums[1].sha256);
    }

    #[test]
    fn a_broken_sum_is_kept_and_matches_nothing() {
        let files: Vec<_> = parse_sums("abc  a name.py\nrunner.py\n").collect();
        let expected = [
            FrozenFile {
                name: "a name.py",
                sha256: "abc",
            },
            FrozenFile {
                name: "runner.py",
                sha256: "",
            },
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn a_row_reads_as_the_shell_prints_it() {
        let mut rows = Rows::new(1, ANCHOR);
        let mut line = Vec::new();
        write_list_line(&mut line, &rows.next_row().unwrap().row());
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text, "1|1764461757|1896|CREATE|PRODUCT|PRODUCT-4789719|0|1493\n");
    }

    #[test]
    fn every_constant_is_a_digest() {
        let constants = [
            PAYLOADS_SHA256,
            ROWS_SHA256,
            LEGACY_REQUESTS_SHA256,
            LEGACY_RESPONSES.sha256,
            DEEP_RESPONSES.sha256,
        ];
        assert!(constants.into_iter().all(is_digest));
    }
}
