//! Putting a new dataset in the place of the one that is there.

use std::{fs, io};

use super::label::{LABEL, is_label_replaced};
use super::make::{DATABASE, PAYLOADS, StagedDataset};
use super::spec::DatasetSpec;
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::platform::FileState;
use crate::storage::fs::staging::Step;

/// What belongs to a database: left behind, the journals would be played into the new one.
const JOURNALS: [&str; 2] = ["audit.db-journal", "audit.db-wal"];
/// What can be made again from the database.
const DERIVED: [&str; 3] = ["audit.db-shm", "audit.idx", "audit.idx-delta"];

/// What a new dataset may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replace {
    /// Whatever is there.
    Everything,
    /// No dataset and no part of one. A payload file that is right already is kept.
    Nothing {
        /// The state in which the payload file was found to be right; a change since then is an error.
        payloads: Option<FileState>,
    },
}

/// Puts a new dataset in place. A kill at any moment leaves the old one, the new one, or what `recover` finishes.
///
/// # Errors
/// Something is there that may not be replaced, though it was not there before the dataset was made; or the system
/// refused a rename. Nothing has been replaced then.
pub(crate) fn publish(dir: &DataDir, staged: StagedDataset<'_>, spec: DatasetSpec, replace: Replace) -> Result<()> {
    staged.files.commit_staged(&plan(dir, spec, replace)?)
}

fn plan(dir: &DataDir, spec: DatasetSpec, replace: Replace) -> Result<Step> {
    let mut step = Step::default();
    let keeps_payloads = matches!(replace, Replace::Nothing { payloads: Some(_) });
    if let Replace::Nothing {
        payloads: Some(checked),
    } = replace
    {
        refuse_changed_payloads(dir, &checked)?;
    }
    let parts = [DATABASE].into_iter().chain(JOURNALS);
    let parts = parts.chain((!keeps_payloads).then_some(PAYLOADS));
    for name in parts.chain(DERIVED) {
        let is_replaceable = replace == Replace::Everything || DERIVED.contains(&name);
        match fs::symlink_metadata(dir.root().join(name)) {
            Ok(found) if is_replaceable && found.is_dir() => return Err(is_directory(dir, name)),
            Ok(_) if is_replaceable => step.set_aside.push(name.to_owned()),
            _ => step.absent.push(name.to_owned()),
        }
    }
    if is_label_replaced(dir, spec, replace == Replace::Everything)? {
        step.set_aside.push(LABEL.to_owned());
    } else if !spec.is_contract() {
        step.absent.push(LABEL.to_owned());
    }
    let label = (!spec.is_contract()).then_some(LABEL);
    let payloads = (!keeps_payloads).then_some(PAYLOADS);
    step.install = label
        .into_iter()
        .chain(payloads)
        .chain([DATABASE])
        .map(str::to_owned)
        .collect();
    Ok(step)
}

fn refuse_changed_payloads(dir: &DataDir, checked: &FileState) -> Result<()> {
    let path = dir.payloads();
    let state = FileState::of_path(&path).map_err(Error::io(&path, "cannot look at"))?;
    if state.as_ref() == Some(checked) {
        return Ok(());
    }
    let changed = io::Error::other("another program changed it meanwhile");
    Err(Error::io(&path, "cannot keep")(changed))
}

fn is_directory(dir: &DataDir, name: &str) -> Error {
    Error::io(&dir.root().join(name), "cannot replace")(io::ErrorKind::IsADirectory.into())
}
