//! Corrupt data: whatever a row, a payload, a schema or a page of the database has become, both engines give the
//! same result or the same error, and neither panics nor takes memory without bound.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use auditq::engine::{Engine, Enhanced, Lifetime};
use auditq::model::{Filter, Key, Position, Query};

use crate::harness::dataset::values;
use crate::harness::faults::{number, report, with_memory_limit};
use crate::harness::needs::needs;
use crate::harness::program::MODES;
use crate::harness::{Log, answer, filter, page};

/// Requests whose answers between them show every event, by every way into the log.
fn queries() -> Vec<Query> {
    let window = Filter {
        from_ts: 1_000_003,
        to_ts: 1_000_011,
        ..Filter::ALL
    };
    let cursor = Position::After(Key {
        created_at: 1_000_010,
        id: 21,
    });
    let mut queries = vec![
        page(1, 2_000),
        page(1, 3),
        page(4, 5),
        page(900, 5),
        Query::new(Filter::ALL, cursor, 30).unwrap(),
    ];
    for filter in [
        filter(Some(3), None),
        filter(None, Some("UPDATE")),
        filter(None, Some("update")),
        filter(Some(3), Some("UPDATE")),
        window,
    ] {
        queries.push(Query::new(filter, Position::Page(1), 2_000).unwrap());
    }
    queries
}

/// Everything that an engine has to say: each page, each count, and the whole log up to where it ends.
fn sayings(engine: &dyn Engine) -> Vec<Result<String, String>> {
    let mut said = Vec::new();
    for query in queries() {
        said.push(answer(engine, &query));
        let count = engine.count(query.filter());
        said.push(count.map(|it| it.to_string()).map_err(|it| it.to_string()));
    }
    let mut events = String::new();
    let ended = engine.all(&Filter::ALL, &mut |page| {
        events.extend(page.events().map(|event| format!("{event:?}\n")));
        Ok(())
    });
    said.push(Ok(events));
    said.push(ended.map(|()| String::new()).map_err(|it| it.to_string()));
    said
}

#[track_caller]
fn agree(found: &[Result<String, String>], expected: &[Result<String, String>], what: &str) {
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let query = queries().get(place / 2).map(|query| format!("{query:?}"));
        let query = query.unwrap_or("every event".to_owned());
        assert!(found == expected, "{what}: {query}\n{}", difference(found, expected));
    }
}

/// The first lines of it.
fn shortened(said: &Result<String, String>) -> String {
    format!("{said:?}").chars().take(600).collect()
}

/// The first line in which two answers differ.
fn difference(one: &Result<String, String>, other: &Result<String, String>) -> String {
    let lines = |said: &Result<String, String>| match said {
        Ok(events) => events.lines().map(str::to_owned).collect(),
        Err(error) => vec![error.clone()],
    };
    let (one, other): (Vec<_>, Vec<_>) = (lines(one), lines(other));
    let at = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let line = |lines: &[String]| {
        lines
            .get(at)
            .map_or("no more".to_owned(), |it| it.chars().take(300).collect())
    };
    format!(
        "line {at}\nenhanced, {} lines: {}\nbaseline, {} lines: {}",
        one.len(),
        line(&one),
        other.len(),
        line(&other)
    )
}

/// A new engine without an index, the same with what it then makes, and one that has seen other states agree
/// with the baseline; which says what it says.
#[track_caller]
fn all_agree(log: &Log, running: &Enhanced, what: &str) -> Vec<Result<String, String>> {
    let expected = sayings(&log.baseline());
    agree(&sayings(running), &expected, &format!("{what}, running"));
    let _ = fs::remove_file(log.path("audit.idx"));
    let new = log.enhanced(Lifetime::OneShot);
    agree(&sayings(&new), &expected, &format!("{what}, new"));
    let _ = new.maintain(&|_, _| {});
    agree(&sayings(&new), &expected, &format!("{what}, new, refreshed"));
    let _ = running.maintain(&|_, _| {});
    agree(&sayings(running), &expected, &format!("{what}, running, refreshed"));
    expected
}

