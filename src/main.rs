//! Parses the arguments, runs the command, turns an error into an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use auditq::cli::{self, Invocation};
use auditq::command;
use auditq::error::{Error, Exit, Result};
use auditq::escape::escape_for_terminal;
use auditq::output;
use auditq::storage;

fn main() -> ExitCode {
    let exit = match run() {
        Ok(exit) => exit,
        // `auditq query | head`: the reader has closed the pipe.
        Err(error) if error.is_closed_pipe() => Exit::Fine,
        Err(error) => fail(&error),
    };
    exit.into()
}

fn run() -> Result<Exit> {
    storage::ignore_sigxfsz();
    storage::exit_on_abort();
    exit_where_no_thread_starts();
    match cli::parse()? {
        Invocation::Run(config) => command::run(&config),
        Invocation::Show(text) => output::text(&text).map(|()| Exit::Fine),
        Invocation::Install(files) => install(&files),
        Invocation::NothingAsked(help) => {
            output::progress::help(&help);
            Ok(Exit::Failed)
        }
    }
}

/// A new thread for whose second stack there is no memory panics before any code of ours runs in it: the system refuses
/// something, and that is one line and an exit code.
fn exit_where_no_thread_starts() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match panic.payload_as_str() {
        Some(says) if says.starts_with("failed to allocate an alternative stack") => {
            output::progress::line(&format!("a thread cannot start: {says}"));
            std::process::exit(Exit::Failed as i32);
        }
        _ => default(panic),
    }));
}

fn install(files: &[(PathBuf, String)]) -> Result<Exit> {
    let mut names = String::new();
    for (path, text) in files {
        storage::install(path, text)?;
        names.push_str(&format!("{}\n", escape_for_terminal(&path.display().to_string())));
    }
    output::text(&names).map(|()| Exit::Fine)
}

fn fail(error: &Error) -> Exit {
    output::progress::error(error);
    Exit::Failed
}
