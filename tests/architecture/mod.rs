//! The arrows of `docs/architecture.md` hold in `src`: who imports whom, which crates live where, no circles.
//!
//! What only tests or fuzzers see may import anything.

mod check;
mod circles;
mod page;
mod rules;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use check::Program;
use page::Page;

/// Path and text of every file in `src`.
fn files(directory: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

/// The dependencies of a `Cargo.toml`, as the code writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|&line| line != "[dependencies]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.replace('-', "_")).collect()
}

#[test]
fn sources_keep_the_arrows_of_the_page() {
    let root = &crate::harness::checkout("");
    let mut sources = Vec::new();
    files(&root.join("src"), "", &mut sources);
    let dependencies = dependencies(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let page = Page::parse(&fs::read_to_string(root.join("docs/architecture.md")).unwrap()).unwrap();
    let program = Program::read(&sources, &dependencies).unwrap();
    assert!(
        program.imports.len() > 200 && program.crates.len() > 40,
        "the sources were read"
    );
    let found = check::violations(&program, &page, &dependencies);
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}
