//! Every command line that the help and the README print does what is said of it, on data that is hostile to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::dataset::Dataset;
use crate::harness::needs::{Need, skipped};
use crate::harness::program::MODES;
use crate::harness::{Log, NewEvent, auditq, checkout, screen};

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

/// Runs a recipe as a person would: in a shell, the program on the PATH.
fn shell(place: &Path, data_dir: &str, recipe: &str) -> Output {
    let program = auditq();
    let program = Path::new(program.get_program());
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", recipe]).current_dir(place);
    command.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    command
        .env("AUDITQ_DATA_DIR", data_dir)
        .env("HOME", place)
        .env_remove("AUDITQ_FORMAT")
        .env_remove("NO_COLOR");
    command.output().unwrap()
}

/// The reader's own log, in the documents.
const A_LOG: &str = "/var/lib/service";

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

/// The help of the program and of each command, and every page that a reader finds recipes in.
fn every_recipe() -> Vec<String> {
    let documents = std::fs::read_dir(checkout("docs")).unwrap();
    let documents = documents.map(|entry| entry.unwrap().path());
    // The programs of scale-out.md are not everywhere; fixtures/handoff runs what it says.
    let is_meant = |path: &PathBuf| path.extension().is_some_and(|it| it == "md") && !path.ends_with("scale-out.md");
    let documents = documents.filter(is_meant);
    let mut all = Vec::new();
    for document in documents.chain([checkout("README.md")]) {
        all.extend(recipes(&std::fs::read_to_string(document).unwrap()));
    }
    all.extend(recipes(&help(&["--help"])));
    for command in ["seed", "verify-baseline", "query", "diff", "bench"] {
        all.extend(recipes(&help(&["help", command])));
    }
    all.sort();
    all.dedup();
    all
}

fn is_of(recipe: &str, command: &str) -> bool {
    recipe.split_whitespace().take(5).any(|word| word == command)
}

/// Whether a recipe takes minutes, or goes on for ever; what it runs has tests of its own, and it is checked to be understood.
fn is_long(recipe: &str) -> bool {
    (is_of(recipe, "bench") && !recipe.contains("--dry-run"))
        || is_of(recipe, "diff")
        || recipe.contains("--follow")
        || (is_of(recipe, "seed") && recipe.contains("--events"))
}

/// Whether it wants what is not there on every machine.
fn wants_the_live_service(recipe: &str) -> bool {
    recipe.contains("live-service")
}

/// Whether a recipe calls a program that is not there, which is said.
fn is_left_out(recipe: &str) -> bool {
    let tools = [Need::Jq, Need::Sqlite, Need::Python];
    let missing = tools.iter().find(|tool| recipe.contains(tool.name()) && !tool.is_met());
    if let Some(missing) = missing {
        skipped(recipe, missing.why());
    }
    missing.is_some()
}

/// A recipe that reads no longer than a moment, of the same command.
fn shortened(recipe: &str) -> String {
    let first = recipe.split(" | ").next().unwrap();
    let first = first
        .split([' '])
        .take_while(|word| !matches!(*word, ">" | "<" | "||" | "&&"));
    let words: Vec<_> = first.filter(|word| !word.starts_with("--requests")).collect();
    let words = words.join(" ");
    if is_of(recipe, "diff") {
        // Enough for each stream to meet an event.
        return format!("{} --requests 200", words.replace(" 5000", ""));
    }
    // Another number makes the same of it.
    words.replace("5000000", "50")
}

#[test]
fn what_the_help_and_the_documents_print_works() {
    let log = hostile_log();
    let mut run = 0;
    let all = every_recipe();
    for recipe in all.iter().filter(|recipe| {
        is_of(recipe, "query") && !recipe.contains("bench") && !recipe.contains("grep") && !is_long(recipe)
    }) {
        if is_left_out(recipe) {
            continue;
        }
        let recipe = recipe
            .replace("< requests.jsonl", "< ./requests.jsonl")
            .replace(A_LOG, ".");
        let output = shell(log.root(), ".", &recipe);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{recipe}: {said}");
        let cursors = usize::from(recipe.contains("--cursor"));
        assert_eq!(said.lines().count(), cursors, "{recipe}: {said}");
        // What jq rounds must be no part of any recipe.
        assert!(!recipe.contains(".id"), "{recipe}");
        run += 1;
    }
    assert!(run >= 15, "{run} of {all:?}");
}

