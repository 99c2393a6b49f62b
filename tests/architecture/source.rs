//! Which paths a source file names: read from its tokens, so that comments and strings name nothing and what
//! stands inside a macro counts.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path from the crate's root; the root itself is empty.
pub(super) type Module = Vec<String>;

/// A path that a file names, as it is written but for `self` and `super`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    /// The module it is written in: an inline module where there is one.
    pub(super) from: Module,
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// The name under which `pub use` passes it on.
    pub(super) passed_on_as: Option<String>,
}

/// One file of `src`, without what only tests see.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) module: Module,
    pub(super) references: Vec<Reference>,
    /// Modules in files of their own that only tests or fuzzers see.
    pub(super) test_modules: Vec<Module>,
}

impl Source {
    /// Reads a file; `path` is relative to `src`, with `/`.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("{path}: {error}"))?;
        let mut source = Source {
            path: path.to_owned(),
            module: module_of(path),
            references: Vec::new(),
            test_modules: Vec::new(),
        };
        let module = source.module.clone();
        source.read(tokens, &module);
        Ok(source)
    }

    fn read(&mut self, tokens: TokenStream, module: &Module) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.read_one(&tokens, at, module);
        }
    }

    /// Reads what begins at a token; returns where the next thing begins.
    fn read_one(&mut self, tokens: &[TokenTree], at: usize, module: &Module) -> usize {
        if is_test_attribute(tokens, at) {
            return self.skip_item(tokens, at + 2, module);
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                self.read(group.stream(), module);
                at + 1
            }
            TokenTree::Ident(ident) if ident == "use" && !is_punct(tokens, at + 1, '<') => {
                let end = (at..tokens.len())
                    .find(|&end| is_punct(tokens, end, ';'))
                    .unwrap_or(tokens.len());
                let public = is_public(&tokens[..at]);
                self.read_use(&tokens[at + 1..end], module, &[], public);
                end
            }
            TokenTree::Ident(ident) if ident == "mod" => match (name(tokens, at + 1), tokens.get(at + 2)) {
                (Some(name), Some(TokenTree::Group(body))) => {
                    self.read(body.stream(), &child(module, &name));
                    at + 3
                }
                _ => at + 1,
            },
            TokenTree::Ident(_) => self.read_path(tokens, at, module),
            _ => at + 1,
        }
    }

    /// `a::b::c` anywhere but in a `use`.
    fn read_path(&mut self, tokens: &[TokenTree], at: usize, module: &Module) -> usize {
        let mut segments = Vec::new();
        let mut next = at;
        while let Some(segment) = name(tokens, next) {
            segments.push(segment);
            next += 1;
            if !is_path_separator(tokens, next) {
                break;
            }
            next += 2;
        }
        let continues = at >= 2 && is_path_separator(tokens, at - 2);
        if segments.len() > 1 && !continues {
            self.note(module, segments, line(&tokens[at]), None);
        }
        next
    }

    /// The tree of one `use`, without the word and the semicolon.
    fn read_use(&mut self, tokens: &[TokenTree], module: &Module, prefix: &[String], public: bool) {
        let mut segments = prefix.to_vec();
        let mut passed_on_as = None;
        let mut first_line = 0;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            first_line = first_line.max(line(token));
            match token {
                TokenTree::Group(group) => {
                    let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in branches.split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ',')) {
                        self.read_use(branch, module, &segments, public);
                    }
                    return;
                }
                TokenTree::Ident(ident) if ident == "as" => {
                    passed_on_as = name(tokens, at + 1);
                    break;
                }
                // At the end of a branch it is the prefix itself.
                TokenTree::Ident(ident) if ident == "self" && !prefix.is_empty() => {}
                TokenTree::Ident(ident) => segments.push(ident.to_string()),
                _ => {}
            }
            at += 1;
        }
        if first_line > 0 {
            let passed_on_as = passed_on_as.or_else(|| segments.last().cloned()).filter(|_| public);
            self.note(module, segments, first_line, passed_on_as);
        }
    }

    fn note(&mut self, module: &Module, segments: Vec<String>, line: usize, passed_on_as: Option<String>) {
        let from = module.clone();
        self.references.push(Reference {
            from,
            segments,
            line,
            passed_on_as,
        });
    }

    /// Passes over the item behind `#[cfg(test)]`; a comma ends a field, a variant or an argument.
    fn skip_item(&mut self, tokens: &[TokenTree], from: usize, module: &Module) -> usize {
        let mut has_generics = false;
        for at in from..tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(ident) if ident == "mod" && is_punct(tokens, at + 2, ';') => {
                    self.test_modules
                        .extend(name(tokens, at + 1).map(|name| child(module, &name)));
                }
                TokenTree::Ident(ident) => {
                    has_generics |= ["fn", "impl", "struct", "enum", "trait", "type"]
                        .iter()
                        .any(|word| ident == word);
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return at + 1,
                TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
                TokenTree::Punct(punct) if punct.as_char() == ',' && !has_generics => return at + 1,
                _ => {}
            }
        }
        tokens.len()
    }
}

/// `command/diff/mod.rs` is `command::diff`, `lib.rs` is the root; `main.rs` is a crate of its own.
pub(super) fn module_of(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" => Vec::new(),
        _ => path.split('/').map(str::to_owned).collect(),
    }
}

pub(super) fn child(module: &Module, name: &str) -> Module {
    let mut path = module.clone();
    path.push(name.to_owned());
    path
}

/// Whether an attribute says that what follows is for tests or fuzzers only.
fn is_test_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let Some(TokenTree::Group(group)) = tokens.get(at + 1) else {
        return false;
    };
    if !is_punct(tokens, at, '#') || group.delimiter() != Delimiter::Bracket {
        return false;
    }
    let text: String = group.stream().to_string().split_whitespace().collect();
    text == "test"
        || text.starts_with("cfg(")
            && !text.contains("not(")
            && ["(test)", "(test,", "\"fuzzing\"", "fuzzing)"]
                .iter()
                .any(|word| text.contains(word))
}

/// Whether the item whose keyword comes next is seen outside its module.
fn is_public(before: &[TokenTree]) -> bool {
    let before = match before {
        [rest @ .., TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => rest,
        _ => before,
    };
    matches!(before, [.., TokenTree::Ident(ident)] if ident == "pub")
}

fn is_punct(tokens: &[TokenTree], at: usize, wanted: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn name(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}
