//! The figures come out at what is known of an engine beforehand.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::figures;
use super::report::{self, FLOOR};
use super::rounds::measure;
use super::settings::{Pace, Settings, Work};
use crate::contract::dataset::SCHEMA_SQL;
use crate::engine::{Baseline, Engine};
use crate::error::Result;
use crate::model::{Filter, Page, PayloadRef, Position, Query, Row};
use crate::progress::Progress;
use crate::storage::data_dir::DataDir;
use crate::storage::sqlite::Writer;

/// Bytes of each payload, so many that reading them takes most of the floor's time.
const PAYLOAD: usize = 50_000;

const TIME: Duration = Duration::from_millis(20);
/// A machine with other work stops a thread for a while even beside its sleep: what is measured around an answer is this
/// many times what the answer took, at most.
const ROOM: f64 = 1.5;

/// Right, after 20 ms. It knows how long each answer took.
struct Late {
    sound: Baseline,
    took_us: Mutex<Vec<f64>>,
}

impl Engine for Late {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        let start = Instant::now();
        std::thread::sleep(TIME);
        let result = self.sound.page(query, page);
        self.took_us.lock().unwrap().push(start.elapsed().as_secs_f64() * 1e6);
        result
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        self.sound.count(filter)
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        self.sound.all(filter, sink)
    }

    fn maintain(&self, _: Progress<'_>) -> Result<()> {
        Ok(())
    }
}

/// 30 events; two pages of three hold some.
fn log() -> (tempfile::TempDir, DataDir) {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::new(root.path());
    let payload = format!("\"{}\"\n", "x".repeat(PAYLOAD - 3));
    std::fs::write(dir.payloads(), payload).unwrap();
    let file = std::fs::File::create_new(dir.database()).unwrap();
    let (table, index) = SCHEMA_SQL.split_at(SCHEMA_SQL.find("CREATE INDEX").unwrap());
    let mut writer = Writer::create(dir.database(), &file, table).unwrap();
    for id in 1..=30 {
        let row = Row {
            id,
            created_at: id,
            actor_id: 1,
            action: "UPDATE",
            resource_type: "ORDER",
            resource_id: "ORDER-1",
            payload_ref: PayloadRef {
                offset: 0,
                len: PAYLOAD as i64,
            },
        };
        writer.insert(&row).unwrap();
    }
    writer.finish(index).unwrap();
    (root, dir)
}

/// The shortest of many times that ten payloads take to be read from the page cache, in microseconds.
fn least_us_of_ten_reads() -> f64 {
    use std::os::unix::fs::FileExt;
    let (_root, dir) = log();
    let file = std::fs::File::open(dir.payloads()).unwrap();
    let mut buffer = vec![0; PAYLOAD];
    let mut least = f64::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        (0..10).for_each(|_| file.read_exact_at(&mut buffer, 0).unwrap());
        least = least.min(start.elapsed().as_secs_f64() * 1e6);
    }
    least
}

struct Told {
    workload: report::Workload,
    /// Of every answer of the late engine.
    took_us: Vec<f64>,
}

fn told(threads: usize, requests: usize, pace: Pace) -> Told {
    let (_root, dir) = log();
    let pages = [1, 2, 9].map(|number| Query::new(Filter::ALL, Position::Page(number), 10).unwrap());
    let work = Work {
        name: "pages".to_owned(),
        requests: pages.into_iter().cycle().take(requests).collect(),
    };
    let (baseline, late) = (
        Baseline::new(&dir),
        Late {
            sound: Baseline::new(&dir),
            took_us: Mutex::default(),
        },
    );
    let settings = Settings {
        threads,
        rounds: 2,
        pace,
    };
    let engines: [(&str, &dyn Engine); 2] = [("baseline", &baseline), ("late", &late)];
    let measured = measure(&engines, &dir, &[work], &settings, &|_, _| {}).unwrap();
    let workload = figures::workloads(&measured, true).unwrap().remove(0);
    Told {
        workload,
        took_us: late.took_us.into_inner().unwrap(),
    }
}

