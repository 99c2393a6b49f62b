//! Every file of `fuzz/corpus`, through the function that a fuzzer would call with it.

use std::fs;
use std::path::{Path, PathBuf};

use auditq::fuzzing::MAX_LINE;

use super::{TARGETS, batch_request};

/// What the files of one target, and those of all, may take.
const LARGEST_FILE: usize = 64 << 10;
const LARGEST_CORPUS: usize = 500_000;

fn corpus(target: &str) -> PathBuf {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fuzz.join("corpus").join(target)
}

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort_unstable();
    assert!(!files.is_empty(), "{target}: the corpus is empty");
    files
}

#[test]
fn every_file_of_the_corpus_passes() {
    let mut faults = Vec::new();
    for (name, target) in TARGETS {
        for (path, data) in files(name) {
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                faults.push(path);
            }
        }
    }
    assert!(faults.is_empty(), "what these show stands above: {faults:?}");
}

#[test]
fn the_corpus_stays_small() {
    let files: Vec<_> = TARGETS.iter().flat_map(|(name, _)| files(name)).collect();
    for (path, data) in &files {
        assert!(data.len() <= LARGEST_FILE, "{}", path.display());
    }
    let whole: usize = files.iter().map(|(_, data)| data.len()).sum();
    assert!(whole <= LARGEST_CORPUS, "{whole} bytes");
}

#[test]
fn every_folder_of_the_corpus_has_a_target() {
    let known = TARGETS.map(|(name, _)| corpus(name));
    for folder in fs::read_dir(corpus("")).unwrap() {
        let folder = folder.unwrap().path();
        assert!(known.contains(&folder), "{}", folder.display());
    }
}

/// What no file of the corpus is long enough for.
#[test]
fn lines_about_the_longest() {
    for len in MAX_LINE - 1..MAX_LINE + 3 {
        for filler in [b' ', b'x'] {
            let line = vec![filler; len];
            batch_request(&line);
            batch_request(&[&line, &b"\n{}\n"[..], &line, b"\n", &line].concat());
        }
    }
}
