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
mod synonyms;
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
  auditq query --all --format jsonl | sed 's/, \"payload\": .*/}/' | jq -r .action | sort | uniq -c
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
    /// The directory with audit.db and payloads.jsonl [env: AUDITQ_DATA_DIR] [default: data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,

    /// How results are written; auto is a table on a terminal and JSON lines otherwise [env: AUDITQ_FORMAT]
    /// [default: auto]
    #[arg(long, value_name = "FORMAT", global = true, value_enum)]
    format: Option<FormatArg>,

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
#[derive(Clone, Debug)]
struct Environment {
    variables: Variables,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    no_color: bool,
    verbose: bool,
    /// The wall clock in epoch seconds.
    now: i64,
    /// How many threads the machine runs at once.
    threads: usize,
}

/// The environment variables that stand in for an option which is not given. One that is empty is unset.
///
/// Not read by clap: it would check them even where the option is given behind the command's name.
#[derive(Clone, Debug)]
struct Variables {
    data_dir: Option<OsString>,
    format: Option<OsString>,
}

const DATA_DIR_VARIABLE: &str = "AUDITQ_DATA_DIR";
const FORMAT_VARIABLE: &str = "AUDITQ_FORMAT";
const DEFAULT_DATA_DIR: &str = "data";

impl Variables {
    #[cfg(any(test, feature = "fuzzing"))]
    const UNSET: Variables = Variables {
        data_dir: None,
        format: None,
    };

    fn data_dir(&self) -> PathBuf {
        self.data_dir.as_ref().map_or(DEFAULT_DATA_DIR.into(), PathBuf::from)
    }

    fn format(&self) -> Result<FormatArg> {
        let Some(value) = &self.format else {
            return Ok(FormatArg::Auto);
        };
        let known = value.to_str().and_then(|value| FormatArg::from_str(value, false).ok());
        known.ok_or_else(|| {
            let accepted: Vec<_> = FormatArg::value_variants()
                .iter()
                .filter_map(FormatArg::to_possible_value)
                .map(|value| value.get_name().to_owned())
                .collect();
            Error::usage(format!(
                "the environment variable {FORMAT_VARIABLE} is {value:?}: accepted are {}; --format takes precedence",
                accepted.join(", ")
            ))
        })
    }
}

/// An environment variable's value; an empty one is unset.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

impl Environment {
    fn default_threads(&self) -> usize {
        self.threads.clamp(1, query::MAX_THREADS)
    }

    fn of_process() -> Self {
        Environment {
            variables: Variables {
                data_dir: variable(DATA_DIR_VARIABLE),
                format: variable(FORMAT_VARIABLE),
            },
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            no_color: variable("NO_COLOR").is_some(),
            verbose: variable("AUDITQ_VERBOSE").is_some(),
            now: time::wall_clock(),
            threads: std::thread::available_parallelism().map_or(1, Into::into),
        }
    }
}

fn parse_from(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> Result<Invocation> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli.resolve(environment),
        Err(error) => usage::explain(&error, &arguments, environment),
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
        let Global { data_dir, .. } = &self.global;
        let data_dir = data_dir.clone().unwrap_or_else(|| environment.variables.data_dir());
        Ok(Invocation::Run(Box::new(Config {
            data_dir: DataDir::new(&data_dir),
            display: self.global.display(environment)?,
            task: command.resolve(environment)?,
        })))
    }
}

impl Global {
    fn display(&self, environment: &Environment) -> Result<Display> {
        let Environment {
            stdout_is_terminal,
            stderr_is_terminal,
            no_color,
            verbose,
            ..
        } = *environment;
        let format = self.format.map_or_else(|| environment.variables.format(), Ok)?;
        Ok(Display {
            format: match format {
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
        })
    }
}

#[cfg(test)]
mod tests;
