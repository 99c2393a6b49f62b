//! Files that change together: staged in a private directory, then put in place in one step that a kill cannot
//! divide.
//!
//! The staging directory `.auditq-seed.<random>` (mode 0700) lies in the data directory. It holds the new files
//! under the names they will have. The step is described by a marker file in it, which is written first. Then
//! the old files are set aside into the staging directory, and the new ones are moved out of it, the key file
//! (the database) as the first of the old and as the last of the new. What a killed run left is known by where
//! the files lie, never by what others may have created meanwhile:
//!
//! | marker | old key file | new key file | state | recovery |
//! | --- | --- | --- | --- | --- |
//! | none | | | the step has not begun, or is over | remove the staging directory |
//! | there | in its place | staged | nothing but names was changed | put back, remove |
//! | there | set aside, or none | staged | half done | finish, remove |
//! | there | set aside, or none | in its place | done | remove |
//!
//! No rename here can replace a file.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::atomic_file::without_temp_name;
use super::dir_lock::DirLock;
use super::temp_name::{RANDOM_LEN, is_random_part};
use crate::error::{Error, Result};

/// What the names of staging directories start with; letters and digits at random follow.
pub(crate) const STAGED_PREFIX: &str = ".auditq-seed.";

/// The marker of the step, and its name until it is whole.
const MARKER: &str = "step.json";
const MARKER_TEMP: &str = "step.json.new";
/// The largest marker that is read, in bytes.
const MARKER_LIMIT: u64 = 1 << 16;
/// What stands before the name of an old file that was set aside.
const OLD: &str = "old.";

/// What to do about a file that is in the way.
const FOREIGN: &str = "another program created it meanwhile: move it away, or `auditq seed --force` replaces it";

/// What the step does, in this order. Names are those of files in the data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Old files to set aside; the key file first, if it is one of them.
    pub(crate) set_aside: Vec<String>,
    /// Files that must not be there: where one is, it belongs to somebody else, and the step is refused.
    pub(crate) absent: Vec<String>,
    /// New files to put in place. The last one is the key file: with it, the step is done.
    pub(crate) install: Vec<String>,
}

/// A private directory of new files. Dropped before the step, it is removed with everything in it.
#[derive(Debug)]
pub(crate) struct StagingDir<'lock> {
    lock: &'lock DirLock,
    name: String,
    dir: File,
    is_kept: bool,
}

/// The first staging directory in `root`, whoever owns it.
pub(crate) fn find_staged(root: &Path) -> Option<String> {
    staged_names(root).min()
}

/// Finishes or undoes what killed runs of this user began. Gives the staging directories where neither can be done,
/// each with the reason: nothing in them or beside them was lost.
///
/// Directories of other users are left alone: what is in them is not to be trusted.
pub(crate) fn recover(lock: &DirLock) -> Vec<(StagingDir<'_>, Error)> {
    let own = staged_names(lock.path()).filter_map(|name| StagingDir::open(lock, name));
    own.filter_map(|mut staged| match staged.recover() {
        Ok(()) => None,
        Err(error) => {
            staged.is_kept = true;
            Some((staged, error))
        }
    })
    .collect()
}

fn staged_names(root: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.strip_prefix(STAGED_PREFIX).is_some_and(is_random_part))
}

