//! The arguments of `auditq query`.

#[cfg(any(test, feature = "fuzzing"))]
#[path = "../../fuzz/in_crate/time.rs"]
pub(crate) mod fuzzing;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::Environment;
use super::time::{self, Time};
use crate::config::{BatchSource, QueryArgs, QueryRequest};
use crate::error::Result;
use crate::model::{Filter, Key, Mode, Pin, Position, Query};

const EXAMPLES: &str = "\
Examples:
  auditq query                                     the newest 20 events
  auditq query --page 7 --size 50                  events 301 to 350
  auditq query --actor 42 --action EXPORT          one actor's exports
  auditq query --from 2025-12-01 --to 2025-12-07   both days included
  auditq query --from 7d --now 2025-12-30          seven days up to then
  auditq query --after 1767051778:11065            the 20 events after that one
  auditq query --as-of 1767051778:11065 --page 7   as when that was the newest
  auditq query --size 3 --format pretty            whole payloads, for people
  auditq query --follow --action DELETE            all from now on
  auditq query --count --action EXPORT             how many
  auditq query --all | wc -l                       every event
  auditq query --batch - < requests.jsonl          an answer to each line";

const DETAILS: &str = "\
  today, yesterday          the whole day, UTC
  now, 7d, -36h, 2w, 1h30m  that long before --now, with or without the minus;
                            a day has 24 hours, m is minutes
  Both ends belong to the window. A window that ends before it starts is empty,
  and no error.

