//! Many requests, one a line, answered in order; on standard input also as a coprocess.

#[cfg(any(test, feature = "fuzzing"))]
#[path = "../../../fuzz/in_crate/batch.rs"]
pub(crate) mod fuzzing;

use std::io::{BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::request::{self, Parsed};
use crate::blocking::Blocking;
use crate::config::{BatchSource, Display};
use crate::engine::Engine;
use crate::error::{Error, Exit, Result};
use crate::model::Page;
use crate::output::Stdout;
use crate::output::jsonl::{self, Jsonl};
use crate::output::progress::note;
use crate::parallel::Pool;
use crate::storage::fs::open::open_stream;

/// The longest request line, in bytes; a longer one is refused and not kept in memory. The live service answers for any
/// text that SQLite can compare with, however long.
const MAX_LINE: usize = 16 << 20;

/// How many bytes are read at once.
const BUFFER: usize = 64 << 10;

/// How many requests are read at once for each thread, if they have arrived: the least, and the most.
const PER_THREAD: RangeInclusive<usize> = 8..=1024;

/// How long a chunk should take. Threads that are woken for less are woken too often; responses that wait for longer
/// come late.
const CHUNK_TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(8);

/// The bound on unwritten responses, in bytes: once they take so much, no request is started before they are written.
const MAX_WAITING: usize = 64 << 20;

/// Answers every line of the batch. Requests that have arrived are answered before more are waited for.
pub(super) fn run(display: &Display, engine: &dyn Engine, source: &BatchSource, threads: usize) -> Result<Exit> {
    let (name, input): (&Path, Box<dyn Read>) = match source {
        BatchSource::Stdin => (Path::new("standard input"), Box::new(Blocking::new(std::io::stdin()))),
        BatchSource::File(path) => (
            path,
            Box::new(open_stream(path).map_err(Error::io(path, "cannot open"))?),
        ),
    };
    let mut lines = Lines {
        input: BufReader::with_capacity(BUFFER, input),
        number: 0,
    };
    // One thread is this one: another would only be waited for.
    let pool = (threads > 1).then(|| Pool::at_most(threads));
    let started = pool.as_ref().map_or(1, Pool::threads);
    if started < threads {
        note(
            display,
            &format!("only {started} of {threads} threads could be started"),
        );
    }
    let responder = Responder {
        engine,
        jsonl: Jsonl::new(display.stdout_is_terminal),
    };
    let mut out = Stdout::lock();
    let (mut requests, mut failed) = (0_u64, 0_u64);
    let mut per_thread = *PER_THREAD.start();
    loop {
        let most = started * per_thread;
        let chunk = lines.next_chunk(most).map_err(Error::io(name, "cannot read"))?;
        if chunk.is_empty() {
            break;
        }
        let start = Instant::now();
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let answers = responder.answer_some(pool.as_ref(), rest);
            rest = &rest[answers.len()..];
            for answer in answers {
                requests += 1;
                failed += u64::from(!answer.is_good);
                out.write(&answer.line)?;
            }
        }
        out.flush()?;
        per_thread = next_size(per_thread, chunk.len() == most, start.elapsed());
    }
    if failed == 0 {
        return Ok(Exit::Fine);
    }
    Err(Error::Batch {
        path: name.to_owned(),
        failed,
        requests,
    })
}

/// How many requests a thread gets of the next chunk, if those of one took so long.
fn next_size(per_thread: usize, was_full: bool, took: Duration) -> usize {
    if took > *CHUNK_TIME.end() {
        (per_thread / 2).max(*PER_THREAD.start())
    } else if was_full && took < *CHUNK_TIME.start() {
        (per_thread * 2).min(*PER_THREAD.end())
    } else {
        per_thread
    }
}

/// One line of the input.
struct Line {
    /// From 1.
    number: u64,
    /// Without its newline; `None` for a line that was too long to keep.
    text: Option<Vec<u8>>,
}

