//! Which columns a table has room for, and how wide they are.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A column that gives way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sacrifice {
    column: usize,
    /// 0 leaves it out.
    least: usize,
}

/// The column becomes as narrow as it must, but no narrower than `least`; 0 leaves it out.
pub(super) const fn to(column: usize, least: usize) -> Sacrifice {
    Sacrifice { column, least }
}

/// Narrows `widths` until they fit beside each other, by one sacrifice after the other. A width of 0 is no column.
pub(super) fn fit(widths: &mut [usize], gap: usize, room: usize, sacrifices: &[Sacrifice]) {
    for &Sacrifice { column, least } in sacrifices {
        let shown = widths.iter().filter(|width| **width > 0).count();
        let used = widths.iter().sum::<usize>() + gap * shown.saturating_sub(1);
        let Some(excess) = used.checked_sub(room).filter(|excess| *excess > 0) else {
            return;
        };
        let Some(width) = widths.get_mut(column) else {
            continue;
        };
        *width = match least {
            0 => 0,
            least => width.saturating_sub(excess).max(least.min(*width)),
        };
    }
}

/// So many characters from the start of a text.
pub(super) fn beginning(text: &[u8], characters: usize) -> String {
    // A character has at most four bytes.
    let bytes = &text[..text.len().min(characters.saturating_mul(4))];
    String::from_utf8_lossy(bytes).chars().take(characters).collect()
}

/// `text` in at most `room` columns, with an ellipsis where its end is left out.
pub(super) fn shortened(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut shown = front(text, room.saturating_sub(1));
    shown.push('…');
    shown
}

/// `text` in at most `room` columns, with an ellipsis where its middle is left out: digests, paths and resources are told
/// apart by their ends.
pub(super) fn middle(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let room = room.saturating_sub(1);
    let reversed: String = text.chars().rev().collect();
    let back: String = front(&reversed, room / 2).chars().rev().collect();
    format!("{}…{back}", front(text, room - room / 2))
}

fn front(text: &str, room: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= room
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_give_way_in_order_and_no_more_than_they_must() {
        let fitted = |room| {
            let mut widths = [5, 10, 30];
            fit(&mut widths, 2, room, &[to(2, 12), to(2, 0), to(1, 0)]);
            widths
        };
        assert_eq!(fitted(49), [5, 10, 30]);
        assert_eq!(fitted(40), [5, 10, 21]);
        assert_eq!(fitted(31), [5, 10, 12]);
        assert_eq!(fitted(30), [5, 10, 0]);
        assert_eq!(fitted(16), [5, 0, 0]);
        // What nothing gives way for stays too wide.
        assert_eq!(fitted(4), [5, 0, 0]);
    }

    #[test]
    fn what_is_left_out_is_marked() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(middle("7e9120858b688cdd", 9), "7e91…8cdd");
        assert_eq!(middle("7e9120858b688cdd", 16), "7e9120858b688cdd");
        for room in 0..12 {
            for text in ["日本語日本語", "abcdefghijklmnop"] {
                assert!(middle(text, room).width() <= room.max(1), "{room} {text}");
                assert!(shortened(text, room).width() <= room.max(1), "{room} {text}");
            }
        }
    }
}