/// The program's exit code and output in both modes, without an index and with what it made.
#[track_caller]
fn programs_agree(log: &Log, arguments: &[&str], what: &str) -> (Option<i32>, String) {
    let run = |mode| {
        let output = log.auditq(&[arguments, &["--mode", mode]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked"), "{what}: {said}");
        let error = said.lines().rfind(|line| !line.contains("cannot be indexed"));
        (output.status.code(), output.stdout, error.unwrap_or("").to_owned())
    };
    let baseline = run("baseline");
    assert!(matches!(baseline.0, Some(0 | 2)), "{what}: {baseline:?}");
    for _ in 0..2 {
        assert_eq!(run("enhanced"), baseline, "{what}");
    }
    (baseline.0, baseline.2)
}

// ------------------------------------------------------------------------------------------- payloads

/// Puts event 7's payload, and nobody else's, somewhere else.
fn with_place(offset: i64, len: i64) -> Log {
    let log = Log::plain(40);
    log.sql(&format!(
        "UPDATE audit_events SET payload_offset = {offset}, payload_len = {len} WHERE id = 7"
    ));
    log
}

#[test]
fn places_that_are_none() {
    let size = fs::metadata(Log::plain(40).path("payloads.jsonl")).unwrap().len() as i64;
    let far = [size + 1, 1 << 31, 1 << 32, 1 << 40, 1 << 62, i64::MAX - 1, i64::MAX];
    let low = [-1, -2, i64::from(i32::MIN), i64::MIN, i64::MIN + 1];
    let mut places: Vec<(i64, i64)> = Vec::new();
    for bad in far.into_iter().chain(low) {
        places.extend([(0, bad), (bad, 10), (bad, bad), (10, bad), (bad, 0)]);
    }
    places.extend([
        (0, size + 1),
        (size, 1),
        (size - 1, 2),
        (0, 0),
        (size, 0),
        (5, 1),
        (5, 20),
    ]);
    for (offset, len) in places {
        let what = format!("{offset}, {len}");
        let log = with_place(offset, len);
        let running = log.enhanced(Lifetime::OneShot);
        let said = all_agree(&log, &running, &what);
        let error = said[0].clone().unwrap_err();
        assert!(error.starts_with("event 7: payload at offset "), "{what}: {error}");
        assert!(error.contains(&format!("offset {offset}, length {len}: ")), "{error}");
        // The other pages are whole.
        assert!(said[2].is_ok(), "{what}");
    }
}

#[test]
fn places_that_overlap_or_lie_inside_a_line() {
    let log = Log::plain(40);
    let lines = fs::read_to_string(log.path("payloads.jsonl")).unwrap();
    let first = lines.find('\n').unwrap() as i64 + 1;
    let note = lines.find("\"ünï").unwrap() as i64;
    let len = lines[note as usize..].find('}').unwrap() as i64;
    for (offset, len, is_json) in [
        (0, first, true),
        (0, first - 1, true),
        (0, 2 * first, false),
        (1, first - 1, false),
        (note, len, true),
        (note, len - 1, false),
        (note + 2, 5, false),
        (10, 1, true),
        (first - 1, 1, false),
    ] {
        let log = with_place(offset, len);
        let running = log.enhanced(Lifetime::OneShot);
        let said = all_agree(&log, &running, &format!("{offset}, {len}"));
        assert_eq!(said[0].is_ok(), is_json, "{offset}, {len}: {}", shortened(&said[0]));
    }
}

/// Nothing is allocated for what the file cannot hold, and no page takes more than its bound.
#[test]
fn enormous_places_under_a_memory_limit() {
    const LIMIT: u64 = 400 << 20;
    let mut cases: Vec<(Log, &str)> = [i64::MAX, 1 << 62, 1 << 40, 1 << 32, 1 << 31]
        .map(|len| (with_place(0, len), "past the end"))
        .into();
    // A payload file with a hole: as long as it says, and nearly empty on the disk.
    let sparse = with_place(0, 3 << 30);
    let file = File::options().write(true).open(sparse.path("payloads.jsonl")).unwrap();
    file.set_len(5 << 30).unwrap();
    cases.push((sparse, "more than 1 GiB"));
    for (log, says) in &cases {
        for mode in MODES {
            for arguments in [
                &["query", "--size", "10000"] as &[_],
                &["query", "--all"],
                &["query", "--size", "10000", "--format", "table"],
            ] {
                let arguments = [arguments, &["--mode", mode]].concat();
                let output = with_memory_limit(LIMIT, log.root(), &arguments).output().unwrap();
                let said = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
                assert!(said.contains("event 7: ") && said.contains(says), "{said}");
            }
        }
    }
    report(&format!(
        "enormous payloads: {} logs in {} MiB of address space",
        cases.len(),
        LIMIT >> 20
    ));
}

/// Payload bytes, and whether the live service's decoder takes them.
fn payloads() -> Vec<(Vec<u8>, bool)> {
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    let objects = |depth: usize| [b"{\"a\":".repeat(depth), b"1".to_vec(), b"}".repeat(depth)].concat();
    let text = |text: &str, is_json| (text.as_bytes().to_vec(), is_json);
    vec![
        text("", false),
        text("\n", false),
        text(" ", false),
        text("{\"a\": 1", false),
        text("{\"a\": \"", false),
        text("{\"a\": 1}}", false),
        text("{\"a\": 1}{", false),
        text("x", false),
        text("{'a': 1}", false),
        text("\u{feff}{}", false),
        text("{\"a\": 1, \"a\": 2, \"a\": {\"a\": 3}}", true),
        text("123456789012345678901234567890123456789012345678901234567890", true),
        text("[1e400, -1e400, 1E-4000, 0.1e+99999999999999999999]", true),
        (["[".as_bytes(), &b"9".repeat(4_000), b"]"].concat(), true),
        text("[NaN, Infinity, -Infinity]", true),
        text("\"\\ud800 \\udc00 \\ud83d\\ude00\"", true),
        text("\"\\u0000\\u001b\\u202e\"", true),
        text("\"\u{7f}\u{9b}\u{202e}\u{200b}\"", true),
        (b"\"\0\"".to_vec(), false),
        (b"\0".to_vec(), false),
        (b"{}\0".to_vec(), false),
        (b"\"a\x1bb\"".to_vec(), false),
        (b"\"a\nb\"".to_vec(), false),
        (b"\"\t\"".to_vec(), false),
        (b"\"\xff\"".to_vec(), false),
        (b"\"\xc3\"".to_vec(), false),
        (b"\"\xed\xa0\x80\"".to_vec(), false),
        (b"\"\xc0\xaf\"".to_vec(), false),
        (b"\"\xf4\x90\x80\x80\"".to_vec(), false),
        (b"{\n\"a\":\r\n1}".to_vec(), true),
        (b" \t\r\n{} \n\n".to_vec(), true),
        (nested(100), true),
        (nested(100_000), false),
        (objects(100_000), false),
        (b"[".repeat(100_000), false),
    ]
}

/// A log of one event for each payload, the oldest first.
fn log_of_payloads(newline: bool) -> Log {
    let payloads = payloads();
    let log = Log::plain(payloads.len() as i64);
    let mut file = Vec::new();
    for (number, (payload, _)) in payloads.iter().enumerate() {
        log.sql(&format!(
            "UPDATE audit_events SET payload_offset = {}, payload_len = {} WHERE id = {}",
            file.len(),
            payload.len() + usize::from(newline),
            number + 1
        ));
        file.extend_from_slice(payload);
        file.push(b'\n');
    }
    fs::write(log.path("payloads.jsonl"), file).unwrap();
    log
}

/// With the newline in its length, as the contract has it, and without.
#[test]
fn payloads_of_every_kind() {
    for newline in [true, false] {
        let log = log_of_payloads(newline);
        all_agree(&log, &log.enhanced(Lifetime::OneShot), "all payloads");
        let engines: [Box<dyn Engine>; 2] = [Box::new(log.baseline()), Box::new(log.enhanced(Lifetime::OneShot))];
        let count = payloads().len() as u64;
        for (number, (payload, is_json)) in payloads().into_iter().enumerate() {
            let what = format!("{newline} {}", payload[..payload.len().min(40)].escape_ascii());
            let alone = page(count - number as u64, 1);
            let [baseline, enhanced] = engines.each_ref().map(|it| answer(it.as_ref(), &alone));
            assert_eq!(baseline, enhanced, "{what}");
            assert_eq!(baseline.is_ok(), is_json, "{what}: {}", shortened(&baseline));
            if let Err(error) = baseline {
                assert!(error.starts_with(&format!("event {}: payload", number + 1)), "{error}");
                assert!(!error.contains('\n'), "{error}");
            }
            let page = (count - number as u64).to_string();
            let (code, _) = programs_agree(&log, &["query", "--size", "1", "--page", &page], &what);
            assert_eq!(code, Some(if is_json { 0 } else { 2 }), "{what}");
        }
    }
}

/// Python's own decoder takes and refuses the same, but for how deep it goes.
#[test]
fn payloads_as_python_has_them() {
    needs!(Python);
    let log = log_of_payloads(true);
    log.python(
        "import json, sqlite3\n\
         p = open('payloads.jsonl', 'rb')\n\
         def ok(at, n):\n    p.seek(at)\n    try:\n        json.loads(p.read(n).decode('utf-8'))\n        return 1\n    except (ValueError, RecursionError):\n        return 0\n\
         c = sqlite3.connect('audit.db')\n\
         q = 'SELECT id, payload_offset, payload_len FROM audit_events ORDER BY id'\n\
         open('verdicts', 'w').write(''.join('%d' % ok(at, n) for _, at, n in c.execute(q)))",
    );
    let verdicts = fs::read_to_string(log.path("verdicts")).unwrap();
    for ((payload, is_json), verdict) in payloads().into_iter().zip(verdicts.chars()) {
        let what = payload[..payload.len().min(40)].escape_ascii().to_string();
        assert_eq!(verdict == '1', is_json, "{what}");
    }
}

// ------------------------------------------------------------------------------------- rows and schemas

const COLUMNS: [&str; 8] = [
    "id",
    "created_at",
    "actor_id",
    "action",
    "resource_type",
    "resource_id",
    "payload_offset",
    "payload_len",
];

/// A log whose table takes anything: no types, nothing forbidden, but for the id in the first case.
fn loose(id: &str, index: &str) -> Log {
    let log = Log::plain(60);
    log.sql(&format!(
        "ALTER TABLE audit_events RENAME TO old; DROP INDEX idx_created_at;
         CREATE TABLE audit_events (id {id}, created_at, actor_id, action, resource_type, resource_id,
                                    payload_offset, payload_len);
         INSERT INTO audit_events SELECT * FROM old; DROP TABLE old; {index}"
    ));
    log
}

const INDEX: &str = "CREATE INDEX idx_created_at ON audit_events (created_at);";

/// Each kind of value in each column of one row: in an early and in a late one, in the one table or the other.
#[test]
fn values_of_every_type_in_every_column() {
    let values = [
        "NULL",
        "'text'",
        "''",
        "1.5",
        "1e300",
        "x'00ff'",
        "CAST(x'ff41' AS TEXT)",
        "'1000010'",
        "9223372036854775807",
        "-9223372036854775808",
        "'a' || char(0) || 'b'",
        "char(27, 0x202e)",
    ];
    let mut tried = 0;
    for (id, events) in [("INTEGER PRIMARY KEY", [2, 55]), ("INTEGER", [55, 2])] {
        let log = loose(id, INDEX);
        let running = log.enhanced(Lifetime::OneShot);
        for column in COLUMNS {
            for (nth, value) in values.into_iter().enumerate() {
                let event = events[nth % 2];
                let what = format!("id {id}, {column} = {value} of {event}");
                let database = rusqlite::Connection::open(log.path("audit.db")).unwrap();
                let keep = "CREATE TABLE kept AS SELECT * FROM audit_events WHERE id = ?";
                database.execute(keep, [event]).unwrap();
                let change = format!("UPDATE audit_events SET {column} = {value} WHERE id = {event}");
                if database.execute_batch(&change).is_ok() {
                    tried += 1;
                    all_agree(&log, &running, &what);
                }
                database
                    .execute_batch(&format!(
                        "DELETE FROM audit_events WHERE id NOT BETWEEN 1 AND 60 OR typeof(id) <> 'integer' OR id = {event};
                         INSERT INTO audit_events SELECT * FROM kept; DROP TABLE kept"
                    ))
                    .unwrap();
            }
        }
    }
    // An id that is the row id takes whole numbers only.
    assert!(tried > 170, "{tried} values were let in");
    report(&format!("rows: {tried} values of the wrong type or out of range"));
}

/// A row of the wrong type is named, by both.
#[test]
fn the_error_names_the_event_and_the_column() {
    for (column, value, says) in [
        (
            "actor_id",
            "'x'",
            "column actor_id holds the text \"x\", not a whole number",
        ),
        ("action", "NULL", "column action holds nothing (NULL)"),
        ("resource_id", "7", "column resource_id holds the number 7, not text"),
        (
            "payload_len",
            "1.5",
            "column payload_len holds 1.5, a number with a fraction",
        ),
        ("action", "x'00'", "column action holds 1 bytes of binary data"),
        ("action", "CAST(x'ff' AS TEXT)", "column action is not UTF-8"),
    ] {
        let log = loose("INTEGER PRIMARY KEY", INDEX);
        log.sql(&format!("UPDATE audit_events SET {column} = {value} WHERE id = 55"));
        let (code, said) = programs_agree(&log, &["query"], column);
        assert_eq!((code, said), (Some(2), format!("auditq: event 55: {says}")));
    }
}

#[test]
fn schemas_of_every_kind() {
    let table = "ALTER TABLE audit_events RENAME TO t";
    let schemas = [
        ("a view", format!("{table}; CREATE VIEW audit_events AS SELECT * FROM t")),
        ("a view that shows each row twice", format!("{table}; CREATE VIEW audit_events AS SELECT * FROM t UNION ALL SELECT * FROM t")),
        ("a view that computes", format!("{table}; CREATE VIEW audit_events AS SELECT id, created_at / 2 AS created_at, actor_id, lower(action) AS action, resource_type, resource_id, payload_offset, payload_len FROM t")),
        ("no index", "DROP INDEX idx_created_at".to_owned()),
        ("a partial index", "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at) WHERE id > 20".to_owned()),
        ("a descending index", "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at DESC)".to_owned()),
        ("an index on something else", "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (actor_id)".to_owned()),
        ("an index on more", "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at, action)".to_owned()),
        ("an index on an expression", "DROP INDEX idx_created_at; CREATE INDEX idx_created_at ON audit_events (created_at + 1)".to_owned()),
        ("more indexes", "CREATE INDEX a ON audit_events (actor_id); CREATE INDEX b ON audit_events (action, created_at); CREATE INDEX c ON audit_events (created_at, id, actor_id, action, resource_type, resource_id, payload_offset, payload_len); ANALYZE".to_owned()),
        ("statistics that lie", "ANALYZE; UPDATE sqlite_stat1 SET stat = '1000000 1000000'".to_owned()),
        ("one more column", "ALTER TABLE audit_events ADD COLUMN note TEXT DEFAULT 'x'".to_owned()),
        ("a generated column", "ALTER TABLE audit_events ADD COLUMN twice INTEGER AS (id * 2)".to_owned()),
        ("a column less", "ALTER TABLE audit_events DROP COLUMN resource_type".to_owned()),
        ("another name", table.to_owned()),
        ("no row", "DELETE FROM audit_events".to_owned()),
        ("a negative id", "UPDATE audit_events SET id = -id WHERE id % 2 = 0".to_owned()),
        ("ids at the ends", "UPDATE audit_events SET id = 9223372036854775807 WHERE id = 1; UPDATE audit_events SET id = -9223372036854775808 WHERE id = 2".to_owned()),
        ("times at the ends", "UPDATE audit_events SET created_at = 9223372036854775807 WHERE id = 1; UPDATE audit_events SET created_at = -9223372036854775808 WHERE id = 2".to_owned()),
    ];
    for (what, sql) in schemas {
        let log = Log::plain(60);
        let running = log.enhanced(Lifetime::OneShot);
        running.maintain(&|_, _| {}).unwrap();
        log.sql(&sql);
        all_agree(&log, &running, what);
        programs_agree(&log, &["query"], what);
    }
}

/// Puts the rows of a log into a new database.
fn made_again(log: &Log, schema: &str) {
    let old = log.path("old.db");
    fs::rename(log.path("audit.db"), &old).unwrap();
    log.sql(schema);
    let (from, to) = (
        &rusqlite::Connection::open(&old).unwrap(),
        &rusqlite::Connection::open(log.path("audit.db")).unwrap(),
    );
    let columns = COLUMNS.join(", ");
    let mut rows = from.prepare(&format!("SELECT {columns} FROM audit_events")).unwrap();
    let mut rows = rows.query([]).unwrap();
    to.execute_batch("BEGIN").unwrap();
    let mut insert = to
        .prepare(&format!(
            "INSERT INTO audit_events ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        ))
        .unwrap();
    while let Some(row) = rows.next().unwrap() {
        let values = (0..COLUMNS.len()).map(|it| row.get::<_, rusqlite::types::Value>(it).unwrap());
        insert.execute(rusqlite::params_from_iter(values)).unwrap();
    }
    to.execute_batch("COMMIT").unwrap();
}

/// The same rows in tables that are made in other ways.
#[test]
fn tables_of_every_kind() {
    let rest = "created_at INTEGER, actor_id INTEGER, action TEXT, resource_type TEXT, resource_id TEXT, payload_offset INTEGER, payload_len INTEGER";
    let with_column = |column: &str, other: &str| {
        let rest = rest.replace(column, other);
        format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {rest})")
    };
    let tables = [
        format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {rest})"),
        format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY DESC, {rest})"),
        format!("CREATE TABLE audit_events (id INT PRIMARY KEY, {rest})"),
        format!("CREATE TABLE audit_events (id TEXT PRIMARY KEY, {rest})"),
        format!("CREATE TABLE audit_events (id, {rest})"),
        format!("CREATE TABLE audit_events (id INTEGER, {rest}, PRIMARY KEY (id, created_at))"),
        format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {rest}) WITHOUT ROWID"),
        format!("CREATE TABLE audit_events (id INTEGER PRIMARY KEY, {rest}) STRICT"),
        with_column("action TEXT", "action TEXT COLLATE NOCASE"),
        with_column("action TEXT", "action TEXT COLLATE RTRIM"),
        with_column("created_at INTEGER", "created_at TEXT"),
        with_column("actor_id INTEGER", "actor_id TEXT"),
        with_column("created_at INTEGER", "created_at REAL"),
        format!(
            "CREATE TABLE audit_events (oid INTEGER, _rowid_ INTEGER, rowid INTEGER, id INTEGER PRIMARY KEY, {rest})"
        ),
    ];
    let columns = COLUMNS.join(", ");
    for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
        for table in &tables {
            let log = Log::plain(60);
            let running = log.enhanced(Lifetime::OneShot);
            running.maintain(&|_, _| {}).unwrap();
            log.sql("UPDATE audit_events SET action = 'update ' WHERE id % 5 = 0; UPDATE audit_events SET action = 'ünï' WHERE id = 7");
            made_again(&log, &format!("PRAGMA encoding = '{encoding}'; {table}; {INDEX}"));
            if !table.contains("PRIMARY KEY") {
                log.sql(&format!(
                    "INSERT INTO audit_events ({columns}) SELECT {columns} FROM audit_events WHERE id > 30;
                     UPDATE audit_events SET id = NULL WHERE id = 12"
                ));
            }
            all_agree(&log, &running, &format!("{encoding}, {table}"));
        }
    }
}

