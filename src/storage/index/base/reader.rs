//! Finds ranks in a base: a window is two binary searches, a page is a slice of a posting list.

use std::cmp::Ordering;
use std::fs::File;
use std::ops::RangeInclusive;

use super::blocks::Blocks;
use super::codec::{Fixed, Input};
use super::corrupted::Corrupted;
use super::format::Header;
use super::leaf_directory::{TableLeaf, TimeLeaf};
use super::records::{ActorRecord, EventRecord, PairRecord, TextRecord};
use super::search::{evenly, partition_point, partition_point_near};
use super::section::Section;
use crate::model::{Filter, Key};

/// An index file, open for answers.
#[derive(Debug)]
pub(crate) struct Base {
    blocks: Blocks,
}

/// The ranks of the events that match a filter's actor and action, ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    /// No filter: every rank.
    All { events: u64 },
    /// A slice of the postings of a section.
    Postings { section: Section, start: u64, end: u64 },
}

impl List {
    const NONE: List = List::All { events: 0 };

    pub(crate) fn len(&self) -> u64 {
        match *self {
            List::All { events } => events,
            List::Postings { start, end, .. } => end - start,
        }
    }
}

impl Base {
    /// Opens an index file.
    ///
    /// # Errors
    /// A file that is no index of this version, or a damaged one.
    pub(crate) fn open(file: File) -> Result<Self, Corrupted> {
        Ok(Base {
            blocks: Blocks::open(file)?,
        })
    }

    /// How many events the log holds.
    pub(crate) fn events(&self) -> u64 {
        self.blocks.counts().events
    }

    /// The first block.
    pub(crate) fn header(&self) -> &Header {
        self.blocks.header()
    }

    /// The blocks that rows are read from.
    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The key of a rank.
    pub(crate) fn key(&self, rank: u64) -> Result<Key, Corrupted> {
        Ok(Key {
            created_at: self.time(rank)?,
            id: self.event(rank)?.id,
        })
    }

    /// How many events come before `key` in the order: its rank, if it is there.
    pub(crate) fn rank_of_key(&self, key: Key) -> Result<u64, Corrupted> {
        partition_point_near(self.events(), self.guess_rank(key.created_at)?, |rank| {
            let time = self.time(rank)?;
            Ok(time < key.created_at || (time == key.created_at && self.event(rank)?.id < key.id))
        })
    }

    /// The ranks of the first events with an id in `ids`, by id, at most so many.
    pub(crate) fn ranks_of_ids(&self, ids: &RangeInclusive<i64>, most: usize) -> Result<Vec<u64>, Corrupted> {
        let mut ranks = Vec::new();
        let guess = self.guess_place(*ids.start())?;
        let first = partition_point_near(self.events(), guess, |place| Ok(self.id_at(place)?.1 < *ids.start()))?;
        let mut least = *ids.start();
        for place in first..self.events() {
            let (rank, id) = self.id_at(place)?;
            if id > *ids.end() || ranks.len() == most {
                break;
            }
            // Whatever an index says, who reads on behind the last id comes to its end.
            if id < least {
                return Err(Corrupted::new("ids do not ascend").in_section(Section::ById));
            }
            ranks.push(rank);
            match id.checked_add(1) {
                Some(next) => least = next,
                None => break,
            }
        }
        Ok(ranks)
    }

    /// The place of an id among all by id if these lie evenly: numbers that were given out one after the other do.
    fn guess_place(&self, id: i64) -> Result<u64, Corrupted> {
        let Some(last) = self.events().checked_sub(1) else {
            return Ok(0);
        };
        Ok(evenly(id, self.id_at(0)?.1, self.id_at(last)?.1, last))
    }

    /// The rank of the event at a place among all by id, and its id.
    fn id_at(&self, place: u64) -> Result<(u64, i64), Corrupted> {
        let record = self.blocks.record(Section::ById, place)?;
        let rank = self.blocks.columns().rank.get(record).cast_unsigned();
        Ok((rank, self.event(rank)?.id))
    }

    /// The leaf pages of the table, by id.
    pub(crate) fn table_leaves(&self) -> Result<Vec<TableLeaf>, Corrupted> {
        self.directory(Section::TableLeaves, self.header().counts.table_leaves)
    }

    /// The leaf pages of the index on `created_at`, in order.
    pub(crate) fn time_leaves(&self) -> Result<Vec<TimeLeaf>, Corrupted> {
        self.directory(Section::TimeLeaves, self.header().counts.time_leaves)
    }

