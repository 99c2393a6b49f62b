use super::*;
use crate::engine::scratch_log::{EVENTS, ScratchLog, wait_until};
use crate::model::Position;
use crate::storage::fs::dir_lock::DirLock;

/// A page in the middle.
const DEEP: u64 = 250;

fn one_shot(log: &ScratchLog) -> Enhanced {
    log.enhanced(Lifetime::OneShot)
}

fn query(filter: &Filter, page: u64, size: u64) -> Query {
    Query::new(filter.clone(), Position::Page(page), size).unwrap()
}

fn of_actor(actor: i64) -> Filter {
    Filter {
        actor_id: Some(actor),
        ..Filter::ALL
    }
}

/// The ids of a page of the whole log.
fn page(engine: &Enhanced, number: u64, size: u64) -> Vec<i64> {
    let mut page = Page::default();
    engine.page(&query(&Filter::ALL, number, size), &mut page).unwrap();
    page.events().map(|event| event.id).collect()
}

fn all(engine: &Enhanced, filter: &Filter) -> Vec<i64> {
    let mut ids = Vec::new();
    let add = &mut |page: &Page| {
        ids.extend(page.events().map(|event| event.id));
        Ok(())
    };
    engine.all(filter, add).unwrap();
    ids
}

fn maintain(engine: &Enhanced) {
    engine.maintain(&|_, _| {}).unwrap();
}

/// Whether the log as it is now is known to be one that cannot be indexed.
fn is_refused(engine: &Enhanced) -> bool {
    engine.live.with_current(|state| state.index.is_err()).unwrap_or(false)
}

/// By frames or hashes, builds, folds and SQLite.
fn refreshes(engine: &Enhanced) -> [u64; 4] {
    let counts = engine.refreshes();
    [
        counts.by_frames + counts.by_hashes,
        counts.rebuilds,
        counts.folds,
        counts.by_sqlite,
    ]
}

/// A log with so many events that SQLite takes longer for a count than a refresh does.
fn slow_log() -> ScratchLog {
    let log = ScratchLog::with_index("DELETE");
    log.run("UPDATE audit_events SET id = id + 1000000000, created_at = created_at + 1000000000");
    log.append(60_000);
    let engine = one_shot(&log);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [1, 0, 1, 0], "{:?}", log.said());
    // The new base tells it all.
    std::fs::remove_file(log.dir.index_delta()).unwrap();
    log
}

#[test]
fn an_index_of_the_present_state_answers_everything() {
    let log = ScratchLog::with_index("DELETE");
    let engine = one_shot(&log);
    assert!(!engine.needs_build());
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    assert_eq!(page(&engine, 1_001, 3), [0; 0]);
    assert_eq!(engine.newest().unwrap().id, EVENTS as i64);
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    assert_eq!(all(&engine, &of_actor(3)).len(), 429);
    let overview = engine.overview().unwrap();
    assert_eq!(overview.span(), Some((1, EVENTS as i64)));
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0; 4]);

    log.run("DELETE FROM audit_events WHERE id = 3000");
    assert!(engine.overview().is_none(), "it knows of another state");
    log.run("DELETE FROM audit_events");
    let engine = one_shot(&log);
    assert_eq!(engine.newest().unwrap(), Key::MIN);
    assert_eq!(all(&engine, &Filter::ALL), [0; 0]);
}

#[test]
fn at_once_answers_only_an_index_of_the_present_state() {
    let log = ScratchLog::with_index("DELETE");
    let engine = one_shot(&log);
    let ask = |size: u64| {
        let mut page = Page::default();
        engine.page(&query(&Filter::ALL, 1, 7), &mut page).unwrap();
        let answer = engine.page_at_once(&query(&Filter::ALL, 2, size), &mut page);
        (answer.map(|answer| answer.is_ok()), page.len())
    };
    assert_eq!(ask(1), (Some(true), 1));
    assert_eq!(ask(100), (Some(true), 100));
    assert_eq!(ask(101), (None, 0), "others would wait too long");
    log.run("DELETE FROM audit_events WHERE id = 5");
    assert_eq!(ask(100), (None, 0), "a refresh is needed");
}

#[test]
fn who_asks_once_has_sqlite_answer_what_costs_it_less_than_a_refresh() {
    let log = ScratchLog::with_index("DELETE");
    log.run("DELETE FROM audit_events WHERE id = 3000");
    let engine = one_shot(&log);
    assert_eq!(page(&engine, 1, 3), [2_999, 2_998, 2_997]);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
    assert!(!log.dir.index_delta().exists(), "nothing was done for later");
    assert!(!engine.live.is_known());
}

