//! `auditq query`: a page, every event, how many, or a batch of requests.

use crate::config::{Config, Display, Format, QueryArgs, QueryRequest};
use crate::engine::{self, Engine, Lifetime, Notify};
use crate::error::{Error, Exit, Result};
use crate::model::{Filter, Page, Query};
use crate::output::Stdout;
use crate::output::jsonl::{self, Jsonl};
use crate::output::progress::{self, ProgressBar};
use crate::output::table::EventTable;

mod batch;
mod request;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use batch::fuzzing;

/// Answers what was asked.
///
/// # Errors
/// Those of the engine, and of standard output.
pub(super) fn run(config: &Config, args: &QueryArgs) -> Result<Exit> {
    let display = config.display;
    let lifetime = match args.request {
        QueryRequest::Batch { .. } => Lifetime::LongLived,
        QueryRequest::Page(_) | QueryRequest::Count(_) | QueryRequest::All(_) => Lifetime::OneShot,
    };
    // One trouble, one line: what was noted before an answer is said only once there is one.
    let (notes, noted) = std::sync::mpsc::channel();
    let notify: Notify = match lifetime {
        Lifetime::LongLived => Box::new(move |line| progress::note(&display, line)),
        Lifetime::OneShot => Box::new(move |line| {
            // The receiver lives as long as the engine.
            let _ = notes.send(line.to_owned());
        }),
    };
    let engine = engine::open(args.mode, &config.data_dir, lifetime, notify)?;
    let engine = engine.as_ref();
    match &args.request {
        QueryRequest::Page(query) => {
            page(&display, engine, query)?;
            // The answer is out: whoever reads it need not wait for what later answers profit from.
            note_failure(&display, renew(&display, engine));
        }
        QueryRequest::Count(filter) => {
            count(&display, engine, filter)?;
            note_failure(&display, renew(&display, engine));
        }
        QueryRequest::All(filter) => {
            // Every event: from an index that is faster, and takes no lock while the reader takes its time.
            let renewed = renew(&display, engine);
            if let Err(error @ Error::Busy { .. }) = renewed {
                // What has been waited for that long is not waited for again.
                return Err(error);
            }
            all(&display, engine, filter)?;
            note_failure(&display, renewed);
        }
        QueryRequest::Batch { source, threads } => {
            return batch::run(&display, engine, source, *threads);
        }
    }
    noted.try_iter().for_each(|line| progress::note(&display, &line));
    Ok(Exit::Fine)
}

fn page(display: &Display, engine: &dyn Engine, query: &Query) -> Result<()> {
    let mut page = Page::default();
    engine.page(query, &mut page)?;
    let mut printer = Printer::new(display);
    printer.add(&page)?;
    printer.finish()
}

fn all(display: &Display, engine: &dyn Engine, filter: &Filter) -> Result<()> {
    let mut printer = Printer::new(display);
    let shown = engine.all(filter, &mut |page| printer.add(page));
    // What came before an event that cannot be read is an answer too, and it is printed before the error.
    let flushed = printer.finish();
    shown.and(flushed)
}

fn count(display: &Display, engine: &dyn Engine, filter: &Filter) -> Result<()> {
    let events = engine.count(filter)?;
    let mut line = Vec::new();
    match display.format {
        Format::Jsonl => jsonl::count(&mut line, events),
        Format::Table => line.extend_from_slice(format!("{events}\n").as_bytes()),
    }
    let mut out = Stdout::lock();
    out.write(&line)?;
    out.flush()
}

fn renew(display: &Display, engine: &dyn Engine) -> Result<()> {
    let bar = ProgressBar::new(display, "indexing");
    engine.maintain(&|done, total| bar.report(done, total))
}

fn note_failure(display: &Display, renewed: Result<()>) {
    if let Err(error) = renewed {
        progress::note(display, &format!("the index was not renewed: {error}"));
    }
}

/// Prints pages in the form that was asked for.
struct Printer {
    out: Stdout,
    form: Form,
}

enum Form {
    Jsonl { writer: Jsonl, lines: Vec<u8> },
    Table(EventTable),
}

impl Printer {
    fn new(display: &Display) -> Self {
        let form = match display.format {
            Format::Table => Form::Table(EventTable::new(display)),
            Format::Jsonl => Form::Jsonl {
                writer: Jsonl::new(display.stdout_is_terminal),
                lines: Vec::new(),
            },
        };
        Printer {
            out: Stdout::lock(),
            form,
        }
    }

    fn add(&mut self, page: &Page) -> Result<()> {
        match &mut self.form {
            Form::Table(table) => table.add(&mut self.out, page),
            Form::Jsonl { writer, lines } => {
                lines.clear();
                writer.events(lines, page);
                self.out.write(lines)
            }
        }
    }

    fn finish(mut self) -> Result<()> {
        match self.form {
            Form::Table(table) => table.finish(&mut self.out),
            Form::Jsonl { .. } => self.out.flush(),
        }
    }
}