    fn directory<T: Fixed>(&self, section: Section, count: u64) -> Result<Vec<T>, Corrupted> {
        (0..count)
            .map(|place| {
                let bytes = self.blocks.record(section, place)?;
                T::take(&mut Input(bytes)).map_err(|why| why.in_section(section))
            })
            .collect()
    }

    /// The ranks, among those of the filter's list, that lie in its window: first and end.
    pub(crate) fn window(&self, list: &List, filter: &Filter) -> Result<(u64, u64), Corrupted> {
        if filter.from_ts > filter.to_ts {
            return Ok((0, 0));
        }
        let first = match filter.from_ts {
            i64::MIN => 0,
            from => self.first_in(list, self.first_rank_at(from)?)?,
        };
        let end = match filter.to_ts {
            i64::MAX => list.len(),
            to => self.first_in(list, self.first_rank_after(to)?)?,
        };
        Ok((first, end))
    }

    /// The place in the list before which everything comes before `key` in the order.
    pub(crate) fn first_not_before(&self, key: Key, list: &List) -> Result<u64, Corrupted> {
        self.first_in(list, self.rank_of_key(key)?)
    }

    /// The first rank whose time is `time` or later.
    pub(crate) fn first_rank_at(&self, time: i64) -> Result<u64, Corrupted> {
        partition_point_near(
            self.events(),
            self.guess_rank(time)?,
            |rank| Ok(self.time(rank)? < time),
        )
    }

    /// The first rank whose time is later than `time`.
    pub(crate) fn first_rank_after(&self, time: i64) -> Result<u64, Corrupted> {
        match time.checked_add(1) {
            Some(next) => self.first_rank_at(next),
            None => Ok(self.events()),
        }
    }

    /// The rank of a time if events come evenly, as those of a service in steady use nearly do.
    fn guess_rank(&self, time: i64) -> Result<u64, Corrupted> {
        let Some(last) = self.events().checked_sub(1) else {
            return Ok(0);
        };
        Ok(evenly(time, self.time(0)?, self.time(last)?, last))
    }

    /// The first place in the list whose rank is at least `rank`.
    pub(crate) fn first_in(&self, list: &List, rank: u64) -> Result<u64, Corrupted> {
        match list {
            List::All { events } => Ok(rank.min(*events)),
            List::Postings { .. } => {
                // As if every list had its share of any stretch of the log.
                let share = u128::from(rank) * u128::from(list.len()) / u128::from(self.events().max(1));
                let guess = u64::try_from(share).unwrap_or(u64::MAX);
                partition_point_near(list.len(), guess, |index| Ok(self.rank(list, index)? < rank))
            }
        }
    }

    /// The rank at a place of the list.
    pub(crate) fn rank(&self, list: &List, index: u64) -> Result<u64, Corrupted> {
        match *list {
            List::All { .. } => Ok(index),
            List::Postings { section, start, .. } => {
                let record = self.blocks.record(section, start + index)?;
                Ok(self.blocks.columns().rank.get(record).cast_unsigned())
            }
        }
    }

    fn time(&self, rank: u64) -> Result<i64, Corrupted> {
        let record = self.blocks.record(Section::Times, rank)?;
        Ok(self.blocks.columns().created_at.get(record))
    }

    fn event(&self, rank: u64) -> Result<EventRecord, Corrupted> {
        let record = self.blocks.record(Section::Events, rank)?;
        Ok(self.blocks.columns().event.get(record))
    }

    /// The events of the filter's actor and action. Where that is no more than `skipped` of them, it may be none:
    /// a page behind them is empty either way.
    pub(crate) fn list(&self, filter: &Filter, skipped: u64) -> Result<List, Corrupted> {
        let Some(actor_id) = filter.actor_id else {
            return match &filter.action {
                None => Ok(List::All { events: self.events() }),
                Some(action) => self.action_list(action),
            };
        };
        let Some(actor) = self.find_actor(actor_id)? else {
            return Ok(List::NONE);
        };
        let (this, next) = (self.actor(actor)?, self.actor(actor + 1)?);
        let by_actor = self.postings(Section::ByActor, this.postings.get(), next.postings.get())?;
        match &filter.action {
            None => Ok(by_actor),
            Some(_) if by_actor.len() <= skipped => Ok(List::NONE),
            Some(action) => self.pair_list(this, next, action),
        }
    }

    fn action_list(&self, name: &str) -> Result<List, Corrupted> {
        let Some(action) = self.find_action(name)? else {
            return Ok(List::NONE);
        };
        let (this, next) = (self.action(action)?, self.action(action + 1)?);
        self.postings(Section::ByAction, this.postings.get(), next.postings.get())
    }

