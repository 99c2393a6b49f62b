//! Why the payload check is our own: what it costs beside the JSON library's ways to read a payload and throw it away, and
//! what each of them says of payloads that the live service takes.
//!
//! `cargo bench --features fuzzing`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that fails says so by a panic, and prints its table"
)]

use std::hint::black_box;
use std::time::Instant;

use auditq::contract::dataset::{ANCHOR, EVENTS, Rows};
use auditq::fuzzing::{check_payload, read_payload};
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

const PAYLOADS: usize = 4_000;
const ROUNDS: usize = 15;

/// Whether a payload is taken.
type Check = fn(&[u8]) -> bool;

const CHECKS: [(&str, Check); 5] = [
    ("this check", |text| check_payload(text).is_ok()),
    ("token by token", |text| read_payload(text).is_ok()),
    ("serde_json, IgnoredAny", |text| {
        serde_json::from_slice::<IgnoredAny>(text).is_ok()
    }),
    ("serde_json, RawValue", |text| {
        serde_json::from_slice::<&RawValue>(text).is_ok()
    }),
    ("serde_json, Value", |text| {
        serde_json::from_slice::<Value>(text).is_ok()
    }),
];

/// What Python's `json` takes.
const TAKEN: [(&str, &str); 4] = [
    ("half a surrogate pair", "{\"a\": \"\\ud800\"}"),
    ("1e400", "{\"a\": 1e400}"),
    ("NaN", "{\"a\": NaN}"),
    ("200 arrays deep", ""),
];

fn main() {
    let mut rows = Rows::new(EVENTS, ANCHOR);
    // Without the end of the line, as the engines check it.
    let payloads: Vec<Vec<u8>> = (0..PAYLOADS)
        .map(|_| rows.next_row().unwrap().line.trim_ascii_end().to_vec())
        .collect();
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    let mut best = [f64::INFINITY; CHECKS.len()];
    for _ in 0..ROUNDS {
        for (best, (name, check)) in best.iter_mut().zip(CHECKS) {
            let start = Instant::now();
            let taken = payloads.iter().filter(|text| check(black_box(text))).count();
            *best = best.min(start.elapsed().as_secs_f64());
            assert_eq!(taken, PAYLOADS, "{name}");
        }
    }
    println!("{PAYLOADS} payloads of the contract, {bytes} bytes, best of {ROUNDS} rounds in turn\n");
    println!(
        "{:<24} {:>8} {:>8} {:>8}  refuses of what the service takes",
        "", "ns each", "GB/s", "times"
    );
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (seconds, (name, check)) in best.iter().zip(CHECKS) {
        let text = |text: &'static str| if text.is_empty() { deep.clone() } else { text.to_owned() };
        let refused: Vec<&str> = TAKEN
            .iter()
            .filter(|(_, json)| !check(text(json).as_bytes()))
            .map(|(what, _)| *what)
            .collect();
        println!(
            "{name:<24} {:>8.0} {:>8.2} {:>8.2}  {}",
            seconds * 1e9 / PAYLOADS as f64,
            bytes as f64 / seconds / 1e9,
            seconds / best[0],
            if refused.is_empty() {
                "nothing".to_owned()
            } else {
                refused.join(", ")
            }
        );
    }
}
