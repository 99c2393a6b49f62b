//! A running engine beside a writer, and what each change makes it do.

use std::time::{Duration, Instant};

use auditq::engine::{Engine, Enhanced, Lifetime, RefreshCounts};
use auditq::model::Filter;

use super::compare::{all, assert_answers, queries};
use super::random::Random;
use super::writer::Writer;
use crate::harness::{Log, filter};

/// How long what has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the engine has an index again: after a change that needs a build, SQLite answers meanwhile.
pub(super) fn wait_for_index(engine: &Enhanced, what: &str) {
    let start = Instant::now();
    loop {
        let before = engine.refreshes().by_sqlite;
        engine.count(&Filter::ALL).unwrap();
        if engine.refreshes().by_sqlite == before {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: there is no index");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A log, a running engine that has an index of it, and a writer.
pub(super) struct Watched {
    pub(super) log: Log,
    pub(super) engine: Enhanced,
    pub(super) writer: Writer,
}

/// What the engine did between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Did {
    pub(super) by_frames: u64,
    pub(super) by_hashes: u64,
    pub(super) rebuilds: u64,
}

impl Did {
    pub(super) const NOTHING: Did = Did {
        by_frames: 0,
        by_hashes: 0,
        rebuilds: 0,
    };
    /// One refresh, for which the write-ahead log named the pages.
    pub(super) const FRAMES: Did = Did {
        by_frames: 1,
        ..Did::NOTHING
    };
    /// One refresh, for which all leaf pages were hashed.
    pub(super) const HASHES: Did = Did {
        by_hashes: 1,
        ..Did::NOTHING
    };
}

impl Watched {
    pub(super) fn new(log: Log, journal_mode: &str) -> Self {
        log.journal_mode(journal_mode);
        let engine = log.enhanced(Lifetime::LongLived);
        let mut writer = Writer::start(log.root());
        writer.run("staying().execute('SELECT 1 FROM audit_events').fetchall()");
        let mut watched = Watched { log, engine, writer };
        wait_for_index(&watched.engine, journal_mode);
        watched.look("before");
        watched
    }

    fn counts(&self) -> RefreshCounts {
        self.engine.refreshes()
    }

    /// The engine answers as the baseline does. What it did for that.
    #[track_caller]
    pub(super) fn look(&mut self, what: &str) -> Did {
        let before = self.counts();
        self.engine.count(&Filter::ALL).unwrap();
        let events = all(&self.log.baseline(), &Filter::ALL).unwrap();
        let queries = queries(&mut Random(24_301), &events);
        assert_answers(&self.engine, &events, &queries, what);
        let after = self.counts();
        Did {
            by_frames: after.by_frames - before.by_frames,
            by_hashes: after.by_hashes - before.by_hashes,
            rebuilds: after.rebuilds - before.rebuilds,
        }
    }

    /// Runs a statement of the writer's, and looks.
    #[track_caller]
    pub(super) fn after(&mut self, statement: &str) -> Did {
        self.writer.run(statement);
        self.look(statement)
    }

    /// The same for what only a build can follow: SQLite answers until there is one.
    #[track_caller]
    pub(super) fn after_build(&mut self, statement: &str) -> u64 {
        let before = self.counts().rebuilds;
        self.writer.run(statement);
        self.look(statement);
        wait_for_index(&self.engine, statement);
        self.look(statement);
        self.counts().rebuilds - before
    }
}

impl Watched {
    /// Answers that SQLite gave.
    pub(super) fn by_sqlite(&self) -> u64 {
        self.counts().by_sqlite
    }

    pub(super) fn count_of_actor(&self, actor: i64) -> u64 {
        self.engine.count(&filter(Some(actor), None)).unwrap()
    }

    /// What is shown of all resources.
    pub(super) fn resource_ids(&self) -> Vec<String> {
        let events = all(&self.engine, &Filter::ALL).unwrap();
        events.into_iter().map(|event| event.resource.1).collect()
    }

    /// Another engine answers as the baseline does, too.
    #[track_caller]
    pub(super) fn assert_same(&self, other: &Enhanced, what: &str) {
        let events = all(&self.log.baseline(), &Filter::ALL).unwrap();
        let queries = queries(&mut Random(24_301), &events);
        assert_answers(other, &events, &queries, what);
    }

    /// Waits until the engine has closed the connection that it keeps between two refreshes: to a log in WAL mode, where
    /// it is in others' way.
    pub(super) fn wait_until_disconnected(&self) {
        let start = Instant::now();
        while self.is_connected() {
            assert!(start.elapsed() < PATIENCE, "it stays connected");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether this process has shared memory of the log open, as every connection to it has, and nothing else.
    fn is_connected(&self) -> bool {
        let root = self.log.root().canonicalize().unwrap();
        let files = std::fs::read_dir("/proc/self/fd").unwrap();
        let mut paths = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
        paths.any(|path| path.starts_with(&root) && path.to_string_lossy().contains(".db-shm"))
    }

    /// Kills the writer in the middle of what it does, and starts another.
    pub(super) fn restart_writer(&mut self) {
        let old = std::mem::replace(&mut self.writer, Writer::start(self.log.root()));
        old.kill();
    }
}
