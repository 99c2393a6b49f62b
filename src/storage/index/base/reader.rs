//! Answers from an index: a window is two binary searches, a page is a slice of a posting list.

use std::cmp::Ordering;
use std::fs::File;

use super::blocks::{Blocks, Corrupted};
use super::format::Section;
use super::records::{ActorRecord, EventRecord, PairRecord, TextRecord};
use crate::model::{Filter, Key, Position, Query, Rows};
use crate::storage::db_version::DbVersion;
use crate::storage::index::fetch;

/// An index file, open for answers.
#[derive(Debug)]
pub(crate) struct Index {
    blocks: Blocks,
}

/// The ranks of the events that match a filter's actor and action, ascending.
#[derive(Clone, Copy, Debug)]
enum List {
    /// No filter: every rank.
    All { events: u64 },
    /// A slice of the postings of a section.
    Postings { section: Section, start: u64, end: u64 },
}

impl List {
    const NONE: List = List::All { events: 0 };

    fn len(&self) -> u64 {
        match *self {
            List::All { events } => events,
            List::Postings { start, end, .. } => end - start,
        }
    }
}

impl Index {
    /// Opens an index file.
    ///
    /// # Errors
    /// A file that is no index of this version, or a damaged one.
    pub(crate) fn open(file: File) -> Result<Self, Corrupted> {
        Ok(Index {
            blocks: Blocks::open(file)?,
        })
    }

    /// The state of the database that the index tells.
    pub(crate) fn version(&self) -> &DbVersion {
        self.blocks.version()
    }

    /// How many events the log holds.
    pub(crate) fn events(&self) -> u64 {
        self.blocks.counts().events
    }

    /// Replaces `rows` by those of the page.
    ///
    /// # Errors
    /// A damaged block; `rows` then holds nothing of use.
    pub(crate) fn page(&self, query: &Query, rows: &mut Rows) -> Result<(), Corrupted> {
        rows.clear();
        let offset = query.offset();
        if offset >= self.events() {
            return Ok(());
        }
        let list = self.list(query.filter(), offset)?;
        if offset >= list.len() {
            // Past the end of even the whole list: no need to look where the window lies.
            return Ok(());
        }
        let (first, mut end) = self.window(&list, query.filter())?;
        if let Position::After(key) = query.position() {
            end = end.min(self.rank_of(key, &list)?);
        }
        if end <= first {
            return Ok(());
        }
        let newest = end.saturating_sub(offset).max(first);
        let oldest = newest.saturating_sub(u64::from(query.page_size())).max(first);
        let ranks = (oldest..newest).rev().map(|index| self.rank(&list, index));
        let cursor = match query.position() {
            Position::After(key) => Some(key),
            Position::Page(_) => None,
        };
        fetch::push(&self.blocks, ranks, cursor, rows)
    }

    /// How many events match.
    pub(crate) fn count(&self, filter: &Filter) -> Result<u64, Corrupted> {
        let list = self.list(filter, 0)?;
        let (first, end) = self.window(&list, filter)?;
        Ok(end.saturating_sub(first))
    }

    /// The ranks, among those of the filter's list, that lie in its window: first and end.
    fn window(&self, list: &List, filter: &Filter) -> Result<(u64, u64), Corrupted> {
        if filter.from_ts > filter.to_ts {
            return Ok((0, 0));
        }
        let first = match filter.from_ts {
            i64::MIN => 0,
            from => self.first_in(list, self.first_rank(|time| time >= from)?)?,
        };
        let end = match filter.to_ts {
            i64::MAX => list.len(),
            to => self.first_in(list, self.first_rank(|time| time > to)?)?,
        };
        Ok((first, end))
    }

    /// The place in the list before which everything comes before `key` in the order.
    fn rank_of(&self, key: Key, list: &List) -> Result<u64, Corrupted> {
        let rank = partition_point(0, self.events(), |rank| {
            let time = self.time(rank)?;
            Ok(time < key.created_at || (time == key.created_at && self.event(rank)?.id < key.id))
        })?;
        self.first_in(list, rank)
    }

    /// The first rank whose time is as asked; the asked times are all those from some time on.
    fn first_rank(&self, is_late: impl Fn(i64) -> bool) -> Result<u64, Corrupted> {
        partition_point(0, self.events(), |rank| Ok(!is_late(self.time(rank)?)))
    }

    /// The first place in the list whose rank is at least `rank`.
    fn first_in(&self, list: &List, rank: u64) -> Result<u64, Corrupted> {
        match list {
            List::All { events } => Ok(rank.min(*events)),
            List::Postings { .. } => partition_point(0, list.len(), |index| Ok(self.rank(list, index)? < rank)),
        }
    }

