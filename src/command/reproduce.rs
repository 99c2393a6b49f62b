//! A request as a command line that makes it again.

use std::path::Path;

use crate::model::Query;
use crate::output::jsonl;
use crate::shell::quote;
use crate::storage::data_dir::DataDir;

/// `auditq query` on the log in `dir`, without a request.
pub(super) fn program(dir: &DataDir, mode: &str) -> String {
    let root = dir.root();
    // What begins with a dash would be read as an option.
    let is_like_option = root.as_os_str().as_encoded_bytes().starts_with(b"-");
    let root = if is_like_option {
        Path::new(".").join(root)
    } else {
        root.to_owned()
    };
    format!("auditq --data-dir {} query --mode {mode}", quote(root))
}

/// A page through a batch, whose JSON can hold every request there is, in ASCII.
pub(super) fn batch(dir: &DataDir, mode: &str, query: &Query) -> String {
    let mut request = Vec::new();
    jsonl::request(&mut request, query);
    let request = quote(&*String::from_utf8_lossy(&request));
    format!("printf '%s\\n' {request} | {} --batch -", program(dir, mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Filter, Position};

    #[test]
    fn a_request_is_quoted_whole() {
        let filter = Filter {
            from_ts: 0,
            to_ts: 9,
            actor_id: None,
            action: Some("it's".to_owned()),
            as_of: None,
        };
        let query = Query::new(filter, Position::Page(3), 20).unwrap();
        let expected = r#"printf '%s\n' '{"from_ts": 0, "to_ts": 9, "actor_id": null, "action": "it'\''s", "page": 3, "page_size": 20}' | auditq --data-dir 'my data' query --mode enhanced --batch -"#;
        assert_eq!(batch(&DataDir::new(Path::new("my data")), "enhanced", &query), expected);
        let dashed = program(&DataDir::new(Path::new("-data")), "baseline");
        assert_eq!(dashed, "auditq --data-dir ./-data query --mode baseline");
    }
}