Cursors:
  On a terminal, the line below a table names the cursor of the page that
  follows. --cursor prints it, CREATED_AT:ID, on standard error; --after takes
  it. Such pages hold every event once, also while rows are inserted.
  Every page:
    after=
    while auditq -q query --size 1000 ${after:+--after \"$after\"} \\
        --cursor 2> cursor
    do after=$(cat cursor); [ \"$after\" ] || break; done; cat cursor >&2
  If an event cannot be read, --all shows all events before it, and the error
  names the cursor by which to go on after it.

Exports:
  An export that was interrupted, at any moment, goes on behind its last whole
  line; the parts together are the whole:
    touch a.jsonl
    head -n \"$(wc -l < a.jsonl)\" a.jsonl > b.jsonl && mv b.jsonl a.jsonl
    after=$(tail -1 a.jsonl | sed -E 's/[^:]+: ([^,]+)[^:]+: ([^,]+).*/\\2:\\1/')
    auditq query --all ${after:+--after \"$after\"} --format jsonl >> a.jsonl

Following:
  --follow shows what becomes visible in the database from now on, whatever its
  time and id: new events, late ones, and changed ones as they are now. Events
  that one look at the database finds come oldest first. On standard error,
  `removed: CREATED_AT:ID` names an event that is gone, or no longer matches. A
  commit is noticed at once where the file system reports it, else within a
  second. What came and went between two looks was never visible. An event
  whose payload cannot be read is named on standard error, and the next one is
  shown. It ends when the pipe closes, or by SIGINT or SIGTERM.
  --follow --after CREATED_AT:ID goes on after that event, the last one shown:
  first come the events that are newer by now. Events that came late or were
  changed in between are not among these.

Pins:
  While events arrive, what was page 1 becomes page 2. --as-of leaves out all
  events newer than a given one, so that pages, counts and --all stand still.
  --as-of newest pins to the newest event there is, and this says which it is:
    pin=$(auditq -q query --size 1 --cursor 2>&1 > /dev/null)
    test -n \"$pin\" && auditq query --as-of \"$pin\" --page 2
  The event itself may be gone. Pages still move when an older event is
  inserted, changed or deleted.

Batches:
  A request line, of which any part may be missing:
    {\"from_ts\": 0, \"to_ts\": 1767052800, \"actor_id\": null,
     \"action\": \"EXPORT\", \"page\": 1, \"page_size\": 20}
  in one line, or with \"after\": \"1767051778:11065\" for a page number. A pin is
  \"as_of\": \"1767051778:11065\", or \"newest\", for which the answer's query says
  the event. The answer is {\"query\": {...}, \"events\": [...], \"count\": N},
  always as JSON; that of a request that fails is {\"query\": ..., \"error\":
  \"...\"} in its place, and the exit code is 2. `auditq bench --dry-run` prints
  requests.

Formats:
  jsonl   byte for byte what the live service prints for the event
  table   shortens payloads, and leaves out columns that do not fit
  pretty  every field and the whole payload, a paragraph an event
  Tables and paragraphs escape control characters in what the audited wrote.";

/// Show events, newest first: a page, all, a count, or a batch
///
/// Events come by created_at, then id, both descending. A JSON line is byte for byte what the live service
/// prints for the event. A page past the end is empty, and no error.
#[derive(Debug, Args)]
#[command(help_template = super::TEMPLATE, before_help = EXAMPLES, after_long_help = format!("{}\n{DETAILS}", time::HELP))]
pub(super) struct Flags {
    /// The engine that answers; both print the same bytes
    #[arg(long, value_enum, default_value_t = ModeArg::Enhanced)]
    mode: ModeArg,

    /// Page number, from 1 [default: 1]
    #[arg(long, value_name = "N", value_parser = whole_number, allow_hyphen_values = true)]
    page: Option<u64>,

    /// Events a page, 1 to 10000 [default: 20]
    #[arg(long, value_name = "N", value_parser = whole_number, allow_hyphen_values = true)]
    size: Option<u64>,

    /// Only events from this time on
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    from: Option<Time>,

    /// Only events up to this time; a day counts to its end
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    to: Option<Time>,

    /// Only this actor's events
    #[arg(long, value_name = "ID", value_parser = actor, allow_hyphen_values = true)]
    actor: Option<i64>,

    /// Only events with exactly this action
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    action: Option<String>,

    /// Keyset pagination: the page after this event, instead of a page number
    #[arg(long, value_name = "CREATED_AT:ID", value_parser = Key::from_str, allow_hyphen_values = true)]
    #[arg(conflicts_with = "page")]
    after: Option<Key>,

    /// The pin: only this event and older ones, so that page numbers stand still while newer ones arrive
    #[arg(long, value_name = "CREATED_AT:ID|newest", value_parser = Pin::from_str, allow_hyphen_values = true)]
    as_of: Option<Pin>,

    /// Print the next page's cursor on standard error, or nothing if no event is left
    #[arg(long)]
    cursor: bool,

    /// The time that spans such as 7d count back from [default: the wall clock]
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    now: Option<Time>,

    /// Print how many events match
    #[arg(long, conflicts_with_all = ["all", "page", "size", "after", "cursor"])]
    count: bool,

    /// Show every matching event; with --after only those after that event
    #[arg(long, conflicts_with_all = ["page", "size"])]
    all: bool,

    /// Show every event as it becomes visible, until the pipe closes; with --after first those newer than that event
    #[arg(long, conflicts_with_all = ["page", "size", "as_of", "cursor", "count", "all"])]
    follow: bool,

    /// Answer the requests in FILE, one a line; - is standard input, answered as they arrive
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["page", "size", "from", "to", "actor", "action", "after", "as_of", "cursor", "now", "count", "all", "follow"])]
    batch: Option<PathBuf>,

    /// Threads for a batch, 1 to 1024 [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = threads, requires = "batch", allow_hyphen_values = true)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArg {
    Baseline,
    Enhanced,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Baseline => Mode::Baseline,
            ModeArg::Enhanced => Mode::Enhanced,
        }
    }
}

const FIRST_PAGE: u64 = 1;
const DEFAULT_SIZE: u64 = 20;
pub(super) const MAX_THREADS: usize = 1024;

impl Flags {
    pub(super) fn resolve(self, environment: &Environment) -> Result<QueryArgs> {
        Ok(QueryArgs {
            mode: self.mode.into(),
            cursor: self.cursor,
            is_pinned_to_newest: self.as_of == Some(Pin::Newest),
            request: self.request(environment)?,
        })
    }

    fn request(self, environment: &Environment) -> Result<QueryRequest> {
        if let Some(file) = self.batch {
            let source = if file.as_os_str() == "-" {
                BatchSource::Stdin
            } else {
                BatchSource::File(file)
            };
            let threads = self.threads.unwrap_or_else(|| environment.default_threads());
            return Ok(QueryRequest::Batch { source, threads });
        }
        let now = self.now.map_or(Ok(environment.now), |now| now.fixed("--now"))?;
        let filter = Filter {
            from_ts: self
                .from
                .map_or(Ok(Filter::ALL.from_ts), |time| time.first_second("--from", now))?,
            to_ts: self
                .to
                .map_or(Ok(Filter::ALL.to_ts), |time| time.last_second("--to", now))?,
            actor_id: self.actor,
            action: self.action,
            as_of: self.as_of.and_then(Pin::key),
        };
        if self.count {
            return Ok(QueryRequest::Count(filter));
        }
        if self.follow {
            return Ok(QueryRequest::Follow(filter, self.after));
        }
        if self.all {
            return Ok(QueryRequest::All(filter, self.after));
        }
        let page = Position::Page(self.page.unwrap_or(FIRST_PAGE));
        let position = self.after.map_or(page, Position::After);
        Query::new(filter, position, self.size.unwrap_or(DEFAULT_SIZE)).map(QueryRequest::Page)
    }
}

/// The range is checked where all ranges are, in [`Query::new`].
fn whole_number(text: &str) -> std::result::Result<u64, String> {
    text.parse()
        .map_err(|_| format!("a whole number from 1 to {} is accepted", u64::MAX))
}

fn actor(text: &str) -> std::result::Result<i64, String> {
    text.parse()
        .map_err(|_| format!("a whole number from {} to {} is accepted", i64::MIN, i64::MAX))
}

pub(super) fn threads(text: &str) -> std::result::Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_THREADS).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {MAX_THREADS} is accepted"))
}
