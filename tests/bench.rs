//! `auditq bench`: no figures for a wrong engine, honest ones for a right one, and files that hold them all.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auditq::command::bench::{FLOOR, Measured, Pace, Settings, Timed, Work, measure};
use auditq::engine::{Baseline, Engine, Lifetime};
use auditq::error::Result;
use auditq::measure::{Ratio, Verdict};
use auditq::model::{Filter, Page, Query};
use auditq::progress::Progress;
use auditq::storage::data_dir::DataDir;
use serde_json::Value;

use crate::faulty_engines::{Fault, Faulty};
use crate::harness::{Log, auditq, page, program_path};

const EVENTS: i64 = 100;

fn log() -> Log {
    Log::plain(EVENTS)
}

/// So many that of the first 20 requests of either stream, and of the first four of the deep one, one has events.
const STREAM_EVENTS: i64 = 20_000;

/// So many that one of the first 20 requests of the deep stream has events.
const DEEP_EVENTS: i64 = 5_000;

fn stream_log() -> Log {
    Log::plain(STREAM_EVENTS)
}

/// Pages of ten, the last two past the end.
fn works() -> Vec<Work> {
    vec![Work {
        name: "pages".to_owned(),
        requests: (1..=12).map(|number| page(number, 10)).collect(),
    }]
}

fn bench(log: &Log, other: &dyn Engine, rounds: usize) -> Result<Measured> {
    let settings = Settings {
        threads: 4,
        rounds,
        pace: Pace::Closed,
    };
    let baseline = log.baseline();
    let engines: [(&str, &dyn Engine); 2] = [("baseline", &baseline), ("enhanced", other)];
    let measured = measure(&engines, &log.data_dir(), &works(), &settings, &|_, _| {})?;
    Ok(measured.into_iter().next().unwrap())
}

fn refused(log: &Log, other: &dyn Engine) -> String {
    let line = bench(log, other, 2).unwrap_err().to_string();
    assert!(
        line.starts_with("no figures: enhanced ") && !line.contains('\n'),
        "{line}"
    );
    line
}

fn rps_ratio(measured: &Measured) -> Ratio {
    let rps = |timed: &Timed| {
        let rounds = timed.rounds.iter();
        rounds
            .map(|round| round.samples.len() as f64 / round.wall.as_secs_f64())
            .collect::<Vec<_>>()
    };
    let pairs = rps(&measured.subjects[0]).into_iter().zip(rps(&measured.subjects[1]));
    Ratio::of(&pairs.map(|(model, other)| other / model).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_faulty_engine_gets_no_figures() {
    let (log, everywhere) = (log(), "10 of 12 pages requests differ, first number 1: ");
    let baseline = log.baseline();
    for (fault, expected) in [
        (Fault::DropLast, everywhere),
        (Fault::RepeatLast, everywhere),
        (Fault::SwapTie, everywhere),
        (Fault::ShiftPage, everywhere),
        (Fault::PayloadBytes, everywhere),
        (Fault::Action, everywhere),
        (Fault::FailOn(55), "1 of 12 pages requests differ, first number 5: "),
    ] {
        let line = refused(
            &log,
            &Faulty {
                sound: &baseline,
                fault,
            },
        );
        assert!(line.contains(expected), "{fault:?}: {line}");
    }
}

#[test]
fn the_refusal_says_how_to_see_it() {
    let log = log();
    let line = refused(
        &log,
        &Faulty {
            sound: &log.baseline(),
            fault: Fault::FailOn(55),
        },
    );
    let command = line
        .split("compare ")
        .nth(1)
        .unwrap()
        .split(" with --mode baseline")
        .next()
        .unwrap();
    // The first word alone: the directory may be called so, too.
    let command = command.replacen("auditq", program_path().to_str().unwrap(), 1);
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .output()
        .unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(
        answer.contains("\"page\": 5,") && answer.contains("{\"id\": 55,"),
        "{answer}"
    );
}

#[test]
fn an_engine_of_yesterday_gets_no_figures() {
    let (log, yesterday) = (log(), log());
    log.sql("UPDATE audit_events SET actor_id = 99 WHERE id = 1");
    let line = refused(&log, &yesterday.baseline());
    assert!(
        line.contains("1 of 12 pages requests differ, first number 10: "),
        "{line}"
    );
}

/// Right for so many answers, then wrong.
struct Turncoat {
    sound: Baseline,
    left: AtomicUsize,
    fault: Fault,
}

impl Engine for Turncoat {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        let is_true = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match is_true {
            Ok(_) => self.sound.page(query, page),
            Err(_) => Faulty {
                sound: &self.sound,
                fault: self.fault,
            }
            .page(query, page),
        }
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        self.sound.count(filter)
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        self.sound.all(filter, sink)
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        self.sound.maintain(progress)
    }
}

#[test]
fn an_engine_that_turns_wrong_while_it_is_timed_gets_no_figures() {
    let log = log();
    let turncoat = |fault| Turncoat {
        sound: log.baseline(),
        left: AtomicUsize::new(20),
        fault,
    };
    let line = refused(&log, &turncoat(Fault::DropLast));
    assert!(line.contains("otherwise while it was timed"), "{line}");
    let line = refused(&log, &turncoat(Fault::PayloadBytes));
    assert!(line.contains("does not answer as baseline does"), "{line}");
}

/// Right, but late.
struct Slow(Baseline);

impl Engine for Slow {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        std::thread::sleep(Duration::from_millis(20));
        self.0.page(query, page)
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        self.0.count(filter)
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        self.0.all(filter, sink)
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        self.0.maintain(progress)
    }
}

