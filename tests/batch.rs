//! `query --batch`: every answer in its place, and on standard input as soon as its request has come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::dataset::{value, values};
use crate::harness::faults::with_memory_limit;
use crate::harness::needs::needs;
use crate::harness::program::{Coprocess, MODES, assert_quiet, run_with_input};
use crate::harness::{Log, auditq};

/// Runs a batch on standard input.
fn batch(log: &Log, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = auditq();
    command.arg("--data-dir").arg(log.root());
    command.args(["query", "--batch", "-"]).args(arguments);
    run_with_input(command, input)
}

/// The answers' lines, and that the batch failed, in one line that says how many of them did.
#[track_caller]
fn failing(log: &Log, mode: &str, input: &[u8], failed: usize) -> Vec<Value> {
    let output = batch(log, &["--mode", mode], input);
    let answers = values(&output.stdout);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(
        said,
        format!(
            "auditq: standard input: {failed} of {} requests failed: the line in the place of each response says why\n",
            answers.len()
        )
    );
    let errors = answers.iter().filter(|answer| answer["error"].is_string());
    assert_eq!(errors.count(), failed);
    answers
}

/// Requests of every kind and of very different cost.
fn mixed(count: usize) -> String {
    let request = |number: usize| match number % 5 {
        0 => format!("{{\"page\": {}, \"page_size\": 3}}\n", number + 1),
        1 => format!("{{\"page_size\": {}}}\n", 1 + number % 400),
        2 => format!(
            "{{\"actor_id\": {}, \"page_size\": 50, \"to_ts\": {}}}\n",
            number % 9,
            1_000_000 + number
        ),
        3 => format!(
            "{{\"action\": \"UPDATE\", \"page\": {}, \"page_size\": 7}}\n",
            1 + number % 30
        ),
        _ => format!(
            "{{\"after\": \"{}:{number}\", \"page_size\": 20}}\n",
            1_000_000 + number / 2
        ),
    };
    (0..count).map(request).collect()
}

#[test]
fn answers_come_in_order_whatever_the_mode_and_the_number_of_threads() {
    let log = Log::plain(1_000);
    let input = mixed(600);
    let mut expected: Option<Vec<u8>> = None;
    for mode in MODES {
        for threads in ["1", "3", "16"] {
            let output = batch(&log, &["--mode", mode, "--threads", threads], input.as_bytes());
            assert_quiet(&output, mode);
            for (request, answer) in input.lines().zip(values(&output.stdout)) {
                let request: Value = serde_json::from_str(request).unwrap();
                for (key, value) in request.as_object().unwrap() {
                    assert_eq!(&answer["query"][key], value, "{mode}, {threads}: {request}");
                }
                let count = answer["events"].as_array().unwrap().len();
                assert_eq!(answer["count"], count, "{mode}, {threads}: {request}");
            }
            let expected = expected.get_or_insert_with(|| output.stdout.clone());
            assert!(*expected == output.stdout, "{mode} on {threads} threads differs");
        }
    }
}

#[test]
fn a_file_gives_what_standard_input_gives() {
    let log = Log::plain(100);
    let input = mixed(50);
    let path = log.path("requests");
    std::fs::write(&path, &input).unwrap();
    for mode in MODES {
        let by_file = log.auditq(&["query", "--mode", mode, "--batch", path.to_str().unwrap()]);
        let by_stdin = batch(&log, &["--mode", mode], input.as_bytes());
        assert_quiet(&by_file, mode);
        assert!(by_file.stdout == by_stdin.stdout, "{mode}");
    }
}

