//! Rows that wait until the read transaction that found them has ended.

use crate::error::Result;
use crate::model::{PayloadRef, Row, Rows};
use crate::storage::fs::spool::{Spool, SpoolReader};

/// How many bytes of rows stay in memory: some 100,000 rows of the usual length.
const MEMORY: usize = 8 << 20;

/// Up to how many bytes of text are given back at once, but for one row more.
const TEXT: u64 = 4 << 20;

/// A row's five numbers and the lengths of its three texts, which follow.
const HEADER: usize = NUMBERS * size_of::<u64>();
const NUMBERS: usize = 8;

/// Takes rows in the order in which they are to be read.
pub(super) struct RowSpool {
    spool: Spool,
    rows: u64,
}

impl RowSpool {
    pub(super) fn new() -> Self {
        Self::within(MEMORY)
    }

    fn within(memory: usize) -> Self {
        RowSpool {
            spool: Spool::new(memory),
            rows: 0,
        }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<()> {
        let texts = [row.action, row.resource_type, row.resource_id];
        let PayloadRef { offset, len } = row.payload_ref;
        let numbers = [row.id, row.created_at, row.actor_id, offset, len].map(i64::cast_unsigned);
        let lengths = texts.map(|text| text.len() as u64);
        for number in numbers.into_iter().chain(lengths) {
            self.spool.write(&number.to_le_bytes())?;
        }
        for text in texts {
            self.spool.write(text.as_bytes())?;
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn into_reader(self) -> Result<RowReader> {
        Ok(RowReader {
            reader: self.spool.into_reader()?,
            left: self.rows,
            text: Vec::new(),
        })
    }
}

/// Gives the rows back.
#[derive(Debug)]
pub(super) struct RowReader {
    reader: SpoolReader,
    left: u64,
    text: Vec<u8>,
}

impl RowReader {
    /// Appends the next rows, `most` of them at most; none where no row is left.
    pub(super) fn read(&mut self, most: usize, rows: &mut Rows) -> Result<()> {
        let mut text = 0;
        let mut read = 0;
        while read < most && self.left > 0 && text < TEXT {
            text += self.read_row(rows)?;
            read += 1;
        }
        Ok(())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.left == 0
    }

    /// Appends the next row: the length of its texts in bytes.
    fn read_row(&mut self, rows: &mut Rows) -> Result<u64> {
        let mut header = [0; HEADER];
        self.reader.read_exact(&mut header)?;
        let (numbers, _) = header.as_chunks();
        let number = |index: usize| u64::from_le_bytes(numbers[index]);
        let signed = |index| number(index).cast_signed();
        // This process wrote the file, and nobody else has a name for it: the lengths are those of texts that were held.
        let lengths = [number(5), number(6), number(7)];
        let ends = [lengths[0], lengths[0] + lengths[1], lengths.iter().sum::<u64>()];
        self.text.resize(ends[2] as usize, 0);
        self.reader.read_exact(&mut self.text)?;
        let text = |from: u64, to: u64| String::from_utf8_lossy(&self.text[from as usize..to as usize]);
        rows.push(&Row {
            id: signed(0),
            created_at: signed(1),
            actor_id: signed(2),
            action: &text(0, ends[0]),
            resource_type: &text(ends[0], ends[1]),
            resource_id: &text(ends[1], ends[2]),
            payload_ref: PayloadRef {
                offset: signed(3),
                len: signed(4),
            },
        });
        self.left -= 1;
        Ok(ends[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, text: &str) -> Row<'_> {
        Row {
            id,
            created_at: -id,
            actor_id: i64::MAX - id,
            action: text,
            resource_type: "",
            resource_id: "ünï",
            payload_ref: PayloadRef {
                offset: i64::MIN,
                len: id,
            },
        }
    }

    #[test]
    fn rows_come_back_as_they_were_a_few_at_a_time() {
        for memory in [100, 1 << 20] {
            let mut spool = RowSpool::within(memory);
            let mut expected = Rows::default();
            for id in 0..1_234 {
                let text = "x".repeat(id as usize % 50);
                spool.push(&row(id, &text)).unwrap();
                expected.push(&row(id, &text));
            }
            let mut reader = spool.into_reader().unwrap();
            let mut all = Rows::default();
            let mut sizes = Vec::new();
            while !reader.is_at_end() {
                let before = all.len();
                reader.read(500, &mut all).unwrap();
                sizes.push(all.len() - before);
            }
            assert_eq!(sizes, [500, 500, 234]);
            assert_eq!(format!("{all:?}"), format!("{expected:?}"));
        }
    }

    #[test]
    fn long_texts_come_back_fewer_at_a_time() {
        let mut spool = RowSpool::new();
        let long = "x".repeat(3 << 20);
        for id in 0..3 {
            spool.push(&row(id, &long)).unwrap();
        }
        let (mut reader, mut rows) = (spool.into_reader().unwrap(), Rows::default());
        reader.read(500, &mut rows).unwrap();
        assert_eq!(rows.len(), 2);
        reader.read(500, &mut rows).unwrap();
        assert_eq!(rows.len(), 3);
        assert!(reader.is_at_end());
    }
}