    /// The rank at a place of the list.
    fn rank(&self, list: &List, index: u64) -> Result<u64, Corrupted> {
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
    fn list(&self, filter: &Filter, skipped: u64) -> Result<List, Corrupted> {
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
        let by_actor = self.postings(Section::ByActor, this.postings, next.postings)?;
        match &filter.action {
            None => Ok(by_actor),
            Some(_) if by_actor.len() <= skipped => Ok(List::NONE),
            Some(action) => self.pair_list(&this, &next, action),
        }
    }

    fn action_list(&self, name: &str) -> Result<List, Corrupted> {
        let Some(action) = self.find_action(name)? else {
            return Ok(List::NONE);
        };
        let (this, next) = (self.action(action)?, self.action(action + 1)?);
        self.postings(Section::ByAction, this.postings, next.postings)
    }

    fn pair_list(&self, actor: &ActorRecord, next_actor: &ActorRecord, action: &str) -> Result<List, Corrupted> {
        let Some(action) = self.find_action(action)? else {
            return Ok(List::NONE);
        };
        let (first, end) = (u64::from(actor.pairs), u64::from(next_actor.pairs));
        if first > end {
            return Err(Corrupted);
        }
        let found = partition_point(first, end, |pair| Ok(u64::from(self.pair(pair)?.action) < action))?;
        if found >= end || u64::from(self.pair(found)?.action) != action {
            return Ok(List::NONE);
        }
        let (this, next) = (self.pair(found)?, self.pair(found + 1)?);
        self.postings(Section::ByPair, this.postings, next.postings)
    }

    fn postings(&self, section: Section, start: u32, end: u32) -> Result<List, Corrupted> {
        let (start, end) = (u64::from(start), u64::from(end));
        if start > end || end > self.events() {
            return Err(Corrupted);
        }
        Ok(List::Postings { section, start, end })
    }

    fn find_actor(&self, actor_id: i64) -> Result<Option<u64>, Corrupted> {
        let actors = self.blocks.counts().actors;
        let Some(guess) = self.guess_actor(actor_id, actors)? else {
            return Ok(None);
        };
        let (from, to) = match self.actor(guess)?.actor_id.cmp(&actor_id) {
            Ordering::Equal => return Ok(Some(guess)),
            Ordering::Less => (guess + 1, actors),
            Ordering::Greater => (0, guess),
        };
        let found = partition_point(from, to, |actor| Ok(self.actor(actor)?.actor_id < actor_id))?;
        Ok((found < to && self.actor(found)?.actor_id == actor_id).then_some(found))
    }

    /// Where an actor stands if the ids lie evenly between the least and the greatest: numbers that were given
    /// out one after the other do. None if it lies outside of them.
    fn guess_actor(&self, actor_id: i64, actors: u64) -> Result<Option<u64>, Corrupted> {
        let Some(last) = actors.checked_sub(1) else {
            return Ok(None);
        };
        let (least, greatest) = (self.actor(0)?.actor_id, self.actor(last)?.actor_id);
        if actor_id < least || actor_id > greatest {
            return Ok(None);
        }
        let above = actor_id.abs_diff(least) as f64;
        let width = greatest.abs_diff(least).max(1) as f64;
        let guess = (above / width * last as f64 + 0.5) as u64;
        Ok(Some(guess.min(last)))
    }

    fn find_action(&self, name: &str) -> Result<Option<u64>, Corrupted> {
        let actions = self.blocks.counts().actions;
        let compare = |action| {
            let TextRecord { start, len, .. } = self.action(action)?;
            self.blocks.compare_text(start, len.into(), name.as_bytes())
        };
        let found = partition_point(0, actions, |action| Ok(compare(action)?.is_lt()))?;
        Ok((found < actions && compare(found)?.is_eq()).then_some(found))
    }

    fn actor(&self, index: u64) -> Result<ActorRecord, Corrupted> {
        Ok(ActorRecord::decode(self.blocks.sized_record(Section::Actors, index)?))
    }

    fn action(&self, index: u64) -> Result<TextRecord, Corrupted> {
        Ok(TextRecord::decode(self.blocks.sized_record(Section::Actions, index)?))
    }

    fn pair(&self, index: u64) -> Result<PairRecord, Corrupted> {
        Ok(PairRecord::decode(self.blocks.sized_record(Section::Pairs, index)?))
    }
}

/// The first index of `from..to` for which `is_before` does not hold; it holds for none behind it.
fn partition_point(
    from: u64,
    to: u64,
    mut is_before: impl FnMut(u64) -> Result<bool, Corrupted>,
) -> Result<u64, Corrupted> {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