/// Each answer is read before the next request is written, and standard input stays open.
#[test]
fn a_coprocess_answers_each_request_as_it_comes() {
    let log = Log::plain(300);
    let requests = mixed(100);
    let expected = batch(&log, &["--mode", "baseline"], requests.as_bytes()).stdout;
    let expected = String::from_utf8(expected).unwrap();
    for mode in MODES {
        let mut coprocess = Coprocess::start(log.root(), &["--mode", mode, "--threads", "16"]);
        for (request, expected) in requests.lines().zip(expected.split_inclusive('\n')) {
            assert_eq!(coprocess.ask(request), expected, "{mode}: {request}");
        }
        // Two at once, and half of a third, whose answer waits for its other half.
        coprocess.write("{\"page\": 1}\n{\"page\": 2}\n{\"pa");
        assert!(coprocess.read().contains("\"page\": 1,"));
        assert!(coprocess.read().contains("\"page\": 2,"));
        coprocess.write("ge\": 3}\n");
        assert!(coprocess.read().contains("\"page\": 3,"));
        // Blank lines and bad ones hold nothing up.
        coprocess.write("\n\n  \n");
        assert!(coprocess.ask("bad").contains("line 107: "));
        assert!(coprocess.ask("{\"page\": 5}").contains("\"page\": 5,"));
        let end = coprocess.close();
        assert_eq!(end.status.code(), Some(2), "{}", end.errors);
        assert_eq!(end.rest, "");
        assert!(end.errors.contains("1 of 105 requests failed"), "{}", end.errors);
    }
}

/// What another process has committed before a request is in its answer.
#[test]
fn a_coprocess_sees_every_commit() {
    needs!(Python);
    let log = Log::plain(300);
    for mode in MODES {
        let mut coprocess = Coprocess::start(log.root(), &["--mode", mode]);
        for round in 0..8 {
            log.python(&format!(
                "import sqlite3\nc = sqlite3.connect('audit.db')\nc.execute(\"UPDATE audit_events SET actor_id = {round} + 1000 WHERE id = 300\")\nc.commit()"
            ));
            let answer = coprocess.ask("{\"page_size\": 1}");
            assert!(
                answer.contains(&format!("\"actor_id\": {},", round + 1000)),
                "{mode}: {answer}"
            );
        }
        assert_eq!(coprocess.close().status.code(), Some(0));
    }
}

#[test]
fn a_malformed_line_is_answered_in_its_place() {
    let log = Log::plain(100);
    for (line, says) in [
        (
            "nonsense",
            "a JSON object with from_ts, to_ts, actor_id, action, page (or after), page_size and as_of",
        ),
        ("7", "a JSON object"),
        ("[1, 2]", "a JSON object"),
        ("null", "a JSON object"),
        ("{\"page\": 1", "a JSON object"),
        ("{\"page\": 1} x", "a JSON object"),
        ("{\"page\": 0}", "page 0 does not exist: pages count from 1"),
        ("{\"page\": -1}", "-1"),
        ("{\"page\": 1.5}", "1.5"),
        ("{\"page\": \"1\"}", "page"),
        (
            "{\"page_size\": 0}",
            "page size 0 is out of range: a page holds 1 to 10000 events",
        ),
        ("{\"page_size\": 10001}", "page size 10001 is out of range"),
        ("{\"page\": 9223372036854775807, \"page_size\": 50}", "beyond 64 bits"),
        ("{\"pages\": 1}", "`pages`"),
        ("{\"page\": 1, \"page\": 2}", "page"),
        ("{\"page\": 1, \"after\": \"1:2\"}", "exclude each other"),
        ("{\"after\": \"x\"}", "CREATED_AT:ID"),
        ("{\"from_ts\": 9223372036854775808}", "9223372036854775808"),
        ("{\"action\": 5}", "5"),
    ] {
        for mode in MODES {
            let input = format!("{{\"page\": 1}}\n{line}\n{{\"page\": 2}}\n");
            let answers = failing(&log, mode, input.as_bytes(), 1);
            assert_eq!(answers.len(), 3, "{line}");
            assert_eq!(answers[0]["query"]["page"], 1, "{line}");
            assert_eq!(answers[2]["query"]["page"], 2, "{line}");
            let error = answers[1]["error"].as_str().unwrap();
            assert!(error.starts_with("line 2: ") && error.contains(says), "{line}: {error}");
            assert!(!error.contains('\n'), "{line}: {error}");
            let keys: Vec<_> = answers[1].as_object().unwrap().keys().collect();
            assert_eq!(keys, ["error", "query"], "{line}");
            // The line itself, where it is an object at all.
            let echo = serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
            assert_eq!(answers[1]["query"], echo.unwrap_or(Value::Null), "{line}");
        }
    }
}