#[test]
fn who_asks_once_has_a_refresh_that_costs_less_than_sqlite_and_leaves_it_to_others() {
    let log = slow_log();
    log.run("DELETE FROM audit_events WHERE id = 1000003000");
    let engine = one_shot(&log);
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
    assert!(!log.dir.index_delta().exists(), "its reader waits for the answer alone");
    maintain(&engine);
    assert!(log.dir.index_delta().exists());
    let next = one_shot(&log);
    assert!(next.live.is_known());
    assert_eq!(next.count(&of_actor(1)).unwrap(), 60_429);
    assert_eq!(refreshes(&next), [0; 4]);
    // It was done once: there is nothing left.
    std::fs::remove_file(log.dir.index_delta()).unwrap();
    maintain(&engine);
    assert!(!log.dir.index_delta().exists());
}

#[test]
fn who_asks_once_for_somebody_who_was_just_active_gets_sqlites_answer() {
    // All events of actor 3 lie at the front, which is a twentieth of the log.
    let log = slow_log();
    log.run("DELETE FROM audit_events WHERE id = 1000003000");
    let engine = one_shot(&log);
    let mut found = Page::default();
    engine.page(&query(&of_actor(3), 1, 100), &mut found).unwrap();
    assert_eq!(found.events().len(), 100);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
    // The rest of the window must be passed to know that there are no more.
    let engine = one_shot(&log);
    engine.page(&query(&of_actor(3), 5, 100), &mut found).unwrap();
    assert_eq!(found.events().len(), 29);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
}

#[test]
fn who_is_active_is_known_from_the_delta_too() {
    let log = slow_log();
    log.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO audit_events SELECT NULL, 2000000000, 9, 'NEW', 'T', 'R', 0, 2 FROM n",
    );
    let ask = || {
        let engine = one_shot(&log);
        let mut found = Page::default();
        engine.page(&query(&of_actor(9), 1, 100), &mut found).unwrap();
        assert_eq!(found.events().len(), 100);
        maintain(&engine);
        refreshes(&engine)
    };
    assert_eq!(ask(), [1, 0, 0, 0], "nobody knows of actor 9 so far");
    log.run("DELETE FROM audit_events WHERE id = 1000003000");
    assert_eq!(ask(), [0, 0, 0, 1]);
    // Whoever asks for what lies behind them goes on from what is known.
    let engine = one_shot(&log);
    assert_eq!(engine.count(&of_actor(9)).unwrap(), 200);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
}

#[test]
fn who_asks_once_folds_what_every_other_one_would_open() {
    let log = slow_log();
    log.append(4_096);
    let engine = one_shot(&log);
    assert_eq!(engine.count(&of_actor(1)).unwrap(), 64_525);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
    log.append(1);
    let engine = one_shot(&log);
    assert_eq!(engine.count(&of_actor(1)).unwrap(), 64_526);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [1, 0, 1, 0]);
    let next = one_shot(&log);
    assert_eq!(next.live.last_index().unwrap().delta().changes(), 0);
    assert!(next.live.is_known());
}

#[test]
fn who_asks_once_has_an_index_built_where_only_that_is_faster_than_sqlite() {
    let needs_build = "ALTER TABLE audit_events ADD COLUMN remark TEXT";
    // A page that SQLite finds in a third of the log is not worth it.
    let log = slow_log();
    log.run(needs_build);
    let engine = one_shot(&log);
    engine
        .page(&query(&of_actor(1), 921, 20), &mut Page::default())
        .unwrap();
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
    assert!(engine.needs_build());
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 1, 0, 1]);

    let log = slow_log();
    log.run(needs_build);
    let engine = one_shot(&log);
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
    assert!(one_shot(&log).live.is_known());

    // Where none can be kept, it would be gone with the process.
    let log = slow_log();
    log.run(needs_build);
    let engine = one_shot(&log);
    std::fs::remove_file(log.dir.index()).unwrap();
    std::fs::create_dir(log.dir.index()).unwrap();
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);

    // Nor where another process makes one.
    let log = slow_log();
    log.run(needs_build);
    let engine = one_shot(&log);
    let _lock = DirLock::try_acquire(log.dir.root()).unwrap();
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
}

#[test]
fn without_an_index_sqlite_answers_and_one_is_built_behind_the_answer() {
    let log = ScratchLog::new("DELETE");
    let engine = one_shot(&log);
    assert!(engine.needs_build() && engine.overview().is_none());
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
    assert!(!log.dir.index().exists());
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 1, 0, 1]);
    assert!(log.dir.index().exists() && !engine.needs_build());
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    assert_eq!(refreshes(&engine), [0, 1, 0, 1]);
}

