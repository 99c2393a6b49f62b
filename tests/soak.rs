//! 16 threads, a live writer and the refreshes that it causes, for as long as one likes: every answer is checked,
//! and throughput, descriptors and memory stay level.
//!
//! `AUDITQ_SOAK_SECONDS` says for how long at least. A soak also goes on until the writer has committed and the index
//! was refreshed often enough to say anything, however slow the machine is, and fails where that never comes.
//! `AUDITQ_SOAK_RATE` says how many commits a second the writer makes while it works; without it, as many as it can.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auditq::engine::{Engine, Enhanced, Lifetime};
use auditq::error::Error;
use auditq::model::{Filter, Key, Page, Position, Query};

use crate::harness::faults::report;
use crate::harness::needs::needs;
use crate::harness::verified::verified;
use crate::harness::{Log, answer, python, seconds};

const THREADS: u64 = 16;

/// How many events there are before the writer comes.
const EVENTS: i64 = 5_000;

/// How long the writer works, at least, before it is told to rest: as many commits as it can, or at a given rate.
const WORK: Duration = Duration::from_millis(100);
const WORK_AT_A_RATE: Duration = Duration::from_secs(5);

/// How often the writer works and rests before there is a level to hold, and again to see whether it holds.
const TURNS: u32 = 2;

/// What has not come so long after it was due does not come.
const PATIENCE: Duration = Duration::from_secs(180);

/// Commits a second while the writer works.
const RATE: &str = "AUDITQ_SOAK_RATE";

/// Set for the process that a soak runs in.
const ALONE: &str = "AUDITQ_SOAK_IS_ALONE";

/// Commits events at the new end, each with a payload of its own, for as long as it is not told to rest. It says
/// the newest id after each commit, and `rest` when it rests.
const WRITER: &str = "
import select, sqlite3, sys, time
pause = 1 / float(sys.argv[1]) if sys.argv[1:] else 0
c = sqlite3.connect('audit.db', isolation_level=None, timeout=60)
p = open('payloads.jsonl', 'ab')
n = c.execute('SELECT max(id) FROM audit_events').fetchone()[0]
due = time.monotonic()
while True:
    if select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
        if sys.stdin.readline() != 'rest\\n':
            break
        print('rest', flush=True)
        if sys.stdin.readline() != 'go\\n':
            break
        due = time.monotonic()
        continue
    due += pause
    n += 1
    line = b'{\"event\": %d}\\n' % n
    at = p.tell()
    p.write(line)
    p.flush()
    c.execute('INSERT INTO audit_events VALUES (?, 1000000 + ? / 2, ? % 7, ?, ?, ?, ?, ?)', (n, n, n, ('LOGIN', 'UPDATE', 'DELETE')[n % 3], 'ORDER', 'ORDER-%d' % n, at, len(line)))
    print(n, flush=True)
";

struct Writer {
    child: Child,
    /// Until it is to end.
    orders: Option<ChildStdin>,
}

