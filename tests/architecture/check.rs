//! The rules: arrows between modules, crates with a home, no circles.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Page;
use super::source::{Module, Source};

/// An import of one file by another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) line: usize,
    pub(super) to: String,
    /// A parent that only passes on what a module below it has.
    pub(super) is_facade: bool,
}

/// A crate that a file names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) name: String,
}

/// Everything that the files of `src` name.
pub(super) struct Program {
    pub(super) files: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    pub(super) crates: Vec<Use>,
}

impl Program {
    /// From each file's path below `src` and its text; `dependencies` as the code writes them.
    pub(super) fn read(files: &[(String, String)], dependencies: &BTreeSet<String>) -> Result<Self, String> {
        let sources: Result<Vec<Source>, String> = files.iter().map(|(path, text)| Source::parse(path, text)).collect();
        let mut sources = sources?;
        let test_modules: Vec<Module> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
        sources.retain(|source| !test_modules.iter().any(|module| source.module.starts_with(module)));
        let names = Names::new(&sources);
        let mut program = Program {
            files: sources.iter().map(|source| source.path.clone()).collect(),
            imports: Vec::new(),
            crates: Vec::new(),
        };
        for source in &sources {
            program.add(source, &names, dependencies);
        }
        // One `use` of several names is one import.
        program.imports.sort();
        program.imports.dedup();
        program.crates.sort();
        program.crates.dedup();
        Ok(program)
    }

    fn add(&mut self, source: &Source, names: &Names<'_>, dependencies: &BTreeSet<String>) {
        for reference in &source.references {
            let (line, from) = (reference.line, &source.path);
            if let Some(path) = names.absolute(&reference.from, &reference.segments) {
                let Some((module, to)) = names.file(path) else {
                    continue;
                };
                let is_facade = reference.passed_on_as.is_some() && module.starts_with(&source.module);
                if to != from {
                    let (from, to) = (from.clone(), to.to_owned());
                    self.imports.push(Import {
                        from,
                        line,
                        to,
                        is_facade,
                    });
                }
            } else if let Some(name) = reference.segments.first().filter(|name| dependencies.contains(*name)) {
                let (file, name) = (from.clone(), name.clone());
                self.crates.push(Use { file, line, name });
            }
        }
    }
}

/// What each module is called, and what it passes on.
struct Names<'a> {
    files: BTreeMap<Module, &'a str>,
    passed_on: BTreeMap<(Module, String), (Module, Vec<String>)>,
}

