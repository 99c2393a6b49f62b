//! Logs that are made by hand, with right checksums by a plain reading of the documentation.

use proptest::prelude::*;

use super::*;

/// The sum of SQLite's documentation, over words in the byte order of the log.
fn sum(from: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap();
        match big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        }
    };
    let (mut s0, mut s1) = from;
    for pair in bytes.chunks(8) {
        s0 = s0.wrapping_add(word(&pair[..4]).wrapping_add(s1));
        s1 = s1.wrapping_add(word(&pair[4..]).wrapping_add(s0));
    }
    (s0, s1)
}

/// Puts salts and right checksums into a log of pages of `page_size` bytes.
fn sign(log: &mut [u8], page_size: usize, big_endian: bool) {
    let (header, frames) = log.split_at_mut(32);
    header[..4].copy_from_slice(&(0x377f_0682 + u32::from(big_endian)).to_be_bytes());
    header[4..8].copy_from_slice(&3_007_000_u32.to_be_bytes());
    header[8..12].copy_from_slice(&(page_size as u32).to_be_bytes());
    let mut running = sum((0, 0), &header[..24], big_endian);
    let put = |into: &mut [u8], (s0, s1): (u32, u32)| {
        into[..4].copy_from_slice(&s0.to_be_bytes());
        into[4..8].copy_from_slice(&s1.to_be_bytes());
    };
    put(&mut header[24..], running);
    for frame in frames.chunks_exact_mut(24 + page_size) {
        frame[8..16].copy_from_slice(&header[16..24]);
        running = sum(running, &frame[..8], big_endian);
        running = sum(running, &frame[24..], big_endian);
        put(&mut frame[16..], running);
    }
}

#[test]
fn logs_of_either_byte_order_are_read_as_sqlite_reads_them() {
    for page_size in [512, 65_536] {
        let db = wal_db(page_size);
        db.insert(400, 100);
        let frames = all_frames(&db);
        let database = std::fs::read(db.database()).unwrap();
        let written = std::fs::read(db.wal()).unwrap();
        let mut log = written.clone();
        let is_big_endian = written[3] & 1 == 1;
        sign(&mut log, page_size as usize, is_big_endian);
        assert!(log == written, "the same sum as SQLite's");

        sign(&mut log, page_size as usize, !is_big_endian);
        assert!(log != written);
        let wal = open_bytes(&log).unwrap().unwrap();
        let read = wal.frames(&wal.start(), frames.end.frame).unwrap();
        assert_eq!(read.pages, frames.pages);
        let recovered = ScratchDb::recovered(&database, &log);
        assert_eq!(recovered.committed_frames(), frames.end.frame);
        assert!(recovered.pages() == db.pages());
    }
}

#[test]
fn each_check_of_the_header_says_what_is_wrong() {
    let mut good = vec![0; 32];
    sign(&mut good, 512, true);
    let with = |at: usize, bytes: &[u8]| {
        let mut log = good.clone();
        log[at..at + bytes.len()].copy_from_slice(bytes);
        let summed = sum((0, 0), &log[..24], true);
        log[24..28].copy_from_slice(&summed.0.to_be_bytes());
        log[28..32].copy_from_slice(&summed.1.to_be_bytes());
        match open_bytes(&log) {
            Ok(wal) => Ok(wal.unwrap().header().page_size),
            Err(WalProblem::InvalidHeader(problem)) => Err(problem),
            Err(problem) => panic!("{problem}"),
        }
    };
    assert_eq!(with(0, &[]), Ok(512));
    assert_eq!(with(8, &[0, 1, 0, 0]), Ok(65_536));
    assert_eq!(with(3, &[0x84]), Err("it is none"));
    assert_eq!(with(0, &[0x36]), Err("it is none"));
    assert_eq!(with(4, &[0, 0x2d, 0xe2, 0x19]), Err("unknown version"));
    for page_size in [0_u32, 1, 256, 513, 1023, 131_072, 1 << 31, u32::MAX] {
        let page_size = page_size.to_be_bytes();
        assert_eq!(with(8, &page_size), Err("no page size is such a number"));
    }
    good[31] ^= 1;
    let problem = open_bytes(&good).err();
    assert!(matches!(
        problem,
        Some(WalProblem::InvalidHeader("its checksum is wrong"))
    ));
}

#[test]
fn a_log_of_nothing_but_a_header_has_no_commit() {
    let mut log = vec![0; 32];
    sign(&mut log, 4096, false);
    let wal = open_bytes(&log).unwrap().unwrap();
    assert!(wal.committed_tail(&wal.start()).unwrap().is_none());
    assert_eq!(wal.frames(&wal.start(), 0).unwrap().end, wal.start());
    assert!(matches!(
        wal.frames(&wal.start(), 1),
        Err(WalProblem::TooShort { frame: 1 })
    ));
    assert!(!wal.ends_at(0).unwrap() && !wal.ends_at(1).unwrap());
}

/// Asks everything of a log.
fn ask_everything(log: &[u8], position: FramePosition, to_frame: u64) {
    let Ok(Some(wal)) = open_bytes(log) else { return };
    let frames = log.len() as u64 / 536;
    for from in [
        position,
        wal.start(),
        FramePosition {
            frame: position.frame,
            ..wal.start()
        },
    ] {
        let _ = wal.still_holds(&from).unwrap();
        for to_frame in [to_frame, frames, from.frame] {
            if let Ok(read) = wal.frames(&from, to_frame) {
                assert!(read.end.frame == to_frame && read.pages.len() as u64 == to_frame - from.frame);
                assert!(to_frame <= frames && !read.pages.contains(&0));
            }
        }
        if let Ok(Some(tail)) = wal.committed_tail(&from) {
            assert!(tail.end.frame > from.frame && tail.end.frame <= frames);
            assert_eq!(wal.frames(&from, tail.end.frame).unwrap(), tail);
        }
    }
    let _ = (wal.ends_at(to_frame).unwrap(), wal.ends_at(position.frame).unwrap());
}

prop_compose! {
    fn any_position()(
        frame in prop_oneof![0_u64..9, Just(u64::MAX), Just(u64::MAX / 536), any::<u64>()],
        salts in any::<[u32; 2]>(),
        checksum in any::<[u32; 2]>(),
    ) -> FramePosition {
        FramePosition { frame, salts, checksum }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        log in prop::collection::vec(any::<u8>(), 0..2000),
        position in any_position(),
        to_frame in prop_oneof![0_u64..9, any::<u64>()],
    ) {
        ask_everything(&log, position, to_frame);
    }

    #[test]
    fn signed_logs_are_read_without_panic(
        frames in prop::collection::vec((0_u32..4, 0_u32..3, any::<[u8; 8]>()), 0..9),
        salts in any::<[u8; 8]>(),
        big_endian in any::<bool>(),
        damaged in prop::option::of(any::<prop::sample::Index>()),
        cut_off in 0_usize..600,
        position in any_position(),
        to_frame in prop_oneof![0_u64..9, any::<u64>()],
    ) {
        let mut log = vec![0; 16];
        log.extend(salts);
        log.extend([0; 8]);
        for (page, database_pages, content) in frames {
            log.extend(page.to_be_bytes());
            log.extend(database_pages.to_be_bytes());
            log.extend([0; 16]);
            log.extend(content.repeat(64));
        }
        sign(&mut log, 512, big_endian);
        if let Some(at) = damaged {
            let at = at.index(log.len());
            log[at] ^= 0x10;
        }
        log.truncate((log.len() - cut_off.min(log.len())).max(32));
        ask_everything(&log, position, to_frame);
    }
}