// ------------------------------------------------------------------------------------ pages of the database

const PAGE: usize = 4_096;

/// A simple generator, so that a failure can be had again: its seed is part of what a failure says.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// What a page may become: nothing, noise, another page, an older or a shifted self, itself with a few bits the
/// other way round.
fn corrupt_forms(sound: &[u8], older: &[u8], number: usize, numbers: &mut Numbers) -> Vec<(String, Vec<u8>)> {
    let at = number * PAGE;
    let own = &sound[at..at + PAGE];
    let pages = sound.len() / PAGE;
    let other = numbers.next() as usize % pages * PAGE;
    let mut forms = vec![
        ("zeros".to_owned(), vec![0; PAGE]),
        ("ones".to_owned(), vec![0xff; PAGE]),
        ("noise".to_owned(), (0..PAGE).map(|_| numbers.next() as u8).collect()),
        ("another page".to_owned(), sound[other..other + PAGE].to_vec()),
        ("shifted by one".to_owned(), [&own[1..], &own[..1]].concat()),
        (
            "its second half lost".to_owned(),
            [&own[..PAGE / 2], &[0; PAGE / 2]].concat(),
        ),
    ];
    if let Some(older) = older.get(at..at + PAGE) {
        forms.push(("a write lost".to_owned(), older.to_vec()));
    }
    let wanted = forms_of_each_page();
    for _ in 0..wanted.saturating_sub(forms.len()).max(MANY) {
        let mut flipped = own.to_vec();
        // Half of them in the page's header, where the damage is subtle.
        let range = if numbers.next().is_multiple_of(2) {
            112
        } else {
            PAGE as u64
        };
        let byte = (numbers.next() % range) as usize;
        flipped[byte] ^= 1 << (numbers.next() % 8);
        forms.push((format!("byte {byte} flipped to {:#04x}", flipped[byte]), flipped));
    }
    while forms.len() > wanted {
        forms.swap_remove((numbers.next() % forms.len() as u64) as usize);
    }
    forms
}

