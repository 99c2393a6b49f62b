//! Commits that others hold up, and commits that stop half way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use auditq::engine::{Baseline, Engine, Lifetime};
use auditq::model::{Filter, Page, Position, Query};
use auditq::storage::data_dir::DataDir;

use super::random::Random;
use super::watched::{Did, Watched};
use crate::harness::faults::{number, report};
use crate::harness::needs::needs;
use crate::harness::stopped::Stopped;
use crate::harness::{Log, answer, page, seconds};

/// How long what has to happen is waited for.
const PATIENCE: Duration = Duration::from_secs(240);

/// A commit of a connection that stays, with the next id.
const APPEND: &str = "commit_staying('INSERT INTO audit_events SELECT max(id) + 1, max(created_at) + 1, 3, \"NEW\", \"X\", \
                      \"X-1\", 0, (SELECT payload_len FROM audit_events WHERE id = 1) FROM audit_events')";

/// Commits on end, faster than anybody asks, until it is over, and says how many there were.
const COMMITS: &str = "
import threading
def work():
    c = connect()
    c.execute('PRAGMA wal_autocheckpoint = 3')
    n = c.execute('SELECT max(id) FROM audit_events').fetchone()[0]
    while is_on():
        n += 1
        run(c, 'INSERT INTO audit_events SELECT %d, 2000000 + %d, 3, \"NEW\", \"X\", \"X-1\", 0, payload_len FROM audit_events WHERE id = 1' % (n, n))
        open('committed', 'w').write(str(n))
        time.sleep(0.001)
    c.close()
worker = threading.Thread(target=work); worker.start()
";

/// No checkpoint gets past the snapshot of a reader, so the log grows and each commit makes another try.
#[test]
fn a_reader_elsewhere_that_holds_a_snapshot_for_seconds_beside_a_writer() {
    needs!(Python);
    let mut watched = Watched::new(Log::plain(300), "wal");
    let time = seconds("AUDITQ_SNAPSHOT_SECONDS", 3);
    let committed = |watched: &Watched| {
        let text = std::fs::read_to_string(watched.log.path("committed")).unwrap_or_default();
        text.parse::<i64>().unwrap_or(0)
    };
    watched
        .writer
        .run("reader = connect(); run(reader, 'BEGIN', 'SELECT count(*) FROM audit_events')");
    let before = watched.engine.refreshes();
    let over = Over(watched.log.path("over"));
    watched.writer.run(IS_ON);
    watched.writer.run(COMMITS);
    let start = Instant::now();
    let (mut asked, mut page_of_one) = (0_u64, Page::default());
    let query = Query::new(Filter::ALL, Position::Page(1), 1).unwrap();
    // Long enough, and until enough has happened: a busy machine takes longer.
    while start.elapsed() < time
        || asked <= 20
        || committed(&watched) <= 320
        || watched.engine.refreshes().by_frames <= before.by_frames + 10
    {
        let so_far = (asked, committed(&watched), watched.engine.refreshes());
        assert!(start.elapsed() < time + PATIENCE, "not enough: {so_far:?}");
        let least = committed(&watched);
        watched.engine.page(&query, &mut page_of_one).unwrap();
        let seen = page_of_one.events().next().unwrap().id;
        assert!(seen >= least, "{least} was committed, {seen} is seen");
        assert!(
            watched.engine.count(&Filter::ALL).unwrap() as i64 >= seen,
            "an event is lost"
        );
        asked += 1;
    }
    drop(over);
    watched.writer.run("worker.join()");
    watched.look("the reader is still there");
    let log = std::fs::metadata(watched.log.path("audit.db-wal")).unwrap().len();
    watched.writer.run("run(reader, 'COMMIT'); reader.close()");
    watched.after(APPEND);
    watched.after("commit_staying('PRAGMA wal_checkpoint(TRUNCATE)')");
    let after = watched.engine.refreshes();
    let commits = committed(&watched) - 300;
    report(&format!(
        "snapshot held for {time:?}: {commits} commits, a log of {log} bytes, {asked} answers, {} refreshes by frames, {} by hashes",
        after.by_frames - before.by_frames,
        after.by_hashes - before.by_hashes
    ));
    assert_eq!(after.rebuilds, before.rebuilds);
    assert_eq!(after.by_sqlite, before.by_sqlite);
}

