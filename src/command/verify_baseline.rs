//! `auditq verify-baseline`: checks the frozen files and the dataset against the contract.

use std::path::Path;

use crate::command::check::Check;
use crate::config::{Config, Display, VerifyArgs};
use crate::contract::dataset::SCHEMA_SQL;
use crate::contract::digests::{FrozenFile, LIVE_FILES, our_files};
use crate::error::{Error, Exit, Result};
use crate::output::checks;
use crate::output::progress::{ProgressBar, note};
use crate::output::unless_closed;
use crate::parallel;
use crate::seed::{self, DatabaseContents, DatasetSpec};
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Schema;

/// Why there is no digest of a database that can be read.
const CHANGED_MEANWHILE: &str = "another process wrote to it each time it was read: stop that process and ask again";

pub(super) fn run(config: &Config, args: &VerifyArgs) -> Result<Exit> {
    let (dir, display) = (&config.data_dir, &config.display);
    let mut checks = frozen(&args.dir)?;
    dir.refuse_staged()?;
    if seed::is_anything_there(dir) {
        checks.extend(dataset_checks(dir, display)?);
    } else {
        note(
            display,
            &format!(
                "no dataset in {}: only the frozen files were checked",
                dir.root().display()
            ),
        );
    }
    unless_closed(checks::print(display, &checks))?;
    Ok(if checks.iter().all(|check| check.ok) {
        Exit::Fine
    } else {
        Exit::Negative
    })
}

/// The frozen files against the set that more of them belong to, ours before the live service's.
fn frozen(dir: &Path) -> Result<Vec<Check>> {
    let ours = our_files();
    let found: Vec<_> = ours
        .iter()
        .map(|file| file_sum(&dir.join(file.name)))
        .collect::<Result<_>>()?;
    let matching = |set: &[FrozenFile]| {
        set.iter()
            .zip(&found)
            .filter(|(file, found)| found.as_deref() == Some(file.sha256))
            .count()
    };
    let (set, origin) = if matching(&LIVE_FILES) > matching(&ours) {
        (LIVE_FILES.to_vec(), "the live service's own file")
    } else {
        (ours, "this repository's file")
    };
    Ok(set
        .iter()
        .zip(found)
        .map(|(file, found)| frozen_check(dir, file, origin, found))
        .collect())
}

fn file_sum(path: &Path) -> Result<Option<String>> {
    Ok(seed::sha256(path, &|_, _| ())?.map(|found| found.sha256))
}

fn frozen_check(dir: &Path, file: &FrozenFile, origin: &str, found: Option<String>) -> Check {
    let note = if found.is_some() {
        origin
    } else {
        "no such file: --dir names the directory that has it"
    };
    compare(
        "sha256",
        &dir.join(file.name),
        file.sha256.to_owned(),
        found,
        Some(note.to_owned()),
    )
}

fn dataset_checks(dir: &DataDir, display: &Display) -> Result<Vec<Check>> {
    let spec = DatasetSpec::of_dir(dir);
    let label = (!spec.is_contract()).then(|| spec.name());
    let progress = ProgressBar::new(display, "verifying");
    let (payloads, (database, expected)) = parallel::join(
        || seed::payloads(dir, &|done, total| progress.report(done, total)),
        || parallel::join(|| seed::database(dir), || seed::expected_digests(spec)),
    );
    let payloads = payloads?.map(|found| found.sha256);
    let missing = || Some("no such file".to_owned());
    let note = if payloads.is_some() { label.clone() } else { missing() };
    let mut checks = vec![compare("sha256", &dir.payloads(), expected.payloads, payloads, note)];
    let (found, note) = match database {
        Ok(Some(found)) if !found.is_of_one_moment => (None, Some(CHANGED_MEANWHILE.to_owned())),
        Ok(Some(found)) => (Some(found), label),
        Ok(None) => (None, missing()),
        // A negative verdict, no failure: a table that cannot be read as the contract's is not the contract's.
        Err(error @ (Error::Database { .. } | Error::Row { .. })) => (None, Some(error.to_string())),
        Err(error) => return Err(error),
    };
    checks.extend(database_checks(dir.database(), &expected.rows, found, note.as_deref())?);
    Ok(checks)
}

fn database_checks(
    path: &Path,
    expected_rows: &str,
    found: Option<DatabaseContents>,
    note: Option<&str>,
) -> Result<Vec<Check>> {
    let contract = Schema::of_statements(SCHEMA_SQL)?;
    let (rows, schema) = found.map(|found| (found.rows, found.schema)).unzip();
    let (objects, columns, index) = match schema {
        Some(Schema {
            objects,
            columns,
            indexes,
        }) => (Some(objects), Some(columns), Some(indexes)),
        None => (None, None, None),
    };
    let check = |what, expected, found| compare(what, path, expected, found, note.map(str::to_owned));
    Ok(vec![
        check("rows", expected_rows.to_owned(), rows),
        check("objects", contract.objects, objects),
        check("columns", contract.columns, columns),
        check("index", contract.indexes, index),
    ])
}

fn compare(
    check: &'static str,
    subject: &Path,
    expected: String,
    found: Option<String>,
    note: Option<String>,
) -> Check {
    Check {
        check,
        subject: subject.display().to_string(),
        ok: found.as_deref() == Some(&expected),
        expected: Some(expected),
        found,
        note,
    }
}