/// As many pages with a flipped bit as other forms are there to choose from.
const MANY: usize = 7;

/// How many forms of each page are tried, drawn from all of them; a longer run tries all, and more flipped bits.
fn forms_of_each_page() -> usize {
    number("AUDITQ_CORRUPT_FORMS", 6) as usize
}

fn pages_rot(journal_mode: &str) {
    let seed = number("AUDITQ_CORRUPT_SEED", 0x5eed).max(1);
    let log = Log::plain(500);
    log.journal_mode(journal_mode);
    let older = fs::read(log.path("audit.db")).unwrap();
    log.sql("UPDATE audit_events SET created_at = created_at + 40, actor_id = 3 WHERE id % 11 = 0");
    let sound = fs::read(log.path("audit.db")).unwrap();
    let running = log.enhanced(Lifetime::OneShot);
    running.maintain(&|_, _| {}).unwrap();
    let mut numbers = Numbers(seed);
    let (mut tried, mut wrong) = (0, 0);
    for number in 0..sound.len() / PAGE {
        for (form, corrupt) in corrupt_forms(&sound, &older, number, &mut numbers) {
            for name in ["audit.db-wal", "audit.db-shm", "audit.db-journal"] {
                let _ = fs::remove_file(log.path(name));
            }
            let database = File::options().write(true).open(log.path("audit.db")).unwrap();
            database.write_all_at(&sound, 0).unwrap();
            database.set_len(sound.len() as u64).unwrap();
            database.write_all_at(&corrupt, (number * PAGE) as u64).unwrap();
            drop(database);
            let page = number + 1;
            let what = format!("AUDITQ_CORRUPT_SEED={seed}, {journal_mode}, page {page} is {form}");
            let said = all_agree(&log, &running, &what);
            tried += 1;
            wrong += usize::from(said.iter().any(Result::is_err));
        }
    }
    report(&format!(
        "pages, {journal_mode}, AUDITQ_CORRUPT_SEED={seed}: {tried} corrupt ones, {wrong} of them met by an error"
    ));
    // Zeros and noise cannot pass; a page written back as it was once can.
    assert!(0 < wrong && wrong < tried, "{wrong} of {tried} met by an error");
}

