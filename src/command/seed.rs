//! `auditq seed`: generates the contract dataset, or another size of it for a scale study.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::command::check::Check;
use crate::config::{Config, Display, SeedArgs};
use crate::contract::dataset::SCHEMA_SQL;
use crate::error::{Error, Exit, Result};
use crate::output::checks;
use crate::output::progress::{ProgressBar, note};
use crate::output::unless_closed;
use crate::parallel;
use crate::seed::{self, DatasetSpec, Digests, LABEL, Replace};
use crate::storage::data_dir::DataDir;
use crate::storage::fs::dir_lock::DirLock;
use crate::storage::fs::platform::FileState;
use crate::storage::fs::staging;
use crate::storage::index::{self, IfLocked, RebuildOutcome};
use crate::storage::sqlite::Schema;

/// How long another process that writes in the data directory is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the data directory holds, compared with the dataset to be made.
enum State {
    /// Nothing, or the right payload file alone.
    Free(Replace),
    /// That dataset, complete.
    Done(Digests),
    /// Another dataset, and how it differs.
    Taken(String),
}

pub(super) fn run(config: &Config, args: &SeedArgs) -> Result<Exit> {
    let (dir, display) = (&config.data_dir, &config.display);
    let spec = DatasetSpec {
        events: args.events,
        anchor: args.anchor,
    };
    fs::create_dir_all(dir.root()).map_err(Error::io(dir.root(), "cannot create the data directory"))?;
    dir.require_short_path()?;
    let lock = lock(dir.root(), display)?;
    lock.remove_leftovers(&[LABEL]);
    // With --force, an interrupted run that cannot be finished is kept until there is a new dataset.
    let mut unfinished = staging::recover(&lock);
    let state = if args.force {
        State::Free(Replace::Everything)
    } else if let Some((_, error)) = unfinished.pop() {
        return Err(error);
    } else {
        state(dir, spec, display)?
    };
    let (digests, verb) = match state {
        State::Taken(found) => {
            return Err(Error::DatasetExists {
                path: dir.root().to_owned(),
                found,
            });
        }
        State::Done(digests) => {
            seed::set_label(dir, &lock, spec)?;
            (digests, "nothing to do: there already is")
        }
        State::Free(replace) => (make(dir, &lock, spec, replace, display)?, "made"),
    };
    for (staged, _) in unfinished {
        staged.discard()?;
    }
    // Building the index takes the same lock.
    drop(lock);
    make_index(dir, display)?;
    note(display, &format!("{verb} {} in {}", spec.name(), dir.root().display()));
    unless_closed(checks::print(display, &checks(dir, spec, &digests)))?;
    Ok(Exit::Fine)
}

fn lock(root: &Path, display: &Display) -> Result<DirLock> {
    if let Some(lock) = DirLock::try_acquire(root)? {
        return Ok(lock);
    }
    note(
        display,
        &format!("{}: waiting for another process that writes here", root.display()),
    );
    DirLock::acquire(root, PATIENCE)
}

fn state(dir: &DataDir, spec: DatasetSpec, display: &Display) -> Result<State> {
    if !seed::is_anything_there(dir) {
        return Ok(State::Free(Replace::Nothing { payloads: None }));
    }
    let payloads_state = FileState::of_path(&dir.payloads()).map_err(Error::io(&dir.payloads(), "cannot look at"))?;
    let progress = ProgressBar::new(display, "checking");
    let (payloads, (database, expected)) = parallel::join(
        || seed::payloads(dir, &|done, total| progress.report(done, total)),
        || parallel::join(|| seed::database(dir), || seed::expected_digests(spec)),
    );
    let taken = |what: &str| Ok(State::Taken(what.to_owned()));
    let payloads_are_right = match payloads? {
        Some(found) if found.sha256 == expected.payloads => true,
        Some(_) => return taken("its payload file has another digest"),
        None => false,
    };
    // An unreadable database may still be somebody's data: it is not overwritten.
    let database = match database {
        Err(error @ Error::Busy { .. }) => return Err(error),
        Err(error) => return taken(&error.to_string()),
        Ok(database) => database,
    };
    match database {
        None if payloads_are_right && !dir.wal().exists() && !dir.journal().exists() => {
            Ok(State::Free(Replace::Nothing {
                payloads: payloads_state,
            }))
        }
        None => taken("it has no database, but files that belong to one"),
        Some(found) if !found.is_of_one_moment => taken("another process writes to its database"),
        Some(found) if found.rows != expected.rows => taken("its rows have another digest"),
        Some(found) if found.schema != Schema::of_statements(SCHEMA_SQL)? => taken("its schema is another one"),
        Some(_) if payloads_are_right => Ok(State::Done(expected)),
        Some(_) => taken("its payload file is missing"),
    }
}

fn make(dir: &DataDir, lock: &DirLock, spec: DatasetSpec, replace: Replace, display: &Display) -> Result<Digests> {
    // Fail before the work, not after it.
    seed::is_label_replaced(dir, spec, replace == Replace::Everything)?;
    let progress = ProgressBar::new(display, "seeding");
    let staged = seed::make(dir, lock, spec, &|done, total| progress.report(done, total))?;
    let digests = staged.digests.clone();
    if spec.is_contract() && digests != Digests::of_contract() {
        return Err(Error::DigestMismatch {
            path: dir.root().to_owned(),
            payloads: digests.payloads,
            rows: digests.rows,
        });
    }
    seed::publish(dir, staged, spec, replace)?;
    Ok(digests)
}

/// Best effort: without an index, queries answer as well and build it themselves.
fn make_index(dir: &DataDir, display: &Display) -> Result<()> {
    if index::open(dir).is_ok_and(|mut files| files.state().is_ok_and(|state| state.is_current())) {
        return Ok(());
    }
    let progress = ProgressBar::new(display, "indexing");
    match index::rebuild(dir, IfLocked::GiveUp, &|done, total| progress.report(done, total)) {
        Ok(RebuildOutcome::Done {
            in_memory: Some(error), ..
        })
        | Ok(RebuildOutcome::LockedElsewhere(error) | RebuildOutcome::NoMemory(error))
        | Err(error @ Error::Io { .. }) => note(display, &format!("no index was written: {error}")),
        Ok(RebuildOutcome::Done { .. } | RebuildOutcome::MadeElsewhere(..) | RebuildOutcome::StillRefused(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn checks(dir: &DataDir, spec: DatasetSpec, digests: &Digests) -> Vec<Check> {
    let contract = spec.is_contract().then(Digests::of_contract);
    let note = (!spec.is_contract()).then(|| spec.name());
    let check = |check, path: &Path, expected: Option<String>, found: &str| Check {
        check,
        subject: path.display().to_string(),
        ok: expected.as_deref().is_none_or(|expected| expected == found),
        expected,
        found: Some(found.to_owned()),
        note: note.clone(),
    };
    vec![
        check(
            "sha256",
            &dir.payloads(),
            contract.as_ref().map(|it| it.payloads.clone()),
            &digests.payloads,
        ),
        check("rows", dir.database(), contract.map(|it| it.rows), &digests.rows),
    ]
}
