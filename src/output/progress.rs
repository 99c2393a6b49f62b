//! Standard error: notes, progress and errors.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressDrawTarget, ProgressStyle};

use crate::blocking::Blocking;
use crate::config::Display;
use crate::error::Error;
use crate::escape::escape_for_terminal;

/// The delay before a bar is shown.
const PATIENCE: Duration = Duration::from_millis(300);

/// Prints an error with its causes, in one line.
pub fn error(error: &Error) {
    print_line(&chain(error));
}

/// Prints a note in one line, unless `--quiet` was given.
pub fn note(display: &Display, line: &str) {
    if !display.quiet {
        print_line(line);
    }
}

/// Prints one line that is no note: also where `--quiet` was given.
pub fn line(line: &str) {
    print_line(line);
}

/// Prints a cursor that was asked for, alone on its line, so that a script can read it.
pub fn cursor(cursor: &str) {
    let _ = io::stderr().lock().write_all(format!("{cursor}\n").as_bytes());
}

/// Prints the help for a call without arguments.
pub fn help(text: &str) {
    // Best effort: there is no other stream to report to.
    let _ = Blocking::new(io::stderr().lock()).write_all(text.as_bytes());
}

fn print_line(line: &str) {
    // One write, so that lines of several processes do not mix.
    let line = format!("auditq: {}\n", escape_for_terminal(line));
    let _ = Blocking::new(io::stderr().lock()).write_all(line.as_bytes());
}

/// The message, and each cause that it does not name itself.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !line.contains(&message) {
            line.push_str(": ");
            line.push_str(&message);
        }
        cause = error.source();
    }
    line
}

/// A progress bar on standard error, on a terminal only and after a short delay; cleared when dropped. Any thread may
/// report.
#[derive(Debug)]
pub struct ProgressBar {
    /// `None` where nothing is ever shown.
    bar: Option<indicatif::ProgressBar>,
    started: Instant,
    shown: AtomicBool,
}

impl ProgressBar {
    /// A bar for the work that `what` names, such as "seeding".
    #[must_use]
    pub fn new(display: &Display, what: &'static str) -> Self {
        let is_wanted = display.stderr_is_terminal && !display.quiet;
        let bar = is_wanted.then(|| {
            let bar = indicatif::ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let form = "{msg} {wide_bar} {percent:>3} %  {eta:>4} left";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar.with_message(what)
        });
        ProgressBar {
            bar,
            started: Instant::now(),
            shown: AtomicBool::new(false),
        }
    }

    /// So much of so much is done, in any unit.
    pub fn report(&self, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(total);
        bar.set_position(done.min(total));
        if self.started.elapsed() >= PATIENCE && !self.shown.swap(true, Ordering::Relaxed) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_cause_is_named_once() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let message = full.to_string();
        let line = chain(&Error::io(Path::new("f\u{1b}"), "cannot write")(full));
        assert_eq!(line, format!("f\\u{{1b}}: cannot write: {message}"));
    }
}
