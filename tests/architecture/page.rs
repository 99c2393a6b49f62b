//! What `docs/architecture.md` allows: read from its table, so that page and test cannot disagree.

use std::collections::{BTreeMap, BTreeSet};

/// The words above the table and the list that are read.
const HEADER: [&str; 4] = ["module", "what it is for", "may import", "crates"];
const CIRCLES: &str = "### Circles of a module and its children";

/// What one module of the table may name.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) imports: BTreeSet<String>,
    pub(super) crates: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Page {
    /// By path below `src`, without an ending.
    pub(super) rows: BTreeMap<String, Row>,
    /// Modules that may stand in an import circle with their own children.
    pub(super) circles: BTreeSet<String>,
}

impl Page {
    /// Reads the page; an error says what it lacks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let header = lines.by_ref().find(|line| cells(line) == HEADER);
        header.ok_or_else(|| format!("the page has no table with the columns {HEADER:?}"))?;
        let mut rows = BTreeMap::new();
        for line in lines.by_ref().skip(1).take_while(|line| line.starts_with('|')) {
            let [names, _, imports, crates] = cells(line)[..] else {
                return Err(format!("not four columns: {line}"));
            };
            for name in quoted(names) {
                let row = Row {
                    imports: quoted(imports),
                    crates: quoted(crates),
                };
                if rows.insert(name.clone(), row).is_some() {
                    return Err(format!("`{name}` has two rows"));
                }
            }
        }
        let section = text.lines().skip_while(|&line| line != CIRCLES).skip(1);
        let bullets = section
            .take_while(|line| !line.starts_with('#'))
            .filter(|line| line.starts_with("- "));
        let circles = bullets.filter_map(first_quoted).collect();
        Ok(Page { rows, circles })
    }

    /// The row of a file: that with the longest path that is its own or a folder's above it.
    pub(super) fn row_of(&self, file: &str) -> Option<&str> {
        let path = file.strip_suffix(".rs").unwrap_or(file);
        let is_in = |name: &str| {
            path.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let rows = self.rows.keys().filter(|name| is_in(name));
        rows.max_by_key(|name| name.len()).map(String::as_str)
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// Every word between backticks.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn first_quoted(line: &str) -> Option<String> {
    line.split('`').nth(1).map(str::to_owned)
}
