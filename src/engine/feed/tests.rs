use super::*;
use crate::engine::scratch_log::{EVENTS, ScratchLog, wait_until};

const MS: Duration = Duration::from_millis(1);

/// The lines that are told until the database has been looked at once more.
fn lines_of_next_look(feed: &mut Feed) -> Vec<String> {
    let (before, mut lines) = (feed.looked_at, Vec::new());
    while feed.looked_at == before || !feed.updates.is_empty() {
        match feed.next(&mut Page::default()).unwrap() {
            Update::Notice(line) => lines.push(line),
            Update::UpToDate => _ = feed.wait(None, Duration::from_millis(10)),
            other => panic!("{other:?}"),
        }
    }
    lines
}

fn follow(log: &ScratchLog, mode: Mode, filter: &Filter, after: Option<Key>) -> Feed {
    let notify: Notify = Box::new(|_, line| panic!("{line}"));
    Feed::open(mode, &log.dir, filter, after, &notify).unwrap()
}

/// In words what is told of the log as it is now: ids of events, of removed and of unreadable ones.
fn told(feed: &mut Feed) -> Vec<String> {
    let (asked, mut told, mut page) = (Instant::now(), Vec::new(), Page::default());
    loop {
        match feed.next(&mut page).unwrap() {
            Update::Events => {
                told.extend(page.events().map(|event| format!("{} {}", event.id, event.action)));
            }
            Update::Removed(keys) => told.extend(keys.iter().map(|key| format!("-{} of {}", key.id, key.created_at))),
            Update::Unreadable(key, _) => told.push(format!("?{}", key.id)),
            Update::Notice(line) => told.push(line),
            Update::UpToDate if feed.version().is_some_and(|version| feed.watcher().matches(&version)) => return told,
            Update::UpToDate => {
                assert!(asked.elapsed() < Duration::from_secs(60), "{told:?}");
                feed.wait(None, Duration::from_millis(10));
            }
        }
    }
}

fn logins() -> Filter {
    Filter {
        action: Some("LOGIN".to_owned()),
        ..Filter::ALL
    }
}

/// What is told of each commit, in both modes and journal modes.
fn tells(filter: &Filter, commits: &[(&str, &[&str])]) {
    for (mode, journal) in [Mode::Baseline, Mode::Enhanced]
        .into_iter()
        .flat_map(|mode| [(mode, "DELETE"), (mode, "WAL")])
    {
        let log = ScratchLog::new(journal);
        let mut feed = follow(&log, mode, filter, None);
        assert!(told_at_once(&mut feed).is_empty(), "{mode:?} {journal}");
        for (sql, expected) in commits {
            log.run(sql);
            assert_eq!(told(&mut feed), *expected, "{mode:?} {journal}: {sql}");
            assert_eq!(feed.has_write_ahead_log(), journal == "WAL", "{mode:?}: {sql}");
        }
    }
}

/// What is there to tell without another look.
fn told_at_once(feed: &mut Feed) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match feed.next(&mut Page::default()).unwrap() {
            Update::UpToDate => return told,
            update => told.push(format!("{update:?}")),
        }
    }
}

#[test]
fn each_commit_tells_what_became_visible_oldest_first() {
    tells(
        &Filter::ALL,
        &[
            (
                "INSERT INTO audit_events VALUES (4000, 9000, 1, 'NEW', 'T', 'R', 0, 2), (4001, 8000, 1, 'NEW', 'T', 'R', 0, 2)",
                &["4001 NEW", "4000 NEW"],
            ),
            (
                "INSERT INTO audit_events VALUES (3500, 7, 1, 'LATE', 'T', 'R', 0, 2)",
                &["3500 LATE"],
            ),
            (
                "UPDATE audit_events SET action = 'OTHER' WHERE id IN (8, 6)",
                &["6 OTHER", "8 OTHER"],
            ),
            ("UPDATE audit_events SET created_at = 9999 WHERE id = 9", &["9 LOGIN"]),
            (
                "DELETE FROM audit_events WHERE id IN (9, 22, 21)",
                &["-21 of 21", "-22 of 22", "-9 of 9999"],
            ),
            (
                "UPDATE audit_events SET payload_offset = 0, payload_len = 3 WHERE id = 30",
                &["30 LOGIN"],
            ),
            // Of two in one commit, one cannot be read.
            (
                "UPDATE audit_events SET payload_offset = 100 * (id = 41) WHERE id IN (41, 42);
                 UPDATE audit_events SET resource_id = 'S' WHERE id = 42",
                &["?41", "42 LOGIN"],
            ),
            (
                "UPDATE audit_events SET payload_offset = 0 WHERE id = 41",
                &["41 LOGIN"],
            ),
        ],
    );
}

