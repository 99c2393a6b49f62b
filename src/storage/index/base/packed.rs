//! Numbers in as few bytes as they need.

/// The least and the greatest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MinMax {
    pub(crate) least: i64,
    pub(crate) greatest: i64,
}

impl MinMax {
    /// That of no numbers at all.
    pub(crate) const NONE: MinMax = MinMax {
        least: i64::MAX,
        greatest: i64::MIN,
    };

    pub(crate) fn add(&mut self, number: i64) {
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
    }

    /// Of these numbers and those.
    pub(crate) fn and(self, other: Self) -> Self {
        MinMax {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
        }
    }
}

/// How the numbers of one column are stored (frame of reference): each as its distance from the least of them, little-endian, in as
/// many bytes as the greatest distance needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedColumn {
    base: i64,
    /// Bytes, 1 to 8.
    width: u8,
}

impl PackedColumn {
    pub(crate) fn of(numbers: MinMax) -> Self {
        if numbers.least > numbers.greatest {
            return Self::for_len(0);
        }
        let bits = bits(numbers.greatest.abs_diff(numbers.least));
        PackedColumn {
            base: numbers.least,
            // From 1 to 8.
            width: bits.div_ceil(8).max(1) as u8,
        }
    }

    /// For numbers from 0 up to this one, which is not among them, and is at most 2^63.
    pub(crate) fn for_len(end: u64) -> Self {
        Self::of(MinMax {
            least: 0,
            greatest: end.saturating_sub(1).cast_signed(),
        })
    }

    /// A column as a file describes it; `None` if no column is that wide.
    pub(crate) fn new(base: i64, width: u64) -> Option<Self> {
        let width = u8::try_from(width).ok()?;
        (1..=8).contains(&width).then_some(PackedColumn { base, width })
    }

    pub(crate) const fn base(self) -> i64 {
        self.base
    }

    pub(crate) const fn width(self) -> usize {
        self.width as usize
    }

    /// How far a number of the column lies above the base.
    const fn distance(self, number: i64) -> u64 {
        number.wrapping_sub(self.base).cast_unsigned()
    }

    /// The number at the start of `bytes`, which may go on behind it.
    #[inline(always)]
    pub(crate) fn get(self, bytes: &[u8]) -> i64 {
        let distance = match bytes.first_chunk() {
            Some(chunk) => u64::from_le_bytes(*chunk) & (u64::MAX >> (64 - 8 * self.width())),
            None => last(bytes, self.width()),
        };
        self.base.wrapping_add_unsigned(distance)
    }

    /// Puts a number of the column at the start of `bytes`, and zeros into up to seven bytes behind it.
    #[inline(always)]
    pub(crate) fn put(self, number: i64, bytes: &mut [u8]) {
        let distance = self.distance(number).to_le_bytes();
        match bytes.first_chunk_mut() {
            Some(chunk) => *chunk = distance,
            None => {
                let width = self.width().min(bytes.len());
                bytes[..width].copy_from_slice(&distance[..width]);
            }
        }
    }
}

/// How many bits a number has.
pub(crate) const fn bits(number: u64) -> u32 {
    64 - number.leading_zeros()
}

/// The number of so many bytes where fewer than eight are left.
#[cold]
fn last(bytes: &[u8], width: usize) -> u64 {
    let mut chunk = [0; 8];
    let width = width.min(bytes.len());
    chunk[..width].copy_from_slice(&bytes[..width]);
    u64::from_le_bytes(chunk)
}

#[cfg(test)]
mod tests {
    use super::{MinMax, PackedColumn};

    #[test]
    fn a_column_is_as_wide_as_its_greatest_distance_needs() {
        let width = |least, greatest| PackedColumn::of(MinMax { least, greatest }).width();
        assert_eq!([width(7, 7), width(7, 262), width(7, 263)], [1, 1, 2]);
        assert_eq!([width(-1, 65_534), width(-1, 65_535)], [2, 3]);
        assert_eq!(width(i64::MIN, i64::MAX), 8);
        assert_eq!(PackedColumn::of(MinMax::NONE).width(), 1);
        assert_eq!(
            [PackedColumn::for_len(256).width(), PackedColumn::for_len(257).width()],
            [1, 2]
        );
        assert_eq!([PackedColumn::new(0, 0), PackedColumn::new(0, 9)], [None, None]);
        assert_eq!(
            PackedColumn::new(7, 2),
            Some(PackedColumn::of(MinMax {
                least: 7,
                greatest: 999
            }))
        );
    }

    #[test]
    fn numbers_come_back_wherever_they_lie() {
        for (least, greatest) in [(0, 0), (5, 260), (-3, 70_000), (i64::MIN, i64::MAX), (-1, i64::MAX - 2)] {
            let column = PackedColumn::of(MinMax { least, greatest });
            for number in [least, least / 2 + greatest / 2, greatest] {
                for room in column.width()..20 {
                    let mut bytes = vec![0xff; room];
                    column.put(number, &mut bytes);
                    bytes[column.width()..].fill(0xaa);
                    assert_eq!(column.get(&bytes), number, "{column:?}, {room} bytes");
                }
            }
        }
    }
}
