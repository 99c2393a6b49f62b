//! What a log holds, as far as requests can tell events apart.

use std::collections::{BTreeMap, HashMap};

use crate::engine::Engine;
use crate::error::Result;
use crate::model::{Event, Filter, Key, Page, Position, Query};

/// The log without its payloads, newest event first.
#[derive(Debug, Default)]
pub(super) struct LogProfile {
    keys: Vec<Key>,
    actors: Vec<i64>,
    /// Places in `names`.
    actions: Vec<u32>,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    by_actor: BTreeMap<i64, usize>,
    by_action: Vec<usize>,
    unreadable: usize,
}

/// How many events are read at once around those that cannot be.
const PIECE: u64 = 500;

fn nth(page: u64, size: u64) -> Result<Query> {
    Query::new(Filter::ALL, Position::Page(page), size)
}

impl LogProfile {
    /// Reads the model's whole log.
    pub(super) fn of(model: &dyn Engine) -> Result<Self> {
        let mut profile = LogProfile::default();
        let mut add = |page: &Page| {
            profile.add_page(page);
            Ok(())
        };
        match model.all(&Filter::ALL, &mut add) {
            // The pages that hold it are compared too: both engines must fail alike.
            Err(error) if error.is_of_one_event() => Self::piece_by_piece(model),
            read => read.map(|()| profile),
        }
    }

    /// Reads a log that has events which cannot be read: around them.
    fn piece_by_piece(model: &dyn Engine) -> Result<Self> {
        let mut profile = LogProfile::default();
        let mut page = Page::default();
        for number in 1.. {
            match model.page(&nth(number, PIECE)?, &mut page) {
                Ok(()) if page.is_empty() => break,
                Ok(()) => profile.add_page(&page),
                Err(error) if error.is_of_one_event() => profile.one_by_one(model, number)?,
                Err(error) => return Err(error),
            }
        }
        Ok(profile)
    }

    /// Reads the events of a piece that cannot be read at once.
    fn one_by_one(&mut self, model: &dyn Engine, piece: u64) -> Result<()> {
        let mut page = Page::default();
        for number in (piece - 1) * PIECE + 1..=piece * PIECE {
            match model.page(&nth(number, 1)?, &mut page) {
                Ok(()) => self.add_page(&page),
                Err(error) if error.is_of_one_event() => self.unreadable += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add_page(&mut self, page: &Page) {
        page.events().for_each(|event| self.add(&event));
    }

    fn add(&mut self, event: &Event<'_>) {
        self.keys.push(event.key());
        self.actors.push(event.actor_id);
        *self.by_actor.entry(event.actor_id).or_default() += 1;
        let number = self.number(event.action);
        self.actions.push(number);
        self.by_action[number as usize] += 1;
    }

    fn number(&mut self, action: &str) -> u32 {
        if let Some(number) = self.numbers.get(action) {
            return *number;
        }
        // There are fewer actions than events, and events are counted in the index by 32 bits as well.
        let number = self.names.len() as u32;
        self.names.push(action.to_owned());
        self.numbers.insert(action.to_owned(), number);
        self.by_action.push(0);
        number
    }

    /// How many events there are, and how many of them can be read.
    pub(super) fn events(&self) -> (usize, usize) {
        (self.keys.len() + self.unreadable, self.keys.len())
    }

    /// The place in the order of every event that can be read, newest first.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Every actor, by id.
    pub(super) fn actors(&self) -> Vec<i64> {
        self.by_actor.keys().copied().collect()
    }

    /// Every action, the most recently used first.
    pub(super) fn actions(&self) -> &[String] {
        &self.names
    }

    /// The actor and the action of an event.
    pub(super) fn event(&self, place: usize) -> (i64, &str) {
        (self.actors[place], &self.names[self.actions[place] as usize])
    }

    /// The newest and the oldest second, 0 and 0 in an empty log.
    pub(super) fn ends(&self) -> (i64, i64) {
        let second = |key: Option<&Key>| key.map_or(0, |key| key.created_at);
        (second(self.keys.first()), second(self.keys.last()))
    }

    /// Runs of events in the same second: the places of each, newest first.
    pub(super) fn ties(&self) -> Vec<std::ops::Range<usize>> {
        let mut ties = Vec::new();
        let mut start = 0;
        for run in self.keys.chunk_by(|one, next| one.created_at == next.created_at) {
            if run.len() > 1 {
                ties.push(start..start + run.len());
            }
            start += run.len();
        }
        ties
    }

    /// The places of the events in a filter's window, whosever they are, as far as its pin lets them.
    pub(super) fn window(&self, filter: &Filter) -> std::ops::Range<usize> {
        let is_newer = |key: &Key| key.created_at > filter.to_ts || filter.as_of.is_some_and(|pin| *key > pin);
        let start = self.keys.partition_point(is_newer);
        let end = self.keys.partition_point(|key| key.created_at >= filter.from_ts);
        start..end.max(start)
    }

    /// How many events match, counted.
    pub(super) fn count(&self, filter: &Filter) -> usize {
        let action = filter.action.as_ref().map(|name| self.numbers.get(name));
        let is_everywhen = filter.from_ts == i64::MIN && filter.to_ts == i64::MAX && filter.as_of.is_none();
        match (filter.actor_id, action) {
            (None, None) => self.window(filter).len(),
            (Some(actor), None) if is_everywhen => self.by_actor.get(&actor).copied().unwrap_or(0),
            (None, Some(Some(action))) if is_everywhen => self.by_action[*action as usize],
            (_, Some(None)) => 0,
            (actor, action) => self
                .window(filter)
                .filter(|place| actor.is_none_or(|actor| self.actors[*place] == actor))
                .filter(|place| action.flatten().is_none_or(|action| self.actions[*place] == *action))
                .count(),
        }
    }
}