    fn pair_list(&self, actor: &ActorRecord, next_actor: &ActorRecord, action: &str) -> Result<List, Corrupted> {
        let Some(action) = self.find_action(action)? else {
            return Ok(List::NONE);
        };
        let (first, end) = (u64::from(actor.pairs.get()), u64::from(next_actor.pairs.get()));
        if first > end {
            return Err(ends_early(Section::Actors));
        }
        let found = partition_point(first, end, |pair| Ok(u64::from(self.pair(pair)?.action.get()) < action))?;
        if found >= end || u64::from(self.pair(found)?.action.get()) != action {
            return Ok(List::NONE);
        }
        let (this, next) = (self.pair(found)?, self.pair(found + 1)?);
        self.postings(Section::ByPair, this.postings.get(), next.postings.get())
    }

    fn postings(&self, section: Section, start: u32, end: u32) -> Result<List, Corrupted> {
        let (start, end) = (u64::from(start), u64::from(end));
        if start > end || end > self.events() {
            // The records of another section say where a list starts.
            return Err(ends_early(match section {
                Section::ByActor => Section::Actors,
                Section::ByAction => Section::Actions,
                _ => Section::Pairs,
            }));
        }
        Ok(List::Postings { section, start, end })
    }

    fn find_actor(&self, actor_id: i64) -> Result<Option<u64>, Corrupted> {
        let actors = self.blocks.counts().actors;
        let Some(guess) = self.guess_actor(actor_id, actors)? else {
            return Ok(None);
        };
        let (from, to) = match self.actor(guess)?.actor_id.get().cmp(&actor_id) {
            Ordering::Equal => return Ok(Some(guess)),
            Ordering::Less => (guess + 1, actors),
            Ordering::Greater => (0, guess),
        };
        let found = partition_point(from, to, |actor| Ok(self.actor(actor)?.actor_id.get() < actor_id))?;
        Ok((found < to && self.actor(found)?.actor_id.get() == actor_id).then_some(found))
    }

    /// Where an actor stands if the ids lie evenly between the least and the greatest: numbers that were given
    /// out one after the other do. None if it lies outside of them.
    fn guess_actor(&self, actor_id: i64, actors: u64) -> Result<Option<u64>, Corrupted> {
        let Some(last) = actors.checked_sub(1) else {
            return Ok(None);
        };
        let (least, greatest) = (self.actor(0)?.actor_id.get(), self.actor(last)?.actor_id.get());
        if actor_id < least || actor_id > greatest {
            return Ok(None);
        }
        Ok(Some(evenly(actor_id, least, greatest, last)))
    }

    fn find_action(&self, name: &str) -> Result<Option<u64>, Corrupted> {
        let actions = self.blocks.counts().actions;
        let compare = |action| {
            let TextRecord { start, len, .. } = self.action(action)?;
            self.blocks.compare_text(start.get(), len.get().into(), name.as_bytes())
        };
        let found = partition_point(0, actions, |action| Ok(compare(action)?.is_lt()))?;
        Ok((found < actions && compare(found)?.is_eq()).then_some(found))
    }

    /// The actions, ascending by their bytes, of the first `most` those that are no longer than `longest` bytes.
    pub(crate) fn action_names(&self, most: u64, longest: u32) -> Result<Vec<String>, Corrupted> {
        let mut names = Vec::new();
        for action in 0..self.blocks.counts().actions.min(most) {
            let TextRecord { start, len, .. } = self.action(action)?;
            if len.get() > longest {
                continue;
            }
            let mut text = Vec::new();
            self.blocks.text(start.get(), len.get().into(), &mut text)?;
            names.push(
                String::from_utf8(text).map_err(|_| Corrupted::new("it is not UTF-8").in_section(Section::Text))?,
            );
        }
        Ok(names)
    }

    fn actor(&self, index: u64) -> Result<&ActorRecord, Corrupted> {
        self.blocks.sized_record(Section::Actors, index)
    }

    fn action(&self, index: u64) -> Result<&TextRecord, Corrupted> {
        self.blocks.sized_record(Section::Actions, index)
    }

    fn pair(&self, index: u64) -> Result<&PairRecord, Corrupted> {
        self.blocks.sized_record(Section::Pairs, index)
    }
}

fn ends_early(section: Section) -> Corrupted {
    Corrupted::new("a list ends before it starts").in_section(section)
}
