//! The man page and the shells' completions, made from the same definitions as the help.

use clap::{Command, ValueEnum};
use clap_complete::Shell;

/// What `--generate` can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Page {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

impl Page {
    /// The page's text.
    pub(super) fn text(self, command: Command) -> String {
        match self {
            Page::Man => man(command),
            Page::CompleteBash => completions(Shell::Bash, command),
            Page::CompleteZsh => completions(Shell::Zsh, command),
            Page::CompleteFish => completions(Shell::Fish, command),
        }
    }
}

/// One page for the program, with each subcommand's options behind it.
fn man(mut command: Command) -> String {
    command.build();
    let mut page = Vec::new();
    let title = clap_mangen::Man::new(command.clone());
    // Writing to memory cannot fail.
    let _ = title.render(&mut page);
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("auditq {}", subcommand.get_name());
        page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        let section = clap_mangen::Man::new(subcommand.clone().bin_name(name));
        let _ = section.render_description_section(&mut page);
        let _ = section.render_synopsis_section(&mut page);
        let _ = section.render_options_section(&mut page);
    }
    String::from_utf8_lossy(&page).into_owned()
}

fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "auditq", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
