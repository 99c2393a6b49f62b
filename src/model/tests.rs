use super::*;

const ROW: Row<'static> = Row {
    id: 7,
    created_at: 100,
    actor_id: 3,
    action: "UPDATE",
    resource_type: "ORDER",
    resource_id: "ORDER-7",
    payload_ref: PayloadRef { offset: 10, len: 4 },
};

fn key(created_at: i64, id: i64) -> Key {
    Key { created_at, id }
}

#[test]
fn the_next_key_is_the_least_that_is_greater_and_the_one_before_it_the_greatest_that_is_less() {
    assert_eq!(key(5, 1).successor(), Some(key(5, 2)));
    assert_eq!(key(5, i64::MAX).successor(), Some(key(6, i64::MIN)));
    assert_eq!(key(i64::MAX, i64::MAX).successor(), None);
    for at in [key(5, 1), key(5, i64::MAX), key(-3, i64::MIN)] {
        assert_eq!(at.successor().unwrap().predecessor(), Some(at));
        assert_eq!(at.predecessor().unwrap().successor(), Some(at));
    }
    assert_eq!(Key::MIN.predecessor(), None);
    assert!(Key::MIN < key(i64::MIN, i64::MIN + 1) && key(4, 9) < key(5, 1) && key(5, 1) < key(5, 2));
}

#[test]
fn a_cursor_is_two_numbers_and_a_pin_one_word_more() {
    let cursor = key(-5, 11);
    assert_eq!(cursor.to_string(), "-5:11");
    assert_eq!("-5:11".parse::<Key>().unwrap(), cursor);
    assert_eq!("-5:11".parse::<Pin>().unwrap(), Pin::At(cursor));
    assert_eq!("newest".parse::<Pin>().unwrap(), Pin::Newest);
    assert_eq!((Pin::At(cursor).key(), Pin::Newest.key()), (Some(cursor), None));
    for text in [
        "",
        ":",
        "5",
        "5:",
        ":5",
        "5:x",
        "5:6:7",
        "9223372036854775808:1",
        "Newest",
    ] {
        assert!(text.parse::<Key>().is_err() && text.parse::<Pin>().is_err(), "{text}");
    }
}

#[test]
fn a_filter_takes_both_ends_of_its_window_and_the_pinned_event() {
    let all = Filter::ALL;
    let matching = [
        all.clone(),
        Filter {
            from_ts: 100,
            to_ts: 100,
            ..all.clone()
        },
        Filter {
            actor_id: Some(3),
            action: Some("UPDATE".to_owned()),
            ..all.clone()
        },
        Filter {
            as_of: Some(key(100, 7)),
            ..all.clone()
        },
    ];
    let others = [
        Filter {
            from_ts: 101,
            ..all.clone()
        },
        Filter {
            to_ts: 99,
            ..all.clone()
        },
        Filter {
            actor_id: Some(4),
            ..all.clone()
        },
        Filter {
            action: Some("update".to_owned()),
            ..all.clone()
        },
        Filter {
            as_of: Some(key(100, 6)),
            ..all.clone()
        },
    ];
    assert!(matching.iter().all(|filter| filter.matches(&ROW)), "{matching:?}");
    assert!(!others.iter().any(|filter| filter.matches(&ROW)), "{others:?}");
    let is_window_only = matching.each_ref().map(Filter::is_window_only);
    assert_eq!(is_window_only, [true, true, false, true]);
    let is_window_only = others.each_ref().map(Filter::is_window_only);
    assert_eq!(is_window_only, [true, true, false, false, true]);
}

#[test]
fn a_request_is_in_range_or_an_error() {
    let query = |page, size| Query::new(Filter::ALL, Position::Page(page), size);
    let most = u64::from(MAX_PAGE_SIZE);
    for (page, size, offset) in [(1, 1, 0), (1, most, 0), (3, 20, 40), (1 << 63, 1, i64::MAX as u64)] {
        let made = query(page, size).unwrap();
        assert_eq!(made.offset(), offset);
        assert_eq!(
            (made.position(), u64::from(made.page_size())),
            (Position::Page(page), size)
        );
    }
    for (page, size) in [
        (0, 1),
        (1, 0),
        (1, most + 1),
        (1, 1 << 32),
        ((1 << 63) + 1, 1),
        (1 << 62, 3),
    ] {
        assert!(query(page, size).is_err(), "{page} {size}");
    }
    let mut walked = query(3, 20).unwrap().pinned(key(9, 9));
    walked.move_after(key(5, 1));
    assert_eq!(walked.filter().as_of, Some(key(9, 9)));
    assert_eq!((walked.position(), walked.offset()), (Position::After(key(5, 1)), 0));
    assert!(Query::new(Filter::ALL, Position::After(Key::MIN), 0).is_err());
}

#[test]
fn a_page_gives_back_what_was_put_into_it() {
    let mut page = Page::default();
    assert!(page.is_empty());
    for round in 0..2 {
        page.clear();
        page.push(&ROW, b"{}");
        page.push(
            &Row {
                id: 6,
                resource_id: "",
                ..ROW
            },
            b"[1, 2]",
        );
        let events: Vec<_> = page
            .events()
            .map(|event| (event.key(), event.resource_id, event.payload))
            .collect();
        let expected: [(Key, &str, &[u8]); 2] = [(ROW.key(), "ORDER-7", b"{}"), (key(100, 6), "", b"[1, 2]")];
        assert_eq!(events, expected, "{round}");
        assert_eq!((page.len(), page.is_empty()), (2, false));
        assert_eq!(page.payload_refs().collect::<Vec<_>>(), [ROW.payload_ref; 2]);
    }
}

#[test]
fn whoever_reads_payloads_sees_those_that_follow() {
    let mut page = Page::default();
    let find = |rows: &mut Rows| -> std::result::Result<(), ()> {
        assert!(rows.is_empty());
        for id in [3, 2, 1] {
            let payload_ref = PayloadRef {
                offset: id * 10,
                len: 2,
            };
            rows.push(&Row { id, payload_ref, ..ROW });
        }
        assert!(rows.len() == 3 && !rows.is_empty());
        Ok(())
    };
    let mut seen = Vec::new();
    let filled = page.fill(find, |unread, buffer| {
        let (id, payload_ref) = unread.first();
        let offsets: Vec<_> = (0..)
            .map_while(|index| unread.payload_ref(index))
            .map(|it| it.offset)
            .collect();
        assert_eq!(offsets[0], payload_ref.offset);
        seen.push((id, offsets, buffer.used()));
        buffer.room(4).copy_from_slice(format!("[{id}]\n").as_bytes());
        buffer.keep(3);
        Ok(())
    });
    filled.unwrap();
    assert_eq!(seen, [(3, vec![30, 20, 10], 0), (2, vec![20, 10], 3), (1, vec![10], 6)]);
    let payloads: Vec<_> = page.events().map(|event| event.payload).collect();
    assert_eq!(payloads, [b"[3]", b"[2]", b"[1]"]);
    // An error leaves nothing of the page.
    assert_eq!(page.fill(find, |_, _| Err(())), Err(()));
    assert!(page.is_empty() && page.events().next().is_none());
}