impl Writer {
    fn start(log: &Log) -> Self {
        let mut child = python(WRITER)
            .args(std::env::var_os(RATE))
            .current_dir(log.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        Writer { child, orders }
    }

    /// Lets it end by itself: what one that is killed leaves half done, the next connection finishes or not.
    fn end(mut self) {
        // It may have read an order ahead, and sees no further one then; the end of its input it sees.
        drop(self.orders.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn order(&mut self, order: &str) {
        let orders = self.orders.as_mut().unwrap();
        orders.write_all(order.as_bytes()).unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the threads, also where a check has failed.
struct Over<'a>(&'a Soak);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

/// What the threads share.
#[derive(Default)]
struct Soak {
    committed: AtomicI64,
    rests: AtomicBool,
    refreshes: AtomicU64,
    over: AtomicBool,
    asked: AtomicU64,
    /// Requests to a log that was locked for as long as a request waits: the machine was too busy for them.
    locked_out: AtomicU64,
}

/// What must hold for any page at any moment: its events match, come newest first without one twice, carry their
/// own payload, and none that was committed before the question is missing from the front.
fn check(query: &Query, events: &Page, committed: i64) {
    let filter = query.filter();
    let keys: Vec<_> = events.events().map(|event| event.key()).collect();
    assert!(keys.windows(2).all(|pair| pair[0] > pair[1]), "{query:?}: the order");
    for event in events.events() {
        assert_eq!(event.created_at, 1_000_000 + event.id / 2, "{query:?}");
        assert!(
            filter
                .actor_id
                .is_none_or(|actor| actor == event.actor_id && actor == event.id % 7)
        );
        assert!(filter.action.as_deref().is_none_or(|action| action == event.action));
        let payload = std::str::from_utf8(event.payload).unwrap();
        assert!(
            payload.starts_with(&format!("{{\"event\": {}", event.id)),
            "{query:?}: event {} has {payload}",
            event.id
        );
    }
    let is_front = matches!(query.position(), Position::Page(1));
    if is_front && filter.actor_id.is_none() && filter.action.is_none() {
        assert!(
            keys[0].id >= committed,
            "{} was committed, {} is seen",
            committed,
            keys[0].id
        );
    }
    // Ids have no gaps, so a page of everything has none.
    if filter.actor_id.is_none() && filter.action.is_none() {
        assert!(
            keys.windows(2).all(|pair| pair[0].id == pair[1].id + 1),
            "{query:?}: a gap"
        );
        assert_eq!(keys.len(), query.page_size() as usize);
    }
}

fn query(round: u64) -> Query {
    let filter = Filter {
        actor_id: (round % 3 == 1).then_some((round % 7) as i64),
        action: (round % 5 == 2).then(|| ["LOGIN", "UPDATE", "DELETE"][round as usize % 3].to_owned()),
        ..Filter::ALL
    };
    let position = match round % 4 {
        0 => Position::Page(1),
        1 => Position::Page(round % 20 + 1),
        2 => Position::After(Key {
            created_at: 1_000_000 + (round % 900 + 50) as i64,
            id: 40,
        }),
        _ => Position::Page(2),
    };
    Query::new(filter, position, 20).unwrap()
}

fn ask(soak: &Soak, enhanced: &Enhanced, thread: u64) {
    let mut page = Page::default();
    let mut round = thread * 1_000_003;
    while !soak.over.load(Ordering::Relaxed) {
        round += 1;
        let query = query(round);
        let committed = soak.committed.load(Ordering::SeqCst);
        match enhanced.page(&query, &mut page) {
            Ok(()) => {
                check(&query, &page, committed);
                soak.asked.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Busy { .. }) => {
                soak.locked_out.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("{query:?}: {error}"),
        }
    }
}

/// Counts how often the index was brought to another state.
fn watcher(soak: &Soak, enhanced: &Enhanced) {
    while !soak.over.load(Ordering::Relaxed) {
        let counts = enhanced.refreshes();
        let refreshes = counts.by_frames + counts.by_hashes + counts.rebuilds;
        soak.refreshes.store(refreshes, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// While the writer rests, every answer is the baseline's to the byte.
fn is_exact(log: &Log, enhanced: &Enhanced) {
    for round in 0..24 {
        let query = query(round);
        assert_eq!(answer(enhanced, &query), answer(&log.baseline(), &query), "{query:?}");
    }
    assert_eq!(
        enhanced.count(&Filter::ALL).unwrap(),
        log.baseline().count(&Filter::ALL).unwrap()
    );
}

/// What is to stay level.
#[derive(Clone, Copy)]
struct Level {
    at: Instant,
    asked: u64,
    descriptors: usize,
    /// Memory of this process in KiB.
    memory: u64,
}

impl Level {
    fn now(soak: &Soak) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let memory = status.lines().find(|line| line.starts_with("VmRSS:"));
        Level {
            at: Instant::now(),
            asked: soak.asked.load(Ordering::SeqCst),
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            memory: memory
                .and_then(|line| line.split_whitespace().nth(1))
                .unwrap()
                .parse()
                .unwrap(),
        }
    }

    /// Answers in a second since an earlier moment.
    fn rate_since(&self, at: Instant, asked: u64) -> f64 {
        (self.asked - asked) as f64 / self.at.duration_since(at).as_secs_f64()
    }
}

/// The writer works and rests in turn; each rest is a chance to compare, and lets the index become true.
fn soak(journal_mode: &str, time: Duration) {
    let log = Log::plain(EVENTS);
    log.journal_mode(journal_mode);
    let enhanced = log.enhanced(Lifetime::LongLived);
    let mut writer = Writer::start(&log);
    let soak = Soak {
        committed: AtomicI64::new(EVENTS),
        ..Soak::default()
    };
    let replies = BufReader::new(writer.child.stdout.take().unwrap());
    let work = if std::env::var_os(RATE).is_some() {
        WORK_AT_A_RATE
    } else {
        WORK
    };
    let start = Instant::now();
    // The first third warms up.
    let (mut turns, mut turns_before, mut first) = (0, 0, None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for line in replies.lines() {
                match line.unwrap().as_str() {
                    "rest" => soak.rests.store(true, Ordering::SeqCst),
                    id => soak.committed.store(id.parse().unwrap(), Ordering::SeqCst),
                }
            }
        });
        scope.spawn(|| watcher(&soak, &enhanced));
        let asking: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (soak, enhanced) = (&soak, &enhanced);
                scope.spawn(move || ask(soak, enhanced, thread))
            })
            .collect();
        let _over = Over(&soak);
        let mut writer = writer;
        let wait_for = |what: &str, is_there: &dyn Fn() -> bool| {
            while !is_there() {
                assert!(
                    !asking.iter().any(|it| it.is_finished()),
                    "a thread that asks has failed"
                );
                assert!(
                    start.elapsed() < time + PATIENCE,
                    "{what} has not come: {} answers, {} commits, {} refreshes",
                    soak.asked.load(Ordering::SeqCst),
                    soak.committed.load(Ordering::SeqCst) - EVENTS,
                    soak.refreshes.load(Ordering::SeqCst),
                );
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        while start.elapsed() < time || first.is_none() || turns < turns_before + TURNS {
            let turn = Instant::now();
            let committed = soak.committed.load(Ordering::SeqCst);
            let refreshes = soak.refreshes.load(Ordering::SeqCst);
            wait_for("a commit", &|| {
                soak.committed.load(Ordering::SeqCst) > committed && turn.elapsed() > work
            });
            soak.rests.store(false, Ordering::SeqCst);
            writer.order("rest\n");
            wait_for("the writer's rest", &|| soak.rests.load(Ordering::SeqCst));
            is_exact(&log, &enhanced);
            wait_for("a refresh", &|| soak.refreshes.load(Ordering::SeqCst) > refreshes);
            is_exact(&log, &enhanced);
            writer.order("go\n");
            turns += 1;
            if first.is_none() && start.elapsed() > time / 3 && turns >= TURNS {
                first = Some(Level::now(&soak));
                turns_before = turns;
            }
        }
        writer.end();
    });
    let (first, last) = (first.unwrap(), Level::now(&soak));
    let rates = (first.rate_since(start, 0), last.rate_since(first.at, first.asked));
    let committed = soak.committed.load(Ordering::SeqCst) - EVENTS;
    report(&format!(
        "soak, {journal_mode}: {} answers by {THREADS} threads in {:.1?}, {committed} commits, {} refreshes, {turns} \
         turns, {} requests locked out; {:.0} then {:.0} answers/s, descriptors {} then {}, memory {} then {} KiB",
        last.asked,
        start.elapsed(),
        soak.refreshes.load(Ordering::SeqCst),
        soak.locked_out.load(Ordering::SeqCst),
        rates.0,
        rates.1,
        first.descriptors,
        last.descriptors,
        first.memory,
        last.memory
    ));
    is_exact(&log, &enhanced);
    // The machine has other work, at one time more than at another.
    assert!(
        rates.1 > rates.0 / 20.0,
        "throughput falls: {:.0} then {:.0} answers/s",
        rates.0,
        rates.1
    );
    // A connection and its write-ahead log come and go with a request of each thread.
    assert!(
        last.descriptors <= first.descriptors + 3 * THREADS as usize,
        "descriptors grow: {} then {}",
        first.descriptors,
        last.descriptors
    );
    let index = 100 * committed as u64 / 1_024;
    assert!(
        last.memory <= first.memory + 16_384 + 4 * index,
        "memory grows: {} then {} KiB",
        first.memory,
        last.memory
    );
}

/// Runs a soak in a process of its own, whose descriptors and memory are nobody else's: the test of that name, again.
fn soak_alone(test: &str, journal_mode: &str) {
    if std::env::var_os(ALONE).is_some() {
        return soak(journal_mode, seconds("AUDITQ_SOAK_SECONDS", 3));
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("soak::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let figures: Vec<_> = said.lines().filter(|it| it.starts_with("soak, ")).collect();
    assert!(output.status.success(), "{said}");
    assert_eq!(figures.len(), 1, "the soak did not run: {said}");
    report(figures[0]);
}

#[test]
fn with_a_rollback_journal() {
    needs!(Python);
    soak_alone("with_a_rollback_journal", "delete");
}

#[test]
fn with_a_write_ahead_log() {
    needs!(Python);
    soak_alone("with_a_write_ahead_log", "wal");
}

#[test]
fn verified_with_a_rollback_journal() {
    needs!(Python);
    verified("soak::verified_with_a_rollback_journal", || {
        soak("delete", seconds("AUDITQ_SOAK_SECONDS", 3));
    });
}

#[test]
fn verified_with_a_write_ahead_log() {
    needs!(Python);
    verified("soak::verified_with_a_write_ahead_log", || {
        soak("wal", seconds("AUDITQ_SOAK_SECONDS", 3));
    });
}