/// What does not fit into the cache goes into the database file before the commit; a rollback takes it back.
#[test]
fn a_spill_into_the_database_file_that_is_rolled_back() {
    needs!(Python);
    let mut watched = Watched::new(Log::plain(3000), "delete");
    let read = |watched: &Watched| std::fs::read(watched.log.path("audit.db")).unwrap();
    let before = read(&watched);
    let resources = watched.resource_ids();
    watched.writer.run(
        "run(staying(), 'PRAGMA cache_size = 10', 'PRAGMA cache_spill = 1', 'BEGIN IMMEDIATE', \
         'UPDATE audit_events SET actor_id = 42, resource_id = \"SPILLED\"')",
    );
    assert!(read(&watched) != before, "nothing was written before the end");
    assert!(watched.log.path("audit.db-journal").exists());
    assert_eq!(
        watched.after("run(staying(), 'ROLLBACK')"),
        Did::HASHES,
        "the file's times moved"
    );
    assert_eq!(watched.count_of_actor(42), 0);
    assert_eq!(watched.resource_ids(), resources);
    let new = watched.log.enhanced(Lifetime::OneShot);
    watched.assert_same(&new, "new");
    // Deep enough that frees pages, which come back into use within the same transaction.
    let did = watched.after(
        "run(staying(), 'BEGIN IMMEDIATE', 'DELETE FROM audit_events WHERE id > 500', \
         'UPDATE audit_events SET action = \"SPILLED\"', 'ROLLBACK')",
    );
    assert_eq!(did, Did::HASHES);
    assert_eq!(watched.resource_ids(), resources);
    // And one that is committed.
    let did = watched
        .after("run(staying(), 'BEGIN IMMEDIATE', 'UPDATE audit_events SET actor_id = 42 WHERE id % 2 = 0', 'COMMIT')");
    assert_eq!(did, Did::HASHES);
    assert_eq!(watched.count_of_actor(42), 1500);
}

/// A writer that goes on and on with commits that take it a while, some of them larger than its cache.
const RESTLESS: &str = "
import threading
def work():
    c = connect()
    n = 0
    while is_on():
        n += 1
        run(c, 'PRAGMA cache_size = %d' % (10 if n % 3 == 0 else 2000), 'PRAGMA cache_spill = 1')
        run(c, 'BEGIN IMMEDIATE', 'UPDATE audit_events SET actor_id = %d, action = \"N-%d\" WHERE id %% 5 = %d' % (n % 9, n, n % 5),
            'INSERT INTO audit_events SELECT max(id) + 1, max(created_at) + 1, 3, \"NEW\", \"X\", \"X-%d\", 0, (SELECT payload_len FROM audit_events WHERE id = 1) FROM audit_events' % n,
            'DELETE FROM audit_events WHERE id = (SELECT min(id) FROM audit_events WHERE id > 1)', 'COMMIT')
        time.sleep(0.02)
    c.close()
worker = threading.Thread(target=work); worker.start()
";

/// What a crash at this moment would leave: the answer from a copy of the files. Another process makes it, because this one
/// would lose the locks of its connections.
fn committed_state(log: &Log, query: &Query) -> Result<String, String> {
    let copy = tempfile::tempdir().unwrap();
    log.python(&format!(
        "import os, shutil\nfor name in ('audit.db-wal', 'audit.db-journal', 'audit.db', 'payloads.jsonl'):\n    \
         if os.path.exists(name): shutil.copyfile(name, os.path.join({:?}, name))",
        copy.path()
    ));
    answer(&Baseline::new(&DataDir::new(copy.path())), query)
}

/// When a writer goes on. Where a check has failed, the log may be gone before the writer looks.
const IS_ON: &str = "
def is_on():
    return os.path.exists('audit.db') and not os.path.exists('over')
