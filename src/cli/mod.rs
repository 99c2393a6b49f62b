//! The command line: flags, value parsers, help. Raw arguments become a [`Config`] here, once.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::blocking;
use crate::config::{Config, Display, Format, MIN_WIDTH, Task};
use crate::error::{Error, Result};
use crate::storage::data_dir::DataDir;

mod bench;
mod diff;
mod generate;
mod man;
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
    /// Write these files, and print their names.
    Install(Vec<(PathBuf, String)>),
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

// Everything that is laid out by hand is at most 80 columns wide, so that nothing wraps it once more.

const EXAMPLES: &str = "\
Examples:
  auditq seed                             make the contract dataset in ./data
  auditq query                            the newest 20 events
  auditq query --page 2000                a page at any depth costs the same
  auditq query --actor 42 --from 7d --now 2025-12-30
  auditq query --count --action EXPORT    how many
  auditq query --all | wc -l              every event, in bounded memory
  auditq diff                             do both engines answer alike?
  auditq bench                            how much faster, and how sure that is
  auditq verify-baseline                  is all as the contract says?";

const EXIT_CODES: &str = "\
Standard output carries results only; notes, progress and errors go to standard
error. `auditq help COMMAND` says all about one command.

Exit codes:
  0  done, and where there was a verdict, a good one
  1  a negative verdict: a digest, a comparison, a gate
  2  a usage, I/O or data error

Environment:
  AUDITQ_DATA_DIR, AUDITQ_FORMAT  stand in for --data-dir and --format
  AUDITQ_VERBOSE                  set: reports what is done with the index
  NO_COLOR                        set: no colour
  COLUMNS                         how wide tables are without a terminal
  TMPDIR                          where rows are spooled that do not fit in
                                  memory";

/// Page through a disk-backed audit log, at any depth in constant time
#[derive(Debug, Parser)]
#[command(name = "auditq", bin_name = "auditq", version, help_template = TEMPLATE, before_help = EXAMPLES, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    /// Print man, complete-bash, complete-zsh or complete-fish; `all DIR` installs all of them and the commands' man
    /// pages below DIR, such as ~/.local
    #[arg(long, num_args = 1..=2, value_names = ["WHAT", "DIR"])]
    generate: Vec<String>,

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

    /// How results are written: auto is a table on a terminal and JSON lines otherwise, pretty shows whole events, a
    /// paragraph each [env: AUDITQ_FORMAT] [default: auto]
    #[arg(long, value_name = "FORMAT", global = true, value_enum)]
    format: Option<FormatArg>,

    /// Colour in tables; auto means only on a terminal, and not if NO_COLOR is set
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
    Pretty,
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
    /// How many columns the terminal has, or `COLUMNS` says.
    width: usize,
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

/// The width where nothing tells one.
const DEFAULT_WIDTH: usize = 120;

/// Of the terminal that standard output is; else what `COLUMNS` says.
fn width() -> usize {
    let of_variable = || variable("COLUMNS")?.to_str()?.trim().parse().ok();
    let width = blocking::width(&std::io::stdout()).or_else(of_variable);
    width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)
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
            width: width(),
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
        if !self.generate.is_empty() {
            return generate::invocation(&self.generate, Cli::command());
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
            width,
            ..
        } = *environment;
        let format = self.format.map_or_else(|| environment.variables.format(), Ok)?;
        Ok(Display {
            format: match format {
                FormatArg::Table => Format::Table,
                FormatArg::Pretty => Format::Pretty,
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
            width,
        })
    }
}

#[cfg(test)]
mod tests;
