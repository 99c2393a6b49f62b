//! Figures that `bench --export` wrote before, of logs of several sizes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::report::SCHEMA_VERSION;
use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;
use crate::output::units::whole;
use crate::storage::fs::open::open_with_size;

/// Bytes. No export is nearly as long.
const LONGEST: u64 = 64 << 20;

/// What a picture needs of an export.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Exported {
    pub(super) auditq_version: String,
    pub(super) commit: String,
    pub(super) command_line: String,
    pub(super) machine: Machine,
    pub(super) dataset: Dataset,
    pub(super) workloads: Vec<Workload>,
    #[serde(default)]
    pub(super) pages: Vec<PageTime>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Machine {
    pub(super) cpu_model: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Dataset {
    pub(super) label: String,
    pub(super) events: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Workload {
    pub(super) workload: String,
    pub(super) costs: Vec<Cost>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cost {
    pub(super) subject: String,
    pub(super) pages: String,
    pub(super) us_per_request: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageTime {
    pub(super) subject: String,
    pub(super) page: u64,
    pub(super) page_size: u64,
    pub(super) p50_us: f64,
}

#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}

/// Reads exports, the smallest log first.
///
/// # Errors
/// One cannot be read, is none, or lacks what is compared; they do not compare: of one size, of two machines or builds.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Exported>> {
    let mut exports: Vec<(&PathBuf, Exported)> = Vec::new();
    for path in paths {
        let export = read_one(path)?;
        if let Some((other, first)) = exports.first() {
            let is_like = (&export.machine, &export.commit, &export.auditq_version)
                == (&first.machine, &first.commit, &first.auditq_version);
            if !is_like {
                let other = other.display();
                return Err(unusable(
                    path,
                    &format!("it is of another machine or another build than {other}, so they do not compare"),
                ));
            }
        }
        let events = export.dataset.events;
        if let Some((other, _)) = exports.iter().find(|(_, other)| other.dataset.events == events) {
            return Err(unusable(
                path,
                &format!("it is of {} events, as {} is", whole(events as f64), other.display()),
            ));
        }
        exports.push((path, export));
    }
    exports.sort_by_key(|(_, export)| export.dataset.events);
    Ok(exports.into_iter().map(|(_, export)| export).collect())
}

fn read_one(path: &Path) -> Result<Exported> {
    let (file, size) = open_with_size(path).map_err(Error::io(path, "cannot read"))?;
    if size > LONGEST {
        return Err(unusable(path, "it is too long for an export of bench"));
    }
    let mut text = Vec::new();
    file.take(LONGEST)
        .read_to_end(&mut text)
        .map_err(Error::io(path, "cannot read"))?;
    let other = |error: serde_json::Error| unusable(path, &format!("it is no JSON export of bench: {error}"));
    let version: Version = serde_json::from_slice(&text).map_err(other)?;
    if version.schema_version != SCHEMA_VERSION {
        return Err(unusable(
            path,
            &format!(
                "it is an export of another version: its schema_version is {}, not {SCHEMA_VERSION}",
                version.schema_version
            ),
        ));
    }
    let export: Exported = serde_json::from_slice(&text).map_err(other)?;
    if export.pages.is_empty() {
        return Err(unusable(
            path,
            "it holds no latencies by page: bench exports them together with --plot",
        ));
    }
    Ok(export)
}

fn unusable(path: &Path, why: &str) -> Error {
    // Parts of the file may stand in it.
    let why = escape_for_terminal(why);
    Error::io(path, "cannot use it")(io::Error::new(io::ErrorKind::InvalidData, why))
}