";

/// Ends a writer that goes on, also where a check has failed.
struct Over(PathBuf);

impl Drop for Over {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.0, "");
    }
}

/// How the stops so far went.
#[derive(Debug, Default)]
struct Stops {
    answered: u64,
    locked: u64,
    with_journal: u64,
}

/// Compares everybody while the writer stands still.
fn look_at_stopped(watched: &Watched, is_wal: bool, stops: &mut Stops, what: &str) {
    let queries = [page(1, 50), page(20, 50), page(40, 50), page(1, 2000)];
    let new = watched.log.enhanced(Lifetime::OneShot);
    let baseline = watched.log.baseline();
    // At once, because a log that is locked is waited for.
    let [first, running, others] = std::thread::scope(|scope| {
        let engines: [&dyn Engine; 3] = [&baseline, &watched.engine, &new];
        let asked = engines.map(|engine| scope.spawn(|| answer(engine, &queries[0])));
        asked.map(|thread| thread.join().unwrap())
    });
    stops.with_journal += u64::from(watched.log.path("audit.db-journal").exists());
    // In a write-ahead log a copy may tell of a commit whose frames are written and that nobody can see yet.
    let committed = (!is_wal).then(|| committed_state(&watched.log, &queries[0]));
    if first.is_ok() {
        stops.answered += 1;
        assert!(
            committed.is_none_or(|committed| committed == first),
            "the baseline, {what}"
        );
        assert!(running == first, "running, {what}");
        assert!(others == first, "new, {what}");
        for query in &queries[1..] {
            let expected = answer(&baseline, query);
            assert!(answer(&watched.engine, query) == expected, "running, {what}: {query:?}");
            assert!(answer(&new, query) == expected, "new, {what}: {query:?}");
        }
        return;
    }
    stops.locked += 1;
    assert!(
        first.as_ref().is_err_and(|why| why.contains("locked")),
        "{what}: {first:?}"
    );
    // Who finds the files as they were may answer, but with what was committed last.
    for (whose, answered) in [("running", running), ("new", others)] {
        let is_committed = answered.is_ok() && Some(&answered) == committed.as_ref();
        assert!(answered.is_err() || is_committed, "{whose}, {what}");
    }
}

/// Stops the writer at moments that it does not choose; while it stands still, everybody sees the same.
fn stopped_writer(journal_mode: &str, is_enough: impl Fn(&Stops) -> bool) {
    let mut watched = Watched::new(Log::plain(2000), journal_mode);
    let over = Over(watched.log.path("over"));
    watched.writer.run(IS_ON);
    watched.writer.run(RESTLESS);
    let mut random = Random(number("AUDITQ_HISTORY_SEED", 24_301));
    let mut stops = Stops::default();
    let start = Instant::now();
    while !is_enough(&stops) {
        assert!(start.elapsed() < PATIENCE, "not enough: {stops:?}");
        std::thread::sleep(Duration::from_micros(random.below(40_000)));
        let stopped = Stopped::now(watched.writer.process());
        assert!(stopped.is_some(), "the writer has ended");
        let what = format!("{journal_mode}, after {stops:?}");
        look_at_stopped(&watched, journal_mode == "wal", &mut stops, &what);
    }
    drop(over);
    watched.writer.run("worker.join()");
    watched.look("the end");
    report(&format!("stopped writer, {journal_mode}: {stops:?}"));
}

#[test]
fn a_writer_stopped_at_any_moment_with_a_write_ahead_log() {
    needs!(Python);
    let enough = number("AUDITQ_STOPS", 40);
    stopped_writer("wal", |stops| stops.answered >= enough);
}

/// Each stop that leaves the log locked takes those who wait for it their five seconds.
#[test]
fn a_writer_stopped_at_any_moment_with_a_rollback_journal() {
    needs!(Python);
    let enough = number("AUDITQ_STOPS", 40).div_ceil(20);
    stopped_writer("delete", |stops| {
        stops.answered >= enough && stops.locked >= enough && stops.with_journal >= enough
    });
}
