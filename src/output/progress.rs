//! Standard error: notes, progress and errors.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{units, wrap};
use crate::blocking::{self, Blocking};
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

/// Prints what there is to say of a result on the terminal: its parts beside each other where they fit, else each on
/// lines of its own.
pub(crate) fn remark(display: &Display, parts: &[String]) {
    let text = wrap::parts(parts, display.width);
    let _ = Blocking::new(io::stderr().lock()).write_all(text.as_bytes());
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
    let line = format!("auditq: {}", escape_for_terminal(line));
    let line = match blocking::width(&io::stderr()) {
        // A person reads it: words stay whole.
        Some(width) => wrap::hanging(&line, "  ", width),
        None => line + "\n",
    };
    // One write, so that lines of several processes do not mix.
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
            let form = "{msg} {wide_bar} {percent:>3} %  {elapsed}{left}";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style.with_key("left", write_left));
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

/// The time that is left, from the rate since the start: one of the last moments would jump with each kind of work.
fn write_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    let left = seconds_left(state.elapsed(), state.pos(), state.len().unwrap_or(0));
    if let Some(left) = left {
        let _ = write!(out, ", about {} left", units::span(left));
    }
}

/// `None` where too little is done to tell.
fn seconds_left(elapsed: Duration, done: u64, total: u64) -> Option<f64> {
    let is_enough = done > 0 && elapsed >= Duration::from_secs(1);
    let left = total.saturating_sub(done) as f64 / done as f64 * elapsed.as_secs_f64();
    is_enough.then(|| left.ceil())
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
    fn the_time_left_follows_from_the_whole_rate() {
        let left = |elapsed, done| seconds_left(Duration::from_secs(elapsed), done, 100);
        assert_eq!(left(10, 25), Some(30.0));
        assert_eq!(left(10, 100), Some(0.0));
        assert_eq!([left(10, 0), left(0, 50)], [None, None]);
    }

    #[test]
    fn a_cause_is_named_once() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let message = full.to_string();
        let line = chain(&Error::io(Path::new("f\u{1b}"), "cannot write")(full));
        assert_eq!(line, format!("f\\u{{1b}}: cannot write: {message}"));
    }
}