#[test]
fn a_filter_tells_what_enters_and_what_leaves_it() {
    tells(
        &logins(),
        &[
            (
                "UPDATE audit_events SET action = 'OTHER' WHERE id IN (8, 6)",
                &["-6 of 6", "-8 of 8"],
            ),
            (
                "INSERT INTO audit_events VALUES (4000, 8000, 1, 'NEW', 'T', 'R', 0, 2)",
                &[],
            ),
            (
                "UPDATE audit_events SET action = 'LOGIN' WHERE id IN (8, 4000)",
                &["8 LOGIN", "4000 LOGIN"],
            ),
            ("DELETE FROM audit_events WHERE id = 6", &[]),
        ],
    );
}

#[test]
fn a_pin_keeps_newer_events_out() {
    let filter = Filter {
        as_of: Some(Key {
            created_at: 3_000,
            id: 3_000,
        }),
        ..Filter::ALL
    };
    tells(
        &filter,
        &[
            (
                "INSERT INTO audit_events VALUES (4000, 3000, 1, 'NEW', 'T', 'R', 0, 2)",
                &[],
            ),
            (
                "INSERT INTO audit_events VALUES (4001, 2999, 1, 'LATE', 'T', 'R', 0, 2)",
                &["4001 LATE"],
            ),
            (
                "UPDATE audit_events SET action = 'OTHER' WHERE id = 3000",
                &["3000 OTHER"],
            ),
        ],
    );
}

#[test]
fn what_is_newer_than_a_cursor_is_told_first() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let id = EVENTS.cast_signed() - 2;
        let mut feed = follow(&log, mode, &Filter::ALL, Some(Key { created_at: id, id }));
        assert_eq!(told(&mut feed), ["2999 LOGIN", "3000 LOGIN"], "{mode:?}");
        log.run("DELETE FROM audit_events WHERE id = 3000");
        assert_eq!(told(&mut feed), ["-3000 of 3000"], "{mode:?}");
    }
}

#[test]
fn files_that_become_others_are_said_once() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let mut feed = follow(&log, mode, &Filter::ALL, None);
        let payloads = log.dir.payloads();
        let said = |feed: &mut Feed, what: &str| {
            let told = told(feed);
            assert!(matches!(&told[..], [line] if line.contains(what)), "{mode:?}: {told:?}");
        };
        std::fs::write(log.dir.root().join("other"), "{}\n{}\n").unwrap();
        std::fs::rename(log.dir.root().join("other"), &payloads).unwrap();
        said(&mut feed, "payloads.jsonl was replaced by another file: ");
        std::fs::write(&payloads, "{}\n").unwrap();
        said(&mut feed, "payloads.jsonl was cut: ");
        std::fs::remove_file(&payloads).unwrap();
        said(&mut feed, "payloads.jsonl is gone: ");
        std::fs::write(&payloads, "{}\n").unwrap();
        said(&mut feed, "payloads.jsonl is there again: ");
        assert!(told(&mut feed).is_empty(), "{mode:?}");

        // Another database: one event is not in it, one is another one.
        let copy = log.dir.root().join("copy");
        std::fs::copy(log.dir.database(), &copy).unwrap();
        let other = rusqlite::Connection::open(&copy).unwrap();
        other
            .execute_batch(
                "DELETE FROM audit_events WHERE id = 5; UPDATE audit_events SET action = 'OTHER' WHERE id = 6",
            )
            .unwrap();
        drop(other);
        std::fs::rename(&copy, log.dir.database()).unwrap();
        let told = told(&mut feed);
        assert_eq!(told.len(), 2, "{mode:?}: {told:?}");
        assert!(
            told[0].ends_with("was replaced by another file: 1 of the events that were visible are not in it"),
            "{told:?}"
        );
        assert_eq!(told[1], "6 OTHER");
    }
}

#[test]
fn who_waits_is_woken_by_a_commit_and_else_when_the_time_is_up() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let mut feed = follow(&log, mode, &Filter::ALL, None);
        assert!(told(&mut feed).is_empty());
        let (start, time) = (Instant::now(), Duration::from_millis(30));
        assert_eq!(feed.wait(None, time), Woken::TimeIsUp, "{mode:?}");
        assert!(start.elapsed() >= time, "{mode:?}");

        // Even if it comes before the wait begins.
        log.run("DELETE FROM audit_events WHERE id = 5");
        let start = Instant::now();
        while feed.wait(None, LOOK_EVERY) != Woken::Noticed {
            assert!(start.elapsed() < Duration::from_secs(60), "{mode:?}");
        }
        assert_eq!(told(&mut feed), ["-5 of 5"], "{mode:?}");
    }
}