#[test]
fn any_page_overwritten_with_a_rollback_journal() {
    pages_rot("delete");
}

#[test]
fn any_page_overwritten_with_a_write_ahead_log() {
    pages_rot("wal");
}

/// Cut off at any page, and a little beside.
#[test]
fn a_database_cut_short() {
    let log = Log::plain(1_200);
    let sound = fs::read(log.path("audit.db")).unwrap();
    let running = log.enhanced(Lifetime::OneShot);
    running.maintain(&|_, _| {}).unwrap();
    for len in (0..sound.len())
        .step_by(PAGE)
        .flat_map(|at| [at, at + 1, at + 99, at + 4_000])
    {
        fs::write(log.path("audit.db"), &sound[..len]).unwrap();
        let said = all_agree(&log, &running, &format!("cut at {len}"));
        // What little is cut off the last page may be a part of it that holds nothing.
        assert!(said[0].is_err() || len > sound.len() - PAGE, "cut at {len}");
    }
}

/// The program says it in one line, by both engines, and says the same in a batch.
#[test]
fn a_batch_over_corrupt_rows() {
    let log = loose("INTEGER PRIMARY KEY", INDEX);
    log.sql("UPDATE audit_events SET action = NULL WHERE id = 50; UPDATE audit_events SET payload_len = 1 << 40 WHERE id = 40");
    let requests = log.path("requests");
    fs::write(
        &requests,
        (1..=12)
            .map(|it| format!("{{\"page\": {it}, \"page_size\": 5}}\n"))
            .collect::<String>(),
    )
    .unwrap();
    let batch = |mode| {
        let output = log.auditq(&["query", "--batch", requests.to_str().unwrap(), "--mode", mode]);
        assert_eq!(output.status.code(), Some(2));
        output.stdout
    };
    let baseline = batch("baseline");
    assert_eq!(batch("enhanced"), baseline);
    let failed: Vec<_> = values(&baseline)
        .into_iter()
        .filter_map(|it| it.get("error").map(ToString::to_string))
        .collect();
    assert_eq!(failed.len(), 2);
    assert!(failed[0].contains("event 50: column action"), "{failed:?}");
    assert!(failed[1].contains("event 40: payload at offset"), "{failed:?}");
}