struct Lines<R> {
    input: BufReader<R>,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// The next line, waited for, and as many more as have come already, but for what would take too much memory. Empty
    /// at the end of the input.
    fn next_chunk(&mut self, most: usize) -> std::io::Result<Vec<Line>> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        let has_room = |chunk: &[Line], bytes| chunk.len() < most && bytes < MAX_LINE;
        while has_room(&chunk, bytes) && (chunk.is_empty() || self.input.buffer().contains(&b'\n')) {
            match self.next_line()? {
                None => break,
                Some(line) if line.text.as_ref().is_some_and(|text| text.trim_ascii().is_empty()) => {}
                Some(line) => {
                    bytes += line.text.as_ref().map_or(0, Vec::len);
                    chunk.push(line);
                }
            }
        }
        Ok(chunk)
    }

    fn next_line(&mut self) -> std::io::Result<Option<Line>> {
        let mut text = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = text.last() == Some(&b'\n') || text.len() <= MAX_LINE;
        if !is_whole {
            self.input.skip_until(b'\n')?;
        }
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        Ok(Some(Line {
            number: self.number,
            text: is_whole.then_some(text),
        }))
    }
}

struct Responder<'a> {
    engine: &'a dyn Engine,
    jsonl: Jsonl,
}

struct Response {
    line: Vec<u8>,
    is_good: bool,
}

impl Responder<'_> {
    /// Answers the first of these lines, one at least, and as many as may wait to be written together.
    fn answer_some(&self, pool: Option<&Pool>, lines: &[Line]) -> Vec<Response> {
        let waiting = AtomicUsize::new(0);
        // The threads take the lines in turn, so what is left is left at the end.
        let taken = lines
            .iter()
            .enumerate()
            .take_while(|_| waiting.load(Ordering::Relaxed) < MAX_WAITING);
        let answer = |page: &mut Page, (place, line)| {
            let answer = self.answer(line, page);
            waiting.fetch_add(answer.line.capacity(), Ordering::Relaxed);
            (place, answer)
        };
        // A coprocess sends one request at a time: another thread would only add latency.
        let Some(pool) = pool.filter(|_| lines.len() > 1) else {
            let mut page = Page::default();
            return taken.map(|line| answer(&mut page, line).1).collect();
        };
        let mut answers: Vec<_> = pool.install(|| {
            let taken = taken.par_bridge();
            taken.map_init(Page::default, answer).collect()
        });
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    fn answer(&self, line: &Line, page: &mut Page) -> Response {
        let mut out = Vec::new();
        let is_good = self.write_answer(&mut out, line, page);
        Response { line: out, is_good }
    }

    /// Appends the response to a line. Whether it has events.
    fn write_answer(&self, out: &mut Vec<u8>, line: &Line, page: &mut Page) -> bool {
        let Some(text) = &line.text else {
            let message = format!("line {}: longer than {MAX_LINE} bytes: no request is", line.number);
            jsonl::error(out, None, &message);
            return false;
        };
        let pinned = |request: Parsed| match request.is_pinned_to_newest {
            true => Ok(request.query.pinned(self.engine.newest()?)),
            false => Ok(request.query),
        };
        let query = match request::parse(text).and_then(pinned) {
            Ok(query) => query,
            Err(error) => {
                jsonl::error(out, object(text), &format!("line {}: {error}", line.number));
                return false;
            }
        };
        let answered = self.engine.page(&query, page);
        match &answered {
            Ok(()) => self.jsonl.response(out, &query, page),
            Err(error) => {
                let mut echo = Vec::new();
                jsonl::request(&mut echo, &query);
                jsonl::error(out, Some(&echo), &error.to_string());
            }
        }
        answered.is_ok()
    }
}

/// The line itself, where it is a JSON object that can be shown again.
fn object(text: &[u8]) -> Option<&[u8]> {
    let value: &serde_json::value::RawValue = serde_json::from_slice(text).ok()?;
    let text = value.get();
    (text.starts_with('{') && !text.contains('\r')).then_some(text.as_bytes())
}
