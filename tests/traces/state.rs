//! The states that a data directory can be found in.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::reader::{GROUP, OWNER, Reader};
use crate::harness::Log;
use crate::harness::companion::Companion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The log alone.
    Plain,
    /// The service is connected, and has committed.
    Connected,
    /// Only what a killed `seed` staged, and a payload file: the database is away.
    StagedAlone,
    /// A log, and beside it what a killed `seed` staged.
    StagedBeside,
    /// Names that look like the program's own.
    ForeignNames,
    /// A FIFO as index, links as delta and label, a socket and a directory under names of temp files.
    SpecialFiles,
    /// A FIFO in the place of the payload file.
    SpecialPayloads,
    /// A directory as write-ahead log.
    SpecialCompanion,
    /// Database and payload file are links to files elsewhere.
    Links,
    /// Nobody may write files or directory.
    ReadOnly,
    /// The service was killed, and of SQLite's two files only the write-ahead log is left.
    KilledService,
}

pub(super) const STATES: [State; 11] = [
    State::Plain,
    State::Connected,
    State::StagedAlone,
    State::StagedBeside,
    State::ForeignNames,
    State::SpecialFiles,
    State::SpecialPayloads,
    State::SpecialCompanion,
    State::Links,
    State::ReadOnly,
    State::KilledService,
];

/// How many events each log has; the newest has this id.
pub(super) const EVENTS: i64 = 400;

/// A log in a state.
pub(super) struct Found {
    pub(super) log: Log,
    /// What the log's links lead to.
    pub(super) elsewhere: TempDir,
    service: Option<Companion>,
}

/// Commits as the owner, whom others' Python need not be there for.
fn commit(reader: Reader) -> String {
    let become_owner = if reader == Reader::Oneself {
        String::new()
    } else {
        format!("os.setgroups([]); os.setgid({GROUP}); os.setuid({OWNER})")
    };
    format!(
        "
import os, sqlite3, sys
{become_owner}
c = sqlite3.connect('audit.db')
c.execute('UPDATE audit_events SET actor_id = actor_id + 1 WHERE id = 1')
c.commit()
"
    )
}

impl Found {
    pub(super) fn new(state: State, reader: Reader, journal_mode: &str) -> Self {
        let log = Log::plain(EVENTS);
        log.journal_mode(journal_mode);
        let mut found = Found {
            log,
            elsewhere: tempfile::tempdir().unwrap(),
            service: None,
        };
        // What is the service's own, before others come.
        if matches!(state, State::Links) {
            found.link();
        }
        found.give_to_owner(reader);
        match state {
            State::Plain | State::Links => {}
            State::Connected => found.connect(reader),
            State::KilledService => found.kill_service(reader, journal_mode),
            State::StagedAlone => {
                found.stage(reader);
                fs::remove_file(found.log.path("audit.db")).unwrap();
            }
            State::StagedBeside => found.stage(reader),
            State::ForeignNames => found.add_foreign_names(),
            State::SpecialFiles => found.add_special_files(),
            State::SpecialPayloads => {
                fs::remove_file(found.log.path("payloads.jsonl")).unwrap();
                mkfifo(&found.log.path("payloads.jsonl"));
            }
            State::SpecialCompanion => fs::create_dir(found.log.path("audit.db-wal")).unwrap(),
            State::ReadOnly => found.forbid_writing(),
        }
        found
    }

    /// Whether every command must be answered.
    pub(super) fn must_answer(state: State, reader: Reader, journal_mode: &str) -> bool {
        match state {
            State::StagedAlone | State::SpecialPayloads | State::SpecialCompanion => false,
            State::KilledService => journal_mode == "delete" || reader.makes_files_of_the_owner(),
            _ => true,
        }
    }

    /// Whether the service can commit there at all.
    pub(super) fn is_writable(state: State) -> bool {
        !matches!(
            state,
            State::StagedAlone | State::SpecialCompanion | State::ReadOnly | State::SpecialPayloads
        )
    }

    /// The service commits, connected or not.
    pub(super) fn commit(&mut self, reader: Reader) {
        self.disconnect();
        self.log.python(&commit(reader));
    }