#[test]
fn bytes_that_are_no_text() {
    let log = Log::plain(100);
    for line in [
        b"\xff\xfe" as &[u8],
        b"{\"action\": \"\xff\"}",
        b"{\"action\": \"\\ud83e\"}",
        b"\0",
    ] {
        for mode in MODES {
            let answers = failing(&log, mode, &[line, b"\n{}\n"].concat(), 1);
            assert!(answers[0]["error"].as_str().unwrap().starts_with("line 1: "));
            assert_eq!(answers[1]["count"], 20);
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_answered_and_not_kept() {
    let log = Log::plain(100);
    for length in [17_000_000, 25_000_000] {
        let long = format!("{{\"action\": \"{}\"}}", "x".repeat(length));
        for mode in MODES {
            let input = format!("{{}}\n{long}\n{{\"page\": 2}}\n{long}");
            let answers = failing(&log, mode, input.as_bytes(), 2);
            assert_eq!(answers.len(), 4);
            for (place, line) in [(1, "line 2: longer than 16777216"), (3, "line 4: longer than 16777216")] {
                assert!(answers[place]["error"].as_str().unwrap().starts_with(line));
                assert_eq!(answers[place]["query"], Value::Null);
            }
            assert_eq!(answers[2]["query"]["page"], 2);
        }
    }
    // As long as a line may be.
    let room = 16_777_216 - "{\"action\": \"\"}".len();
    let longest = format!("{{\"action\": \"{}\"}}", "x".repeat(room));
    for end in ["\n", ""] {
        let output = batch(&log, &[], format!("{longest}{end}").as_bytes());
        assert_quiet(&output, end);
        assert_eq!(values(&output.stdout)[0]["count"], 0);
    }
}

#[test]
fn blank_lines_line_ends_and_a_last_line_without_one() {
    let log = Log::plain(100);
    for mode in MODES {
        let plain = batch(&log, &["--mode", mode], b"{\"page\": 1}\n{\"page\": 2}\n").stdout;
        assert_eq!(values(&plain).len(), 2);
        for input in [
            "{\"page\": 1}\n{\"page\": 2}",
            "{\"page\": 1}\r\n{\"page\": 2}\r\n",
            "{\"page\": 1}\r\n{\"page\": 2}\r",
            "\n\n{\"page\": 1}\n\r\n   \t\n{\"page\": 2}\n\n",
            "  {\"page\": 1}  \n\t{\"page\":2}\n",
        ] {
            let output = batch(&log, &["--mode", mode], input.as_bytes());
            assert_quiet(&output, input);
            assert!(output.stdout == plain, "{input:?}");
        }
        for input in ["", "\n", "\r\n \n"] {
            let output = batch(&log, &["--mode", mode], input.as_bytes());
            assert_quiet(&output, input);
            assert_eq!(output.stdout, b"");
        }
        // Blank lines count, as an editor counts them.
        let answers = failing(&log, mode, b"\n{}\n\nbad\n", 1);
        assert!(answers[1]["error"].as_str().unwrap().starts_with("line 4: "));
    }
}

/// A request whose page cannot be read shows nothing of the page, and takes no other with it.
#[test]
fn a_request_that_fails_is_answered_in_its_place() {
    let log = Log::plain(100);
    log.sql("UPDATE audit_events SET payload_offset = 1000000000 WHERE id = 50");
    let input: String = (1..=10)
        .map(|page| format!("{{\"page\": {page}, \"page_size\": 10}}\n"))
        .collect();
    let mut both = Vec::new();
    for mode in MODES {
        for threads in ["1", "16"] {
            let output = batch(&log, &["--mode", mode, "--threads", threads], input.as_bytes());
            assert_eq!(output.status.code(), Some(2));
            both.push(output.stdout);
        }
        let answers = failing(&log, mode, input.as_bytes(), 1);
        for (place, answer) in answers.iter().enumerate() {
            assert_eq!(answer["query"]["page"], place + 1);
            assert_eq!(answer["query"]["page_size"], 10);
            if place == 5 {
                let error = answer["error"].as_str().unwrap();
                assert!(
                    error.starts_with("event 50: payload at offset 1000000000, length "),
                    "{error}"
                );
                assert!(answer.get("events").is_none() && answer.get("count").is_none());
            } else {
                assert_eq!(answer["count"], 10);
            }
        }
    }
    assert!(
        both.iter().all(|answers| *answers == both[0]),
        "both modes, on any number of threads"
    );
}

#[test]
fn cursors_in_a_batch() {
    let log = Log::plain(200);
    for mode in MODES {
        let mut coprocess = Coprocess::start(log.root(), &["--mode", mode]);
        let mut request = "{\"page_size\": 13}".to_owned();
        let mut ids = Vec::new();
        loop {
            let answer = value(&coprocess.ask(&request));
            let events = answer["events"].as_array().unwrap();
            ids.extend(events.iter().map(|event| event["id"].as_i64().unwrap()));
            let Some(last) = events.last() else { break };
            let cursor = format!("{}:{}", last["created_at"], last["id"]);
            request = format!("{{\"after\": \"{cursor}\", \"page_size\": 13}}");
            let echo = value(&coprocess.ask(&request));
            assert_eq!(echo["query"]["after"], cursor);
            assert!(echo["query"].get("page").is_none());
        }
        assert_eq!(ids, (1..=200).rev().collect::<Vec<_>>(), "{mode}");
        assert_eq!(coprocess.close().status.code(), Some(0));
    }
}

/// Rows that all point at one big payload make answers that are a thousand times the log. A batch holds a few of them.
#[test]
fn big_answers_are_not_all_held_at_once() {
    const REQUESTS: usize = 64;
    const PAYLOAD: usize = 2 << 20;
    const LIMIT: u64 = 350 << 20;
    let log = Log::plain(4 * REQUESTS as i64);
    let payload = format!("\"{}\"\n", "x".repeat(PAYLOAD));
    std::fs::write(log.path("payloads.jsonl"), &payload).unwrap();
    log.sql(&format!(
        "UPDATE audit_events SET payload_offset = 0, payload_len = {}",
        payload.len()
    ));
    let requests = log.path("requests");
    let lines = (1..=REQUESTS).map(|page| format!("{{\"page\": {page}, \"page_size\": 4}}\n"));
    std::fs::write(&requests, lines.collect::<String>()).unwrap();
    let requests = requests.to_str().unwrap();
    for mode in MODES {
        let batch = ["query", "--batch", requests, "--threads", "8", "--mode", mode];
        let mut child = with_memory_limit(LIMIT, log.root(), &batch)
            // Address space that is set aside for a thread and never used would count.
            .env("MALLOC_ARENA_MAX", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
        let (mut line, mut came) = (Vec::new(), 0);
        while answers.read_until(b'\n', &mut line).unwrap() > 0 {
            came += 1;
            let query = String::from_utf8_lossy(&line[..200]);
            assert!(query.contains(&format!("\"page\": {came},")), "{query}");
            assert!(line.len() > 4 * PAYLOAD && line.ends_with(b"], \"count\": 4}\n"));
            line.clear();
        }
        let mut said = String::new();
        let mut errors = child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{mode}: {said}");
        assert_eq!((came, said.as_str()), (REQUESTS, ""), "{mode}");
    }
}
