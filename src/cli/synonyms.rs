//! Words of other tools for what this one calls otherwise: where a user who types them is led to.

/// The words, without dashes, and where they lead: the first of these flags that the command has.
const FLAGS: &[(&str, &str)] = &[
    (
        "since after-time start start-time start-date begin newer-than newer later-than min-time",
        "--from",
    ),
    ("from-time from-date from-ts last past", "--from"),
    (
        "until till before before-time end end-time end-date older-than older earlier-than max-time",
        "--to",
    ),
    ("to-time to-date to-ts stop", "--to"),
    ("n limit max rows num number max-count", "--size --requests --events"),
    (
        "l page-size per-page pagesize page-limit page-length max-results max-items take top first",
        "--size",
    ),
    ("lines tail head batch-size", "--size"),
    ("size count total records", "--count --requests --events"),
    ("offset skip p page-number pagenumber page-no page-index", "--page"),
    (
        "cursor-after after-cursor starting-after start-after next-token page-token token",
        "--after",
    ),
    ("continue resume search-after marker keyset", "--after"),
    (
        "u user user-id userid uid actor-id actorid who by principal account author subject owner",
        "--actor",
    ),
    (
        "type event-type event action-type action-name verb operation op kind category",
        "--action --workload",
    ),
    ("method event-name", "--action"),
    ("show-cursor print-cursor next-cursor cursor-file", "--cursor"),
    ("everything no-limit unlimited full no-paginate no-pager dump", "--all"),
    ("engine backend implementation", "--mode"),
    ("reference-time current-time time", "--now"),
    ("pin pinned snapshot at as-at", "--as-of"),
    ("watch tailf live stream-events subscribe", "--follow"),
    ("stdin input requests-file bulk file", "--batch"),
    (
        "j t jobs workers concurrency parallel parallelism clients connections cpus",
        "--threads",
    ),
    ("o out output save report", "--export --format"),
    (
        "output-format fmt csv json jsonl json-lines ndjson table pretty human",
        "--format",
    ),
    ("no-color no-colour nocolor monochrome colour colors", "--color"),
    ("silent s no-progress", "--quiet"),
    (
        "d c db database dir directory path log log-dir root datadir data data-path db-path",
        "--data-dir",
    ),
    ("f", "--force --follow"),
    ("overwrite replace y yes clobber", "--force"),
    ("runs iterations repeat repetitions samples", "--rounds"),
    ("rps qps throughput", "--rate"),
    ("threshold gate speedup fail-below", "--min-speedup"),
    ("writers writes commit-rate", "--write-rate"),
    ("duration seconds", "--write-seconds"),
    ("journal-mode wal", "--journal"),
    ("graph chart svg", "--plot"),
    ("sizes scaling from-export", "--from-exports"),
    ("show-requests print-requests simulate", "--dry-run"),
    ("stream suite scenario", "--workload"),
    ("max-diffs max-differences max-errors", "--max-mismatches"),
    ("man completion completions", "--generate"),
];

/// The value that is part of what a word means.
const VALUES: &[(&str, &str)] = &[
    ("json jsonl json-lines ndjson", "jsonl"),
    ("table", "table"),
    ("pretty human", "pretty"),
    ("no-color no-colour nocolor monochrome", "never"),
];

/// Words that no flag stands for, and what to do instead.
const ADVICE: &[(&str, &str)] = &[
    ("v verbose debug", "AUDITQ_VERBOSE=1 in the environment has it say more"),
    (
        "sort order order-by reverse r asc desc oldest-first",
        "events are always shown newest first",
    ),
    (
        "grep search match g contains",
        "only --actor and --action filter; pipe the JSON lines of --all through grep or jq",
    ),
    (
        "tz timezone utc local",
        "times are in UTC; RFC 3339 takes an offset, such as 2025-12-30T01:00:00+01:00",
    ),
];

