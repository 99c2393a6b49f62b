//! `auditq query`: a page, every event, how many, or a batch of requests.

use self::position::Shown;
use crate::command::notify::notify;
use crate::config::{Config, Display, Format, QueryArgs, QueryRequest};
use crate::engine::{self, Engine, Lifetime, Notice, Notify};
use crate::error::{Error, Exit, Result};
use crate::model::{Filter, Key, Page, Query};
use crate::output::Stdout;
use crate::output::jsonl;
use crate::output::progress::{self, ProgressBar};
use crate::storage::fs::platform::close_stdout;

mod batch;
mod follow;
mod mode;
mod position;
mod printer;
mod request;
mod why_empty;

use printer::Printer;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use batch::fuzzing;

/// Runs the query.
///
/// # Errors
/// Those of the engine, and of standard output.
pub(super) fn run(config: &Config, args: &QueryArgs) -> Result<Exit> {
    let display = config.display;
    if let QueryRequest::Follow(filter, after) = &args.request {
        return follow::run(config, args.mode, filter, *after);
    }
    let lifetime = match args.request {
        QueryRequest::Batch { .. } => Lifetime::LongLived,
        _ => Lifetime::OneShot,
    };
    // Notes are printed after the answer: if there is none, the error alone is printed.
    let (notes, noted) = std::sync::mpsc::channel();
    let notify: Notify = match lifetime {
        Lifetime::LongLived => notify(display),
        Lifetime::OneShot => Box::new(move |notice, line| match notice {
            // The receiver lives as long as the engine.
            Notice::Warning => _ = notes.send(line.to_owned()),
            Notice::Detail => notify(display)(notice, line),
        }),
    };
    let mode = mode::affordable(args.mode, &notify);
    let engine = engine::open(mode, &config.data_dir, lifetime, notify)?;
    let engine = engine.as_ref();
    let request = match args.is_pinned_to_newest {
        true => args.request.clone().pinned(engine.newest()?),
        false => args.request.clone(),
    };
    let mut cursor = None;
    match &request {
        QueryRequest::Page(query) => {
            let shown = page(&display, engine, query)?;
            cursor = shown.last;
            refresh_for_later(&display, engine);
            remark(&display, || {
                position::describe(query, shown, engine.overview().as_ref())
            });
        }
        QueryRequest::Count(filter) => {
            let events = count(&display, engine, filter)?;
            refresh_for_later(&display, engine);
            if events == 0 {
                remark_none(&display, engine, filter);
            }
        }
        QueryRequest::All(filter, after) => {
            // Reading everything is faster from an index, and holds no lock while a slow reader reads.
            let built = if engine.needs_build() {
                refresh_index(&display, engine)
            } else {
                Ok(())
            };
            if let Err(error @ Error::Busy { .. }) = built {
                // It has timed out once already.
                return Err(error);
            }
            cursor = all(&display, engine, filter, *after)?;
            match built {
                Ok(()) => refresh_for_later(&display, engine),
                failed => note_failure(&display, failed),
            }
            if cursor.is_none() && after.is_none() {
                remark_none(&display, engine, filter);
            }
        }
        // Answered above: it opens no engine.
        QueryRequest::Follow(..) => {}
        QueryRequest::Batch { source, threads } => {
            return batch::run(&display, engine, source, *threads);
        }
    }
    noted
        .try_iter()
        .for_each(|line: String| progress::note(&display, &line));
    if let Some(cursor) = cursor.filter(|_| args.cursor) {
        // Last, so that it is the last line whatever there was to note.
        progress::cursor(&cursor.to_string());
    }
    Ok(Exit::Fine)
}

/// Tells a person at a terminal about what was shown there.
fn remark(display: &Display, parts: impl FnOnce() -> Vec<String>) {
    if display.is_interactive() {
        progress::remark(display, &parts());
    }
}

fn remark_none(display: &Display, engine: &dyn Engine, filter: &Filter) {
    remark(display, || position::describe_none(filter, engine.overview().as_ref()));
}

/// Prints a page.
fn page(display: &Display, engine: &dyn Engine, query: &Query) -> Result<Shown> {
    let mut page = Page::default();
    engine.page(query, &mut page)?;
    let mut printer = Printer::new(display);
    printer.add(&page)?;
    printer.finish()?;
    Ok(Shown {
        events: page.len() as u64,
        last: last(&page),
    })
}

/// Prints every event behind `after`; gives the cursor of what may come to follow.
fn all(display: &Display, engine: &dyn Engine, filter: &Filter, after: Option<Key>) -> Result<Option<Key>> {
    let mut printer = Printer::new(display);
    let mut cursor = None;
    let shown = engine.all_after(filter, after, &mut |page| {
        cursor = last(page).or(cursor);
        printer.add(page)
    });
    // The events before an unreadable one are printed before the error.
    let flushed = printer.finish();
    shown.and(flushed)?;
    Ok(cursor)
}

fn last(page: &Page) -> Option<Key> {
    page.events().last().map(|event| event.key())
}

/// Prints how many events match, and gives it.
fn count(display: &Display, engine: &dyn Engine, filter: &Filter) -> Result<u64> {
    let events = engine.count(filter)?;
    let mut line = Vec::new();
    match display.format {
        Format::Jsonl => jsonl::count(&mut line, events),
        Format::Table | Format::Pretty => line.extend_from_slice(format!("{events}\n").as_bytes()),
    }
    let mut out = Stdout::lock();
    out.write(&line)?;
    out.flush()?;
    Ok(events)
}

fn refresh_index(display: &Display, engine: &dyn Engine) -> Result<()> {
    let bar = ProgressBar::new(display, "indexing");
    engine.maintain(&|done, total| bar.report(done, total))
}

/// After the answer: its reader does not wait for work that only later queries profit from.
fn refresh_for_later(display: &Display, engine: &dyn Engine) {
    close_stdout();
    note_failure(display, refresh_index(display, engine));
}

fn note_failure(display: &Display, refreshed: Result<()>) {
    if let Err(error) = refreshed {
        progress::note(display, &format!("the index was not renewed: {error}"));
    }
}
