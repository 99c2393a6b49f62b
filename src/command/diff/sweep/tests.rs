use super::*;
use crate::model::{Filter, Key, Page, PayloadRef, Position, Query, Row};
use crate::progress::Progress;

/// A log that can only be read as a whole.
struct Log(Vec<(Key, i64, &'static str)>);

impl Log {
    /// Every second event shares its second with the one before.
    fn of(events: i64) -> Self {
        let actions = ["LOGIN", "UPDATE", "DELETE"];
        let event = |id: i64| {
            let created_at = 1_000 + id / 2 * 3;
            (Key { created_at, id }, id % 7, actions[id as usize % 3])
        };
        Log((1..=events).rev().map(event).collect())
    }
}

impl Engine for Log {
    fn page(&self, _: &Query, _: &mut Page) -> Result<()> {
        unreachable!("a sweep is made from the whole")
    }

    fn count(&self, _: &Filter) -> Result<u64> {
        unreachable!("a sweep is made from the whole")
    }

    fn all(&self, _: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        for (key, actor_id, action) in &self.0 {
            let mut page = Page::default();
            let row = Row {
                id: key.id,
                created_at: key.created_at,
                actor_id: *actor_id,
                action,
                resource_type: "",
                resource_id: "",
                payload_ref: PayloadRef { offset: 0, len: 0 },
            };
            page.push(&row, b"");
            sink(&page)?;
        }
        Ok(())
    }

    fn maintain(&self, _: Progress<'_>) -> Result<()> {
        Ok(())
    }
}

fn requests(events: i64) -> Vec<Request> {
    make(&Log::of(events), None).unwrap().requests
}

fn page(filter: Filter, number: u64, size: u64) -> Request {
    Request::Page(Query::new(filter, Position::Page(number), size).unwrap())
}

fn after(created_at: i64, id: i64) -> impl Fn(&Request) -> bool {
    let place = Position::After(Key { created_at, id });
    move |request| matches!(request, Request::Page(query) if *query.filter() == Filter::ALL && query.position() == place)
}

fn window(from_ts: i64, to_ts: i64) -> Filter {
    Filter {
        from_ts,
        to_ts,
        ..Filter::ALL
    }
}

#[test]
fn the_same_log_gives_the_same_requests_and_none_twice() {
    let first = requests(500);
    assert_eq!(first, requests(500));
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), first.len());
    assert!(make(&Log::of(500), None).unwrap().subsampled.is_empty());
}

#[test]
fn every_page_of_every_size_is_there_and_the_first_empty_one() {
    let requests: HashSet<_> = requests(105).into_iter().collect();
    for (size, pages) in [(10, 11), (20, 6), (50, 3)] {
        for number in 1..=pages + 1 {
            assert!(requests.contains(&page(Filter::ALL, number, size)), "{number} {size}");
        }
    }
    assert!(requests.contains(&page(Filter::ALL, i64::MAX as u64 / 50 + 1, 50)));
}

#[test]
fn each_action_and_every_actor_is_there() {
    let requests: HashSet<_> = requests(105).into_iter().collect();
    for action in ["LOGIN", "UPDATE", "DELETE"] {
        let filter = Filter {
            action: Some(action.to_owned()),
            ..Filter::ALL
        };
        // 35 events: a full page, a partial one, an empty one.
        for number in 1..=3 {
            assert!(requests.contains(&page(filter.clone(), number, 20)));
        }
        assert!(requests.contains(&Request::Count(filter.clone())) && requests.contains(&Request::All(filter)));
    }
    for actor in 0..7 {
        let filter = Filter {
            actor_id: Some(actor),
            ..Filter::ALL
        };
        assert!(requests.contains(&page(filter.clone(), 1, 50)) && requests.contains(&Request::Count(filter)));
    }
}

#[test]
fn windows_end_on_events_on_ties_between_and_beyond() {
    // Ids 1 to 105: the oldest second is 1000, the newest 1156, ties are three seconds apart.
    let requests: HashSet<_> = requests(105).into_iter().collect();
    for filter in [
        Filter::ALL,
        window(0, 1_767_052_800),
        window(1_000, 1_000),
        window(1_156, 1_156),
        window(1_154, 1_155),
        window(1_157, i64::MAX),
        window(i64::MIN, 999),
        window(i64::MAX, i64::MIN),
        window(1_156, 1_155),
    ] {
        assert!(requests.contains(&page(filter.clone(), 1, 20)), "{filter:?}");
        assert!(requests.contains(&Request::Count(filter)));
    }
}

#[test]
fn cursors_stand_on_and_beside_the_ends_and_ties() {
    let requests = requests(105);
    for (created_at, id) in [
        (1_156, 105),
        (1_156, 104),
        (1_156, 103),
        (1_000, 1),
        (1_000, 0),
        (1_000, i64::MIN),
        (999, i64::MAX),
        (1_157, i64::MIN),
        (i64::MIN, i64::MIN),
        (i64::MAX, i64::MAX),
    ] {
        assert!(requests.iter().any(after(created_at, id)), "{created_at}:{id}");
    }
}

#[test]
fn an_empty_log_has_requests_too() {
    let sweep = make(&Log(Vec::new()), None).unwrap();
    assert!(sweep.requests.len() > 50 && sweep.subsampled.is_empty());
    assert!(sweep.requests.contains(&page(Filter::ALL, 1, 10)));
}

#[test]
fn what_is_left_out_is_said() {
    let whole = requests(500).len();
    let sweep = make(&Log::of(500), Some(40)).unwrap();
    let [part] = &sweep.subsampled[..] else {
        panic!("{:?}", sweep.subsampled)
    };
    assert_eq!((sweep.requests.len(), part.kept, part.of), (40, 40, whole));
    assert!(make(&Log::of(500), Some(whole)).unwrap().subsampled.is_empty());
    assert!(make(&Log::of(500), Some(0)).unwrap().requests.is_empty());
}

#[test]
fn a_larger_log_is_thinned_out_to_the_budget() {
    let profile = LogProfile::of(&Log::of(30_000)).unwrap();
    let requests: Vec<_> = (1..=3_000)
        .filter_map(|number| pages::page(&Filter::ALL, number, 10))
        .collect();
    let all = budget::fit_budget(&profile, &requests, 60);
    assert_eq!(all, requests.len());
    let some = budget::fit_budget(&profile, &requests, 1);
    assert!((100..2_000).contains(&some), "{some}");
    assert_eq!(budget::fit_budget(&profile, &requests, 0), 2);
}
