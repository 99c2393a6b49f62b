//! The check is able to fail: each rule is shown a program that breaks it.

use std::collections::BTreeSet;

use super::check::{Program, violations};
use super::dependencies;
use super::page::Page;

const MANIFEST: &str =
    "[package]\n[dependencies]\nclap = \"4\"\nrusq-lite = { version = \"1\" }\n[dev-dependencies]\nx = \"1\"\n";

const PAGE: &str = "
# Page

| module | what it is for | may import | crates |
| --- | --- | --- | --- |
| `cli` | | `model` | `clap` |
| `engine` | | `storage/sqlite`, `model` | |
| `storage/sqlite` | | `model` | `rusq_lite` |
| `model` | | | |

### Circles of a module and its children

- `model/mod.rs`: its children name its types.

## Rest
";

/// A program in which everything is as the page says.
const GOOD: [(&str, &str); 7] = [
    ("lib.rs", "pub mod cli; pub mod engine; pub mod model; pub mod storage;"),
    (
        "cli.rs",
        "use clap::Parser; fn f() -> crate::model::Page { todo!() } #[cfg(test)] mod tests { use crate::engine::x; }",
    ),
    (
        "engine/mod.rs",
        "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests;",
    ),
    ("engine/tests.rs", "use crate::cli::x; use clap::Parser;"),
    (
        "storage/sqlite.rs",
        "use crate::model::Page; struct A { rows: rusq_lite::Rows }",
    ),
    (
        "model/mod.rs",
        "mod page; pub(crate) use page::Page; pub struct Key; fn f() { page::g() }",
    ),
    (
        "model/page.rs",
        "use super::Key; // use crate::engine\nconst A: &str = \"crate::cli::x\";",
    ),
];

/// What the check finds when files of the good program are replaced, or others added.
fn faults(changes: &[(&str, &str)]) -> Vec<String> {
    let mut files: Vec<(String, String)> = Vec::new();
    for (path, text) in changes.iter().chain(&GOOD) {
        if !files.iter().any(|(known, _)| known == path) {
            files.push(((*path).to_owned(), (*text).to_owned()));
        }
    }
    let dependencies = dependencies(MANIFEST);
    let program = Program::read(&files, &dependencies).unwrap();
    violations(&program, &Page::parse(PAGE).unwrap(), &dependencies)
}

/// Asserts that there is exactly one fault and that it says this.
fn assert_fault(changes: &[(&str, &str)], said: &str) {
    let found = faults(changes);
    assert!(found.len() == 1 && found[0].contains(said), "{found:#?}");
}

#[test]
fn a_program_as_the_page_says_has_no_fault() {
    assert_eq!(faults(&[]), Vec::<String>::new());
}

#[test]
fn forbidden_arrow_in_a_use() {
    let engine = "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests;\nuse crate::cli::Arguments;";
    assert_fault(
        &[("engine/mod.rs", engine)],
        "engine/mod.rs:2 imports cli.rs, but `engine` may not import `cli`",
    );
}

#[test]
fn forbidden_arrow_in_a_path_in_a_macro() {
    let engine = "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests;\nfn f() { println!(\"{}\", crate::cli::NAME); }";
    assert_fault(&[("engine/mod.rs", engine)], "engine/mod.rs:2 imports cli.rs");
}

#[test]
fn forbidden_arrow_by_super() {
    let page = "use super::Key; mod inner {\n use super::super::super::cli::NAME; }";
    let found = faults(&[("model/page.rs", page)]);
    assert!(found[0].contains("model/page.rs:2 imports cli.rs"), "{found:#?}");
}

#[test]
fn forbidden_arrow_behind_a_pub_use() {
    let cli = "use clap::Parser; use crate::model::{Page, Rows};";
    let model =
        "mod page; pub use page::Page; pub use crate::storage::sqlite::Rows; pub struct Key; fn f() { page::g() }";
    let found = faults(&[("cli.rs", cli), ("model/mod.rs", model)]);
    assert!(
        found
            .iter()
            .any(|fault| fault.contains("cli.rs:1 imports storage/sqlite.rs")),
        "{found:#?}"
    );
}

