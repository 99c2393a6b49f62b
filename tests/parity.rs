//! The baseline is the model: whatever the log and whatever the request, both engines say the same.

use auditq::engine::{Engine, Lifetime};
use auditq::model::{Filter, Key, Position, Query};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::harness::{Log, NewEvent, answer};

/// Times that collide often, and the ends of what there can be.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..20_i64, 1 => select(vec![i64::MIN, i64::MIN + 1, -1, i64::MAX - 1, i64::MAX])]
}

fn actor() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..3_i64, 2 => 0..500_i64, 1 => select(vec![i64::MIN, -1, i64::MAX])]
}

fn name() -> impl Strategy<Value = String> {
    let names = [
        "", "A", "AB", "B", "a", "\0", "A\0", "ä", "\u{202e}", "🦀", "'; --", "A ",
    ];
    prop_oneof![6 => select(names.map(str::to_owned).to_vec()), 1 => "\\PC{0,300}"]
}

/// Events with ids that have gaps and need not rise with time.
fn events() -> impl Strategy<Value = Vec<NewEvent>> {
    let event = (time(), actor(), name(), name(), name(), 1..5_i64);
    (vec(event, 0..120), select(vec![i64::MIN, -7, 0, 1, i64::MAX - 600])).prop_map(|(events, first)| {
        let mut id = first;
        let mut event = |(created_at, actor_id, action, resource_type, resource_id, gap)| {
            id += gap;
            NewEvent {
                id,
                created_at,
                actor_id,
                action,
                resource_type,
                resource_id,
            }
        };
        events.into_iter().map(&mut event).collect()
    })
}

fn query() -> impl Strategy<Value = Query> {
    let end = || prop_oneof![2 => time(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let key = || {
        (time(), prop_oneof![-10..600_i64, Just(i64::MIN), Just(i64::MAX)])
            .prop_map(|(created_at, id)| Key { created_at, id })
    };
    let filter = (end(), end(), option::of(actor()), option::of(name()), option::of(key())).prop_map(
        |(from_ts, to_ts, actor_id, action, as_of)| Filter {
            from_ts,
            to_ts,
            actor_id,
            action,
            as_of,
        },
    );
    let place = prop_oneof![
        4 => (1..12_u64).prop_map(Position::Page),
        1 => Just(Position::Page(u64::try_from(i64::MAX).unwrap() / 10_000)),
        3 => key().prop_map(Position::After),
    ];
    let size = prop_oneof![5 => 1..30_u64, 1 => Just(10_000)];
    (filter, place, size).prop_map(|(filter, place, size)| Query::new(filter, place, size).unwrap())
}

/// Every event that matches, one by one, and how many.
fn everything(engine: &dyn Engine, filter: &Filter) -> (String, u64) {
    let mut all = String::new();
    let mut add = |page: &auditq::model::Page| {
        page.events().for_each(|event| all.push_str(&format!("{event:?}\n")));
        Ok(())
    };
    engine.all(filter, &mut add).unwrap();
    (all, engine.count(filter).unwrap())
}

fn same(log: &Log, enhanced: &dyn Engine, queries: &[Query]) {
    let baseline = log.baseline();
    for query in queries {
        let expected = answer(&baseline, query);
        assert!(expected.is_ok(), "{expected:?}");
        assert_eq!(answer(enhanced, query), expected, "{query:?}");
    }
    for query in queries.iter().take(3) {
        assert_eq!(
            everything(enhanced, query.filter()),
            everything(&baseline, query.filter()),
            "{query:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_an_index(events in events(), queries in vec(query(), 40)) {
        let log = Log::new(&events);
        let enhanced = log.enhanced(Lifetime::OneShot);
        enhanced.maintain(&|_, _| {}).unwrap();
        prop_assert!(log.path("audit.idx").exists());
        same(&log, &enhanced, &queries);
        // A new process finds the file.
        same(&log, &log.enhanced(Lifetime::OneShot), &queries);
    }

    #[test]
    fn without_an_index(events in events(), queries in vec(query(), 40)) {
        let log = Log::new(&events);
        for query in &queries {
            // A page asks for no index before it is answered.
            let expected = answer(&log.baseline(), query);
            prop_assert_eq!(answer(&log.enhanced(Lifetime::OneShot), query), expected, "{:?}", query);
        }
        prop_assert!(!log.path("audit.idx").exists());
    }

    #[test]
    fn with_a_stale_index(events in events(), queries in vec(query(), 40)) {
        let log = Log::new(&events);
        let enhanced = log.enhanced(Lifetime::OneShot);
        enhanced.maintain(&|_, _| {}).unwrap();
        log.sql(
            "UPDATE audit_events SET created_at = created_at / 2, actor_id = 1 WHERE id % 3 = 0;
             DELETE FROM audit_events WHERE id % 5 = 0;
             INSERT INTO audit_events (id, created_at, actor_id, action, resource_type, resource_id,
                                       payload_offset, payload_len)
             SELECT 0, 5, actor_id, 'A', resource_type, resource_id, payload_offset, payload_len
             FROM audit_events WHERE id <> 0 AND NOT EXISTS (SELECT 1 FROM audit_events WHERE id = 0) LIMIT 1",
        );
        same(&log, &enhanced, &queries);
        same(&log, &log.enhanced(Lifetime::OneShot), &queries);
    }
}
