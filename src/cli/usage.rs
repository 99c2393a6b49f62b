//! The argument parser's errors, in one line each.

use std::error::Error as _;
use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{Cli, Environment, Invocation, command_names, synonyms};
use crate::error::{Error, Result};

/// Help and the version are no errors; everything else becomes one line that names the value and what is
/// accepted.
pub(super) fn explain(error: &clap::Error, arguments: &[OsString], environment: &Environment) -> Result<Invocation> {
    let colored = |is_terminal: bool| {
        let text = error.render();
        if is_terminal && !environment.no_color {
            text.ansi().to_string()
        } else {
            text.to_string()
        }
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Ok(Invocation::Show(colored(environment.stdout_is_terminal)))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(Invocation::NothingAsked(first_help())),
        _ => {
            let command = command_of(arguments);
            Err(Error::usage(format!(
                "{}; `{command} --help` says more",
                problem(error, &command)
            )))
        }
    }
}

/// What fits a screen, for whoever has not asked anything yet.
fn first_help() -> String {
    let cli = Cli::command();
    let about = cli.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{about}\n\n{}\n\nCommands:\n", super::EXAMPLES);
    for command in cli.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("  {:<17}{about}\n", command.get_name()));
    }
    text + "\n`auditq --help` and `auditq help COMMAND` say more.\n"
}

fn problem(error: &clap::Error, command: &str) -> String {
    let argument = text(error, ContextKind::InvalidArg).map(|argument| flag(&argument));
    let value = text(error, ContextKind::InvalidValue);
    let accepted = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => values.join(", "),
        _ => String::new(),
    };
    match (error.kind(), argument, value) {
        (ErrorKind::ValueValidation, Some(argument), Some(value)) => {
            let reason = error.source().map_or_else(String::new, ToString::to_string);
            format!("{argument} {value:?}: {reason}")
        }
        (ErrorKind::InvalidValue, Some(argument), Some(value)) if value.is_empty() => {
            format!(
                "{argument} has no value: {}",
                if accepted.is_empty() { "give one" } else { &accepted }
            )
        }
        (ErrorKind::InvalidValue, Some(argument), Some(value)) => {
            format!("{argument} {value:?}: accepted are {accepted}")
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => {
            let hint = hint(error, command, &argument).map_or_else(String::new, |hint| format!(": {hint}"));
            format!("there is no argument {argument:?}{hint}")
        }
        (ErrorKind::ArgumentConflict, Some(argument), _) => match names(error, ContextKind::PriorArg) {
            Some(other) if other == argument => format!("{argument} is given more than once"),
            Some(others) => format!("{argument} and {others} exclude each other"),
            None => format!("{argument} excludes other arguments given"),
        },
        (ErrorKind::MissingRequiredArgument, _, _) => match names(error, ContextKind::InvalidArg) {
            Some(missing) => format!("{missing} is missing"),
            None => first_paragraph(error),
        },
        (ErrorKind::InvalidSubcommand, _, _) => {
            let name = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let meant = synonyms::command(&name).map_or_else(String::new, |meant| format!("did you mean {meant}? "));
            format!("there is no command {name:?}: {meant}{} are there", command_names())
        }
        _ => first_paragraph(error),
    }
}

/// Where an argument that is not there leads: first by the words of other tools, then by its letters, by which clap finds
/// more than is alike.
fn hint(error: &clap::Error, command: &str, argument: &str) -> Option<String> {
    let cli = Cli::command();
    let asked = command.split(' ').nth(1).and_then(|name| cli.find_subcommand(name));
    let has = |flag: &str| {
        let flags = cli.get_arguments().filter(|flag| flag.is_global_set());
        let mut flags = flags.chain(asked.unwrap_or(&cli).get_arguments());
        flags.any(|known| known.get_long() == flag.strip_prefix("--"))
    };
    synonyms::hint(argument, has).or_else(|| {
        let similar = text(error, ContextKind::SuggestedArg)?;
        synonyms::is_similar(argument, &similar).then(|| format!("did you mean {similar}?"))
    })
}

/// For kinds that need no words of their own: what clap says before its usage lines.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn names(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(name)) => Some(flag(name)),
        Some(ContextValue::Strings(names)) => Some(names.iter().map(|name| flag(name)).collect::<Vec<_>>().join(", ")),
        _ => None,
    }
}

/// `--page <N>` without its value's name.
fn flag(argument: &str) -> String {
    argument.split(" <").next().unwrap_or(argument).to_owned()
}

/// `auditq query`: the command that was asked for, for the name of its help.
fn command_of(arguments: &[OsString]) -> String {
    let cli = Cli::command();
    let takes_value = |word: &str| {
        let argument = cli
            .get_arguments()
            .find(|known| known.get_long() == word.strip_prefix("--"));
        argument.is_some_and(|argument| argument.get_action().takes_values())
    };
    let mut words = arguments.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if cli.find_subcommand(word).is_some() {
            return format!("auditq {word}");
        }
        if takes_value(word) {
            words.next();
        }
    }
    "auditq".to_owned()
}
