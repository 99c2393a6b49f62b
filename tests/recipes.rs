//! Every command line that the help and the README print does what is said of it, on data that is hostile to it.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::needs::{Need, skipped};
use crate::harness::program::MODES;
use crate::harness::{Log, NewEvent, auditq, checkout};

/// Beyond this, jq 1.6 and whatever else counts in floating point rounds whole numbers.
const EXACT: i64 = 1 << 53;

/// More than two pages of the recipes, with ids that rounding makes the same and text that breaks lines.
fn hostile_log() -> Log {
    let event = |number: i64| NewEvent {
        id: EXACT + number,
        created_at: 1_767_000_000 + number / 700,
        actor_id: 42,
        action: ["UPDATE", "EXPORT", "a\n\"b\" 'c' $(d)"][number as usize % 3].to_owned(),
        resource_type: "\u{1b}[2J".to_owned(),
        resource_id: format!("-n {number}\t%s\\"),
    };
    let log = Log::new(&(1..=2_500).map(event).collect::<Vec<_>>());
    let requests: String = (1..=30).map(|page| format!("{{\"page\": {page}}}\n")).collect();
    std::fs::write(log.path("requests.jsonl"), requests).unwrap();
    log
}

/// Runs a recipe as a person would: in a shell, the program on the PATH, the log at its default place.
fn shell(log: &Log, recipe: &str) -> Output {
    let program = auditq();
    let program = Path::new(program.get_program());
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", recipe]).current_dir(log.root());
    command.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    command
        .env("AUDITQ_DATA_DIR", ".")
        .env_remove("AUDITQ_FORMAT")
        .env_remove("NO_COLOR");
    command.output().unwrap()
}

fn help(arguments: &[&str]) -> String {
    String::from_utf8(auditq().args(arguments).output().unwrap().stdout).unwrap()
}

/// The lines that start with the program's name, without what is said of them.
fn recipes(text: &str) -> impl Iterator<Item = String> + '_ {
    // Indented: what it printed itself is not.
    let lines = text
        .lines()
        .filter(|line| line.starts_with("  ") && line.trim().starts_with("auditq "));
    lines.map(str::trim).map(|line| {
        let end = [line.find("   "), line.find("  #")].into_iter().flatten().min();
        line[..end.unwrap_or(line.len())].trim_end().to_owned()
    })
}

/// Whether a recipe takes minutes, or goes on for ever, or is of the contract's own dataset; what it runs has tests of its own.
fn is_left_to_others(recipe: &str) -> bool {
    let is_of = |command: &str| recipe.split_whitespace().take(5).any(|word| word == command);
    let is_long = (is_of("bench") && !recipe.contains("--dry-run")) || (is_of("diff") && !recipe.contains("sweep"));
    recipe.contains("--follow") || is_of("seed") || is_of("verify-baseline") || is_of("help") || is_long
}

#[test]
fn what_the_help_and_the_readme_print_works() {
    let log = hostile_log();
    let readme = std::fs::read_to_string(checkout("README.md")).unwrap();
    let mut all: Vec<_> = recipes(&readme).collect();
    all.extend(recipes(&help(&["--help"])));
    for command in ["seed", "verify-baseline", "query", "diff", "bench"] {
        all.extend(recipes(&help(&["help", command])));
    }
    all.sort();
    all.dedup();
    let tools = [Need::Jq, Need::Sqlite, Need::Python];
    let mut run = 0;
    for recipe in all.iter().filter(|recipe| !is_left_to_others(recipe)) {
        if let Some(missing) = tools.iter().find(|tool| recipe.contains(tool.name()) && !tool.is_met()) {
            skipped(recipe, missing.why());
            continue;
        }
        let recipe = recipe.replace("< requests.jsonl", "< ./requests.jsonl");
        let output = shell(&log, &recipe);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{recipe}: {said}");
        let cursors = usize::from(recipe.contains("--cursor"));
        assert_eq!(said.lines().count(), cursors, "{recipe}: {said}");
        // What jq rounds must be no part of any recipe.
        assert!(!recipe.contains(".id"), "{recipe}");
        run += 1;
    }
    assert!(run >= 20, "{run} of {all:?}");
}

/// The loop that the help prints.
fn cursor_loop() -> String {
    let help = help(&["help", "query"]);
    let (_, block) = help.split_once("Every page:\n").unwrap();
    let lines: Vec<_> = block.lines().take_while(|line| line.starts_with("    ")).collect();
    assert!(lines.len() >= 3, "{help}");
    lines.join("\n")
}

#[test]
fn the_cursor_loop_gives_every_event_once_and_ends() {
    let log = hostile_log();
    let recipe = cursor_loop();
    for mode in MODES {
        let all = log.lines(&["query", "--all", "--mode", mode]);
        assert_eq!(all.lines().count(), 2_500);
        let recipe = recipe.replace("query ", &format!("query --mode {mode} "));
        let output = shell(&log, &recipe);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == all.as_bytes(), "{mode}: other events");
    }
    // An error ends it, and is said.
    std::fs::remove_file(log.path("payloads.jsonl")).unwrap();
    let output = shell(&log, &recipe);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("payload file"),
        "{output:?}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn the_cursor_is_the_last_line_on_standard_error_and_there_only_if_an_event_is() {
    let log = hostile_log();
    let last = |page: i64| {
        let number = 2_500 - 20 * page + 1;
        format!("{}:{}\n", 1_767_000_000 + number / 700, EXACT + number)
    };
    for mode in MODES {
        for quiet in [&[][..], &["--quiet"]] {
            for format in ["jsonl", "table"] {
                let ask = |arguments: &[&str]| {
                    let common = ["query", "--mode", mode, "--format", format];
                    let output = log.auditq(&[&common[..], quiet, arguments].concat());
                    assert_eq!(output.status.code(), Some(0), "{output:?}");
                    (output.stdout, String::from_utf8(output.stderr).unwrap())
                };
                let (plain, silent) = ask(&["--page", "2"]);
                assert_eq!(silent, "");
                assert_eq!(ask(&["--page", "2", "--cursor"]), (plain, last(2)));
                assert_eq!(ask(&["--page", "9999", "--cursor"]), (Vec::new(), String::new()));
                assert_eq!(ask(&["--all", "--cursor"]).1, last(125));
                let (_, silent) = ask(&["--all", "--cursor", "--after", last(125).trim()]);
                assert_eq!(silent, "");
            }
        }
    }
}