impl<'a> Names<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let files = sources
            .iter()
            .map(|source| (source.module.clone(), source.path.as_str()))
            .collect();
        let mut passed_on = BTreeMap::new();
        for reference in sources.iter().flat_map(|source| &source.references) {
            if let Some(name) = &reference.passed_on_as {
                let (from, segments) = (reference.from.clone(), reference.segments.clone());
                passed_on.insert((from.clone(), name.clone()), (from, segments));
            }
        }
        Names { files, passed_on }
    }

    /// A path from the crate's root, or none where it leads outside or to something local.
    fn absolute(&self, from: &Module, segments: &[String]) -> Option<Vec<String>> {
        let mut base = from.clone();
        let mut rest = segments;
        match segments.first()?.as_str() {
            // The binary names the library by its name.
            "crate" | "auditq" => (base, rest) = (Vec::new(), &segments[1..]),
            "self" => rest = &segments[1..],
            "super" => {
                while let Some(("super", above)) = rest.split_first().map(|(first, rest)| (first.as_str(), rest)) {
                    base.pop()?;
                    rest = above;
                }
            }
            name => {
                let mut module = base.clone();
                module.push(name.to_owned());
                if !self.files.contains_key(&module) {
                    return None;
                }
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The module and the file that define what a path names: behind every `pub use` on its way.
    fn file(&self, mut path: Vec<String>) -> Option<(Module, &'a str)> {
        // No chain of `pub use` is that long: what is longer goes round.
        for _ in 0..16 {
            let len = (0..=path.len())
                .rev()
                .find(|&len| self.files.contains_key(&path[..len]))?;
            let module = path[..len].to_vec();
            let passed_on = path
                .get(len)
                .and_then(|name| self.passed_on.get(&(module.clone(), name.clone())));
            let next = passed_on.and_then(|(from, segments)| self.absolute(from, segments));
            match next {
                Some(next) if next != path[..=len] => path = next.into_iter().chain(path.drain(len + 1..)).collect(),
                _ => {
                    let file = self.files.get(&module)?;
                    return Some((module, file));
                }
            }
        }
        None
    }
}

/// Everything in which program and page disagree, one line each.
pub(super) fn violations(program: &Program, page: &Page, dependencies: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    check_files(program, page, &mut found);
    check_imports(program, page, &mut found);
    check_crates(program, page, dependencies, &mut found);
    check_page_is_acyclic(page, &mut found);
    super::circles::check(program, page, &mut found);
    found
}

fn check_files(program: &Program, page: &Page, found: &mut Vec<String>) {
    // The root only says which modules there are.
    for file in program.files.iter().filter(|file| *file != "lib.rs") {
        if page.row_of(file).is_none() {
            found.push(format!("{file} is in no module of the page"));
        }
    }
    for module in page.rows.keys() {
        if !program.files.iter().any(|file| page.row_of(file) == Some(module)) {
            found.push(format!("the page has a module `{module}`, but no file is in it"));
        }
    }
}

fn check_imports(program: &Program, page: &Page, found: &mut Vec<String>) {
    let mut used = BTreeSet::new();
    for Import { from, line, to, .. } in &program.imports {
        let (Some(module), Some(other)) = (page.row_of(from), page.row_of(to)) else {
            continue;
        };
        used.insert((module, other));
        if module != other && !page.rows[module].imports.contains(other) {
            found.push(format!(
                "{from}:{line} imports {to}, but `{module}` may not import `{other}`"
            ));
        }
    }
    for (name, row) in &page.rows {
        for other in row
            .imports
            .iter()
            .filter(|other| !used.contains(&(name.as_str(), other.as_str())))
        {
            found.push(format!("the page lets `{name}` import `{other}`, but no file does"));
        }
    }
}

fn check_crates(program: &Program, page: &Page, dependencies: &BTreeSet<String>, found: &mut Vec<String>) {
    let mut used = BTreeSet::new();
    for Use { file, line, name } in &program.crates {
        let Some(module) = page.row_of(file) else {
            continue;
        };
        used.insert((module, name.as_str()));
        if !page.rows[module].crates.contains(name) {
            found.push(format!(
                "{file}:{line} names the crate {name}, but its home is not `{module}`"
            ));
        }
    }
    for (name, row) in &page.rows {
        for other in row
            .crates
            .iter()
            .filter(|other| !used.contains(&(name.as_str(), other.as_str())))
        {
            found.push(format!(
                "the page gives `{name}` the crate {other}, but no file there names it"
            ));
        }
    }
    for name in dependencies
        .iter()
        .filter(|name| !page.rows.values().any(|row| row.crates.contains(*name)))
    {
        found.push(format!(
            "the page gives no module the crate {name}, a dependency of Cargo.toml"
        ));
    }
}

/// Modules without a circle keep every circle of files within one of them.
fn check_page_is_acyclic(page: &Page, found: &mut Vec<String>) {
    let mut left: BTreeMap<&str, &BTreeSet<String>> = page
        .rows
        .iter()
        .map(|(name, row)| (name.as_str(), &row.imports))
        .collect();
    loop {
        let free = |imports: &BTreeSet<String>| !imports.iter().any(|module| left.contains_key(module.as_str()));
        let next: Vec<&str> = left
            .iter()
            .filter(|(_, imports)| free(imports))
            .map(|(&name, _)| name)
            .collect();
        if next.is_empty() {
            break;
        }
        left.retain(|name, _| !next.contains(name));
    }
    if !left.is_empty() {
        let names: Vec<&str> = left.into_keys().collect();
        found.push(format!(
            "the page's modules import each other in a circle, or lead to one: {}",
            names.join(", ")
        ));
    }
}