#[test]
fn a_commit_wakes_who_waits_already() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let mut feed = follow(&log, mode, &Filter::ALL, None);
        // Without a notice a wait ends when a second has passed. So it does where the machine holds up the commit for as
        // long, but not each time.
        let is_woken = (1..=20).any(|id| {
            told(&mut feed);
            // Behind a rest it would look without a notice.
            feed.rest = Duration::ZERO;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(50));
                    let writer = rusqlite::Connection::open(log.dir.database()).unwrap();
                    writer.execute("DELETE FROM audit_events WHERE id = ?1", [id]).unwrap();
                });
                feed.wait(None, Duration::from_secs(3_600)) == Woken::Noticed
            })
        });
        assert!(is_woken, "{mode:?}");
    }
}

#[test]
fn a_wait_is_no_longer_than_its_caller_wants() {
    let log = ScratchLog::new("DELETE");
    let mut feed = follow(&log, Mode::Enhanced, &Filter::ALL, None);
    told(&mut feed);
    let start = Instant::now();
    for _ in 0..60 {
        feed.wait(None, MS);
    }
    // Else each would go on until the next look is due.
    assert!(start.elapsed() < 30 * LOOK_EVERY);
}

#[test]
fn an_error_that_does_not_pass_ends_a_feed() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let mut feed = follow(&log, mode, &Filter::ALL, None);
        told(&mut feed);
        std::fs::write(log.dir.database(), vec![b'x'; 20_000]).unwrap();
        let start = Instant::now();
        let error = loop {
            match feed.next(&mut Page::default()) {
                Ok(Update::UpToDate) => _ = feed.wait(None, Duration::from_millis(10)),
                Ok(update) => panic!("{mode:?}: {update:?}"),
                Err(error) => break error,
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{mode:?}");
        };
        assert!(!is_passing(&error), "{mode:?}: {error}");
    }
}

#[test]
fn a_feed_rests_after_a_look_but_no_longer_than_its_caller_waits() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let mut feed = follow(&log, mode, &Filter::ALL, None);
        assert!(told(&mut feed).is_empty());
        log.run("DELETE FROM audit_events WHERE id = 5");
        let rest_for = |feed: &mut Feed, rest| (feed.rest, feed.looked_at) = (rest, Instant::now());

        rest_for(&mut feed, Duration::from_secs(3_600));
        let (start, time) = (Instant::now(), Duration::from_millis(30));
        assert_eq!(feed.wait(None, time), Woken::TimeIsUp, "{mode:?}");
        assert!(start.elapsed() >= time, "{mode:?}");
        assert!(told_at_once(&mut feed).is_empty(), "{mode:?}: it rests");

        rest_for(&mut feed, time);
        assert_eq!(feed.wait(None, Duration::from_secs(3_600)), Woken::Noticed, "{mode:?}");
        assert!(feed.looked_at.elapsed() >= time, "{mode:?}");
        assert_eq!(told(&mut feed), ["-5 of 5"], "{mode:?}");
    }
}

#[test]
fn a_feed_lets_go_of_a_database_to_which_nobody_writes() {
    let log = ScratchLog::new("WAL");
    let mut feed = follow(&log, Mode::Enhanced, &Filter::ALL, None);
    let mut ids = 1..;
    // Looks that follow each other share a connection, and while that is there nobody leaves this mode.
    wait_until("no connection is kept", || {
        let id = ids.next().unwrap();
        log.run(&format!(
            "PRAGMA journal_mode = WAL; DELETE FROM audit_events WHERE id = {id}"
        ));
        told(&mut feed);
        !log.leaves_wal()
    });
    // However short the times are that its caller waits at once.
    wait_until("a connection is kept", || {
        feed.wait(None, Duration::from_millis(5));
        log.leaves_wal()
    });
}

#[test]
fn a_log_that_must_be_indexed_anew_tells_what_changed_and_no_more() {
    tells(
        &logins(),
        &[
            (
                "UPDATE audit_events SET action = 'OTHER' WHERE id IN (9, 10)",
                &["-9 of 9", "-10 of 10"],
            ),
            (
                "BEGIN; ALTER TABLE audit_events ADD COLUMN remark TEXT; DELETE FROM audit_events WHERE id IN (5, 9);
                 UPDATE audit_events SET actor_id = 77 WHERE id = 6; UPDATE audit_events SET action = 'OTHER' WHERE id = 7;
                 INSERT INTO audit_events VALUES (4000, 9000, 1, 'NEW', 'T', 'R', 0, 2, NULL); COMMIT",
                &["-5 of 5", "-7 of 7", "6 LOGIN"],
            ),
            ("DELETE FROM audit_events WHERE id IN (7, 8)", &["-8 of 8"]),
        ],
    );
}

