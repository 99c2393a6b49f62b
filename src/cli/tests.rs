use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::{Cli, Environment, Invocation, Variables, parse_from};
use crate::config::{BatchSource, Config, Format, QueryArgs, QueryRequest, Task};
use crate::model::{Filter, Key, Mode, Position, Query};

const PLAIN: Environment = Environment {
    variables: Variables::UNSET,
    stdout_is_terminal: false,
    stderr_is_terminal: false,
    no_color: false,
    width: 80,
    verbose: false,
    now: 1_767_052_800,
    threads: 2,
};

fn invoke(line: &str, environment: &Environment) -> crate::error::Result<Invocation> {
    let words = std::iter::once("auditq")
        .chain(line.split_whitespace())
        .map(OsString::from);
    parse_from(words, environment)
}

fn config(line: &str) -> Config {
    match invoke(line, &PLAIN) {
        Ok(Invocation::Run(config)) => *config,
        other => panic!("{line}: {other:?}"),
    }
}

fn query(line: &str) -> QueryArgs {
    match config(&format!("query {line}")).task {
        Task::Query(args) => args,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    let message = invoke(line, &PLAIN).expect_err(line).to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_bare_query_is_the_newest_page_of_everything() {
    let first = Query::new(Filter::ALL, Position::Page(1), 20).unwrap();
    assert_eq!(
        query(""),
        QueryArgs {
            mode: Mode::Enhanced,
            cursor: false,
            is_pinned_to_newest: false,
            request: QueryRequest::Page(first)
        }
    );
}

#[test]
fn every_filter_arrives() {
    let args = query("--mode baseline --page 7 --size 50 --from 7d --to 2025-12-30 --actor -4 --action=-X");
    let filter = Filter {
        from_ts: 1_766_448_000,
        to_ts: 1_767_139_199,
        actor_id: Some(-4),
        action: Some("-X".to_owned()),
        as_of: None,
    };
    let request = QueryRequest::Page(Query::new(filter, Position::Page(7), 50).unwrap());
    assert_eq!(
        args,
        QueryArgs {
            mode: Mode::Baseline,
            cursor: false,
            is_pinned_to_newest: false,
            request
        }
    );
}

#[test]
fn spans_count_back_from_the_now_given() {
    let QueryRequest::Count(filter) = query("--count --from 1d --to -1 --now 86400").request else {
        panic!()
    };
    assert_eq!((filter.from_ts, filter.to_ts), (0, -1));
}

#[test]
fn a_span_may_have_a_minus_and_stand_apart_from_its_flag() {
    let QueryRequest::Count(filter) = query("--count --from -3h --to now --now 86400").request else {
        panic!()
    };
    assert_eq!((filter.from_ts, filter.to_ts), (75_600, 86_400));
}

#[test]
fn a_cursor_takes_the_place_of_the_page() {
    let QueryRequest::Page(page) = query("--after -5:7 --size 3").request else {
        panic!()
    };
    assert_eq!(
        (page.position(), page.page_size()),
        (Position::After(Key { created_at: -5, id: 7 }), 3)
    );
}

#[test]
fn everything_may_begin_behind_a_cursor() {
    let args = query("--all --after 5:7 --cursor");
    let after = Key { created_at: 5, id: 7 };
    assert_eq!(args.request, QueryRequest::All(Filter::ALL, Some(after)));
    assert!(args.cursor && !query("--all").cursor);
}

#[test]
fn a_pin_arrives_with_pages_counts_and_everything() {
    let pin = Some(Key { created_at: 5, id: -7 });
    let filter_of = |arguments: &str| match query(arguments).request {
        QueryRequest::Page(query) => query.filter().clone(),
        QueryRequest::Count(filter) | QueryRequest::All(filter, _) => filter,
        QueryRequest::Follow(..) | QueryRequest::Batch { .. } => panic!("{arguments}"),
    };
    for arguments in ["", "--page 3", "--after 9:9", "--count", "--all", "--all --after 1:2"] {
        assert_eq!(
            filter_of(&format!("--as-of 5:-7 {arguments}")).as_of,
            pin,
            "{arguments}"
        );
        let arguments = format!("--as-of newest {arguments}");
        assert_eq!(filter_of(&arguments).as_of, None);
        assert!(query(&arguments).is_pinned_to_newest, "{arguments}");
    }
    assert!(!query("--as-of 5:-7").is_pinned_to_newest);
    let error = refused("query --as-of now");
    assert!(error.contains("neither newest nor CREATED_AT:ID"), "{error}");
    let error = refused("query --batch - --as-of newest");
    assert!(error.contains("--as-of"), "{error}");
}

#[test]
fn following_may_begin_behind_a_cursor() {
    let filter = Filter {
        actor_id: Some(7),
        ..Filter::ALL
    };
    let after = Key { created_at: 5, id: 7 };
    assert_eq!(
        query("--follow --actor 7 --after 5:7").request,
        QueryRequest::Follow(filter, Some(after))
    );
    assert_eq!(query("--follow").request, QueryRequest::Follow(Filter::ALL, None));
    for other in [
        "--all",
        "--count",
        "--page 2",
        "--size 5",
        "--as-of newest",
        "--cursor",
        "--batch -",
    ] {
        let error = refused(&format!("query --follow {other}"));
        assert!(error.contains("--follow"), "{error}");
    }
}

#[test]
fn a_batch_has_a_source_and_threads() {
    let batch = |source, threads| QueryRequest::Batch { source, threads };
    assert_eq!(query("--batch -").request, batch(BatchSource::Stdin, 2));
    assert_eq!(
        query("--batch f --threads 16").request,
        batch(BatchSource::File(PathBuf::from("f")), 16)
    );
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for line in [
        "--count --all",
        "--count --page 1",
        "--all --size 5",
        "--count --after 1:1",
        "--count --cursor",
        "--batch - --cursor",
        "--page 1 --after 1:1",
        "--batch - --page 1",
        "--batch - --count",
        "--batch - --from 1",
        "--batch - --now 1",
        "--threads 2",
        "--batch - --all",
        "--batch - --action X",
    ] {
        refused(&format!("query {line}"));
    }
    assert_eq!(
        refused("query --page 1 --after 1:1"),
        "--page and --after exclude each other; `auditq query --help` says more"
    );
}

#[test]
fn a_bad_value_is_named_with_what_is_accepted() {
    for (line, words) in [
        ("query --mode fast", ["--mode", "\"fast\"", "baseline, enhanced"]),
        (
            "query --format xml",
            ["--format", "\"xml\"", "auto, table, pretty, jsonl"],
        ),
        ("query --page 0", ["page 0", "from 1", ""]),
        ("query --page -1", ["--page", "\"-1\"", "from 1"]),
        ("query --page x", ["--page", "\"x\"", "whole number"]),
        ("query --size 0", ["size 0", "1 to 10000", ""]),
        ("query --size 10001", ["10001", "1 to 10000", ""]),
        (
            "query --page 9223372036854775807 --size 20",
            ["9223372036854775807", "64 bits", ""],
        ),
        (
            "query --page 99999999999999999999",
            ["\"99999999999999999999\"", "18446744073709551615", ""],
        ),
        ("query --from tomorrow", ["--from", "\"tomorrow\"", "epoch seconds"]),
        ("query --to --7d", ["--to", "\"--7d\"", "RFC 3339"]),
        ("query --now 7d", ["--now", "no point in time", "epoch seconds"]),
        ("query --actor x", ["--actor", "\"x\"", "whole number"]),
        ("query --after 5", ["--after", "\"5\"", "CREATED_AT:ID"]),
        ("query --batch f --threads 0", ["--threads", "\"0\"", "1 to 1024"]),
        (
            "query --pgae 3",
            ["\"--pgae\"", "did you mean --page?", "auditq query --help"],
        ),
        ("query stray", ["\"stray\"", "auditq query --help", ""]),
        ("query --page", ["--page", "no value", ""]),
        ("sed", ["\"sed\"", "seed", "auditq --help"]),
        ("seed --events -1", ["--events", "\"-1\"", "from 0"]),
        ("seed --anchor 7d", ["--anchor", "no point in time", ""]),
        ("--quiet", ["no command", "seed", "query"]),
    ] {
        let message = refused(line);
        assert!(words.iter().all(|word| message.contains(word)), "{line}: {message}");
    }
}

#[test]
fn a_message_names_every_command() {
    let names = "seed, verify-baseline, query, diff and bench are there";
    for line in ["--quiet", "nonsense"] {
        assert!(refused(line).contains(names), "{line}");
    }
}

#[test]
fn nothing_at_all_gets_the_help_on_standard_error() {
    assert!(matches!(invoke("", &PLAIN), Ok(Invocation::NothingAsked(help)) if help.contains("Examples:")));
}

#[test]
fn help_and_generated_pages_are_results() {
    for (line, words) in [
        ("--help", "Examples:"),
        ("query -h", "--after"),
        ("help seed", "--force"),
        ("--version", "auditq 0."),
        ("--generate man", ".TH AUDITQ"),
        ("--generate complete-bash", "--data-dir"),
        ("--generate complete-zsh", "#compdef auditq"),
        ("--generate complete-fish", "complete -c auditq"),
    ] {
        match invoke(line, &PLAIN) {
            Ok(Invocation::Show(text)) => assert!(text.contains(words), "{line}: {text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn auto_format_and_color_depend_on_the_environment() {
    let terminal = Environment {
        stdout_is_terminal: true,
        ..PLAIN
    };
    let display = |line: &str, environment: &Environment| match invoke(line, environment) {
        Ok(Invocation::Run(config)) => (config.display.format, config.display.color),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(display("query --format auto", &PLAIN), (Format::Jsonl, false));
    assert_eq!(display("query --format auto", &terminal), (Format::Table, true));
    let without_color = Environment {
        no_color: true,
        verbose: false,
        ..terminal.clone()
    };
    assert_eq!(display("query --format jsonl", &without_color), (Format::Jsonl, false));
    assert_eq!(
        display("query --format table --color always", &PLAIN),
        (Format::Table, true)
    );
    assert_eq!(
        display("query --format table --color never", &terminal),
        (Format::Table, false)
    );
}

#[test]
fn global_flags_may_stand_on_either_side() {
    for line in [
        "-q --data-dir d seed --events 7",
        "seed --data-dir d --events 7 --quiet",
    ] {
        let config = config(line);
        assert!(config.display.quiet);
        assert_eq!(config.data_dir.root(), Path::new("d"));
        let Task::Seed(args) = config.task else { panic!() };
        assert_eq!((args.events, args.anchor, args.force), (7, 1_767_052_800, false));
    }
}

#[test]
fn an_environment_variable_stands_in_for_an_option_that_is_not_given() {
    let set = |data_dir: &str, format: &str| Environment {
        variables: Variables {
            data_dir: Some(data_dir.into()),
            format: Some(format.into()),
        },
        ..PLAIN
    };
    let got = |line: &str, environment: &Environment| match invoke(line, environment) {
        Ok(Invocation::Run(config)) => (config.data_dir.root().to_owned(), config.display.format),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(got("query", &PLAIN), (PathBuf::from("data"), Format::Jsonl));
    assert_eq!(got("query", &set("d", "table")), (PathBuf::from("d"), Format::Table));
    for line in [
        "query --format jsonl --data-dir e",
        "--format jsonl --data-dir e query",
        "--format jsonl query --data-dir e",
    ] {
        assert_eq!(
            got(line, &set("d", "nonsense")),
            (PathBuf::from("e"), Format::Jsonl),
            "{line}"
        );
    }
    let message = invoke("query", &set("d", "nonsense")).expect_err("refused").to_string();
    for word in ["AUDITQ_FORMAT", "nonsense", "auto, table, pretty, jsonl", "--format"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(invoke("query --help", &set("d", "nonsense")).is_ok());
}

#[test]
fn a_word_of_another_tool_leads_to_the_right_flag() {
    for (line, flag) in [
        ("query --since 7d", "--from"),
        ("query --since=7d", "--from"),
        ("query --after-time 7d", "--from"),
        ("query --until 7d", "--to"),
        ("query --before 7d", "--to"),
        ("query --limit 5", "--size"),
        ("query -n 5", "--size"),
        ("query -n5", "--size"),
        ("query --page-size 5", "--size"),
        ("query --page_size=5", "--size"),
        ("query --PAGE-SIZE 5", "--size"),
        ("query --tail 5", "--size"),
        ("query --user 5", "--actor"),
        ("query --actor_id 5", "--actor"),
        ("query --type UPDATE", "--action"),
        ("query --offset 5", "--page"),
        ("query --json", "--format jsonl"),
        ("query --db d", "--data-dir"),
        ("query --no-color", "--color never"),
        ("bench --limit 5", "--requests"),
        ("bench --concurrency 5", "--threads"),
        ("bench --output f", "--export"),
        ("seed -n 5", "--events"),
        ("seed --overwrite", "--force"),
        ("seed --actoin", ""),
        ("--database d query", "--data-dir"),
        ("query --form 7d", "--from"),
        ("query -f", "--follow"),
        ("query --watch", "--follow"),
        ("query --snapshot 1:2", "--as-of"),
    ] {
        let message = refused(line);
        if flag.is_empty() {
            assert!(!message.contains("did you mean"), "{line}: {message}");
        } else {
            assert!(message.contains(&format!("did you mean {flag}?")), "{line}: {message}");
        }
    }
    for (line, says) in [
        ("query --reverse", "newest first"),
        ("query --verbose", "AUDITQ_VERBOSE=1"),
        ("list", "did you mean query?"),
        ("benchmark", "did you mean bench?"),
        ("verify", "did you mean verify-baseline?"),
    ] {
        let message = refused(line);
        assert!(message.contains(says), "{line}: {message}");
        assert!(
            !message.contains("--color") && !message.contains("--all"),
            "{line}: {message}"
        );
    }
}

#[test]
fn a_message_refers_to_a_help_that_speaks_of_it() {
    for (line, speaks_of) in [
        ("query --from x", "2025-12-30 "),
        ("query --from 20251230", "@20251230"),
        ("--data-dir query query --to x", "RFC 3339"),
        ("--format=jsonl query --now x", "epoch seconds"),
        ("-q query --after x", "Cursors:"),
        ("query --page x", "--page"),
        ("query --mode x", "--mode"),
        ("query --sizee 3", "--size"),
        ("query --batch f --threads x", "--threads"),
        ("seed --anchor x", "RFC 3339"),
        ("seed --events x", "--events"),
        ("bench --rate x", "--rate"),
        ("diff --requests x", "--requests"),
        ("--generate x", "--generate"),
        ("nonsense", "auditq query"),
    ] {
        let message = refused(line);
        let (_, help) = message.rsplit_once("; `auditq").expect(line);
        let (help, _) = help.split_once("` says more").expect(line);
        let Ok(Invocation::Show(text)) = invoke(help, &PLAIN) else {
            panic!("{line}: {message}")
        };
        assert!(text.contains(speaks_of), "{line}: {message} leads to {text}");
    }
}
