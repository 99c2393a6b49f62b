//! A batch without threads and without standard output, for the fuzz oracles.

use std::io::BufReader;

use super::{Lines, PER_THREAD, Responder, request};
use crate::engine::Engine;
use crate::error::Result;
use crate::model::{Page, Query};
use crate::output::jsonl::Jsonl;

/// No request line is longer, in bytes.
pub const MAX_LINE: usize = super::MAX_LINE;

/// A line of a batch and its answer.
#[derive(Debug)]
pub struct Answered {
    /// The line's number, from 1.
    pub number: u64,
    /// The line without its end; none where it was too long to keep.
    pub text: Option<Vec<u8>>,
    /// The answer, with its newline.
    pub answer: Vec<u8>,
    /// Whether the request was answered by events.
    pub is_good: bool,
}

/// Answers each line that holds anything, in order.
///
/// # Errors
/// None: the input is in memory.
pub fn answer_batch(data: &[u8], engine: &dyn Engine) -> std::io::Result<Vec<Answered>> {
    let mut lines = Lines {
        input: BufReader::with_capacity(super::BUFFER, data),
        number: 0,
    };
    let responder = Responder {
        engine,
        jsonl: Jsonl::new(false),
    };
    let mut answered = Vec::new();
    loop {
        let chunk = lines.next_chunk(*PER_THREAD.start())?;
        if chunk.is_empty() {
            return Ok(answered);
        }
        for line in chunk {
            let answer = responder.answer(&line, &mut Page::default());
            answered.push(Answered {
                number: line.number,
                text: line.text,
                answer: answer.line,
                is_good: answer.is_good,
            });
        }
    }
}

/// Reads one request line: the request, and whether it is to be pinned to the newest event.
///
/// # Errors
/// What is wrong with it.
pub fn parse_request(line: &[u8]) -> Result<(Query, bool)> {
    request::parse(line).map(|request| (request.query, request.is_pinned_to_newest))
}