#[test]
fn a_log_that_cannot_be_indexed_any_more_is_followed_all_the_same() {
    let log = ScratchLog::new("DELETE");
    let mut feed = follow(&log, Mode::Enhanced, &Filter::ALL, None);
    // A text of more than 64 KiB.
    log.run(
        "BEGIN; DELETE FROM audit_events WHERE id = 5;
         UPDATE audit_events SET resource_id = hex(zeroblob(40000)) WHERE id = 6; COMMIT",
    );
    let lines = told(&mut feed);
    let [notice, removed, came] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        notice.starts_with("the log cannot be indexed, so all of it is read whenever it moved: "),
        "{notice}"
    );
    assert_eq!((&removed[..], &came[..]), ("-5 of 5", "6 LOGIN"));
    log.run("DELETE FROM audit_events WHERE id = 7");
    assert_eq!(told(&mut feed), ["-7 of 7"]);
}

#[test]
fn what_a_feed_knows_when_it_closes_others_know() {
    let log = ScratchLog::with_index("DELETE");
    let mut feed = follow(&log, Mode::Enhanced, &Filter::ALL, None);
    log.run("DELETE FROM audit_events WHERE id = 5");
    assert_eq!(told(&mut feed), ["-5 of 5"]);
    assert!(!log.open().is_known());
    feed.close();
    assert!(log.open().is_known());
}

#[test]
fn much_change_is_folded_when_no_more_comes_and_nothing_is_told_of_it() {
    let log = ScratchLog::with_index("DELETE");
    let mut feed = follow(&log, Mode::Enhanced, &Filter::ALL, None);
    let before = std::fs::read(log.dir.index()).unwrap();
    log.run("UPDATE audit_events SET actor_id = 77");
    assert_eq!(told(&mut feed).len(), 3_000);
    assert!(feed.rest > LEAST_REST, "it took a processor for a while");
    log.run("UPDATE audit_events SET actor_id = 78");
    assert_eq!(told(&mut feed).len(), 3_000);
    wait_until("no new base is written", || {
        feed.wait(None, Duration::from_millis(5));
        assert!(told_at_once(&mut feed).is_empty());
        std::fs::read(log.dir.index()).unwrap() != before
    });
    log.run("DELETE FROM audit_events WHERE id = 5");
    assert_eq!(told(&mut feed), ["-5 of 5"]);
}

#[test]
fn a_trouble_that_passed_and_comes_again_is_told_again() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let log = ScratchLog::new("DELETE");
        let mut feed = follow(&log, mode, &Filter::ALL, None);
        let away = log.dir.root().join("away.db");
        for time in 0..2 {
            std::fs::rename(log.dir.database(), &away).unwrap();
            let lines = lines_of_next_look(&mut feed);
            let [line] = &lines[..] else {
                panic!("{mode:?}, time {time}: {lines:?}");
            };
            assert!(
                line.ends_with("the log is looked at again until it can be read"),
                "{line}"
            );
            // It is told once, however often it is met.
            assert!(lines_of_next_look(&mut feed).is_empty(), "{mode:?}, time {time}");
            std::fs::rename(&away, log.dir.database()).unwrap();
            assert!(lines_of_next_look(&mut feed).is_empty(), "{mode:?}, time {time}");
        }
    }
}

#[test]
fn a_look_costs_a_fifth_of_a_processor_where_commits_wait_for_it() {
    assert_eq!(rest_after(Duration::ZERO, false), MS);
    assert_eq!(rest_after(2 * MS, false), 8 * MS);
    assert_eq!(rest_after(100 * MS, false), 400 * MS);
}

#[test]
fn with_a_write_ahead_log_a_feed_rests_no_longer_than_it_takes_to_keep_up() {
    assert_eq!(rest_after(Duration::ZERO, true), MS);
    assert_eq!(rest_after(MS, true), 4 * MS);
    assert_eq!(rest_after(2 * MS, true), 5 * MS);
    assert_eq!(rest_after(40 * MS, true), 5 * MS);
    assert_eq!(rest_after(80 * MS, true), 10 * MS);
}
