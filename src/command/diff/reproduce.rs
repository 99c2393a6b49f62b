//! A request as a command line for a POSIX shell.

use std::fmt::Write;

use super::request::Request;
use crate::command::reproduce::{batch, program};
use crate::model::epoch::second_text;
use crate::model::{Filter, Position, Query};
use crate::shell::{is_safe, quote};
use crate::storage::data_dir::DataDir;

/// The same request in both modes.
pub(super) fn command_lines(dir: &DataDir, request: &Request) -> [String; 2] {
    ["baseline", "enhanced"].map(|mode| command_line(dir, mode, request))
}

fn command_line(dir: &DataDir, mode: &str, request: &Request) -> String {
    let program = || program(dir, mode);
    match request {
        // An action that no argument can hold, or no terminal should show, goes through a batch.
        Request::Page(query) if !query.filter().action.as_deref().is_none_or(is_safe) => batch(dir, mode, query),
        Request::Page(query) => program() + &conditions(query.filter()) + &place(query),
        Request::Count(filter) => program() + &conditions(filter) + " --count",
        Request::All(filter) => program() + &conditions(filter) + " --all",
    }
}

fn conditions(filter: &Filter) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    if filter.from_ts != Filter::ALL.from_ts {
        let _ = write!(text, " --from={}", second_text(filter.from_ts));
    }
    if filter.to_ts != Filter::ALL.to_ts {
        let _ = write!(text, " --to={}", second_text(filter.to_ts));
    }
    if let Some(as_of) = filter.as_of {
        let _ = write!(text, " --as-of={as_of}");
    }
    if let Some(actor_id) = filter.actor_id {
        let _ = write!(text, " --actor={actor_id}");
    }
    if let Some(action) = &filter.action {
        let _ = write!(text, " --action={}", quote(action));
    }
    text
}

fn place(query: &Query) -> String {
    let size = query.page_size();
    match query.position() {
        Position::Page(page) => format!(" --page={page} --size={size}"),
        Position::After(key) => format!(" --after={key} --size={size}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::Key;

    fn baseline(request: &Request) -> String {
        let [baseline, enhanced] = command_lines(&DataDir::new(Path::new("my data")), request);
        assert_eq!(enhanced, baseline.replace("--mode baseline", "--mode enhanced"));
        baseline
    }

    fn acted(action: &str) -> Filter {
        Filter {
            action: Some(action.to_owned()),
            ..Filter::ALL
        }
    }

    #[test]
    fn a_page_has_every_condition() {
        let filter = Filter {
            from_ts: -5,
            to_ts: 9,
            actor_id: Some(-1),
            action: Some("it's".to_owned()),
            as_of: None,
        };
        let query = Query::new(filter, Position::Page(3), 20).unwrap();
        assert_eq!(
            baseline(&Request::Page(query)),
            r"auditq --data-dir 'my data' query --mode baseline --from=-5 --to=9 --actor=-1 --action='it'\''s' --page=3 --size=20"
        );
    }

    #[test]
    fn a_keyset_page_has_its_cursor() {
        let after = Position::After(Key { created_at: -1, id: 7 });
        let query = Query::new(Filter::ALL, after, 10).unwrap();
        assert!(baseline(&Request::Page(query)).ends_with("--mode baseline --after=-1:7 --size=10"));
    }

    #[test]
    fn what_no_argument_can_hold_goes_through_a_batch() {
        let query = Query::new(acted("a\0'"), Position::Page(1), 10).unwrap();
        let line = baseline(&Request::Page(query));
        assert!(line.starts_with("printf '%s\\n' '{\"from_ts\": "), "{line}");
        assert!(line.contains(r#""action": "a\u0000'\''", "page": 1"#), "{line}");
        assert!(
            line.ends_with("| auditq --data-dir 'my data' query --mode baseline --batch -"),
            "{line}"
        );
    }

    #[test]
    fn counts_and_all_have_no_page() {
        assert!(baseline(&Request::Count(acted(""))).ends_with("--mode baseline --action='' --count"));
        assert!(baseline(&Request::All(acted("\u{1b}é'"))).ends_with(r"--action=$'\033\303\251\'' --all"));
        assert!(baseline(&Request::All(acted("LOGIN"))).ends_with("--mode baseline --action=LOGIN --all"));
    }
}
