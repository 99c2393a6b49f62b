//! Import circles between files.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Import, Program};
use super::page::Page;
use super::source::module_of;

type Graph<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// A circle is allowed only where it falls apart without the imports of a module from its own children, and the page
/// names that module.
pub(super) fn check(program: &Program, page: &Page, found: &mut Vec<String>) {
    let imports: Vec<&Import> = program.imports.iter().filter(|import| !import.is_facade).collect();
    let mut named = BTreeSet::new();
    for circle in circles(&graph(imports.iter().copied())) {
        let within = |import: &&Import| circle.contains(import.from.as_str()) && circle.contains(import.to.as_str());
        let inner: Vec<&Import> = imports.iter().copied().filter(within).collect();
        let parents: BTreeSet<&str> = inner
            .iter()
            .filter(|import| is_child(import))
            .map(|import| import.from.as_str())
            .collect();
        let rest = graph(inner.iter().copied().filter(|import| !is_child(import)));
        let allowed = parents.iter().all(|parent| page.circles.contains(*parent));
        if allowed && circles(&rest).is_empty() {
            named.extend(parents);
        } else {
            let lines = inner
                .iter()
                .map(|import| format!("    {}:{} imports {}", import.from, import.line, import.to));
            let lines: Vec<String> = lines.collect();
            found.push(format!(
                "an import circle that the page does not name:\n{}",
                lines.join("\n")
            ));
        }
    }
    for parent in page.circles.iter().filter(|parent| !named.contains(parent.as_str())) {
        found.push(format!(
            "the page names a circle of {parent} and its children, but there is none"
        ));
    }
}

/// Whether a module imports from one below it.
fn is_child(import: &Import) -> bool {
    module_of(&import.to).starts_with(&module_of(&import.from))
}

fn graph<'a>(imports: impl Iterator<Item = &'a Import>) -> Graph<'a> {
    let mut graph = Graph::new();
    for import in imports {
        graph.entry(&import.from).or_default().insert(&import.to);
    }
    graph
}

/// The strongly connected components of more than one file.
fn circles<'a>(graph: &Graph<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: Graph<'a> = graph.keys().map(|&file| (file, reachable(graph, file))).collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut circles = Vec::new();
    for (&file, others) in &reached {
        if others.contains(file) && !done.contains(file) {
            let back = |other: &&str| reached.get(other).is_some_and(|files| files.contains(file));
            let circle: BTreeSet<&str> = others.iter().copied().filter(back).collect();
            done.extend(&circle);
            circles.push(circle);
        }
    }
    circles
}

/// Every file that one leads to in one step or more.
fn reachable<'a>(graph: &Graph<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = graph.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(graph.get(file).into_iter().flatten());
        }
    }
    reached
}
