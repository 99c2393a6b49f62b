//! Numbers and choices from a fuzzer's bytes.

/// Bytes that decide. When they are used up, everything drawn is 0: any input means something.
#[derive(Debug)]
pub struct Draw<'data> {
    rest: &'data [u8],
}

impl<'data> Draw<'data> {
    /// Draws from these bytes, the first of them first.
    pub fn new(data: &'data [u8]) -> Self {
        Draw { rest: data }
    }

    /// Whether everything from now on is 0.
    pub fn is_used_up(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes(self.bytes())) % end.max(1)
    }

    /// Any number, small ones and the extremes first of all.
    pub fn number(&mut self) -> i64 {
        match self.byte() {
            0 => i64::MIN,
            1 => i64::MAX,
            2..=15 => i64::from_le_bytes(self.bytes()),
            _ => i64::from(self.byte().cast_signed()),
        }
    }

    /// One of these, or none if there is none.
    pub fn one_of<'item, T>(&mut self, items: &'item [T]) -> Option<&'item T> {
        let place = usize::from(self.byte()) % items.len().max(1);
        items.get(place)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.rest.split_at(N.min(self.rest.len()));
        self.rest = rest;
        let mut bytes = [0; N];
        bytes[..taken.len()].copy_from_slice(taken);
        bytes
    }
}
