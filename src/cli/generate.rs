//! The man pages and the shells' completions, made from the same definitions as the help.

use std::path::{Path, PathBuf};

use clap::{Command, ValueEnum};
use clap_complete::Shell;

use super::{Invocation, man};
use crate::error::{Error, Result};

/// What `--generate` can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Page {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
    All,
}

/// What the words behind `--generate` ask for: a page on standard output, or all of them below a directory.
pub(super) fn invocation(words: &[String], command: Command) -> Result<Invocation> {
    let (name, dir) = match words {
        [name] => (name, None),
        [name, dir] => (name, Some(Path::new(dir))),
        _ => return Err(unknown(&words.join(" "))),
    };
    let page = Page::from_str(name, false).map_err(|_| unknown(name))?;
    match (page, dir) {
        (Page::All, Some(dir)) => Ok(Invocation::Install(files(dir, &command))),
        (Page::All, None) => Err(Error::usage(
            "--generate all wants the directory to install to, such as --generate all ~/.local",
        )),
        (_, Some(_)) => Err(Error::usage(format!(
            "--generate {name} prints one page and takes no directory: --generate all DIR writes all of them"
        ))),
        (Page::Man, None) => Ok(Invocation::Show(man::page(&command))),
        (Page::CompleteBash, None) => Ok(Invocation::Show(completions(Shell::Bash, command))),
        (Page::CompleteZsh, None) => Ok(Invocation::Show(completions(Shell::Zsh, command))),
        (Page::CompleteFish, None) => Ok(Invocation::Show(completions(Shell::Fish, command))),
    }
}

fn unknown(name: &str) -> Error {
    let accepted: Vec<_> = Page::value_variants()
        .iter()
        .filter_map(Page::to_possible_value)
        .collect();
    let accepted: Vec<_> = accepted.iter().map(|value| value.get_name()).collect();
    Error::usage(format!(
        "--generate {name:?}: accepted are {}; `auditq --help` says more",
        accepted.join(", ")
    ))
}

/// Where man and the shells look below a prefix such as /usr or ~/.local.
fn files(prefix: &Path, command: &Command) -> Vec<(PathBuf, String)> {
    let share = prefix.join("share");
    let man = share.join("man/man1");
    let mut files: Vec<_> = man::pages(command)
        .into_iter()
        .map(|(name, text)| (man.join(format!("{name}.1")), text))
        .collect();
    for (path, shell) in [
        ("bash-completion/completions/auditq", Shell::Bash),
        ("zsh/site-functions/_auditq", Shell::Zsh),
        ("fish/vendor_completions.d/auditq.fish", Shell::Fish),
    ] {
        files.push((share.join(path), completions(shell, command.clone())));
    }
    files
}

fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "auditq", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
