use super::*;
use crate::model::{Filter, Position, Query, Rows};
use crate::storage::sqlite::scratch_db::new_log;

fn open(dir: &tempfile::TempDir) -> Connection {
    Connection::open(&DataDir::new(dir.path())).unwrap()
}

fn append(sqlite: &rusqlite::Connection) {
    let insert = "INSERT INTO audit_events VALUES (NULL, 5, 1, 'LOGIN', 'T', 'r', 0, 1)";
    sqlite.execute(insert, []).unwrap();
}

fn count(connection: &Connection) -> u64 {
    connection.count(&Filter::ALL).unwrap()
}

#[test]
fn where_commits_go_is_known() {
    let (dir, sqlite) = new_log("DELETE");
    let connection = open(&dir);
    assert_eq!(connection.journal_mode().unwrap(), JournalMode::Rollback);
    assert!(connection.makes_commits_wait().unwrap());
    drop(connection);

    let (dir, sqlite_in_wal) = new_log("WAL");
    drop(sqlite);
    sqlite_in_wal
        .execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let connection = open(&dir);
    assert_eq!(connection.journal_mode().unwrap(), JournalMode::Wal { frames: 0 });
    assert!(!connection.makes_commits_wait().unwrap());
    append(&sqlite_in_wal);
    let JournalMode::Wal { frames } = connection.journal_mode().unwrap() else {
        panic!("a log in WAL mode");
    };
    let length = std::fs::metadata(dir.path().join("audit.db-wal")).unwrap().len();
    // A header of 32 bytes; each frame is a page behind a header of 24.
    assert_eq!(frames * (4096 + 24) + 32, length);
    assert!(frames > 0 && connection.is_usable());
}

#[test]
fn everything_in_a_snapshot_is_of_one_moment() {
    let (dir, sqlite) = new_log("WAL");
    append(&sqlite);
    let connection = open(&dir);
    let counts = connection.snapshot(|| {
        // What was committed before the first read of the caller is not seen, either: the snapshot has begun.
        append(&sqlite);
        let first = count(&connection);
        append(&sqlite);
        Ok([first, count(&connection)])
    });
    assert_eq!(counts.unwrap(), [1, 1]);
    assert_eq!(count(&connection), 3);
    let failed = connection.snapshot(|| Err::<(), _>(Error::usage("no")));
    assert_eq!(failed.unwrap_err().to_string(), "no");
    // The transaction is over, whatever came of it.
    assert_eq!(connection.snapshot(|| Ok(count(&connection))).unwrap(), 3);
}

/// A reader that closes last would copy the whole log into the database.
#[test]
fn whoever_reads_leaves_the_log_as_it_is() {
    let (dir, sqlite) = new_log("WAL");
    append(&sqlite);
    let files = || ["audit.db", "audit.db-wal"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    let before = files();
    // The service was killed: nobody else is connected.
    sqlite
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .unwrap();
    drop(sqlite);
    assert_eq!(files(), before);
    let connection = open(&dir);
    assert_eq!(count(&connection), 1);
    drop(connection);
    assert_eq!(files(), before);
}

#[test]
fn a_lock_that_a_writer_holds_for_a_moment_is_waited_for() {
    let (dir, sqlite) = new_log("DELETE");
    append(&sqlite);
    let data = DataDir::new(dir.path());
    for open in [Connection::open, Connection::open_eager] {
        let connection = open(&data).unwrap();
        sqlite.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let held = Duration::from_millis(60);
        let start = Instant::now();
        std::thread::scope(|scope| {
            let counted = scope.spawn(move || count(&connection));
            std::thread::sleep(held);
            sqlite.execute_batch("COMMIT").unwrap();
            assert_eq!(counted.join().unwrap(), 1);
        });
        assert!(start.elapsed() >= held);
    }
}

/// What is wrong, as each way to open and ask says it.
fn problem(dir: &tempfile::TempDir) -> String {
    let data = DataDir::new(dir.path());
    let ask = |opened: Result<Connection>| {
        let query = Query::new(Filter::ALL, Position::Page(1), 1).unwrap();
        let asked = opened.and_then(|connection| connection.baseline_page(&query, &mut Rows::default()));
        asked.unwrap_err().to_string()
    };
    let said = ask(Connection::open(&data));
    assert_eq!(ask(Connection::open_baseline(&data)), said);
    assert_eq!(ask(Connection::open_eager(&data)), said);
    said
}

#[test]
fn what_is_wrong_is_one_line_that_names_the_file_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    assert!(problem(&dir).contains("auditq seed"), "{}", problem(&dir));

    std::fs::write(&path, [b'x'; 8192]).unwrap();
    let said = problem(&dir);
    assert!(
        said.contains("the file is no SQLite database: --data-dir must name"),
        "{said}"
    );

    std::fs::write(&path, "").unwrap();
    let said = problem(&dir);
    assert!(
        said.contains("no such table") && said.contains("no audit log of this service"),
        "{said}"
    );

    std::fs::remove_file(&path).unwrap();
    let table = "CREATE TABLE audit_events (id INTEGER PRIMARY KEY, created_at INTEGER)";
    rusqlite::Connection::open(&path).unwrap().execute_batch(table).unwrap();
    let said = problem(&dir);
    assert!(
        said.contains("no such column: actor_id: the database is no audit log"),
        "{said}"
    );

    for said in [&said, &problem(&dir)] {
        assert!(
            said.contains(&*path.to_string_lossy()) && !said.contains('\n'),
            "{said}"
        );
    }
}

