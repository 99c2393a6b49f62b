//! An export that is killed at any moment and goes on behind its last whole line, by the recipe in the help.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::harness::faults::number;
use crate::harness::program::MODES;
use crate::harness::{Log, NewEvent, auditq};

/// Text that a careless recipe takes for the beginning of a line.
const TRAP: &str = "{\"id\": 1, \"created_at\": 2, \"actor_id\": 3}";

fn log() -> Log {
    let event = |number: i64| NewEvent {
        id: (1 << 53) + number,
        created_at: -5 + number / 9,
        actor_id: number % 5,
        action: TRAP.to_owned(),
        resource_type: "\n".to_owned(),
        resource_id: format!("{TRAP}, {number}"),
    };
    Log::new(&(1..=4_000).map(event).collect::<Vec<_>>())
}

/// The recipe as the help prints it.
fn recipe() -> String {
    let help = String::from_utf8(auditq().args(["help", "query"]).output().unwrap().stdout).unwrap();
    let lines = help.lines().skip_while(|line| *line != "Exports:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let lines: Vec<_> = lines.filter(|line| line.starts_with("    ")).map(str::trim).collect();
    assert_eq!(lines.len(), 4, "{help}");
    lines.join("\n")
}

/// Runs the recipe in the log's directory; the program is killed after so many milliseconds if it still runs.
fn run(log: &Log, mode: &str, after_ms: Option<u64>) {
    let program = auditq();
    let directory = Path::new(program.get_program()).parent().unwrap();
    let killed = after_ms.map_or_else(String::new, |ms| {
        format!("timeout -s KILL {}.{:03} ", ms / 1_000, ms % 1_000)
    });
    let script = recipe().replace("auditq query", &format!("{killed}auditq query --mode {mode}"));
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(log.root());
    command
        .env("PATH", path)
        .env("AUDITQ_DATA_DIR", ".")
        .env_remove("AUDITQ_FORMAT")
        .env_remove("AUDITQ_VERBOSE");
    let output = command.output().unwrap();
    if after_ms.is_none() {
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn an_export_killed_at_any_moment_goes_on() {
    let log = log();
    let whole = log.lines(&["query", "--all"]);
    let export = log.path("a.jsonl");
    let (kills, mut killed, mut torn) = (number("AUDITQ_EXPORT_KILLS", 100), 0, 0);
    let mut random = 24_301_u64;
    let mut below = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let start = Instant::now();
    run(&log, "enhanced", None);
    // As long as one takes here and now, beside whatever else the machine does.
    let longest = (start.elapsed().as_millis() as u64).clamp(10, 5_000);
    while killed < kills || (torn == 0 && killed < 10 * kills) {
        std::fs::remove_file(&export).unwrap();
        let mode = MODES[below(2) as usize];
        for _ in 0..5 {
            run(&log, mode, Some(1 + below(longest)));
            killed += 1;
            // As if the kill, or a power cut, had come in the middle of a line.
            let file = std::fs::File::options().write(true).open(&export).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len - below(400).min(len)).unwrap();
            torn += u64::from(0 < len && len < whole.len() as u64);
        }
        run(&log, mode, None);
        let parts = std::fs::read_to_string(&export).unwrap();
        assert!(parts == whole, "{mode}: {} bytes of {}", parts.len(), whole.len());
    }
    // Without kills in between, nothing would have been shown.
    assert!(torn > 0, "no export was cut in the middle, of {killed}");
}