impl<'lock> StagingDir<'lock> {
    /// Makes an empty one in the directory that is locked.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(crate) fn create(lock: &'lock DirLock) -> Result<Self> {
        let made = tempfile::Builder::new()
            .prefix(STAGED_PREFIX)
            .rand_bytes(RANDOM_LEN)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(lock.path());
        let cannot = || Error::io(lock.path(), "cannot create a directory in it");
        let path = made.map_err(without_temp_name).map_err(cannot())?.keep();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Self::open(lock, name.to_owned())
            .ok_or_else(|| cannot()(io::Error::other("somebody else replaced it, check who may write there")))
    }

    /// The directory of this name, if this user made it and nobody else can write in it.
    fn open(lock: &'lock DirLock, name: String) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(lock, &name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&dir).ok()?;
        let is_own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0;
        is_own.then(|| StagingDir {
            lock,
            name,
            dir: dir.into(),
            is_kept: false,
        })
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        self.lock.path().join(&self.name)
    }

    /// Makes an empty file in it, open for reading and writing, with this mode less the umask.
    ///
    /// # Errors
    /// The disk is full, or there already is such a file. They name the file by where it will be.
    pub(crate) fn create_file(&self, name: &str, mode: u32) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, name, flags, Mode::from_raw_mode(mode));
        Ok(file.map_err(|error| self.error(name, "cannot create", error))?.into())
    }

    /// Takes the step: every file staged must be on the disk by now. Where it fails, everything is as before, or
    /// the error says that `seed` has to be run again.
    ///
    /// # Errors
    /// A file that must be absent is there, the system refused a rename, or the disk failed.
    pub(crate) fn commit_staged(mut self, step: &Step) -> Result<()> {
        self.write_marker(step)?;
        if let Err(error) = self.finish(step) {
            // After its last rename the step is done: only its trace in the directory may not be on the disk yet.
            let is_undone = !self.is_done(step) && self.undo(step).is_ok();
            self.is_kept = !is_undone;
            return Err(if is_undone { error } else { self.unfinished(error) });
        }
        self.discard()
    }

    /// Removes it and everything in it: the step is over, or is not to be.
    ///
    /// # Errors
    /// Something cannot be removed. While the marker is there, all of it is.
    pub(crate) fn discard(mut self) -> Result<()> {
        self.is_kept = true;
        self.remove().map_err(Error::io(&self.path(), "cannot remove"))
    }

    fn recover(&mut self) -> Result<()> {
        if let Some(step) = self.read_marker()? {
            if self.is_begun(&step) {
                self.finish(&step)?;
            } else {
                self.undo(&step)?;
            }
        }
        self.remove().map_err(Error::io(&self.path(), "cannot remove"))
    }

    /// Whether the key file of the old ones, if there was one, is out of the way.
    fn is_begun(&self, step: &Step) -> bool {
        let key = step.install.last();
        key.is_some_and(|key| !step.set_aside.contains(key) || self.has(&old(key)))
    }

    fn is_done(&self, step: &Step) -> bool {
        self.is_begun(step) && step.install.last().is_some_and(|key| !self.has(key))
    }

    /// Does what is left of the step; can be called again wherever it was left.
    fn finish(&self, step: &Step) -> Result<()> {
        if self.is_done(step) {
            return self.lock.sync();
        }
        self.refuse_foreign_files(step)?;
        for name in &step.set_aside {
            if !self.has(&old(name)) {
                match self.rename(self.lock, name, &self.dir, &old(name)) {
                    // Gone in the meantime, as journals are.
                    Err(Errno::NOENT) => {}
                    done => done.map_err(|error| self.error(name, "cannot replace", error))?,
                }
            }
        }
        self.sync()?;
        for name in step.install.iter().filter(|name| self.has(name)) {
            if Some(name) == step.install.last() {
                // The key file says that the others are there, so it must not reach the disk before them.
                self.sync()?;
            }
            self.rename(&self.dir, name, self.lock, name)
                .map_err(|error| self.error(name, "cannot create", error))?;
        }
        self.sync()
    }

    /// Puts the old files back and takes the new ones away.
    fn undo(&self, step: &Step) -> Result<()> {
        // As long as the old key file is in its place, nothing new is.
        let is_begun = self.is_begun(step);
        for name in step.install.iter().rev().filter(|name| is_begun && !self.has(name)) {
            self.rename(self.lock, name, &self.dir, name)
                .map_err(|error| self.error(name, "cannot take back", error))?;
        }
        // The key file, which was the first to be set aside, is back when all others are.
        for name in step.set_aside.iter().rev().filter(|name| self.has(&old(name))) {
            self.rename(&self.dir, &old(name), self.lock, name)
                .map_err(|error| self.error(name, "cannot put back", error))?;
        }
        // Best effort: a kill of the system now leaves a state that the next recovery knows.
        let _ = self.sync();
        Ok(())
    }

    /// A file that was created since the step was planned belongs to somebody else, such as a service that connected
    /// while there was no database.
    fn refuse_foreign_files(&self, step: &Step) -> Result<()> {
        let is_installed = |name: &String| step.install.contains(name) && !self.has(name);
        let set_aside = step.set_aside.iter().filter(|name| self.has(&old(name)));
        let mut expected_absent = set_aside.chain(&step.absent).filter(|name| !is_installed(name));
        match expected_absent.find(|name| exists(self.lock, name)) {
            None => Ok(()),
            Some(name) => Err(self.error(name, "cannot create", Errno::EXIST)),
        }
    }

    /// Renames without ever replacing a file.
    #[allow(clippy::unused_self)]
    fn rename(&self, from: impl AsFd, old: &str, to: impl AsFd, new: &str) -> rustix::io::Result<()> {
        match rustix::fs::renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_in_two(from, old, to, new),
            done => done,
        }
    }

    fn write_marker(&self, step: &Step) -> Result<()> {
        let file = self.create_file(MARKER_TEMP, 0o600);
        let written = file.and_then(|mut file| {
            let text = serde_json::to_vec(step).map_err(io::Error::from);
            text.and_then(|text| file.write_all(&text))
                .and_then(|()| file.sync_all())
                .and_then(|()| Ok(self.rename(&self.dir, MARKER_TEMP, &self.dir, MARKER)?))
                .map_err(Error::io(&self.path(), "cannot write"))
        });
        written.and_then(|()| self.sync())
    }

    /// What the marker says; `None` where there is none.
    fn read_marker(&self) -> Result<Option<Step>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, MARKER, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::io(&self.path(), "cannot read")(error.into())),
        };
        let mut text = Vec::new();
        let read = file.take(MARKER_LIMIT).read_to_end(&mut text);
        read.and_then(|_| Ok(serde_json::from_slice::<Step>(&text)?))
            .and_then(|step| {
                let mut names = step.set_aside.iter().chain(&step.absent).chain(&step.install);
                if names.all(|name| is_plain(name)) && !step.install.is_empty() {
                    return Ok(Some(step));
                }
                Err(io::ErrorKind::InvalidData.into())
            })
            .map_err(Error::io(&self.path().join(MARKER), "cannot read"))
    }

    fn remove(&mut self) -> io::Result<()> {
        // The marker first: without it nothing here is of use, with it everything may be.
        for name in [MARKER, MARKER_TEMP] {
            match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
                Ok(()) => self.dir.sync_all()?,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for entry in rustix::fs::Dir::read_from(&self.dir)? {
            let entry = entry?;
            if ![c".", c".."].contains(&entry.file_name()) {
                rustix::fs::unlinkat(&self.dir, entry.file_name(), AtFlags::empty())?;
            }
        }
        Ok(rustix::fs::unlinkat(self.lock, &self.name, AtFlags::REMOVEDIR)?)
    }

    fn has(&self, name: &str) -> bool {
        exists(&self.dir, name)
    }

    /// Makes every rename so far outlast a power failure.
    fn sync(&self) -> Result<()> {
        self.dir.sync_all().map_err(Error::io(&self.path(), "cannot sync"))?;
        self.lock.sync()
    }

    /// An error that names a file by where it is or will be.
    fn error(&self, name: &str, action: &'static str, error: Errno) -> Error {
        let source = match error {
            Errno::EXIST => io::Error::new(io::ErrorKind::AlreadyExists, FOREIGN),
            error => error.into(),
        };
        Error::io(&self.lock.path().join(name), action)(source)
    }

    fn unfinished(&self, error: Error) -> Error {
        Error::usage(format!(
            "{error}; the step was left unfinished in {}: `auditq seed` finishes or undoes it",
            self.name
        ))
    }
}

impl Drop for StagingDir<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            // Best effort: the next `seed` removes what is left.
            let _ = self.remove();
        }
    }
}

/// Renames without ever replacing a file, where the file system cannot do that at once.
fn rename_in_two(from: impl AsFd, old: &str, to: impl AsFd, new: &str) -> rustix::io::Result<()> {
    rustix::fs::linkat(&from, old, &to, new, AtFlags::empty())?;
    rustix::fs::unlinkat(&from, old, AtFlags::empty())
}

fn old(name: &str) -> String {
    format!("{OLD}{name}")
}

/// Whether there is anything of this name, a link that leads nowhere included.
fn exists(dir: impl AsFd, name: &str) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Whether a name is that of a file in the directory itself.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && ![".", ".."].contains(&name)
}

#[cfg(test)]
mod tests;
