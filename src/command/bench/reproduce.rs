//! Words for a POSIX shell.

use crate::escape::escape_for_terminal;
use crate::model::Query;
use crate::output::jsonl;
use crate::storage::data_dir::DataDir;

/// What asks one engine for one request. It goes through a batch, which can hold every request there is.
pub(super) fn command_line(dir: &DataDir, mode: &str, query: &Query) -> String {
    let mut request = Vec::new();
    jsonl::request(&mut request, query);
    let request = quoted(&String::from_utf8_lossy(&request));
    let dir = quoted(&dir.root().to_string_lossy());
    format!("printf '%s\\n' {request} | auditq --data-dir {dir} query --mode {mode} --batch -")
}

/// One word: bare where nothing in it means anything to a shell, in single quotes where not.
pub(super) fn quoted(word: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_bare) {
        return word.to_owned();
    }
    format!("'{}'", escape_for_terminal(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{Filter, Position};

    #[test]
    fn a_request_is_quoted_whole() {
        let filter = Filter {
            action: Some("it's".to_owned()),
            ..Filter::ALL
        };
        let query = Query::new(
            Filter {
                from_ts: 0,
                to_ts: 9,
                ..filter
            },
            Position::Page(3),
            20,
        )
        .unwrap();
        let expected = r#"printf '%s\n' '{"from_ts": 0, "to_ts": 9, "actor_id": null, "action": "it'\''s", "page": 3, "page_size": 20}' | auditq --data-dir 'my data' query --mode enhanced --batch -"#;
        assert_eq!(
            command_line(&DataDir::new(Path::new("my data")), "enhanced", &query),
            expected
        );
    }

    #[test]
    fn plain_words_stay_bare() {
        assert_eq!(
            [quoted("--rounds=5"), quoted(""), quoted("a b\n")],
            ["--rounds=5", "''", r"'a b\u{a}'"]
        );
    }
}
