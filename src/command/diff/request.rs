//! What is asked of both engines, and what they answer.

use crate::engine::Engine;
use crate::error::Result;
use crate::model::{Event, Filter, Page, Query};

/// One request, as `auditq query` can make it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Request {
    /// A page.
    Page(Query),
    /// How many events match.
    Count(Filter),
    /// Every event that matches.
    All(Filter),
}

impl Request {
    /// Which events are meant.
    pub(super) fn filter(&self) -> &Filter {
        match self {
            Request::Page(query) => query.filter(),
            Request::Count(filter) | Request::All(filter) => filter,
        }
    }
}

/// An engine's answer, in buffers that are kept from request to request.
#[derive(Debug, Default)]
pub(super) struct Response {
    pages: Vec<Page>,
    used: usize,
    pub(super) outcome: Outcome,
}

/// What kind of answer it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The events of a page, or of several.
    Events,
    /// A number of events.
    Count(u64),
    /// The error's text.
    Failed(String),
}

impl Default for Outcome {
    fn default() -> Self {
        Outcome::Count(0)
    }
}

impl Response {
    /// Asks the engine. An error is an answer too.
    pub(super) fn fetch(&mut self, engine: &dyn Engine, request: &Request) {
        self.used = 0;
        let outcome = match request {
            Request::Page(query) => engine.page(query, self.next_page()).map(|()| Outcome::Events),
            Request::Count(filter) => engine.count(filter).map(Outcome::Count),
            Request::All(filter) => engine
                .all(filter, &mut |page| self.keep(page))
                .map(|()| Outcome::Events),
        };
        self.outcome = outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()));
        if self.outcome != Outcome::Events {
            self.used = 0;
        }
    }

    /// The events of the answer, none where it is a number or an error.
    pub(super) fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.pages[..self.used].iter().flat_map(Page::events)
    }

    /// How many events the answer holds.
    pub(super) fn len(&self) -> usize {
        self.pages[..self.used].iter().map(Page::len).sum()
    }

    fn next_page(&mut self) -> &mut Page {
        if self.pages.len() == self.used {
            self.pages.push(Page::default());
        }
        self.used += 1;
        &mut self.pages[self.used - 1]
    }

    fn keep(&mut self, page: &Page) -> Result<()> {
        self.next_page().clone_from(page);
        Ok(())
    }
}
