//! What to do and how to show it: resolved once from the arguments and the environment, before a command runs.

use crate::storage::data_dir::DataDir;

mod args;

pub use args::{
    BatchSource, BenchArgs, ColdCache, DiffArgs, DiffWorkload, Export, ExportFormat, JournalMode, QueryArgs,
    QueryRequest, SeedArgs, VerifyArgs, WriteArgs,
};

/// Everything a command is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of the log.
    pub data_dir: DataDir,
    /// How results, notes and progress are shown.
    pub display: Display,
    /// What to do.
    pub task: Task,
}

/// The subcommand with its resolved arguments.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Task {
    Seed(SeedArgs),
    VerifyBaseline(VerifyArgs),
    Query(QueryArgs),
    Diff(DiffArgs),
    Bench(BenchArgs),
}

/// How results, notes and progress are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display {
    /// The form of the results.
    pub format: Format,
    /// Whether tables may use colour.
    pub color: bool,
    /// No notes and no progress: errors only.
    pub quiet: bool,
    /// What the index went through is said as well.
    pub verbose: bool,
    /// Whether standard output is a terminal, which text from the log could steer.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal: progress is shown there only.
    pub stderr_is_terminal: bool,
    /// How many columns a line may have, at least [`MIN_WIDTH`].
    pub width: usize,
}

/// Narrower than this, nothing can be laid out.
pub const MIN_WIDTH: usize = 20;

impl Display {
    /// Whether a person reads a table as it comes, and wants to be told where in the log it lies.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.format != Format::Jsonl && self.stdout_is_terminal && self.stderr_is_terminal && !self.quiet
    }
}

/// The form of the results on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: a row each.
    Table,
    /// For people: a paragraph each, nothing shortened. What is no event is shown as in a table.
    Pretty,
    /// One JSON object a line.
    Jsonl,
}