/// Among the times that the engine knows, and what is measured around them.
fn is_plausible(us: f64, took_us: &[f64]) -> bool {
    let most = took_us.iter().copied().fold(0.0, f64::max);
    us >= TIME.as_secs_f64() * 1e6 && us <= most * ROOM
}

#[test]
fn a_closed_loop_tells_the_time_that_each_answer_took() {
    for threads in [1, 3] {
        let Told { workload, took_us } = told(threads, 12, Pace::Closed);
        let late = &workload.subjects[1];
        let latency = &late.total.latency;
        for us in [latency.p50_us, latency.p90_us, latency.mean_us] {
            assert!(is_plausible(us, &took_us), "{threads}: {latency:?} of {took_us:?}");
        }
        // Little's law: no more clients are waiting for an answer than there are, and most of them most of the time.
        let waiting = late.total.rps * latency.mean_us / 1e6;
        assert!(
            waiting <= threads as f64 * 1.001 && waiting > threads as f64 / 10.0,
            "{waiting} of {threads}"
        );
        assert_eq!(latency.n, 24 * late.passes_per_round);
    }
}

#[test]
fn the_cost_is_that_of_one_answer_after_the_other() {
    // Three clients, but the cost is from one thread.
    let Told { workload, took_us } = told(3, 12, Pace::Closed);
    let rows: Vec<_> = workload
        .costs
        .iter()
        .map(|it| (it.pages, it.subject.as_str(), it.requests))
        .collect();
    let subjects = ["baseline", "late", FLOOR];
    let expected: Vec<_> = [("all", 12), ("with events", 8)]
        .iter()
        .flat_map(|(pages, requests)| subjects.map(|subject| (*pages, subject, *requests)))
        .collect();
    assert_eq!(rows, expected);
    for cost in workload.costs.iter().filter(|it| it.subject == "late") {
        assert!(is_plausible(cost.us_per_request, &took_us), "{cost:?} of {took_us:?}");
        let rounds = &cost.rounds_us_per_request;
        assert!(
            rounds.len() == 2 && rounds.iter().all(|us| is_plausible(*us, &took_us)),
            "{cost:?}"
        );
        assert!(
            cost.n.is_multiple_of(2 * cost.requests) || cost.pages == "all",
            "{cost:?}"
        );
    }
    // Two rounds: everybody is asked everything in each, and who is fast more often.
    for cost in &workload.costs {
        assert!(cost.n >= 2 * cost.requests, "{cost:?}");
    }
    let of = |subject: &str, pages: &str| {
        let mut costs = workload.costs.iter();
        costs
            .find(|it| (it.subject.as_str(), it.pages) == (subject, pages))
            .unwrap()
    };
    // Asked last, but for the check afterwards: two rounds of the twelve, each once.
    let timed = &took_us[took_us.len() - 36..took_us.len() - 12];
    let (known, told) = (timed.iter().sum::<f64>() / 24.0, of("late", "all").us_per_request);
    assert!(told >= known * 0.999 && told <= known * ROOM, "{told}, not {known}");
    // The ratios are those of the costs.
    for (metric, pages) in [("cost", "all"), ("cost_with_events", "with events")] {
        let ratio = workload.ratios.iter().find(|it| it.metric == metric).unwrap();
        let (baseline, late) = (of("baseline", pages), of("late", pages));
        let rounds = baseline.rounds_us_per_request.iter().zip(&late.rounds_us_per_request);
        let logs: f64 = rounds.map(|(baseline, late)| (baseline / late).ln()).sum();
        let expected = (logs / 2.0).exp();
        assert!(
            (ratio.speedup.ratio / expected - 1.0).abs() < 0.01,
            "{ratio:?}, not {expected}"
        );
        assert!(ratio.speedup.ratio < 1.0);
    }
    // It reads nothing for a page without events.
    let floor = |pages| of(FLOOR, pages).us_per_request;
    assert!(floor("all") < floor("with events"));
    // And for one with ten events ten payloads, whose least time is known, if not beside whatever else the machine does.
    let mut least = f64::MAX;
    for _ in 0..50 {
        least = least.min(least_us_of_ten_reads());
        if floor("with events") >= least / ROOM {
            return;
        }
    }
    panic!("{} of {least}", floor("with events"));
}