/// Each number by which the table's inner page tells its leaf pages apart, made a little smaller and a little larger:
/// reading all rows in turn gives the right ones all the same, but a search does not find some of them.
#[test]
fn an_inner_page_that_leads_astray() {
    let log = Log::plain(1_200);
    let root = {
        let sqlite = rusqlite::Connection::open(log.path("audit.db")).unwrap();
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'audit_events'";
        sqlite.query_row(root, [], |row| row.get::<_, u32>(0))
    };
    let root = (root.unwrap() as usize - 1) * PAGE;
    let sound = fs::read(log.path("audit.db")).unwrap();
    let running = log.enhanced(Lifetime::OneShot);
    running.maintain(&|_, _| {}).unwrap();
    // "B-tree Pages" in SQLite's file format: type 5, the number of cells at 3, their places from 12. A cell is a
    // page number of four bytes and a row id, of two bytes where it lies between 128 and 16,383.
    let number = |at: usize| usize::from(u16::from_be_bytes([sound[root + at], sound[root + at + 1]]));
    assert_eq!(sound[root], 5, "1,200 rows take more than one page");
    let (mut tried, mut astray) = (0, 0);
    for cell in 0..number(3) {
        let low = root + number(12 + 2 * cell) + 5;
        if sound[low - 1] < 0x80 {
            continue;
        }
        for step in [-9, -1, 1, 9] {
            let Some(moved) = sound[low].checked_add_signed(step).filter(|&it| it < 0x80) else {
                continue;
            };
            let database = File::options().write(true).open(log.path("audit.db")).unwrap();
            database.write_all_at(&sound, 0).unwrap();
            database.write_all_at(&[moved], low as u64).unwrap();
            drop(database);
            let said = all_agree(&log, &running, &format!("separator {cell} moved by {step}"));
            tried += 1;
            astray += usize::from(said.iter().any(Result::is_err));
        }
    }
    report(&format!("separators: {tried} moved, {astray} of them met by an error"));
    assert!(astray * 2 > tried, "{astray} of {tried}");
}
