//! Logs as SQLite writes them, what becomes of them, and bytes that no SQLite wrote.

mod damage;
mod hostile;

use std::collections::BTreeSet;

use super::super::scratch_db::ScratchDb;
use super::*;

/// A database whose log is never copied into its file unless a test says so.
fn wal_db(page_size: u32) -> ScratchDb {
    let db = ScratchDb::new(page_size, 0, "WAL");
    db.execute("PRAGMA wal_autocheckpoint = 0");
    db
}

fn open(db: &ScratchDb) -> WalReader {
    WalReader::open(&db.wal()).unwrap().unwrap()
}

fn open_bytes(log: &[u8]) -> Result<Option<WalReader>, WalProblem> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), log).unwrap();
    WalReader::open(file.path())
}

/// The frames of the whole log, as far as SQLite says that they are committed.
fn all_frames(db: &ScratchDb) -> CommittedFrames {
    let wal = open(db);
    wal.frames(&wal.start(), db.committed_frames()).unwrap()
}

/// The database file with the pages of `frames`, the first of the log, laid over it.
fn overlaid(db: &ScratchDb, frames: &CommittedFrames) -> Vec<Vec<u8>> {
    let file = std::fs::read(db.database()).unwrap();
    let log = std::fs::read(db.wal()).unwrap();
    let page_size = open(db).header().page_size as usize;
    let mut pages: Vec<_> = file.chunks(page_size).map(<[u8]>::to_vec).collect();
    assert_eq!(frames.pages.len() as u64, frames.end.frame);
    for (&number, frame) in frames.pages.iter().zip(log[32..].chunks(24 + page_size)) {
        let number = number as usize;
        pages.resize(pages.len().max(number), Vec::new());
        pages[number - 1] = frame[24..].to_vec();
    }
    pages
}

/// Numbers of the pages that are not the same in both.
fn changed(before: &[Vec<u8>], after: &[Vec<u8>]) -> BTreeSet<u32> {
    let numbers = 1..=before.len().max(after.len());
    let differs = |number: &usize| before.get(number - 1) != after.get(number - 1);
    numbers.filter(differs).map(|number| number as u32).collect()
}

#[test]
fn frames_are_what_commits_changed() {
    for page_size in [512, 1024, 4096, 65_536] {
        let db = wal_db(page_size);
        let reader = open(&db);
        assert_eq!(reader.header().page_size, page_size);
        let mut positions = vec![reader.start()];
        let mut pages = Vec::new();
        let mut before = Vec::new();
        for commit in 1..12 {
            db.insert(commit * commit * 4, 300);
            db.execute(&format!("DELETE FROM audit_events WHERE id % 31 = {commit}"));
            let from = positions[positions.len() - 1];
            let committed = db.committed_frames();
            let new = reader.frames(&from, committed).unwrap();
            assert_eq!(new.end.frame, committed);
            assert_eq!(new.pages.len() as u64, committed - from.frame);
            // All that was written is published.
            assert_eq!(reader.committed_tail(&from).unwrap(), Some(new.clone()));
            assert!(reader.committed_tail(&new.end).unwrap().is_none());
            let none = reader.frames(&new.end, committed).unwrap();
            assert_eq!((none.pages, none.end), (Vec::new(), new.end));

            let after = db.pages();
            let of_frames: BTreeSet<_> = new.pages.iter().copied().collect();
            let changed = changed(&before, &after);
            assert!(!changed.is_empty() && changed.is_subset(&of_frames), "{page_size}");
            before = after;
            pages.extend(new.pages);
            positions.push(new.end);
        }
        let all = all_frames(&db);
        assert_eq!((&all.pages, all.end), (&pages, positions[positions.len() - 1]));
        assert!(overlaid(&db, &all) == before, "{page_size}");
        for position in &positions {
            assert!(reader.still_holds(position).unwrap());
            let rest = reader.frames(position, all.end.frame).unwrap();
            assert_eq!(rest.pages, pages[position.frame as usize..]);
        }
        assert!(
            all.pages.len() as u64 * reader.header().frame_len() > CHUNK_LEN,
            "more than one chunk"
        );
    }
}

#[test]
fn what_is_no_log_is_none() {
    let db = wal_db(512);
    let no_log = |db: &ScratchDb| WalReader::open(&db.wal()).unwrap().is_none();
    db.insert(1, 1);
    assert!(!no_log(&db));
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(std::fs::metadata(db.wal()).unwrap().len(), 0);
    assert!(no_log(&db));
    std::fs::write(db.wal(), [0; 31]).unwrap();
    assert!(no_log(&db));
    std::fs::write(db.wal(), [0; 32]).unwrap();
    let problem = WalReader::open(&db.wal()).err();
    assert!(matches!(problem, Some(WalProblem::InvalidHeader("it is none"))));
    std::fs::remove_file(db.wal()).unwrap();
    assert!(no_log(&db));
    std::fs::create_dir(db.wal()).unwrap();
    assert!(matches!(WalReader::open(&db.wal()), Err(WalProblem::Io(_))));
}

