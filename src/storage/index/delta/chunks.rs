//! A sequence in chunks. Versions of it share those that are alike, so the next one costs a chunk and the list of all
//! chunks, however long it is. A tree would copy less, but reads and inserts a few times slower at the lengths that a delta has.

use std::sync::Arc;

/// The most items of a chunk.
const MOST: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
}

/// Some items; at least one.
#[derive(Clone, Debug)]
struct Chunk<T> {
    /// How many items there are up to its end, those of the chunks before it included.
    end: usize,
    items: Arc<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks { chunks: Vec::new() }
    }
}

impl<T> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        self.start(self.chunks.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        let number = self.chunk_at(index);
        self.chunks.get(number)?.items.get(index - self.start(number))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.items.iter())
    }

    /// The items from an index on.
    pub(super) fn iter_from(&self, index: usize) -> impl Iterator<Item = &T> {
        let number = self.chunk_at(index);
        let skipped = index - self.start(number);
        let chunks = self.chunks.get(number..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.items.iter()).skip(skipped)
    }

    /// The first index whose item is as asked no longer; the asked ones are the first ones.
    pub(super) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let ends_before = |chunk: &Chunk<T>| chunk.items.last().is_some_and(&is_before);
        let number = self.chunks.partition_point(ends_before);
        let within = self
            .chunks
            .get(number)
            .map_or(0, |chunk| chunk.items.partition_point(&is_before));
        self.start(number) + within
    }

    /// The chunk that an index lies in; behind the last for an index behind the end.
    fn chunk_at(&self, index: usize) -> usize {
        self.chunks.partition_point(|chunk| chunk.end <= index)
    }

    /// How many items come before a chunk.
    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.chunks[before].end)
    }
}

impl<T> FromIterator<T> for Chunks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        let (mut chunks, mut end) = (Vec::new(), 0);
        loop {
            let chunk: Vec<T> = items.by_ref().take(MOST).collect();
            if chunk.is_empty() {
                return Chunks { chunks };
            }
            end += chunk.len();
            let items = Arc::new(chunk);
            chunks.push(Chunk { end, items });
        }
    }
}

impl<T: Clone> Chunks<T> {
    /// Puts an item before the one at `index`, or at the end.
    pub(super) fn insert(&mut self, index: usize, item: T) {
        // What comes at the end goes into the last chunk.
        let number = self.chunk_at(index).min(self.chunks.len().saturating_sub(1));
        let start = self.start(number);
        let Some(chunk) = self.chunks.get_mut(number) else {
            let items = Arc::new(vec![item]);
            self.chunks.push(Chunk { end: 1, items });
            return;
        };
        let items = Arc::make_mut(&mut chunk.items);
        items.insert((index - start).min(items.len()), item);
        if items.len() > MOST {
            // Where items come one behind the other, full chunks stay behind.
            let is_at_end = index - start == MOST;
            let behind = items.split_off(if is_at_end { MOST } else { MOST / 2 });
            let items = Arc::new(behind);
            self.chunks.insert(number + 1, Chunk { end: 0, items });
        }
        self.count_from(number);
    }

    /// Takes out the item at an index, if there is one.
    pub(super) fn remove(&mut self, index: usize) {
        let number = self.chunk_at(index);
        let start = self.start(number);
        if let Some(chunk) = self.chunks.get_mut(number) {
            Arc::make_mut(&mut chunk.items).remove(index - start);
            if chunk.items.is_empty() {
                self.chunks.remove(number);
            }
            self.count_from(number);
        }
    }

    /// Brings the ends up to date from a chunk on.
    fn count_from(&mut self, number: usize) {
        let mut end = self.start(number);
        for chunk in &mut self.chunks[number..] {
            end += chunk.items.len();
            chunk.end = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Chunks, MOST};

    /// Numbers that look random and are the same in every run.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 1_u64;
        move |end| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % end.max(1)
        }
    }

    fn is_like(chunks: &Chunks<usize>, items: &[usize]) {
        assert_eq!((chunks.len(), chunks.is_empty()), (items.len(), items.is_empty()));
        assert!(chunks.iter().eq(items));
        assert!(
            chunks
                .chunks
                .iter()
                .all(|chunk| (1..=MOST).contains(&chunk.items.len()))
        );
        for index in 0..=items.len() {
            assert_eq!(chunks.get(index), items.get(index));
            assert!(chunks.iter_from(index).eq(&items[index..]));
        }
    }

    #[test]
    fn it_is_like_a_vector_and_its_old_versions_stay() {
        let mut next = numbers();
        let (mut chunks, mut items) = (Chunks::default(), Vec::new());
        let mut versions = Vec::new();
        // It grows, mostly in the middle, at the end or at the start, and shrinks to nothing.
        for step in 0..9_000_usize {
            let grows = if step < 5_000 { next(10) < 8 } else { next(10) < 2 };
            if grows {
                let at = [0, items.len(), next(items.len() + 1)][step / 300 % 3];
                chunks.insert(at, step);
                items.insert(at, step);
            } else if !items.is_empty() {
                let at = next(items.len());
                chunks.remove(at);
                items.remove(at);
            }
            if step % 500 == 0 {
                is_like(&chunks, &items);
                versions.push((chunks.clone(), items.clone()));
            }
        }
        assert!(versions.iter().any(|(chunks, _)| chunks.chunks.len() > 8));
        while !items.is_empty() {
            let at = next(items.len());
            chunks.remove(at);
            items.remove(at);
        }
        is_like(&chunks, &items);
        chunks.remove(0);
        is_like(&chunks, &[]);
        versions.iter().for_each(|(chunks, items)| is_like(chunks, items));
    }

    #[test]
    fn a_search_finds_the_first_that_is_not_before() {
        for len in [0, 1, MOST - 1, MOST, MOST + 1, 3 * MOST + 7] {
            let mut chunks = Chunks::default();
            (0..len).for_each(|number| chunks.insert(number, 2 * number));
            for asked in 0..=2 * len + 1 {
                let found = chunks.partition_point(|&item| item < asked);
                assert_eq!(found, asked.div_ceil(2).min(len), "{asked} of {len}");
            }
        }
    }

    #[test]
    fn what_is_collected_is_there_in_full_chunks() {
        for len in [0, 1, MOST, MOST + 1, 3 * MOST] {
            let chunks: Chunks<usize> = (0..len).collect();
            is_like(&chunks, &(0..len).collect::<Vec<_>>());
            assert_eq!(chunks.chunks.len(), len.div_ceil(MOST));
        }
    }

    #[test]
    fn versions_share_all_but_what_changed() {
        let mut chunks = Chunks::default();
        (0..10 * MOST).for_each(|number| chunks.insert(number, number));
        assert_eq!(chunks.chunks.len(), 10, "what comes in order fills chunks");
        let mut next = chunks.clone();
        next.insert(5 * MOST, 0);
        next.remove(9 * MOST);
        let is_shared =
            |chunk: &super::Chunk<usize>| chunks.chunks.iter().any(|old| Arc::ptr_eq(&old.items, &chunk.items));
        assert_eq!(next.chunks.iter().filter(|chunk| !is_shared(chunk)).count(), 3);
    }
}
