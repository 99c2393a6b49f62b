use super::*;
use crate::contract::dataset::SCHEMA_SQL;

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

#[test]
fn a_trouble_that_passed_and_comes_again_is_told_again() {
    for mode in [Mode::Baseline, Mode::Enhanced] {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path());
        let row = "INSERT INTO audit_events VALUES (1, 1, 1, 'LOGIN', 'T', 'R', 0, 3)";
        let writer = rusqlite::Connection::open(dir.database()).unwrap();
        writer.execute_batch(&format!("{SCHEMA_SQL} {row}")).unwrap();
        drop(writer);
        std::fs::write(dir.payloads(), "{}\n").unwrap();
        let notify: Notify = Box::new(|_, line| panic!("{line}"));
        let mut feed = Feed::open(mode, &dir, &Filter::ALL, None, &notify).unwrap();
        let away = root.path().join("away.db");
        for time in 0..2 {
            std::fs::rename(dir.database(), &away).unwrap();
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
            std::fs::rename(&away, dir.database()).unwrap();
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