#[test]
fn frames_end_where_a_commit_ends() {
    let db = wal_db(512);
    let start = all_frames(&db).end;
    db.insert(200, 60);
    let (reader, last) = (open(&db), db.committed_frames());
    assert!(last > start.frame + 10);
    for frame in start.frame + 1..last {
        let problem = reader.frames(&start, frame).unwrap_err();
        assert!(
            matches!(problem, WalProblem::NotACommit { frame: at } if at == frame),
            "{problem}"
        );
    }
    let end = reader.frames(&start, last).unwrap().end;
    let problem = reader.frames(&start, last + 1).unwrap_err();
    assert!(matches!(problem, WalProblem::TooShort { frame } if frame == last + 1));
    assert!(matches!(
        reader.frames(&start, u64::MAX),
        Err(WalProblem::TooShort { .. })
    ));
    let problem = reader.frames(&end, last - 1).unwrap_err();
    assert!(matches!(problem, WalProblem::Backwards { from, to } if from == last && to == last - 1));
}

/// Writes frames of a transaction that is not committed.
fn spill(db: &ScratchDb) {
    let committed = db.committed_frames();
    db.execute("PRAGMA cache_size = 10; BEGIN");
    db.insert_uncommitted(500, 60);
    let end = all_written(db);
    assert!(end > committed + 50, "no frame was spilled");
}

fn all_written(db: &ScratchDb) -> u64 {
    open(db).written_frames().unwrap()
}

#[test]
fn frames_of_a_transaction_that_is_not_committed() {
    let db = wal_db(512);
    db.insert(50, 60);
    let (reader, before) = (open(&db), all_frames(&db).end);
    assert!(reader.ends_at(before.frame).unwrap());
    spill(&db);
    let written = all_written(&db);
    assert!(!reader.ends_at(before.frame).unwrap());
    assert!(reader.committed_tail(&before).unwrap().is_none());
    // A page that is spilled twice stays in its first frame; the checksums behind it are mended on commit.
    let problem = reader.frames(&before, before.frame + 20).unwrap_err();
    assert!(matches!(problem, WalProblem::WrongChecksum { .. }), "{problem}");

    db.execute("COMMIT");
    let all = all_frames(&db);
    assert!(all.end.frame > written);
    let tail = reader.committed_tail(&before).unwrap().unwrap();
    assert_eq!(tail.end, all.end);
    assert!(overlaid(&db, &all) == db.pages());
}

#[test]
fn a_tail_ends_with_its_last_commit() {
    let db = wal_db(512);
    db.insert(50, 60);
    let (reader, before) = (open(&db), all_frames(&db).end);
    db.insert(2, 60);
    let committed = reader.frames(&before, db.committed_frames()).unwrap();
    spill(&db);
    let written = reader.frames(&before, committed.end.frame + 1).unwrap_err();
    assert!(matches!(written, WalProblem::NotACommit { .. }), "{written}");
    assert_eq!(reader.committed_tail(&before).unwrap(), Some(committed));
}

#[test]
fn frames_of_a_transaction_that_was_rolled_back() {
    let db = wal_db(512);
    db.insert(50, 60);
    let (reader, before) = (open(&db), all_frames(&db).end);
    spill(&db);
    let written = all_written(&db);
    db.execute("ROLLBACK");
    assert_eq!(db.committed_frames(), before.frame);
    assert_eq!(all_frames(&db).end, before);
    assert!(!reader.ends_at(before.frame).unwrap(), "the frames are still there");
    assert!(reader.committed_tail(&before).unwrap().is_none());

    db.insert(2, 60);
    let all = all_frames(&db);
    assert!(all.end.frame > before.frame && all.end.frame < written);
    assert_eq!(reader.committed_tail(&before).unwrap().unwrap().end, all.end);
    assert!(reader.still_holds(&before).unwrap());
    // What lies behind is of this run, and yet not valid: the checksum does not go on.
    assert!(!reader.ends_at(all.end.frame).unwrap());
    let problem = reader.frames(&before, all.end.frame + 1).unwrap_err();
    assert!(matches!(problem, WalProblem::WrongChecksum { frame } if frame == all.end.frame + 1));
    assert!(overlaid(&db, &all) == db.pages());
}

