//! Where in the log the page on the terminal lies, and what follows it.

use super::why_empty;
use crate::engine::Overview;
use crate::model::{Filter, Key, Position, Query};
use crate::output::units::whole;

/// A page that was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// How many events it holds.
    pub(super) events: u64,
    /// The cursor of the page that follows; `None` where it holds no event.
    pub(super) last: Option<Key>,
}

/// What to say of the page, a part each: how many match is said only where that is known already.
pub(super) fn describe(query: &Query, shown: Shown, overview: Option<&Overview>) -> Vec<String> {
    let matching = overview.and_then(|overview| overview.count(query.filter()));
    let Some(last) = shown.last else {
        return empty(query, matching, overview);
    };
    let mut parts = match query.position() {
        Position::Page(page) => numbered(query, page, shown.events, last, matching),
        Position::After(after) => behind(query, after, shown.events, last, matching),
    };
    if let Some(pin) = query.filter().as_of {
        parts.insert(1, format!("as of {pin}"));
    }
    parts
}

/// What to say where every matching event was asked for, or counted, and there is none.
pub(super) fn describe_none(filter: &Filter, overview: Option<&Overview>) -> Vec<String> {
    vec![why_empty::reason(filter, overview)]
}

fn numbered(query: &Query, page: u64, events: u64, last: Key, matching: Option<u64>) -> Vec<String> {
    let size = u64::from(query.page_size());
    let (first, end) = (query.offset() + 1, query.offset() + events);
    // The log may have changed since the page was read.
    let matching = matching.filter(|&matching| matching >= end);
    let mut parts = match matching {
        Some(matching) => vec![format!("{} of {}", range(first, end), number(matching))],
        None => vec![range(first, end)],
    };
    match matching.map(|matching| matching.div_ceil(size)) {
        Some(1) => {}
        Some(pages) => parts.push(format!("page {} of {}", number(page), number(pages))),
        None => parts.push(format!("page {}", number(page))),
    }
    let has_more = matching.map_or(events == size, |matching| end < matching);
    let next = format!("next: --page {}, or --after {last}", page.saturating_add(1));
    parts.push(if has_more { next } else { "the end".to_owned() });
    parts
}

fn behind(query: &Query, after: Key, events: u64, last: Key, matching: Option<u64>) -> Vec<String> {
    let mut parts = vec![format!("{} after {after}", counted(events))];
    parts.extend(matching.map(|matching| format!("{} in all", number(matching))));
    let is_full = events == u64::from(query.page_size());
    let next = format!("next: --after {last}");
    parts.push(if is_full { next } else { "the end".to_owned() });
    parts
}

fn empty(query: &Query, matching: Option<u64>, overview: Option<&Overview>) -> Vec<String> {
    match (query.position(), matching) {
        (_, Some(0)) | (Position::Page(1), None) => vec![why_empty::reason(query.filter(), overview)],
        (Position::Page(page), Some(matching)) => {
            let pages = matching.div_ceil(query.page_size().into());
            let so_many = if matching == 1 { "event matches" } else { "events match" };
            vec![
                format!("page {} is past the end: {} {so_many}", number(page), number(matching)),
                format!("last: --page {pages}"),
            ]
        }
        (Position::Page(page), None) => vec![
            format!("page {} is past the end", number(page)),
            "--count says how many events match".to_owned(),
        ],
        (Position::After(after), Some(matching)) => {
            vec![
                format!("no event is left after {after}"),
                format!("{} in all", number(matching)),
            ]
        }
        (Position::After(after), None) => vec![format!("no event is left after {after}")],
    }
}

fn range(first: u64, end: u64) -> String {
    if first == end {
        format!("event {}", number(first))
    } else {
        format!("events {} to {}", number(first), number(end))
    }
}

fn counted(events: u64) -> String {
    match events {
        1 => "1 event".to_owned(),
        _ => format!("{} events", number(events)),
    }
}

fn number(number: u64) -> String {
    whole(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(position: Position) -> Query {
        Query::new(Filter::ALL, position, 20).unwrap()
    }

    const LAST: Key = Key {
        created_at: 1_767_046_004,
        id: 35_470,
    };

    fn of_page(page: u64, events: u64, matching: Option<u64>) -> String {
        let query = query(Position::Page(page));
        numbered(&query, page, events, LAST, matching).join(" · ")
    }

    #[test]
    fn a_page_is_placed_among_the_matching_events() {
        assert_eq!(
            of_page(7, 20, Some(50_000)),
            "events 121 to 140 of 50,000 · page 7 of 2,500 · next: --page 8, or --after 1767046004:35470"
        );
        assert_eq!(
            of_page(2_500, 20, Some(50_000)),
            "events 49,981 to 50,000 of 50,000 · page 2,500 of 2,500 · the end"
        );
        assert_eq!(of_page(1, 3, Some(3)), "events 1 to 3 of 3 · the end");
        assert_eq!(of_page(2, 1, Some(21)), "event 21 of 21 · page 2 of 2 · the end");
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(
            of_page(7, 20, None),
            "events 121 to 140 · page 7 · next: --page 8, or --after 1767046004:35470"
        );
        assert_eq!(of_page(7, 19, None), "events 121 to 139 · page 7 · the end");
        // Events were removed behind the page.
        assert_eq!(of_page(7, 19, Some(3)), "events 121 to 139 · page 7 · the end");
    }

    #[test]
    fn behind_a_cursor_no_page_has_a_number() {
        let after = Key { created_at: 5, id: 1 };
        let query = query(Position::After(after));
        assert_eq!(
            behind(&query, after, 20, LAST, Some(1_000)).join(" · "),
            "20 events after 5:1 · 1,000 in all · next: --after 1767046004:35470"
        );
        assert_eq!(
            behind(&query, after, 1, LAST, None).join(" · "),
            "1 event after 5:1 · the end"
        );
    }

    #[test]
    fn an_empty_page_says_how_many_there_are() {
        let said = |position, matching| empty(&query(position), matching, None).join(" · ");
        assert_eq!(
            said(Position::Page(9_999), Some(50_000)),
            "page 9,999 is past the end: 50,000 events match · last: --page 2500"
        );
        assert_eq!(
            said(Position::Page(2), Some(1)),
            "page 2 is past the end: 1 event matches · last: --page 1"
        );
        assert_eq!(
            said(Position::Page(9_999), None),
            "page 9,999 is past the end · --count says how many events match"
        );
        assert_eq!(
            said(Position::After(LAST), Some(7)),
            "no event is left after 1767046004:35470 · 7 in all"
        );
    }
}
