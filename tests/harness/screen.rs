//! A terminal that the program runs on, and what a person sees there.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What a command left on a terminal.
pub(crate) struct Screen {
    /// The lines, without blanks at their ends, as many as were used.
    pub(crate) text: String,
    /// The lines that were too wide for the terminal, which broke them.
    pub(crate) wrapped: Vec<String>,
    pub(crate) code: Option<i32>,
}

/// Runs a command with a terminal on all three streams. Lines that scrolled off its top are kept.
pub(crate) fn run(command: &mut Command, width: u16, height: u16) -> Screen {
    let (terminal, other_end) = open(width, height);
    let stream = || Stdio::from(other_end.try_clone().unwrap());
    command.stdin(stream()).stdout(stream()).stderr(stream());
    command
        .env("TERM", "xterm-256color")
        .env_remove("COLUMNS")
        .env_remove("LINES");
    let mut child = command.spawn().unwrap();
    // Else this process would keep the terminal open, and its end would never come.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(other_end);
    let mut bytes = Vec::new();
    // Where the last who had it open is gone, reading fails.
    let _ = File::from(terminal).read_to_end(&mut bytes);
    let code = child.wait().unwrap().code();
    render(&bytes, width, code)
}

fn open(width: u16, height: u16) -> (OwnedFd, OwnedFd) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let size = Winsize {
        ws_row: height,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let other_end = rustix::fs::open(Path::new(name.to_str().unwrap()), flags, Mode::empty()).unwrap();
    (terminal, other_end)
}

/// More lines than any screen of the tests has.
const LINES: u16 = 2_000;

fn render(bytes: &[u8], width: u16, code: Option<i32>) -> Screen {
    let mut parser = vt100::Parser::new(LINES, width, 0);
    parser.process(bytes);
    let screen = parser.screen();
    let rows: Vec<_> = screen.rows(0, width).map(|row| row.trim_end().to_owned()).collect();
    assert!(rows.last().is_some_and(String::is_empty), "more than {LINES} lines");
    let used = rows.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    let wrapped = (0..used).filter(|&row| screen.row_wrapped(row as u16));
    Screen {
        text: rows[..used].iter().map(|row| format!("{row}\n")).collect(),
        wrapped: wrapped.map(|row| rows[row].clone()).collect(),
        code,
    }
}