#[test]
fn a_restarted_log_holds_nothing_of_the_run_before() {
    let db = wal_db(512);
    db.insert(300, 60);
    let (old, end) = (open(&db), all_frames(&db).end);
    assert!(old.ends_at(end.frame).unwrap());
    db.execute("PRAGMA wal_checkpoint(RESTART)");
    // Nothing is written yet, so what was read still is the database's state.
    assert!(old.still_holds(&end).unwrap());
    assert_eq!(old.frames(&old.start(), end.frame).unwrap().end, end);
    assert!(!old.ends_at(0).unwrap());

    db.insert(1, 60);
    let new_end = all_frames(&db).end;
    assert!(new_end.frame < end.frame / 2, "the old frames are still there");
    for reader in [&old, &open(&db)] {
        for position in [old.start(), end] {
            assert!(!reader.still_holds(&position).unwrap());
            for lost in [
                reader.frames(&position, end.frame).unwrap_err(),
                reader.committed_tail(&position).unwrap_err(),
            ] {
                assert!(
                    matches!(lost, WalProblem::PositionLost { frame } if frame == position.frame),
                    "{lost}"
                );
            }
        }
        assert!(reader.still_holds(&new_end).unwrap());
        assert!(reader.ends_at(new_end.frame).unwrap());
        assert!(!reader.ends_at(end.frame).unwrap());
    }
    // The log goes on, but a reader that was opened before the restart cannot say how.
    db.insert(1, 60);
    assert!(matches!(
        old.committed_tail(&new_end),
        Err(WalProblem::PositionLost { .. })
    ));
    let last = db.committed_frames();
    assert!(matches!(
        old.frames(&new_end, last),
        Err(WalProblem::PositionLost { .. })
    ));
    let new = open(&db);
    let new_end = new.committed_tail(&new_end).unwrap().unwrap().end;
    assert_eq!(new_end.frame, last);
    assert_ne!(new.header().salts, old.header().salts);
    assert_eq!(new.header().checkpoint_sequence, old.header().checkpoint_sequence + 1);
    let problem = new.frames(&new.start(), new_end.frame + 1).unwrap_err();
    assert!(matches!(problem, WalProblem::OtherSalts { frame } if frame == new_end.frame + 1));
    assert!(overlaid(&db, &all_frames(&db)) == db.pages());

    db.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    assert!(!new.still_holds(&new_end).unwrap() && !new.still_holds(&new.start()).unwrap());
    assert!(!new.ends_at(new_end.frame).unwrap());
    assert!(matches!(
        new.committed_tail(&new_end),
        Err(WalProblem::PositionLost { .. })
    ));
}

#[test]
fn a_position_of_another_history_is_lost() {
    let db = wal_db(512);
    db.insert(50, 60);
    let (reader, end) = (open(&db), all_frames(&db).end);
    let first = db.committed_frames();
    db.insert(50, 60);
    for position in [
        FramePosition {
            checksum: [end.checksum[0], end.checksum[1] ^ 1],
            ..end
        },
        FramePosition {
            salts: [end.salts[0] ^ 1, end.salts[1]],
            ..end
        },
        FramePosition {
            frame: end.frame - 1,
            ..end
        },
        FramePosition { frame: 0, ..end },
        FramePosition { frame: u64::MAX, ..end },
    ] {
        assert!(!reader.still_holds(&position).unwrap(), "{position:?}");
        assert!(reader.frames(&position, first).is_err(), "{position:?}");
        let lost = reader.committed_tail(&position).unwrap_err();
        assert!(matches!(lost, WalProblem::PositionLost { .. }), "{position:?}");
    }
}

#[test]
fn the_tail_is_never_less_than_what_a_busy_writer_has_published() {
    let db = wal_db(1024);
    let path = db.database();
    let writer = std::thread::spawn(move || {
        let writer = rusqlite::Connection::open(path).unwrap();
        // The log restarts again and again.
        let settings = "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 40; PRAGMA busy_timeout = 5000";
        writer.execute_batch(settings).unwrap();
        for number in 0..4_000 {
            let insert = "INSERT INTO audit_events (created_at, action) VALUES (?1, hex(zeroblob(?1 % 900)))";
            writer.execute(insert, [number]).unwrap();
        }
    });
    let mut looks = 0;
    while !writer.is_finished() {
        let Ok(Some(wal)) = WalReader::open(&db.wal()) else {
            continue;
        };
        let published = db.committed_frames();
        match wal.committed_tail(&wal.start()) {
            Ok(tail) => {
                let end = tail.map_or(wal.start(), |tail| tail.end);
                assert!(end.frame >= published, "{} {published}", end.frame);
                looks += 1;
            }
            Err(WalProblem::PositionLost { .. }) => {}
            Err(problem) => panic!("{problem}"),
        }
    }
    writer.join().unwrap();
    assert!(looks > 0);
    assert!(overlaid(&db, &all_frames(&db)) == db.pages());
}
