//! Numbers as files hold them: little-endian, one behind the other.

use super::corrupted::Corrupted;

/// A value that takes a fixed number of bytes.
pub(crate) trait Fixed: Sized {
    /// Bytes it takes.
    const SIZE: usize;

    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes it from the front.
    ///
    /// # Errors
    /// Bytes that stand for no such value.
    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted>;
}

/// Bytes that are read from the front.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next `len` bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Corrupted> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(Corrupted::new("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The next value.
    ///
    /// # Errors
    /// There are too few bytes, or they stand for no such value.
    pub(crate) fn take<T: Fixed>(&mut self) -> Result<T, Corrupted> {
        T::take(self)
    }

    /// A number of values that are to come, each of at least so many bytes: never more than can be there.
    ///
    /// # Errors
    /// There are too few bytes for as many.
    pub(crate) fn count(&mut self, size: usize) -> Result<usize, Corrupted> {
        let count = self.take::<u64>()?;
        let most = self.0.len() / size.max(1);
        usize::try_from(count)
            .ok()
            .filter(|&count| count <= most)
            .ok_or(Corrupted::new("it says that it holds more than there is"))
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Fixed for $number {
            const SIZE: usize = size_of::<$number>();

            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
                let mut bytes = [0; size_of::<$number>()];
                bytes.copy_from_slice(input.bytes(size_of::<$number>())?);
                Ok(<$number>::from_le_bytes(bytes))
            }
        }
    )*};
}

numbers!(u32, i64, u64, u128);

impl<T: Fixed, const LEN: usize> Fixed for [T; LEN] {
    const SIZE: usize = T::SIZE * LEN;

    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.put(out));
    }

    fn take(input: &mut Input<'_>) -> Result<Self, Corrupted> {
        let mut values = Vec::with_capacity(LEN);
        for _ in 0..LEN {
            values.push(input.take()?);
        }
        values.try_into().map_err(|_| Corrupted::new("it ends too early"))
    }
}
