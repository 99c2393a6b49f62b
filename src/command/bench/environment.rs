//! The environment that the figures depend on: machine, dataset, build, command line.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::report::{Dataset, Machine, Method, Run, SCHEMA_VERSION};
use super::settings::{Pace, Settings};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::escape::escape_for_terminal;
use crate::model::Filter;
use crate::parallel;
use crate::seed::{self, DatasetSpec, Digests};
use crate::shell::quote;
use crate::storage::data_dir::DataDir;

/// Everything that is known before anything is measured.
pub(super) fn run(settings: &Settings, dataset: Dataset) -> Run {
    let machine = machine();
    Run {
        schema_version: SCHEMA_VERSION,
        auditq_version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("AUDITQ_COMMIT").unwrap_or("unknown"),
        command_line: command_line(),
        started_at_epoch_s: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
        method: method(settings, machine.cores),
        machine,
        dataset,
    }
}

fn method(settings: &Settings, cores: usize) -> Method {
    let Settings { threads, rounds, pace } = *settings;
    let in_turn = format!("{} in turn", count(rounds, "round"));
    let clients = count(threads, "client");
    let on = format!("on {}", count(cores, "core"));
    match pace {
        Pace::Closed => Method {
            pace: "closed",
            clients: threads,
            rate_requests_per_s: None,
            think_time_us: Some(0),
            rounds,
            label: format!("closed loop, {clients} that yield between requests, no think time, {on}, {in_turn}"),
        },
        Pace::Open { requests_per_s } => Method {
            pace: "open",
            clients: threads,
            rate_requests_per_s: Some(requests_per_s),
            think_time_us: None,
            rounds,
            label: format!(
                "open loop, {requests_per_s} requests/s by {clients}, latency from the intended start, {on}, {in_turn}"
            ),
        },
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// As it was given, in words that a POSIX shell reads back.
pub(super) fn command_line() -> String {
    std::env::args_os().map(quote).collect::<Vec<_>>().join(" ")
}

/// From /proc; "unknown" where that lacks something.
fn machine() -> Machine {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let known = |text: &str| {
        if text.is_empty() {
            "unknown".to_owned()
        } else {
            escape_for_terminal(text)
        }
    };
    let kib = field(&memory, "MemTotal").and_then(|text| text.strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Machine {
        cpu_model: known(field(&cpu, "model name").unwrap_or_default()),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        ram_bytes: kib.map(|kib| kib * 1024),
        kernel: known(kernel.trim()),
    }
}

/// The first `name : value` of a file in /proc.
fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Digests the whole dataset, and says whether it is the contract's.
pub(super) fn dataset(dir: &DataDir, engine: &dyn Engine) -> Result<Dataset> {
    let (payloads, database) = parallel::join(|| seed::payloads(dir, &|_, _| {}), || seed::database(dir));
    let missing = || Error::Missing {
        path: dir.root().to_owned(),
        problem: "the dataset has just been removed".to_owned(),
    };
    let payloads = payloads?.ok_or_else(missing)?;
    let database = database?.ok_or_else(missing)?;
    let found = Digests {
        payload_bytes: payloads.bytes,
        payloads: payloads.sha256,
        rows: database.rows,
    };
    let spec = DatasetSpec::of_dir(dir);
    let is_contract = database.is_of_one_moment && found == Digests::of_contract();
    let label = match (is_contract, spec.is_contract()) {
        (true, _) => DatasetSpec::CONTRACT.name(),
        (false, true) => "not the contract dataset".to_owned(),
        (false, false) => spec.name(),
    };
    Ok(Dataset {
        is_contract,
        label,
        events: engine.count(&Filter::ALL)?,
        payload_bytes: found.payload_bytes,
        payloads_sha256: found.payloads,
        rows_sha256: found.rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "MemTotalX: 1 kB\nMemTotal:       16 kB\nMemFree: 2 kB\n";
        assert_eq!(field(text, "MemTotal"), Some("16 kB"));
        assert_eq!(field(text, "Swap"), None);
    }

    #[test]
    fn the_label_says_what_the_figures_are() {
        let closed = Settings {
            threads: 16,
            rounds: 5,
            pace: Pace::Closed,
        };
        let label = method(&closed, 2).label;
        assert_eq!(
            label,
            "closed loop, 16 clients that yield between requests, no think time, on 2 cores, 5 rounds in turn"
        );
        let open = Settings {
            threads: 1,
            rounds: 1,
            pace: Pace::Open { requests_per_s: 250.0 },
        };
        let label = method(&open, 1).label;
        assert_eq!(
            label,
            "open loop, 250 requests/s by 1 client, latency from the intended start, on 1 core, 1 round in turn"
        );
    }
}
