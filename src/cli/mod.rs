//! The command line: flags, value parsers, help. Raw arguments become a [`Config`] here, once.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::{Config, Display, Format, Task};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;

mod bench;
mod diff;
mod generate;
mod query;
mod seed;
mod time;
mod usage;
mod verify;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use query::fuzzing;

/// The outcome of parsing.
#[derive(Debug)]
pub enum Invocation {
    /// Run this command.
    Run(Box<Config>),
    /// Print this text on standard output: help, the version, a generated page.
    Show(String),
    /// No arguments: print this help on standard error.
    NothingAsked(String),
}

/// Parses the process's own arguments, with its environment.
///
/// # Errors
/// A usage error in one line.
pub fn parse() -> Result<Invocation> {
    parse_from(std::env::args_os(), &Environment::of_process())
}

const TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}\n";

const EXAMPLES: &str = "\
Examples:
  auditq seed                                     make the contract dataset in ./data
  auditq query                                    the newest 20 events
  auditq query --page 2000 --size 20              a page at any depth, at the cost of the first
  auditq query --actor 42 --action UPDATE --from 7d --now 2025-12-30
  auditq query --from 2025-12-01 --to 2025-12-07 --count
  auditq query --all --format jsonl | jq -r .resource_id | sort | uniq -c
  auditq query --batch requests.jsonl --threads 16 > responses.jsonl
  auditq diff                                     do both engines answer alike?
  auditq bench                                    how much faster, and how sure that is
  auditq verify-baseline                          is everything still what the contract says?";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and where there was a verdict, a good one
  1  a negative verdict: a digest, a comparison, a gate
  2  a usage, I/O or data error

Standard output carries results only; notes, progress and errors go to standard error.
`auditq help COMMAND` says all about one command.";

/// Page through a disk-backed audit log, at any depth in constant time
#[derive(Debug, Parser)]
#[command(name = "auditq", bin_name = "auditq", version, help_template = TEMPLATE, before_help = EXAMPLES, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    /// Print the man page or a shell's completions
    #[arg(long, value_name = "WHAT", value_enum)]
    generate: Option<generate::Page>,

    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The directory with audit.db and payloads.jsonl
    #[arg(
        long,
        value_name = "DIR",
        env = "AUDITQ_DATA_DIR",
        hide_env_values = true,
        default_value = "data",
        global = true
    )]
    data_dir: PathBuf,

    /// How results are written; auto is a table on a terminal and JSON lines otherwise
    #[arg(
        long,
        value_name = "FORMAT",
        env = "AUDITQ_FORMAT",
        hide_env_values = true,
        default_value = "auto",
        global = true,
        value_enum
    )]
    format: FormatArg,

    /// Colour in tables; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, value_enum)]
    color: ColorArg,

    /// No notes and no progress on standard error, only errors
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Auto,
    Table,
    Jsonl,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

/// Every command, in the order of the help; each one's name and description are its variant's and its flags'.
#[derive(Debug, Subcommand)]
enum Command {
    Seed(seed::Flags),
    VerifyBaseline(verify::Flags),
    Query(query::Flags),
    Diff(diff::Flags),
    Bench(bench::Flags),
}

impl Command {
    fn resolve(self, environment: &Environment) -> Result<Task> {
        Ok(match self {
            Command::Seed(flags) => Task::Seed(flags.resolve()?),
            Command::VerifyBaseline(flags) => Task::VerifyBaseline(flags.resolve()),
            Command::Query(flags) => Task::Query(flags.resolve(environment)?),
            Command::Diff(flags) => Task::Diff(flags.resolve(environment)),
            Command::Bench(flags) => Task::Bench(flags.resolve()?),
        })
    }
}

/// For messages: `seed, query and bench`.
fn command_names() -> String {
    let command = Cli::command();
    let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What the resolved arguments depend on beside the arguments, read once.
#[derive(Clone, Copy, Debug)]
struct Environment {
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    no_color: bool,
    verbose: bool,
    /// The wall clock in epoch seconds.
    now: i64,
    /// How many threads the machine runs at once.
    threads: usize,
}

impl Environment {
    fn default_threads(&self) -> usize {
        self.threads.clamp(1, query::MAX_THREADS)
    }

    fn of_process() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Environment {
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            no_color: is_set("NO_COLOR"),
            verbose: is_set("AUDITQ_VERBOSE"),
            now: time::wall_clock(),
            threads: std::thread::available_parallelism().map_or(1, Into::into),
        }
    }
}

fn parse_from(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> Result<Invocation> {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.resolve(environment),
        Err(error) => usage::explain(&error, environment),
    }
}

impl Cli {
    fn resolve(self, environment: &Environment) -> Result<Invocation> {
        if let Some(page) = self.generate {
            return Ok(Invocation::Show(page.text(Cli::command())));
        }
        let Some(command) = self.command else {
            return Err(Error::usage(format!(
                "no command is given: {} are there; `auditq --help` says more",
                command_names()
            )));
        };
        Ok(Invocation::Run(Box::new(Config {
            data_dir: DataDir::new(&self.global.data_dir),
            display: self.global.display(environment),
            task: command.resolve(environment)?,
        })))
    }
}

impl Global {
    fn display(&self, environment: &Environment) -> Display {
        let Environment {
            stdout_is_terminal,
            stderr_is_terminal,
            no_color,
            verbose,
            ..
        } = *environment;
        Display {
            format: match self.format {
                FormatArg::Table => Format::Table,
                FormatArg::Auto if stdout_is_terminal => Format::Table,
                FormatArg::Auto | FormatArg::Jsonl => Format::Jsonl,
            },
            color: match self.color {
                ColorArg::Always => true,
                ColorArg::Never => false,
                ColorArg::Auto => stdout_is_terminal && !no_color,
            },
            quiet: self.quiet,
            verbose: verbose && !self.quiet,
            stdout_is_terminal,
            stderr_is_terminal,
        }
    }
}

#[cfg(test)]
mod tests;