/// Words for the commands.
const COMMANDS: &[(&str, &str)] = &[
    (
        "list ls show get find search tail head log logs read events page count export dump",
        "query",
    ),
    ("cat select view fetch batch filter", "query"),
    ("init create generate make populate setup load", "seed"),
    ("verify check validate doctor audit", "verify-baseline"),
    ("compare cmp parity test", "diff"),
    ("benchmark perf measure profile load-test time", "bench"),
    ("man completion completions", "--generate"),
    ("version", "--version"),
];

/// What to say to an argument that is not there, such as `--since`; `has` tells whether the command has a flag.
pub(super) fn hint(argument: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    let word = normal(argument);
    let flags = entries(FLAGS, &word).flat_map(str::split_whitespace);
    if let Some(flag) = { flags }.find(|flag| has(flag)) {
        let value = entries(VALUES, &word)
            .next()
            .map_or_else(String::new, |value| format!(" {value}"));
        return Some(format!("did you mean {flag}{value}?"));
    }
    entries(ADVICE, &word).next().map(str::to_owned)
}

/// The command, or the flag, that a word which is no command stands for.
pub(super) fn command(word: &str) -> Option<&'static str> {
    entries(COMMANDS, &normal(word)).next()
}

/// What stands beside the word in a table.
fn entries(table: &'static [(&str, &str)], word: &str) -> impl Iterator<Item = &'static str> {
    let rows = table
        .iter()
        .filter(move |(words, _)| words.split(' ').any(|known| known == word));
    rows.map(|(_, entry)| *entry)
}

fn normal(argument: &str) -> String {
    let name = argument.trim_start_matches('-');
    let name = name.split('=').next().unwrap_or(name);
    name.to_ascii_lowercase().replace('_', "-")
}

/// Whether a flag is so like another that one is likely a slip for the other: it begins it, or a third of its letters
/// differ at most.
pub(super) fn is_similar(typed: &str, flag: &str) -> bool {
    let (typed, flag) = (normal(typed), normal(flag));
    let is_beginning = typed.len() >= 2 && flag.starts_with(&typed);
    is_beginning || distance(&typed, &flag) <= (typed.chars().count() / 3).max(1)
}

/// How many letters are to be changed, added, left out or exchanged with the next to make one word of the other.
/// Words longer than any flag are not measured.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 40;
    if one.len() > LONGEST || other.len() > LONGEST {
        return usize::MAX;
    }
    strsim::osa_distance(one, other)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_word_leads_to_one_thing_that_is_there() {
        let cli = Cli::command();
        let mut flags: HashSet<String> = HashSet::new();
        for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
            flags.extend(
                command
                    .get_arguments()
                    .filter_map(|flag| flag.get_long())
                    .map(|flag| format!("--{flag}")),
            );
        }
        flags.insert("--version".to_owned());
        let targets = FLAGS.iter().flat_map(|(_, flags)| flags.split(' '));
        for flag in targets {
            assert!(flags.contains(flag), "{flag} is not there");
        }
        let commands: HashSet<_> = cli
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect();
        for (_, target) in COMMANDS {
            assert!(
                commands.contains(*target) || flags.contains(*target),
                "{target} is not there"
            );
        }
        for table in [FLAGS, VALUES, ADVICE, COMMANDS] {
            let mut seen = HashSet::new();
            for word in table.iter().flat_map(|(words, _)| words.split(' ')) {
                assert!(seen.insert(word), "{word:?} leads to two things");
                assert_eq!(normal(word), word);
            }
        }
    }

    #[test]
    fn slips_are_told_from_other_words() {
        for (typed, flag) in [
            ("--pgae", "--page"),
            ("--pag", "--page"),
            ("--form", "--from"),
            ("--actoin", "--action"),
            ("--act", "--action"),
            ("--thread", "--threads"),
        ] {
            assert!(is_similar(typed, flag), "{typed} {flag}");
        }
        for (typed, flag) in [
            ("--tail", "--all"),
            ("--since", "--size"),
            ("--follow", "--color"),
            ("--x", "--all"),
        ] {
            assert!(!is_similar(typed, flag), "{typed} {flag}");
        }
        assert!(!is_similar(&"a".repeat(100_000), "--all"));
    }
}
