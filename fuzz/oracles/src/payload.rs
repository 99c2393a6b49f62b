//! Any bytes as a payload: the quick yes against the reader, and the reader against serde_json.

use auditq::fuzzing::{check_payload, is_valid_fast, join_lines, read_payload};
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) fn check(text: &[u8]) {
    let verdict = read_payload(text);
    let shown = String::from_utf8_lossy(text);
    if is_valid_fast(text) {
        assert_eq!(verdict, Ok(true), "the quick yes is wrong: {shown}");
    }
    assert_eq!(check_payload(text), verdict, "{shown}");
    agrees_with_serde(text, verdict);
    if verdict.is_ok() {
        joins_to_one_line(text);
    }
}

/// A verdict says whether the payload is one line, or what is wrong. Unparsed, serde_json takes what RFC 8259 has, at any depth, and half a surrogate pair. It is more narrow by three
/// words, and wider by what is nested more deeply.
fn agrees_with_serde(text: &[u8], verdict: Result<bool, &str>) {
    let shown = String::from_utf8_lossy(text);
    let is_json = serde_json::from_slice::<&RawValue>(text).is_ok();
    match verdict {
        Ok(_) if shown.contains("NaN") || shown.contains("Infinity") => {}
        Ok(_) => assert!(is_json, "taken, but no JSON: {shown}"),
        Err(why) if why.starts_with("is nested too deeply") => {}
        Err(why) => assert!(!is_json, "JSON, but it {why}: {shown}"),
    }
}

/// As one line it is the same value, and still a payload.
fn joins_to_one_line(text: &[u8]) {
    let mut joined = text.to_vec();
    let len = join_lines(&mut joined);
    joined.truncate(len);
    assert_eq!(check_payload(&joined), Ok(true));
    assert!(!joined.contains(&b'\n') && !joined.contains(&b'\r'));
    if let Ok(value) = serde_json::from_slice::<Value>(text) {
        assert_eq!(serde_json::from_slice::<Value>(&joined).ok(), Some(value));
    }
}
