//! A small log in memory, whole or with a fault planted in it: what shows that the comparison can fail.

use super::report::Class;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::{Filter, Page, PayloadRef, Position, Query, Row};
use crate::progress::Progress;

/// Three events, two of them in the same second. Every request is answered by all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixtureEngine {
    /// What is wrong with the answers.
    pub(super) fault: Option<Class>,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    id: i64,
    created_at: i64,
    payload: &'static [u8],
}

const EVENTS: [Stored; 3] = [
    Stored {
        id: 3,
        created_at: 20,
        payload: b"{\"n\": 3}",
    },
    Stored {
        id: 2,
        created_at: 10,
        payload: b"{\"n\": 2}",
    },
    Stored {
        id: 1,
        created_at: 10,
        payload: b"{\"n\": 1}",
    },
];

impl FixtureEngine {
    fn events(self) -> Result<Vec<Stored>> {
        let mut events = EVENTS.to_vec();
        match self.fault {
            None => {}
            Some(Class::Missing) => events.truncate(2),
            Some(Class::Extra) => events.push(Stored { id: 0, ..EVENTS[2] }),
            Some(Class::Reordered) => events.swap(1, 2),
            Some(Class::Field) => events[0].created_at += 1,
            // The same JSON value in other bytes.
            Some(Class::Payload) => events[0].payload = b"{\"n\":3 }",
            Some(Class::Error) => {
                return Err(Error::Row {
                    event: EVENTS[0].id,
                    problem: "planted".to_owned(),
                    created_at: Some(EVENTS[0].created_at),
                });
            }
        }
        Ok(events)
    }
}

impl Engine for FixtureEngine {
    fn page(&self, _: &Query, page: &mut Page) -> Result<()> {
        page.clear();
        let events = self.events()?;
        for Stored {
            id,
            created_at,
            payload,
        } in events
        {
            let row = Row {
                id,
                created_at,
                actor_id: 1,
                action: "LOGIN",
                resource_type: "USER",
                resource_id: "USER-1",
                payload_ref: PayloadRef { offset: 0, len: 0 },
            };
            page.push(&row, payload);
        }
        Ok(())
    }

    fn count(&self, _: &Filter) -> Result<u64> {
        Ok(self.events()?.len() as u64)
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        let mut page = Page::default();
        let query = Query::new(filter.clone(), Position::Page(1), 10)?;
        self.page(&query, &mut page)?;
        sink(&page)
    }

    fn maintain(&self, _: Progress<'_>) -> Result<()> {
        Ok(())
    }
}