#[test]
fn a_slow_engine_is_found_slower() {
    let log = log();
    // A machine with much other work leaves doubt, which a bench must say; not each time.
    let is_slower = || {
        let ratio = rps_ratio(&bench(&log, &Slow(log.baseline()), 6).unwrap());
        assert_ne!(ratio.verdict(), Verdict::Faster);
        ratio.verdict() == Verdict::Slower
    };
    assert!((0..5).any(|_| is_slower()));
}

#[test]
fn an_engine_against_itself_is_neither_faster_nor_slower() {
    let log = log();
    // One time in twenty a 95 % interval misses; a bench with a bias would miss every time.
    let holds_one = || rps_ratio(&bench(&log, &log.baseline(), 6).unwrap()).verdict() == Verdict::Inconclusive;
    assert!((0..4).any(|_| holds_one()));
}

#[test]
fn subjects_take_turns_and_every_request_is_measured() {
    let log = log();
    let measured = bench(&log, &log.enhanced(Lifetime::LongLived), 3).unwrap();
    let names: Vec<_> = measured.subjects.iter().map(|timed| timed.name.as_str()).collect();
    assert_eq!(names, ["baseline", "enhanced", FLOOR]);
    let turns: Vec<_> = measured.subjects.iter().map(|timed| timed.turns.clone()).collect();
    assert_eq!(turns, [[0, 0, 2], [1, 2, 1], [2, 1, 0]]);
    for timed in &measured.subjects {
        for round in &timed.rounds {
            let mut asked = [0; 12];
            round
                .samples
                .iter()
                .for_each(|sample| asked[sample.request as usize] += 1);
            assert_eq!(asked, [timed.passes; 12], "{}", timed.name);
            assert_eq!(round.errors, 0);
        }
    }
}

#[test]
fn what_fails_the_same_way_in_both_is_an_error_of_both() {
    let log = log();
    log.sql("UPDATE audit_events SET payload_offset = 1000000000 WHERE id = 55");
    let measured = bench(&log, &log.enhanced(Lifetime::LongLived), 2).unwrap();
    for timed in &measured.subjects {
        assert_eq!(timed.rounds[0].errors, timed.passes, "{}", timed.name);
    }
}

fn small(log: &Log, arguments: &[&str]) -> std::process::Output {
    let small = ["bench", "--requests", "20", "--threads", "2", "--rounds", "2"];
    log.auditq(&[&small, arguments].concat())
}

/// With as many rounds as a verdict takes, and a core for its client.
fn judged(log: &Log, arguments: &[&str]) -> std::process::Output {
    let mut judged = vec!["bench", "--threads", "1", "--rounds", "6"];
    if !arguments.contains(&"--requests") {
        judged.extend(["--requests", "20"]);
    }
    log.auditq(&[&judged[..], arguments].concat())
}