#[test]
fn an_overloaded_open_loop_tells_the_queue() {
    const REQUESTS: u32 = 24;
    let (rate, gap) = (500.0, Duration::from_millis(2));
    let Told { workload, .. } = told(1, REQUESTS as usize, Pace::Open { requests_per_s: rate });
    let late = &workload.subjects[1];
    // Each begins when all before it are done, but counts from when it should have begun.
    let least_us = |number: u32| (TIME * (number + 1) - gap * number).as_secs_f64() * 1e6;
    let latency = &late.total.latency;
    assert!(latency.p50_us >= (least_us(11) + least_us(12)) / 2.0, "{latency:?}");
    assert!(latency.max_us >= least_us(REQUESTS - 1), "{latency:?}");
    let wall_us = late.rounds.iter().map(|round| round.wall_s * 1e6).fold(0.0, f64::max);
    assert!(latency.max_us <= wall_us, "{latency:?} in {wall_us}");
    let open = late.open.unwrap();
    assert!(
        !open.kept_up && open.started_per_s <= 1.0 / TIME.as_secs_f64() * 1.05,
        "{open:?}"
    );
    // A queue is compared with nothing; the costs are.
    let metrics: Vec<_> = workload.ratios.iter().map(|it| it.metric).collect();
    assert_eq!(metrics, ["cost", "cost_with_events"]);
}

#[test]
fn an_open_loop_that_is_kept_up_with_tells_the_answer_alone() {
    let Told { workload, took_us } = told(3, 6, Pace::Open { requests_per_s: 5.0 });
    let late = &workload.subjects[1];
    assert!(
        late.total.latency.p50_us >= TIME.as_secs_f64() * 1e6,
        "{late:?} {took_us:?}"
    );
    // Five a second: from the first to the last of six take a second, whatever each takes.
    assert!(
        late.rounds.iter().all(|round| round.wall_s >= 1.0) && late.total.rps <= 6.0,
        "{late:?}"
    );
}

/// Right until it is told to be wrong.
struct Turning {
    sound: Baseline,
    is_wrong: AtomicBool,
}

impl Engine for Turning {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        if self.is_wrong.load(Ordering::Relaxed) {
            page.clear();
            return Ok(());
        }
        self.sound.page(query, page)
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        self.sound.count(filter)
    }

    fn maintain(&self, _: Progress<'_>) -> Result<()> {
        Ok(())
    }
}

/// Nothing that is timed last is compared with what is expected: the check afterwards is.
#[test]
fn an_engine_that_is_wrong_behind_the_last_round_has_no_figures() {
    let (_root, dir) = log();
    let baseline = Baseline::new(&dir);
    let turning = Turning {
        sound: Baseline::new(&dir),
        is_wrong: AtomicBool::new(false),
    };
    let work = Work {
        name: "pages".to_owned(),
        requests: vec![Query::new(Filter::ALL, Position::Page(1), 10).unwrap()],
    };
    let settings = Settings {
        threads: 1,
        rounds: 1,
        pace: Pace::Closed,
    };
    let engines: [(&str, &dyn Engine); 2] = [("baseline", &baseline), ("turning", &turning)];
    let works = [work];
    measure(&engines, &dir, &works, &settings, &|_, _| {}).unwrap();
    let turn_at_the_end = |done, total| turning.is_wrong.store(done == total, Ordering::Relaxed);
    let error = measure(&engines, &dir, &works, &settings, &turn_at_the_end).unwrap_err();
    assert!(
        error.to_string().contains("turning does not answer as baseline does"),
        "{error}"
    );
}