/// Each as a newcomer copies it: on the contract's dataset it prints something.
#[test]
fn every_recipe_prints_something_on_the_contracts_dataset() {
    let dataset = Dataset::contract();
    let place = tempfile::tempdir().unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, place.path().join(name)).unwrap();
    link(dataset.root(), "data");
    link(&checkout("fixtures"), "fixtures");
    std::fs::write(
        place.path().join("requests.jsonl"),
        "{\"page\": 7}\n{\"action\": \"EXPORT\"}\n",
    )
    .unwrap();
    let all = every_recipe();
    let (mut run, mut understood) = (0, 0);
    for recipe in all.iter().filter(|recipe| !wants_the_live_service(recipe)) {
        if is_left_out(recipe) {
            continue;
        }
        if is_long(recipe) {
            if is_of(recipe, "diff") {
                let output = shell(place.path(), "data", &shortened(recipe));
                assert_eq!(output.status.code(), Some(0), "{recipe}: {output:?}");
            } else {
                // An unknown flag would be refused before the missing log is, or the missing export.
                let output = shell(place.path(), "elsewhere", &shortened(recipe));
                let said = String::from_utf8_lossy(&output.stderr);
                let missing = if recipe.contains("--from-exports") {
                    "50k.json: cannot read"
                } else {
                    "elsewhere"
                };
                let is_missing = said.contains(missing) || is_of(recipe, "seed");
                assert!(is_missing, "{recipe}: {said}");
            }
            understood += 1;
            continue;
        }
        let output = shell(place.path(), "data", &recipe.replace(A_LOG, "data"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{recipe}: {said}");
        let printed = match recipe.split_once(" >> ").or(recipe.split_once(" > ")) {
            Some((_, file)) => std::fs::read(place.path().join(file.trim())).unwrap(),
            None => output.stdout,
        };
        assert!(printed.len() > 1, "{recipe} prints nothing");
        assert!(
            !printed.starts_with(b"0\n") && !printed.starts_with(b"{\"count\": 0}"),
            "{recipe}"
        );
        run += 1;
    }
    assert!(run >= 20 && understood >= 5, "{run} and {understood} of {all:#?}");
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
        let output = shell(log.root(), ".", &recipe);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == all.as_bytes(), "{mode}: other events");
    }
    // An error ends it, and is said.
    std::fs::remove_file(log.path("payloads.jsonl")).unwrap();
    let output = shell(log.root(), ".", &recipe);
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

#[test]
fn the_pin_that_the_help_shows_is_the_newest_event() {
    let log = Log::plain(50);
    let help = help(&["help", "query"]);
    let (_, block) = help.split_once("this says which it is:\n").unwrap();
    let lines: Vec<_> = block.lines().take_while(|line| line.starts_with("    ")).collect();
    let output = shell(log.root(), ".", &format!("{}; echo \"$pin\"", lines.join("\n")));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, log.lines(&["query", "--page", "2"]) + "1000025:50\n");
}

/// No line of any help is broken that was laid out by hand: where a terminal is wider, nothing moves.
#[test]
fn help_is_wrapped_once() {
    for arguments in [
        &["--help"][..],
        &["help", "seed"],
        &["help", "verify-baseline"],
        &["help", "query"],
        &["help", "diff"],
        &["help", "bench"],
    ] {
        let at = |width: u16| screen::run(auditq().args(arguments), width, 50);
        let (narrow, wide) = (at(80), at(120));
        assert_eq!((&narrow.wrapped, &wide.wrapped), (&vec![], &vec![]), "{arguments:?}");
        let laid_out = |text: &str| {
            let is_heading = |line: &&str| line.ends_with(':') && !line.starts_with(' ');
            let is_of_clap = |line: &str| {
                ["Usage", "Arguments:", "Options:", "Global options:", "Commands:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            let mut sections: Vec<String> = Vec::new();
            for line in text.lines() {
                if is_heading(&line) || line.starts_with("Usage") {
                    sections.push(String::new());
                }
                if let Some(section) = sections.last_mut() {
                    section.push_str(&format!("{line}\n"));
                }
            }
            sections.retain(|section| !is_of_clap(section));
            sections
        };
        assert_eq!(laid_out(&narrow.text), laid_out(&wide.text), "{arguments:?}");
        assert!(laid_out(&wide.text).len() >= 2, "{}", wide.text);
        assert!(wide.text.find("Examples:") < wide.text.find("Usage:"), "{}", wide.text);
    }
}