#[test]
fn an_export_builds_the_index_first() {
    let log = ScratchLog::new("DELETE");
    let engine = one_shot(&log);
    let ids = all(&engine, &Filter::ALL);
    assert!(ids.iter().copied().eq((1..=EVENTS as i64).rev()));
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
    // What is known is not built again.
    assert_eq!(all(&engine, &of_actor(3)).len(), 429);
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
    // Nor is what a refresh is enough for.
    log.run("DELETE FROM audit_events WHERE id = 3000");
    assert_eq!(all(&engine, &Filter::ALL).len(), EVENTS as usize - 1);
    assert_eq!(refreshes(&engine), [1, 1, 0, 0]);
}

#[test]
fn the_front_of_a_large_log_is_not_worth_an_index() {
    let long_way = query(&Filter::ALL, 11, 91);
    let short_way = query(&Filter::ALL, 10, 100);
    for (size, asked, builds) in [
        (SMALL, &short_way, 1),
        (SMALL + 1, &short_way, 0),
        (SMALL + 1, &long_way, 1),
        (SMALL + 1, &query(&of_actor(3), 1, 9), 1),
    ] {
        let log = ScratchLog::new("DELETE");
        // SQLite does not read what lies behind the pages that its header tells of.
        let database = std::fs::File::options().write(true).open(log.dir.database()).unwrap();
        database.set_len(size).unwrap();
        let engine = one_shot(&log);
        engine.page(asked, &mut Page::default()).unwrap();
        maintain(&engine);
        assert_eq!(refreshes(&engine), [0, builds, 0, 1], "{asked:?} of {size} bytes");
    }
}

#[test]
fn why_no_index_is_kept_is_said_once_and_none_is_made_for_nobody() {
    let log = ScratchLog::new("DELETE");
    std::fs::create_dir(log.dir.index()).unwrap();
    let engine = one_shot(&log);
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    log.times_said("");
    maintain(&engine);
    assert_eq!(log.times_said("audit.idx is a directory"), 1);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);

    // Who has no answer yet gets one from memory.
    let engine = one_shot(&log);
    maintain(&engine);
    assert_eq!(log.times_said("the index lives in memory only"), 1);
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
}

#[test]
fn what_is_yet_to_be_asked_profits_from_a_refresh_and_what_was_answered_does_not() {
    let log = ScratchLog::with_index("DELETE");
    log.run("DELETE FROM audit_events WHERE id = 3000");
    let engine = one_shot(&log);
    assert!(!engine.needs_build());
    maintain(&engine);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
    assert_eq!(page(&engine, 1, 1), [2_999]);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
    assert!(one_shot(&log).live.is_known(), "it lies in the directory");
    // Where a refresh is not enough, it is a build.
    log.run("ALTER TABLE audit_events ADD COLUMN remark TEXT");
    let engine = one_shot(&log);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
}

#[test]
fn while_another_process_builds_only_who_has_no_answer_builds_in_memory() {
    let log = ScratchLog::new("DELETE");
    let _lock = DirLock::try_acquire(log.dir.root()).unwrap();
    let engine = one_shot(&log);
    assert_eq!(page(&engine, DEEP, 1), [2_751]);
    log.times_said("");
    maintain(&engine);
    assert_eq!(log.times_said("no index was made, so SQLite answers each time"), 1);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
    let engine = one_shot(&log);
    maintain(&engine);
    assert_eq!(log.times_said("the index lives in memory only"), 1);
    assert_eq!(refreshes(&engine), [0, 1, 0, 0]);
}

#[test]
fn a_corrupt_index_is_renewed_whatever_was_asked() {
    let log = ScratchLog::with_index("DELETE");
    std::fs::write(log.dir.index(), vec![7; 20_000]).unwrap();
    let database = std::fs::File::options().write(true).open(log.dir.database()).unwrap();
    database.set_len(SMALL + 1).unwrap();
    let engine = one_shot(&log);
    assert_eq!(page(&engine, 1, 1), [3_000]);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 1, 0, 1]);
    assert!(one_shot(&log).live.is_known());
}

/// Damages the block that the events' payload places lie in, which pages need and counts do not.
fn damage_events(log: &ScratchLog) {
    let mut file = std::fs::read(log.dir.index()).unwrap();
    let blocks = file.len() / 4096;
    // The checksums of all but the header: whatever is read next is refused.
    (1..blocks).for_each(|block| file[block * 4096 + 4095] ^= 1);
    std::fs::write(log.dir.index(), file).unwrap();
}