#[test]
fn crate_away_from_its_home() {
    let engine =
        "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests; fn f() {\nrusq_lite::open() }";
    assert_fault(
        &[("engine/mod.rs", engine)],
        "engine/mod.rs:2 names the crate rusq_lite",
    );
}

#[test]
fn crate_in_an_attribute() {
    let engine =
        "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests;\n#[derive(clap::Args)] struct A;";
    assert_fault(&[("engine/mod.rs", engine)], "engine/mod.rs:2 names the crate clap");
}

#[test]
fn code_that_is_not_for_tests_only() {
    let engine =
        "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests; #[cfg(not(test))] use crate::cli::x;";
    assert_fault(&[("engine/mod.rs", engine)], "imports cli.rs");
    let engine = "use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests; #[cfg(test)] use crate::cli::x; use crate::cli::y;";
    assert_fault(&[("engine/mod.rs", engine)], "imports cli.rs");
}

#[test]
fn circle_of_siblings() {
    let changes = [
        (
            "engine/mod.rs",
            "mod a; mod b; use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests;",
        ),
        ("engine/a.rs", "use super::b::B;"),
        ("engine/b.rs", "use crate::engine::a::A;"),
    ];
    assert_fault(
        &changes,
        "engine/a.rs:1 imports engine/b.rs\n    engine/b.rs:1 imports engine/a.rs",
    );
}

#[test]
fn circle_of_siblings_behind_their_parents_facade() {
    let changes = [
        (
            "engine/mod.rs",
            "mod a; mod b; use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests; pub use a::A; pub use b::B;",
        ),
        ("engine/a.rs", "use super::B;"),
        ("engine/b.rs", "use super::A;"),
    ];
    assert_fault(&changes, "an import circle");
}

#[test]
fn circle_of_a_parent_that_the_page_does_not_name() {
    let changes = [
        (
            "engine/mod.rs",
            "mod a; use a::A; use crate::{model::Key, storage::sqlite::Rows}; #[cfg(test)] mod tests; struct B;",
        ),
        ("engine/a.rs", "use super::B;"),
    ];
    assert_fault(&changes, "engine/mod.rs:1 imports engine/a.rs");
}

#[test]
fn circle_of_siblings_under_a_parent_that_the_page_names() {
    let changes = [
        ("model/page.rs", "use super::{Key, row::Row};"),
        ("model/row.rs", "use super::page::Page;"),
    ];
    let found = faults(&changes);
    assert!(
        found.iter().any(|fault| fault.contains("an import circle")),
        "{found:#?}"
    );
}

#[test]
fn page_that_says_more_than_the_program_does() {
    assert_fault(
        &[("cli.rs", "use clap::Parser;")],
        "the page lets `cli` import `model`, but no file does",
    );
    assert_fault(
        &[("cli.rs", "use crate::model::Key;")],
        "the page gives `cli` the crate clap",
    );
    let circle = "the page names a circle of model/mod.rs and its children, but there is none";
    assert_fault(&[("model/page.rs", "")], circle);
    assert_fault(&[("loose.rs", "")], "loose.rs is in no module");
}

#[test]
fn page_that_lacks_something() {
    assert!(Page::parse("| module | may import |").is_err());
    assert!(
        Page::parse(&PAGE.replace("| `model` | | | |", "| `cli` | | | |"))
            .unwrap_err()
            .contains("two rows")
    );
    assert!(
        Page::parse(&PAGE.replace("| `model` | | | |", "| `model` | |"))
            .unwrap_err()
            .contains("four columns")
    );
    let circle = Page::parse(&PAGE.replace("| `model` | | | |", "| `model` | | `engine` | |")).unwrap();
    let nothing = Program::read(&[], &BTreeSet::new()).unwrap();
    let found = violations(&nothing, &circle, &BTreeSet::new());
    assert!(found.iter().any(|fault| fault.contains("in a circle")), "{found:#?}");
    let found = violations(&nothing, &circle, &BTreeSet::from(["heavy".to_owned()]));
    assert!(
        found.iter().any(|fault| fault.contains("no module the crate heavy")),
        "{found:#?}"
    );
}