fn json_lines(bytes: &[u8]) -> Vec<Value> {
    std::str::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_lines_hold_a_whole_run() {
    let log = stream_log();
    let output = judged(&log, &["--histogram", "--min-speedup", "0.001"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    let lines = json_lines(&output.stdout);
    assert_gate_is_closed_by_doubt(&output, &lines);
    let of_type = |name: &str| lines.iter().filter(|line| line["type"] == name).collect::<Vec<_>>();
    let counts = ["run", "summary", "histogram", "gate"].map(|name| of_type(name).len());
    assert_eq!(counts, [1, 6, 6, 1]);
    for workload in ["legacy", "deep"] {
        let of_workload = |kind: &str, key: &str| {
            let lines = of_type(kind).into_iter().filter(|line| line["workload"] == workload);
            lines
                .map(|line| line[key].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let has_events = of_type("depth")
            .iter()
            .any(|line| line["workload"] == workload && line["depth"] != "past_the_end");
        // On one thread every subject, all pages and those with events, if there are such.
        let mut expected = ["all"; 3].to_vec();
        expected.extend(has_events.then_some(["with events"; 3]).into_iter().flatten());
        assert_eq!(of_workload("cost", "pages"), expected);
        let mut expected = vec!["cost"];
        expected.extend(has_events.then_some("cost_with_events"));
        expected.extend(["rps", "p50", "p90", "p95", "p99"]);
        assert_eq!(of_workload("ratio", "metric"), expected);
    }
    let run = of_type("run")[0];
    assert_eq!(run["schema_version"], 2);
    assert_eq!(run["method"]["loop"], "closed");
    assert_eq!(run["dataset"]["is_contract"], false);
    assert_eq!(run["dataset"]["events"], STREAM_EVENTS);
    for summary in of_type("summary") {
        let mine = |line: &&&Value| line["workload"] == summary["workload"] && line["subject"] == summary["subject"];
        let depths: u64 = of_type("depth")
            .iter()
            .filter(mine)
            .map(|line| line["n"].as_u64().unwrap())
            .sum();
        assert_eq!(Some(depths), summary["n"].as_u64());
        let value = |key: &str| summary[key].as_f64().unwrap();
        assert!(
            value("p50_us") <= value("p99_us") && value("p99_us") <= value("max_us"),
            "{summary}"
        );
    }
}

/// The gate is passed only where every ratio's interval begins at or above what was asked for; the exit code says so.
fn assert_gate_is_closed_by_doubt(output: &std::process::Output, lines: &[Value]) {
    let gate = lines.last().unwrap();
    assert_eq!(gate["type"], "gate");
    let at_rest = lines.iter().filter(|line| line["type"] == "ratio");
    let beside_writer = lines.iter().filter_map(|line| line["ratios"].as_array()).flatten();
    let ratios: Vec<_> = at_rest.chain(beside_writer).collect();
    assert!(!ratios.is_empty());
    let least = gate["min_speedup"].as_f64().unwrap();
    let missed = ratios
        .iter()
        .filter(|ratio| ratio["low"].as_f64().unwrap() < least)
        .count();
    assert_eq!(gate["failures"].as_array().unwrap().len(), missed, "{gate}");
    assert_eq!(gate["passed"], missed == 0);
    assert_eq!(output.status.code(), Some(i32::from(missed > 0)));
}

#[test]
fn a_gate_that_is_missed_exits_with_1() {
    let log = stream_log();
    let output = judged(&log, &["--workload", "deep", "--min-speedup", "1000000000"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_gate_is_closed_by_doubt(&output, &json_lines(&output.stdout));
}

/// The command line in the results makes the run again, whatever the words of the first one were.
#[test]
fn a_shell_reads_the_command_line_in_the_results_back() {
    let log = stream_log();
    let place = tempfile::tempdir().unwrap();
    for word in ["it's $(odd)", "a\nb", "\u{1b}[2J\t'\\", "\u{202e}7"] {
        let root = place.path().join(word);
        fs::create_dir(&root).unwrap();
        for file in ["audit.db", "payloads.jsonl"] {
            fs::copy(log.path(file), root.join(file)).unwrap();
        }
        let mut command = auditq();
        command
            .arg("--data-dir")
            .arg(&root)
            .args(["bench", "--workload", "deep"]);
        command.args(["--requests", "4", "--rounds", "1", "--threads", "1", "--export"]);
        command.arg(root.join(format!("{word}.json")));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{word:?}: {output:?}");
        let run = json_lines(&output.stdout).remove(0);
        let line = run["command_line"].as_str().unwrap();
        let read = Command::new("bash")
            .args(["-c", &format!("printf '%s\\0' {line}")])
            .output()
            .unwrap();
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let expected: String = words.map(|word| format!("{}\0", word.to_str().unwrap())).collect();
        assert_eq!(String::from_utf8(read.stdout).unwrap(), expected, "{line}");
    }
}

#[test]
fn results_go_into_files_that_replace_older_ones() {
    let (log, dir) = (stream_log(), tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("b.json"), "old").unwrap();
    let json = small(
        &log,
        &[
            "--workload",
            "deep",
            "--export",
            &path("b.json"),
            "--plot",
            &path("p.svg"),
        ],
    );
    let markdown = small(
        &log,
        &["--workload", "deep", "--export", &path("b.md"), "--format", "table"],
    );
    assert!(
        json.status.success() && markdown.status.success(),
        "{json:?} {markdown:?}"
    );
    let export: Value = serde_json::from_slice(&fs::read(path("b.json")).unwrap()).unwrap();
    let rounds = export["workloads"][0]["subjects"][0]["rounds"].as_array().unwrap();
    assert_eq!(
        rounds
            .iter()
            .map(|round| round["turn"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [1, 1]
    );
    assert!(
        export["command_line"]
            .as_str()
            .unwrap()
            .contains("bench --requests 20 --threads 2")
    );
    let text = fs::read_to_string(path("b.md")).unwrap();
    assert!(
        text.contains("### deep: enhanced against baseline\n\n| metric | baseline | enhanced |"),
        "{text}"
    );
    let table = String::from_utf8(markdown.stdout).unwrap();
    assert!(
        table.contains("closed loop, 2 clients that yield between requests, no think time, on "),
        "{table}"
    );
    // Sentences break at spaces.
    assert!(table.replace('\n', " ").contains("not the contract dataset"), "{table}");
    let picture = fs::read_to_string(path("p.svg")).unwrap();
    for part in [
        "baseline",
        "enhanced",
        "end of the log: page ",
        "medians of 9",
        "not the contract dataset",
    ] {
        assert!(picture.contains(part), "{part}: {picture}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn the_open_loop_measures_from_the_intended_start() {
    let log = Log::plain(DEEP_EVENTS);
    let output = small(&log, &["--workload", "deep", "--rate", "200"]);
    assert!(output.status.success(), "{output:?}");
    let lines = json_lines(&output.stdout);
    assert_eq!(lines[0]["method"]["loop"], "open");
    assert_eq!(lines[0]["method"]["rate_requests_per_s"], 200.0);
    let summaries: Vec<_> = lines.iter().filter(|line| line["type"] == "summary").collect();
    // Twenty requests at 200 a second take 95 ms at least, so none is faster than that.
    assert!(
        summaries
            .iter()
            .all(|line| line["n"] == 40 && line["rps"].as_f64().unwrap() < 215.0),
        "{summaries:?}"
    );
}

#[test]
fn an_open_loop_neither_judges_nor_gates_what_the_rate_sets() {
    let log = stream_log();
    let output = judged(
        &log,
        &[
            "--workload",
            "deep",
            "--rate",
            "5",
            "--requests",
            "4",
            "--min-speedup",
            "0.001",
        ],
    );
    let lines = json_lines(&output.stdout);
    assert_gate_is_closed_by_doubt(&output, &lines);
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    let metrics: Vec<_> = of("ratio").iter().map(|line| line["metric"].clone()).collect();
    let has_kept_up = of("summary").iter().all(|line| line["kept_up"] == true);
    assert!(!metrics.contains(&"rps".into()) && metrics[0] == "cost", "{metrics:?}");
    // Nothing is to be compared with a queue, which other work on this machine may have caused.
    assert_eq!(metrics.contains(&"p50".into()), has_kept_up, "{lines:?}");

    // No processor begins so many a second.
    let hopeless = ["--workload", "deep", "--rate", "1000000000"];
    let lines = json_lines(&small(&log, &hopeless).stdout);
    let summaries: Vec<_> = lines.iter().filter(|line| line["type"] == "summary").collect();
    assert!(summaries.iter().all(|line| line["kept_up"] == false), "{summaries:?}");
    let table = small(&log, &[&hopeless[..], &["--format", "table"]].concat());
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(
        text.contains("COULD NOT KEEP UP") && text.contains("deep baseline: "),
        "{text}"
    );
    assert!(
        text.contains("no verdict") && !text.lines().any(|line| line.starts_with("RPS ")),
        "{text}"
    );

    let closed = json_lines(&small(&log, &["--workload", "deep"]).stdout);
    let summary = closed.iter().find(|line| line["type"] == "summary").unwrap();
    assert!(summary.get("kept_up").is_none() && closed.iter().any(|line| line["metric"] == "rps"));
}

/// Runs beside a writer on a copy of a log in a directory of its own; gives the `write` records and the last line.
fn beside_a_writer(log: &Log, arguments: &[&str]) -> (std::process::Output, Vec<Value>) {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("log");
    fs::create_dir(&root).unwrap();
    for name in ["audit.db", "payloads.jsonl"] {
        fs::copy(log.path(name), root.join(name)).unwrap();
    }
    let output = auditq()
        .arg("--data-dir")
        .arg(&root)
        .args([
            "bench",
            "--workload",
            "deep",
            "--requests",
            "20",
            "--threads",
            "2",
            "--rounds",
            "6",
        ])
        // Time for four requests, one of which has events.
        .args(["--write-rate", "0,50", "--write-seconds", "0.5"])
        .args(arguments)
        .output()
        .unwrap();
    // The log is what it was, and nothing lies in it or beside it.
    for name in ["audit.db", "payloads.jsonl"] {
        assert_eq!(
            fs::read(log.path(name)).unwrap(),
            fs::read(root.join(name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    let lines = json_lines(&output.stdout);
    (output, lines)
}

/// The metrics of each ratio: no percentiles where two clients share a core.
fn compared_beside_a_writer(lines: &[Value]) -> &'static [&'static str] {
    let has_cores = lines[0]["machine"]["cores"].as_u64().unwrap() >= 2;
    if has_cores {
        &["rps", "p50", "p90", "p95", "p99"]
    } else {
        &["rps"]
    }
}

#[test]
fn beside_a_writer_every_subject_has_its_figures() {
    let dir = tempfile::tempdir().unwrap();
    let plot = dir.path().join("writers.svg");
    let (output, lines) = beside_a_writer(
        &stream_log(),
        &["--min-speedup", "0.001", "--plot", plot.to_str().unwrap()],
    );
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_gate_is_closed_by_doubt(&output, &lines);
    let picture = fs::read_to_string(plot).unwrap();
    for part in [
        "deep: requests a second",
        "deep: P99",
        "baseline, rollback journal",
        "enhanced, wal journal",
        "commit",
    ] {
        assert!(picture.contains(part), "{part}: {picture}");
    }
    let writes: Vec<_> = lines.iter().filter(|line| line["type"] == "write").collect();
    // Nobody writes and nobody reads: that is no record.
    assert_eq!((lines.len(), writes.len()), (12, 10));
    let of = |journal: &str, rate: f64, subject: &str| {
        let mut found = writes.iter().filter(|line| {
            line["journal"] == journal && line["write_rate_per_s"] == rate && line["subject"] == subject
        });
        *found.next().unwrap()
    };
    for journal in ["rollback", "wal"] {
        let alone = of(journal, 50.0, "none");
        assert_eq!((&alone["requests"], &alone["refreshes"]), (&Value::Null, &Value::Null));
        for subject in ["none", "baseline", "enhanced"] {
            let commits = &of(journal, 50.0, subject)["commits"];
            let value = |key: &str| commits[key].as_f64().unwrap();
            assert!(
                value("n") > 0.0 && value("per_s") > 0.0 && value("per_s") < 60.0,
                "{commits}"
            );
            assert!(0.0 < value("p50_us") && value("p50_us") <= value("p99_us"), "{commits}");
        }
        for rate in [0.0, 50.0] {
            for subject in ["baseline", "enhanced"] {
                let requests = &of(journal, rate, subject)["requests"];
                assert!(
                    requests["n"].as_u64() > Some(0) && requests["rps"].as_f64() > Some(0.0),
                    "{requests}"
                );
                assert_eq!(requests["errors"], 0);
            }
            let ratios = of(journal, rate, "enhanced")["ratios"].as_array().unwrap();
            let metrics: Vec<_> = ratios.iter().map(|ratio| ratio["metric"].as_str().unwrap()).collect();
            assert_eq!(metrics, compared_beside_a_writer(&lines));
            assert!(
                ratios
                    .iter()
                    .all(|ratio| ratio["low"].is_f64() && ratio["against"] == "baseline")
            );
        }
        assert_eq!(of(journal, 0.0, "enhanced")["commits"], Value::Null);
    }
    let refreshes = |journal: &str, key: &str| of(journal, 50.0, "enhanced")["refreshes"][key].as_u64().unwrap();
    assert!(
        refreshes("rollback", "by_hashes") > 0 && refreshes("wal", "by_frames") > 0,
        "{writes:?}"
    );
    assert_eq!(
        [refreshes("rollback", "rebuilds"), refreshes("wal", "rebuilds")],
        [0, 0]
    );
}

#[test]
fn a_gate_beside_a_writer_says_where_it_was_missed() {
    let (output, lines) = beside_a_writer(&stream_log(), &["--journal", "wal", "--min-speedup", "1000000000"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let failures = lines.last().unwrap()["failures"].as_array().unwrap();
    let compared = compared_beside_a_writer(&lines).len();
    assert_eq!(failures.len(), 2 * compared);
    assert_eq!(failures[compared]["workload"], "deep, wal journal, 50 commits/s");
}

#[test]
fn the_requests_need_no_log() {
    let run = |arguments: &[&str]| {
        let output = auditq()
            .args(["--data-dir", "nowhere", "bench", "--dry-run"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let legacy = run(&["--workload", "legacy", "--requests", "2000"]);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&legacy);
    assert_eq!(
        auditq::contract::digests::hex(&digest),
        auditq::contract::digests::LEGACY_REQUESTS_SHA256
    );
    let both = run(&["--requests", "3"]);
    assert_eq!(both.lines().count(), 6);
    assert!(
        both.starts_with(
            &legacy
                .lines()
                .take(3)
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        )
    );
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is() {
    let log = log();
    for (arguments, expected) in [
        (&["--threads", "0"][..], "a whole number from 1 to 1024"),
        (&["--rounds", "x"], "a whole number from 1 to 1000"),
        (&["--rate", "-1"], "a number from 0.001"),
        (&["--workload", "shallow"], "legacy"),
        (&["--export", "b.txt"], "ends in .json or .md"),
        (&["--plot", "p.png"], "ends in .svg"),
        (&["--export", "no/such/b.json"], "there is no such directory"),
        (&["--rounds", "5", "--min-speedup", "2"], "--rounds takes 6 or more"),
        (&["--dry-run", "--export", "b.json"], "--export"),
        (&["--write-rate", "10,-1"], "0, or a number from 0.001 to 100000"),
        (
            &["--write-rate", "1", "--write-seconds", "0"],
            "a number from 0.05 to 600",
        ),
        (&["--write-rate", "1", "--journal", "off"], "rollback"),
        (&["--journal", "wal"], "--write-rate"),
    ] {
        let output = log.auditq(&[&["bench"], arguments].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            said.contains(expected) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
        assert!(output.stdout.is_empty());
    }
    let nowhere = auditq().args(["--data-dir", "nowhere", "bench"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("auditq seed"));
    assert!(!DataDir::new("nowhere".as_ref()).root().exists());
}
