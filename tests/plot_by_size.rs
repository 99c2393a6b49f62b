//! `auditq bench --from-exports`: what a page costs by the size of the log, drawn from figures that were exported before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::harness::faults::DEEP_BENCH;
use crate::harness::program::{assert_quiet, assert_refused};
use crate::harness::{Log, auditq};

/// Exports of two logs in a directory, each measured with its pages.
fn exports(place: &Path) -> [PathBuf; 2] {
    [("small", 3_000), ("large", 9_000)].map(|(name, events)| {
        let log = Log::plain(events);
        let path = |ending: &str| place.join(format!("{name}.{ending}"));
        let (export, plot) = (path("json"), path("svg"));
        let files = ["--export", export.to_str().unwrap(), "--plot", plot.to_str().unwrap()];
        let output = log.auditq(&[&DEEP_BENCH[..], &["1", "--threads", "1"], &files].concat());
        assert_quiet(&output, name);
        export
    })
}

/// Where no log is.
fn drawn(place: &Path, plot: &str, exports: &[&Path]) -> Output {
    let mut command = auditq();
    command
        .current_dir(place)
        .args(["bench", "--plot", plot, "--from-exports"]);
    command.args(exports).output().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The export with some of it changed, in a file beside it.
fn changed(export: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value = json(export);
    change(&mut value);
    let path = export.with_extension("changed.json");
    fs::write(&path, value.to_string()).unwrap();
    path
}

#[test]
fn the_picture_shows_each_size_and_says_what_was_measured() {
    let place = tempfile::tempdir().unwrap();
    let [small, large] = exports(place.path());
    for (export, last) in [(&small, 150), (&large, 450)] {
        let export = json(export);
        let pages = export["pages"].as_array().unwrap();
        let numbers: Vec<_> = pages.iter().map(|it| it["page"].as_u64().unwrap()).collect();
        assert_eq!((numbers.len(), numbers[0]), (50, 1));
        assert_eq!([numbers[24], numbers[49]], [last, last]);
    }
    // The larger first: the picture is by size.
    let output = drawn(place.path(), "sizes.svg", &[&large, &small]);
    assert_quiet(&output, "drawn");
    assert_eq!(output.stdout, b"");
    let text = text_of(&fs::read_to_string(place.path().join("sizes.svg")).unwrap());
    for part in [
        "What a page costs, by the size of the log",
        "the last page of the log, 20 events, no filter, by events in the log: baseline ",
        "deep: a page that holds events, by events in the log: baseline ",
        " at 3,000, ",
        " at 9,000; enhanced ",
        "3,000 events (not the contract dataset)",
        "auditq bench --plot sizes.svg --from-exports",
        "cores, Linux ",
        "commit ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// What a picture says, whatever elements it is in.
fn text_of(picture: &str) -> String {
    let outside = picture.split('<').filter_map(|part| part.split_once('>'));
    let words: Vec<_> = outside.flat_map(|(_, text)| text.split_whitespace()).collect();
    words.join(" ")
}

#[test]
fn what_does_not_compare_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let [small, large] = exports(place.path());
    let refused = |other: &Path, says: &str| {
        let output = drawn(place.path(), "sizes.svg", &[&small, other]);
        assert_refused(&output, &[says], says);
        assert!(!place.path().join("sizes.svg").exists(), "{says}");
    };
    refused(&small, "it is of 3,000 events, as ");
    refused(&place.path().join("none.json"), "none.json: cannot read");
    refused(&place.path().join("small.svg"), "no JSON export of bench");
    refused(place.path(), "not a regular file");
    refused(
        &changed(&large, |it| it["commit"] = "\u{1b}[2Jother".into()),
        "another machine or another build",
    );
    refused(
        &changed(&large, |it| it["machine"]["cores"] = 1_000.into()),
        "another machine or another build",
    );
    refused(
        &changed(&large, |it| it["schema_version"] = 1.into()),
        "another version: its schema_version is 1",
    );
    refused(&changed(&large, |it| it["pages"] = Value::Null), "no JSON export");
    refused(
        &changed(&large, |it| _ = it.as_object_mut().unwrap().remove("pages")),
        "no latencies by page",
    );
    refused(
        &changed(&large, |it| it["dataset"]["events"] = "\u{1b}[2J".into()),
        "no JSON export",
    );
    let one = drawn(place.path(), "sizes.svg", &[&small]);
    assert_refused(&one, &["two files or more"], "one");
    for further in [&["--export", "b.json"][..], &["--rounds", "2"], &["--histogram"]] {
        let mut command = auditq();
        command.args(["bench", "--plot", "sizes.svg", "--from-exports", "a.json", "b.json"]);
        let output = command.args(further).output().unwrap();
        assert_refused(&output, &["--from-exports"], further[0]);
    }
    let mut command = auditq();
    let output = command.args(["bench", "--from-exports", "a.json", "b.json"]).output();
    assert_refused(&output.unwrap(), &["--plot"], "without a place");
}

/// What an export says of itself is text from outside.
#[test]
fn text_of_an_export_stays_text() {
    let place = tempfile::tempdir().unwrap();
    let [small, large] = exports(place.path());
    let odd = changed(&large, |it| {
        it["command_line"] = "</text><script>\u{1b}[2J\u{0}".into();
        it["dataset"]["label"] = "]]> & \u{202e}".into();
    });
    assert_quiet(&drawn(place.path(), "sizes.svg", &[&small, &odd]), "odd");
    let picture = fs::read_to_string(place.path().join("sizes.svg")).unwrap();
    assert!(
        !picture.contains("<script>") && !picture.contains(['\u{1b}', '\u{0}', '\u{202e}']),
        "{picture}"
    );
    assert!(picture.contains("script"), "{picture}");
}
