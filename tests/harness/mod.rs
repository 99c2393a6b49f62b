//! What the tests share: logs made to measure, the program, and writers that are other processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use auditq::engine::{Baseline, Engine, Enhanced, Lifetime};
use auditq::model::{Filter, Page, Position, Query};
use auditq::storage::data_dir::DataDir;
use tempfile::TempDir;

pub(crate) mod companion;
pub(crate) mod dataset;
pub(crate) mod faults;
pub(crate) mod needs;
pub(crate) mod program;
pub(crate) mod screen;
pub(crate) mod stopped;
pub(crate) mod verified;

/// The table as the contract describes it.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE audit_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created_at INTEGER NOT NULL,
        actor_id INTEGER NOT NULL,
        action TEXT NOT NULL,
        resource_type TEXT NOT NULL,
        resource_id TEXT NOT NULL,
        payload_offset INTEGER NOT NULL,
        payload_len INTEGER NOT NULL
    );
    CREATE INDEX idx_created_at ON audit_events (created_at);";

/// A row but for its payload's place.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) id: i64,
    pub(crate) created_at: i64,
    pub(crate) actor_id: i64,
    pub(crate) action: String,
    pub(crate) resource_type: String,
    pub(crate) resource_id: String,
}

/// A small log in a directory of its own.
pub(crate) struct Log {
    dir: TempDir,
}

impl Log {
    /// A log of these events, each with a payload that names it.
    pub(crate) fn new(events: &[NewEvent]) -> Self {
        let log = Log {
            dir: tempfile::tempdir().unwrap(),
        };
        let mut payloads = Vec::new();
        let mut database = rusqlite::Connection::open(log.path("audit.db")).unwrap();
        database.execute_batch(SCHEMA).unwrap();
        let transaction = database.transaction().unwrap();
        for event in events {
            let line = format!("{{\"event\": {}, \"note\": \"ünï \\ud83e\"}}\n", event.id);
            let values = rusqlite::params![
                event.id,
                event.created_at,
                event.actor_id,
                event.action,
                event.resource_type,
                event.resource_id,
                payloads.len() as i64,
                line.len() as i64
            ];
            transaction
                .execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
                .unwrap();
            payloads.extend_from_slice(line.as_bytes());
        }
        transaction.commit().unwrap();
        std::fs::write(log.path("payloads.jsonl"), payloads).unwrap();
        log
    }

    /// A log of `count` plain events, a second apart, by a few actors.
    pub(crate) fn plain(count: i64) -> Self {
        let actions = ["LOGIN", "UPDATE", "DELETE"];
        let event = |id: i64| NewEvent {
            id,
            created_at: 1_000_000 + id / 2,
            actor_id: id % 7,
            action: actions[id as usize % actions.len()].to_owned(),
            resource_type: "ORDER".to_owned(),
            resource_id: format!("ORDER-{id}"),
        };
        Log::new(&(1..=count).map(event).collect::<Vec<_>>())
    }

    /// A log of so many events, which share one payload.
    pub(crate) fn large(events: u64) -> Self {
        let log = Log::plain(1);
        log.sql(&format!(
            "WITH RECURSIVE n(id) AS (SELECT 2 UNION ALL SELECT id + 1 FROM n WHERE id < {events})
             INSERT INTO audit_events
             SELECT n.id, 1000000 + n.id / 2, n.id % 7, iif(n.id % 3, 'UPDATE', 'LOGIN'), 'ORDER', 'ORDER-' || n.id, e.payload_offset, e.payload_len
             FROM n, audit_events AS e WHERE e.id = 1"
        ));
        log
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data_dir(&self) -> DataDir {
        DataDir::new(self.root())
    }

    pub(crate) fn baseline(&self) -> Baseline {
        Baseline::new(&self.data_dir())
    }

    pub(crate) fn enhanced(&self, lifetime: Lifetime) -> Enhanced {
        Enhanced::open(&self.data_dir(), lifetime, Box::new(|_, _| {}))
    }

    /// Runs SQL in this process.
    pub(crate) fn sql(&self, script: &str) {
        let database = rusqlite::Connection::open(self.path("audit.db")).unwrap();
        database.execute_batch(script).unwrap();
    }

    /// Switches the database's journal mode.
    pub(crate) fn journal_mode(&self, mode: &str) {
        let database = rusqlite::Connection::open(self.path("audit.db")).unwrap();
        let now: String = database
            .query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(now, mode);
    }

    /// Runs a Python script in the log's directory, as another process, and waits for it.
    pub(crate) fn python(&self, script: &str) {
        let output = python(script).current_dir(self.root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs the program on this log.
    pub(crate) fn auditq(&self, arguments: &[&str]) -> Output {
        auditq()
            .arg("--data-dir")
            .arg(self.root())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs the program on this log; it must succeed and say nothing on standard error.
    pub(crate) fn lines(&self, arguments: &[&str]) -> String {
        let output = self.auditq(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The program, its environment free of what could change its output.
pub(crate) fn auditq() -> Command {
    let mut command = Command::new(program_path());
    for name in [
        "AUDITQ_DATA_DIR",
        "AUDITQ_FORMAT",
        "AUDITQ_VERBOSE",
        "COLUMNS",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

/// Where the program is: where it was built, unless a user who cannot get there was given a copy.
pub(crate) fn program_path() -> PathBuf {
    let copy = std::env::var_os("AUDITQ_TEST_PROGRAM");
    copy.map_or_else(|| env!("CARGO_BIN_EXE_auditq").into(), PathBuf::from)
}

/// A file or directory of the checkout, or of the copy of it that this user can read.
pub(crate) fn checkout(path: &str) -> PathBuf {
    let copy = std::env::var_os("AUDITQ_TEST_CHECKOUT");
    let root = copy.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    root.join(path)
}

/// The directory of the frozen baseline files.
pub(crate) fn frozen() -> &'static str {
    static FROZEN: LazyLock<String> =
        LazyLock::new(|| checkout("fixtures/baseline").into_os_string().into_string().unwrap());
    &FROZEN
}

/// A Python process, the other side of the tests: the live service is one.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-c").arg(script);
    command
}

/// What an engine says to a query: the events in full, or the error's text.
pub(crate) fn answer(engine: &dyn Engine, query: &Query) -> Result<String, String> {
    let mut page = Page::default();
    engine.page(query, &mut page).map_err(|error| error.to_string())?;
    Ok(page.events().map(|event| format!("{event:?}\n")).collect())
}

/// The events of an actor, of an action, or of both.
pub(crate) fn filter(actor_id: Option<i64>, action: Option<&str>) -> Filter {
    Filter {
        actor_id,
        action: action.map(str::to_owned),
        ..Filter::ALL
    }
}

/// A page of all events.
pub(crate) fn page(number: u64, size: u64) -> Query {
    Query::new(Filter::ALL, Position::Page(number), size).unwrap()
}

/// How long a test that goes on for a while goes on: `default` seconds, or what the variable says.
pub(crate) fn seconds(variable: &str, default: u64) -> std::time::Duration {
    let asked = std::env::var(variable).ok().map(|value| value.parse().unwrap());
    std::time::Duration::from_secs(asked.unwrap_or(default))
}
