//! How deep in the matching events a page lies.

/// The class of a page. Every page has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// It starts in the newest tenth of the matching events.
    Shallow,
    /// It starts behind that, in the newer half.
    Middle,
    /// It starts in the older half.
    Deep,
    /// It starts behind the last matching event: an empty page.
    PastTheEnd,
}

impl Depth {
    /// From the newest on.
    pub const ALL: [Depth; 4] = [Depth::Shallow, Depth::Middle, Depth::Deep, Depth::PastTheEnd];

    /// The class of a page with `offset` of `matching` events before it.
    #[must_use]
    pub fn of(offset: u64, matching: u64) -> Self {
        let (offset, matching) = (u128::from(offset), u128::from(matching));
        if offset >= matching {
            Depth::PastTheEnd
        } else if offset * 10 < matching {
            Depth::Shallow
        } else if offset * 2 < matching {
            Depth::Middle
        } else {
            Depth::Deep
        }
    }

    /// What it is called in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Depth::Shallow => "shallow",
            Depth::Middle => "middle",
            Depth::Deep => "deep",
            Depth::PastTheEnd => "past_the_end",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Depth;

    #[test]
    fn the_classes_part_at_a_tenth_a_half_and_the_end() {
        for (offset, expected) in [
            (0, Depth::Shallow),
            (99, Depth::Shallow),
            (100, Depth::Middle),
            (499, Depth::Middle),
            (500, Depth::Deep),
            (999, Depth::Deep),
            (1_000, Depth::PastTheEnd),
            (u64::MAX, Depth::PastTheEnd),
        ] {
            assert_eq!(Depth::of(offset, 1_000), expected, "{offset}");
        }
    }

    #[test]
    fn the_first_page_is_shallow_unless_nothing_matches() {
        assert_eq!(Depth::of(0, 1), Depth::Shallow);
        assert_eq!(Depth::of(0, u64::MAX), Depth::Shallow);
        assert_eq!(Depth::of(0, 0), Depth::PastTheEnd);
    }

    #[test]
    fn every_class_has_a_name_of_its_own() {
        let names = Depth::ALL.map(Depth::name);
        assert_eq!(names, ["shallow", "middle", "deep", "past_the_end"]);
    }
}