#[test]
fn a_damaged_page_is_called_damaged() {
    let (dir, sqlite) = new_log("DELETE");
    append(&sqlite);
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'audit_events'";
    let root = sqlite.query_row(root, [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    drop(sqlite);
    let path = dir.path().join("audit.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(root - 1) * 4096..root * 4096].fill(7);
    std::fs::write(&path, bytes).unwrap();
    let said = problem(&dir);
    assert!(
        said.contains("the database is damaged: restore it from a backup"),
        "{said}"
    );
    let connection = open(&dir);
    let said = connection.damaged("so it is").to_string();
    assert!(
        said.contains("the database is damaged: so it is: restore it from a backup"),
        "{said}"
    );
}

#[test]
fn every_condition_of_sqlites_has_its_error() {
    let path = Path::new("audit.db");
    let of_code = |code: std::os::raw::c_int, said: Option<&str>| {
        let said = said.map(str::to_owned);
        to_error(
            path,
            &rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), said),
        )
    };
    use rusqlite::ffi;
    for code in [ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED] {
        assert!(matches!(of_code(code, None), Error::Busy { seconds: 5, .. }), "{code}");
    }
    for code in [
        ffi::SQLITE_CANTOPEN,
        ffi::SQLITE_PERM,
        ffi::SQLITE_READONLY,
        ffi::SQLITE_IOERR,
        ffi::SQLITE_FULL,
        ffi::SQLITE_NOMEM,
    ] {
        let error = of_code(code, Some("so SQLite says"));
        let is_absent = code == ffi::SQLITE_CANTOPEN || code == ffi::SQLITE_PERM;
        assert!(
            matches!(error, Error::Unreadable { .. }) || is_absent,
            "{code}: {error:?}"
        );
    }
    for (code, said) in [
        (ffi::SQLITE_NOTADB, "the file is no SQLite database"),
        (ffi::SQLITE_TOOBIG, "a value is longer than 256 MiB"),
        (ffi::SQLITE_CORRUPT, "the database is damaged: restore"),
        (ffi::SQLITE_ERROR, "so it \\u{1b} is"),
    ] {
        let error = of_code(code, Some("so it \u{1b} is"));
        assert!(matches!(error, Error::Database { .. }), "{code}: {error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
    // Without words of its own, SQLite's for the code.
    let error = of_code(ffi::SQLITE_ERROR, None).to_string();
    assert!(error.len() > "audit.db: ".len() + 5, "{error}");
}

#[test]
fn a_file_that_is_there_but_cannot_be_opened_is_not_called_absent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    assert!(!matches!(unopened(path.clone()), Error::Unreadable { .. }));
    std::fs::write(&path, "").unwrap();
    let error = unopened(path);
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("look at its permissions"), "{error}");
}
