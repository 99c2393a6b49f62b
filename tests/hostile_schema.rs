//! Whatever the schema of a log is, reading it writes nothing, and both modes say the same.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

use crate::harness::Log;
use crate::harness::faults::{DEEP_REQUESTS, auditq_on};
use crate::harness::program::{FOR_EVER, limited};

const REQUESTS: [&[&str]; 5] = [
    &["query"],
    &["query", "--page", "2", "--action", "LOGIN"],
    &["query", "--count", "--actor", "3"],
    &["query", "--all"],
    &["diff", "--workload", "deep", "--requests", DEEP_REQUESTS],
];

/// Names and contents of everything but the index.
fn contents(log: &Log) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(log.root()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| !["audit.idx", "audit.idx-delta", "audit.db-shm", "audit.db-wal"].contains(&name.as_str()))
        .map(|name| (name.clone(), fs::read(log.path(&name)).unwrap()))
        .collect()
}

/// A view in the table's place, over this expression.
fn view(expression: &str) -> String {
    format!(
        "ALTER TABLE audit_events RENAME TO kept;
         CREATE VIEW audit_events AS
         SELECT id, created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len
         FROM kept WHERE {expression};"
    )
}

pub(super) fn hostile_schemas() -> Vec<String> {
    let mut schemas: Vec<String> = [
        "(SELECT count(*) FROM pragma_optimize(65538)) >= 0",
        "(SELECT count(*) FROM pragma_user_version(7)) >= 0",
        "(SELECT count(*) FROM pragma_incremental_vacuum) >= 0",
        "(SELECT count(*) FROM pragma_wal_checkpoint('TRUNCATE')) >= 0",
        "(SELECT count(*) FROM pragma_journal_mode('delete')) >= 0",
        "(SELECT count(*) FROM sqlite_dbpage) >= 0",
        "id > 10",
        "load_extension('x') IS NULL",
    ]
    .map(view)
    .into();
    schemas.extend(
        [
            "CREATE TRIGGER t AFTER INSERT ON audit_events BEGIN DELETE FROM audit_events; END;",
            "ALTER TABLE audit_events ADD COLUMN g AS (id + random());",
            "ALTER TABLE audit_events ADD COLUMN g AS (id * 2);",
            "CREATE INDEX i ON audit_events (actor_id) WHERE action <> 'LOGIN';",
            "CREATE VIEW v AS SELECT * FROM pragma_optimize(65538);",
            "CREATE INDEX i ON audit_events (action COLLATE NOCASE);
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'ODD') WHERE name = 'i';",
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, 'action TEXT', 'action TEXT COLLATE ODD');",
        ]
        .map(str::to_owned),
    );
    schemas
}

fn answer(output: &Output) -> (Option<i32>, String) {
    let said = if output.status.success() {
        &output.stdout
    } else {
        &output.stderr
    };
    (output.status.code(), String::from_utf8_lossy(said).into_owned())
}

#[test]
fn a_hostile_schema_writes_nothing_and_both_modes_say_the_same() {
    for schema in hostile_schemas() {
        for journal in ["delete", "wal"] {
            let log = Log::plain(60);
            let _ = rusqlite::Connection::open(log.path("audit.db"))
                .unwrap()
                .execute_batch(&schema);
            log.journal_mode(journal);
            let before = contents(&log);
            for request in REQUESTS {
                if request[0] == "diff" {
                    log.auditq(request);
                } else {
                    let baseline = log.auditq(&[request, &["--mode", "baseline"]].concat());
                    let enhanced = log.auditq(request);
                    assert_eq!(answer(&baseline), answer(&enhanced), "{schema} {request:?}");
                }
                assert!(contents(&log) == before, "{journal} {request:?} wrote: {schema}");
            }
        }
    }
}

/// A view without end in the table's place: whatever need not ask it has an end.
#[test]
fn a_view_without_end_is_not_verified() {
    let log = Log::plain(60);
    log.sql(
        "ALTER TABLE audit_events RENAME TO kept;
         CREATE VIEW audit_events AS
         WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
         SELECT n.id, created_at, actor_id, action, resource_type, resource_id, payload_offset, payload_len
         FROM n, kept WHERE kept.id = 1",
    );
    let before = contents(&log);
    for (command, code) in [(&["verify-baseline"][..], 1), (&["seed", "--events", "60"], 2)] {
        let output = limited(&auditq_on(log.root(), command), FOR_EVER).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
        assert!(contents(&log) == before, "{command:?}");
    }
}