#[test]
fn an_answer_that_meets_a_corrupt_block_is_sqlites() {
    let log = ScratchLog::with_index("DELETE");
    damage_events(&log);
    let engine = one_shot(&log);
    assert!(engine.live.is_known());
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    assert_eq!(log.times_said("the index is corrupt"), 1);
    assert_eq!(refreshes(&engine), [0, 0, 0, 1]);
    assert!(engine.live.is_corrupt());
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0, 1, 0, 2]);
    assert_eq!(one_shot(&log).count(&of_actor(3)).unwrap(), 429);

    // Who lives on renews it beside the answers.
    damage_events(&log);
    let engine = log.enhanced(Lifetime::LongLived);
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
    wait_until("it is not renewed", || refreshes(&engine)[1] == 1);
    assert_eq!(page(&engine, DEEP, 3), [2_253, 2_252, 2_251]);
}

#[test]
fn a_walk_goes_on_by_sqlite_behind_a_corrupt_block() {
    for commits in [false, true] {
        let log = ScratchLog::with_index("DELETE");
        let engine = one_shot(&log);
        let (mut walk, mut page, mut ids) = (Walk::new(&Filter::ALL, None), Page::default(), Vec::new());
        assert!(engine.advance(&mut walk, &mut page).unwrap());
        ids.extend(page.events().map(|event| event.id));
        damage_events(&log);
        if commits {
            log.run("DELETE FROM audit_events WHERE id = 1");
        }
        log.times_said("");
        while engine.advance(&mut walk, &mut page).unwrap() {
            ids.extend(page.events().map(|event| event.id));
        }
        let first = if commits { 2 } else { 1 };
        assert!(ids.iter().copied().eq((first..=EVENTS as i64).rev()), "{commits}");
        assert_eq!(log.times_said("are of a later moment"), usize::from(commits));
        assert_eq!(refreshes(&engine)[3], 1);
        assert!(engine.live.is_corrupt());
    }
    // Where nothing was given, any moment is as good.
    let log = ScratchLog::with_index("DELETE");
    damage_events(&log);
    let engine = one_shot(&log);
    assert_eq!(all(&engine, &Filter::ALL).len(), EVENTS as usize);
    assert_eq!(log.times_said("are of a later moment"), 0);
}

#[test]
fn a_log_that_cannot_be_indexed_is_answered_by_the_services_own_statement() {
    let log = ScratchLog::new("DELETE");
    log.run("UPDATE audit_events SET created_at = 'noon' WHERE id = 9");
    let engine = one_shot(&log);
    maintain(&engine);
    assert!(is_refused(&engine) && !engine.needs_build());
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    let told = "the log cannot be indexed, SQLite answers instead";
    assert_eq!(log.times_said(told), 1);
    // The next process takes it over, and says it with its answer.
    let engine = one_shot(&log);
    assert!(is_refused(&engine) && log.times_said(told) == 0);
    assert_eq!(engine.count(&of_actor(3)).unwrap(), 429);
    assert_eq!(log.times_said(told), 1);
    log.run("UPDATE audit_events SET created_at = 9 WHERE id = 9");
    assert!(!is_refused(&engine));
}

#[test]
fn who_lives_on_builds_nothing_that_nobody_asked_for() {
    let log = ScratchLog::new("DELETE");
    let engine = log.enhanced(Lifetime::LongLived);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [0; 4]);
    assert!(engine.needs_build() && !log.dir.index().exists());
}

#[test]
fn who_lives_on_joins_a_refresh_and_has_the_rest_done_beside() {
    let log = ScratchLog::with_index("DELETE");
    let engine = log.enhanced(Lifetime::LongLived);
    log.run("DELETE FROM audit_events WHERE id = 3000");
    assert_eq!(page(&engine, 1, 3), [2_999, 2_998, 2_997]);
    assert_eq!(refreshes(&engine), [1, 0, 0, 0]);
    // Only a build helps: SQLite answers until there is one.
    log.run("ALTER TABLE audit_events ADD COLUMN remark TEXT");
    assert_eq!(page(&engine, 1, 3), [2_999, 2_998, 2_997]);
    assert_eq!(refreshes(&engine)[3], 1);
    // A wish that comes while another one waits is lost: the next question brings it again.
    wait_until("no index is built", || {
        assert_eq!(page(&engine, 1, 3), [2_999, 2_998, 2_997]);
        refreshes(&engine)[1] == 1
    });
    let [.., by_sqlite] = refreshes(&engine);
    assert_eq!(page(&engine, 1, 3), [2_999, 2_998, 2_997]);
    maintain(&engine);
    assert_eq!(refreshes(&engine), [1, 1, 0, by_sqlite]);
}
