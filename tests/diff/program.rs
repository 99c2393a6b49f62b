//! The program itself: its lines, its exit codes, and the command lines that it gives.

use std::process::{Command, Stdio};

use auditq::command::diff::report::Class;
use auditq::config::DiffArgs;

use super::{diff, sweep};
use crate::faulty_engines::{Fault, Faulty};
use crate::harness::faults::DEEP_REQUESTS;
use crate::harness::{Log, auditq, program_path};

#[test]
fn a_command_line_reproduces_each_request() {
    let log = Log::plain(60);
    let baseline = log.baseline();
    // Nothing is right, so every request of the sweep is shown.
    let faulty = Faulty {
        sound: &baseline,
        fault: Fault::FailOn(60),
    };
    let (elsewhere, args) = (
        Log::plain(0),
        DiffArgs {
            max_mismatches: usize::MAX,
            ..sweep()
        },
    );
    let mut outcome = diff(&log, &baseline, &elsewhere.baseline(), &args);
    outcome.lines.extend(diff(&log, &baseline, &faulty, &args).lines);
    let odd = outcome
        .mismatches()
        .into_iter()
        .filter(|it| it.reproduce[0].contains("--action"));
    let step = outcome.mismatches().len() / 40;
    for mismatch in outcome.mismatches().into_iter().step_by(step).chain(odd.take(10)) {
        let [ours, theirs] = mismatch.reproduce.each_ref().map(|line| shell(line));
        assert_eq!(ours, theirs, "{mismatch:?}");
        if mismatch.class == Class::Missing && mismatch.what == "event" {
            let id = format!("{{\"id\": {},", mismatch.event.unwrap());
            assert!(ours.contains(&id), "{mismatch:?}");
        }
        if mismatch.what == "count" {
            assert_eq!(ours, format!("{{\"count\": {}}}\n", mismatch.baseline));
        }
    }
}

/// What a shell prints for a line; it must say nothing else.
fn shell(line: &str) -> String {
    let program = program_path().parent().unwrap().to_owned();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", line])
        .env("PATH", path)
        .env_remove("AUDITQ_FORMAT")
        .env_remove("AUDITQ_VERBOSE")
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{line}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_program_prints_lines_of_the_documented_shape() {
    let log = Log::plain(80);
    let lines = log.lines(&["diff", "--requests", DEEP_REQUESTS, "--threads", "2"]);
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let each = [
        "self_check",
        "verdict",
        "self_check",
        "verdict",
        "self_check",
        "thinned",
        "verdict",
    ];
    assert_eq!(kinds, each);
    for (workload, line) in ["legacy", "deep", "sweep"]
        .iter()
        .zip(lines.iter().filter(|it| it["type"] == "verdict"))
    {
        assert_eq!(line["workload"], *workload);
        assert_eq!((&line["verdict"], &line["requests"]), (&"same".into(), &250.into()));
    }
    assert_eq!(lines[5]["kept"], 250);
}

#[test]
fn the_program_exits_with_its_verdict() {
    let log = Log::plain(50);
    let code = |arguments: &[&str]| {
        let output = log.auditq(arguments);
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (exit, table, _) = code(&[
        "diff",
        "--workload",
        "deep",
        "--requests",
        DEEP_REQUESTS,
        "--format",
        "table",
    ]);
    assert_eq!(exit, 0);
    let (first, rest) = table.split_once('\n').unwrap();
    assert!(
        first.starts_with("enhanced answers as the baseline does, byte for byte: 250 requests, 50 events"),
        "{table}"
    );
    assert!(rest.contains("\ndeep      same          250      50\n"), "{table}");
    let (exit, _, error) = code(&["diff", "--workload", "sweep", "--requests", "0"]);
    assert_eq!(exit, 2);
    assert!(
        error.starts_with("auditq: ") && error.contains("no request was compared"),
        "{error}"
    );
    let (exit, output, error) = code(&["--data-dir", "no such directory", "diff"]);
    assert_eq!((exit, output.as_str()), (2, ""));
    assert_eq!(error.lines().count(), 1, "{error}");
    for bad in [
        ["--requests", "-1"],
        ["--threads", "0"],
        ["--workload", "other"],
        ["--max-mismatches", "x"],
    ] {
        let (exit, output, error) = code(&["diff", bad[0], bad[1]]);
        assert_eq!((exit, output.as_str()), (2, ""));
        assert!(error.contains(bad[1]), "{error}");
    }
}

#[test]
fn a_reader_that_has_gone_does_not_change_the_verdict() {
    let log = Log::plain(50);
    let mut command = auditq();
    command
        .arg("--data-dir")
        .arg(log.root())
        .args(["diff", "--workload", "sweep"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