    fn disconnect(&mut self) {
        self.service = None;
    }

    fn give_to_owner(&self, reader: Reader) {
        for (dir, names) in [
            (self.log.root(), ["audit.db", "payloads.jsonl"]),
            (self.elsewhere.path(), ["audit.db", "payloads.jsonl"]),
        ] {
            for name in names.into_iter().chain([""]) {
                let path = if name.is_empty() {
                    dir.to_owned()
                } else {
                    dir.join(name)
                };
                let Ok(metadata) = fs::symlink_metadata(&path) else {
                    continue;
                };
                if metadata.is_symlink() {
                    continue;
                }
                let mode = if metadata.is_dir() { 0o775 } else { reader.permissions() };
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                if reader != Reader::Oneself {
                    chown(&path, Some(OWNER), Some(GROUP)).unwrap();
                }
            }
        }
    }

    fn link(&self) {
        for name in ["audit.db", "payloads.jsonl"] {
            let real = self.elsewhere.path().join(name);
            fs::copy(self.log.path(name), &real).unwrap();
            fs::remove_file(self.log.path(name)).unwrap();
            symlink(&real, self.log.path(name)).unwrap();
        }
    }

    fn spawn_service(&self, reader: Reader) -> Companion {
        Companion::start(self.log.root(), &commit(reader))
    }

    fn connect(&mut self, reader: Reader) {
        self.service = Some(self.spawn_service(reader));
    }

    fn kill_service(&self, reader: Reader, journal_mode: &str) {
        self.spawn_service(reader).kill();
        if journal_mode == "wal" {
            assert!(fs::metadata(self.log.path("audit.db-wal")).unwrap().len() > 0);
            fs::remove_file(self.log.path("audit.db-shm")).unwrap();
        }
    }

    fn stage(&self, reader: Reader) {
        let staged = self.log.path(".auditq-seed.Ab3dE6");
        DirBuilder::new().mode(0o700).create(&staged).unwrap();
        for name in ["audit.db", "payloads.jsonl"] {
            fs::copy(self.log.path(name), staged.join(name)).unwrap();
            fs::copy(self.log.path(name), staged.join(format!("old.{name}"))).unwrap();
        }
        let marker = r#"{"set_aside": ["audit.db", "payloads.jsonl"], "absent": ["audit.db-wal"],
            "install": ["payloads.jsonl", "audit.db"]}"#;
        fs::write(staged.join("step.json"), marker).unwrap();
        if reader == Reader::Owner {
            chown(&staged, Some(OWNER), Some(GROUP)).unwrap();
        }
    }

    fn add_foreign_names(&self) {
        for name in [
            ".auditq-notes",
            ".auditq-audit.db.bak",
            ".auditq-audit.idx.backup2",
            ".auditq-next-audit.db",
            ".auditq-next-payloads.jsonl",
            ".auditq-seed.keep",
            ".auditq-bench-keep",
            "audit.db.bak",
            "scale-study.json",
        ] {
            fs::write(self.log.path(name), "somebody's").unwrap();
        }
    }

    fn add_special_files(&self) {
        let path = |name| self.log.path(name);
        fs::write(path("victim"), "somebody's").unwrap();
        mkfifo(&path("audit.idx"));
        symlink("victim", path("audit.idx-delta")).unwrap();
        symlink("/dev/zero", path("scale-study.json")).unwrap();
        symlink("no/such/file", path(".auditq-next-audit.db")).unwrap();
        drop(UnixListener::bind(path(".auditq-audit.idx.sock")).unwrap());
        fs::create_dir(path(".auditq-audit.idx.dir")).unwrap();
    }

    fn forbid_writing(&self) {
        for name in ["audit.db", "payloads.jsonl", ""] {
            let mode = if name.is_empty() { 0o555 } else { 0o444 };
            let path = if name.is_empty() {
                self.log.root().to_owned()
            } else {
                self.log.path(name)
            };
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        self.disconnect();
        let _ = fs::set_permissions(self.log.root(), Permissions::from_mode(0o775));
    }
}

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
