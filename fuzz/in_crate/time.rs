//! The times and windows of the command line, for the fuzz oracles.

use super::{Environment, Flags, ModeArg};
use crate::cli::Variables;
use crate::cli::time::{self, Time as Parsed};
use crate::config::QueryRequest;
use crate::error::{Error, Result};
use crate::model::Filter;

/// A time as the command line takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(Parsed);

/// A time in the plainest form of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Epoch seconds.
    Second(String),
    /// RFC 3339.
    Instant(String),
    /// `YYYY-MM-DD`.
    Day(String),
    /// How far back from now: whole seconds, and nanoseconds beyond those.
    Ago(i64, i32),
    /// How many days before today's.
    DaysAgo(i64),
}

impl Time {
    /// Reads what stands behind `--from`, `--to` or `--now`.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        time::parse(text).map(Time)
    }

    /// The window's first second, if it starts here; `now` in epoch seconds.
    ///
    /// # Errors
    /// Where 64 bits or the calendar do not reach.
    pub fn first_second(self, now: i64) -> Result<i64> {
        self.0.first_second("--from", now)
    }

    /// The window's last second, if it ends here.
    ///
    /// # Errors
    /// Where 64 bits or the calendar do not reach.
    pub fn last_second(self, now: i64) -> Result<i64> {
        self.0.last_second("--to", now)
    }

    /// The second of a time that does not depend on now.
    ///
    /// # Errors
    /// For a span.
    pub fn fixed(self) -> Result<i64> {
        self.0.fixed("--now")
    }

    /// Its plainest form.
    #[must_use]
    pub fn written(self) -> Written {
        match self.0 {
            Parsed::Second(second) => Written::Second(format!("@{second}")),
            Parsed::Instant(instant) => Written::Instant(instant.to_string()),
            Parsed::Day(day) => Written::Day(day.to_string()),
            Parsed::Ago(back) => Written::Ago(back.as_secs(), back.subsec_nanos()),
            Parsed::DaysAgo(days) => Written::DaysAgo(days),
        }
    }
}

/// The window of `query --count` with these arguments; `clock` is the wall clock in epoch seconds.
///
/// # Errors
/// As the command line refuses it.
pub fn window(from: Option<Time>, to: Option<Time>, now: Option<Time>, clock: i64) -> Result<Filter> {
    let flags = Flags {
        mode: ModeArg::Enhanced,
        page: None,
        size: None,
        from: from.map(|time| time.0),
        to: to.map(|time| time.0),
        actor: None,
        action: None,
        after: None,
        as_of: None,
        cursor: false,
        now: now.map(|time| time.0),
        count: true,
        all: false,
        follow: false,
        batch: None,
        threads: None,
    };
    let environment = Environment {
        variables: Variables::UNSET,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
        no_color: false,
        width: 80,
        verbose: false,
        now: clock,
        threads: 1,
    };
    match flags.request(&environment)? {
        QueryRequest::Count(filter) => Ok(filter),
        other => Err(Error::usage(format!("--count is read as {other:?}"))),
    }
}
