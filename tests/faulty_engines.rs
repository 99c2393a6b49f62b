//! Engines that are wrong in one way, on top of one that is right.

use std::sync::atomic::{AtomicUsize, Ordering};

use auditq::engine::Engine;
use auditq::error::{Error, Result};
use auditq::model::{Filter, Page, PayloadRef, Position, Query, Row};
use auditq::progress::Progress;

/// What an engine does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Two events of the same second change places.
    SwapTie,
    /// The last event of every page is left out.
    DropLast,
    /// The last event of every page comes twice.
    RepeatLast,
    /// Every page is the one that follows it.
    ShiftPage,
    /// A space more in every payload: the same JSON value.
    PayloadBytes,
    /// The action in lower case.
    Action,
    /// Pages that hold this event fail.
    FailOn(i64),
    /// One fewer is counted.
    Count,
}

/// An engine with a fault.
pub(crate) struct Faulty<'a> {
    pub(crate) sound: &'a dyn Engine,
    pub(crate) fault: Fault,
}

/// An event of its own, to be changed.
#[derive(Clone)]
struct Owned {
    id: i64,
    created_at: i64,
    actor_id: i64,
    texts: [String; 3],
    payload: Vec<u8>,
}

fn take(page: &Page) -> Vec<Owned> {
    let own = |event: auditq::model::Event<'_>| Owned {
        id: event.id,
        created_at: event.created_at,
        actor_id: event.actor_id,
        texts: [event.action, event.resource_type, event.resource_id].map(str::to_owned),
        payload: event.payload.to_vec(),
    };
    page.events().map(own).collect()
}

fn put(page: &mut Page, events: &[Owned]) {
    page.clear();
    for Owned {
        id,
        created_at,
        actor_id,
        texts: [action, resource_type, resource_id],
        payload,
    } in events
    {
        let row = Row {
            id: *id,
            created_at: *created_at,
            actor_id: *actor_id,
            action,
            resource_type,
            resource_id,
            payload_ref: PayloadRef { offset: 0, len: 0 },
        };
        page.push(&row, payload);
    }
}

impl Faulty<'_> {
    fn spoil(&self, page: &mut Page) -> Result<()> {
        let mut events = take(page);
        match self.fault {
            Fault::SwapTie => {
                let tie = events
                    .windows(2)
                    .position(|pair| pair[0].created_at == pair[1].created_at);
                if let Some(first) = tie {
                    events.swap(first, first + 1);
                }
            }
            Fault::DropLast => drop(events.pop()),
            Fault::RepeatLast => events.extend(events.last().cloned()),
            Fault::PayloadBytes => events.iter_mut().for_each(|event| event.payload.insert(1, b' ')),
            Fault::Action => events
                .iter_mut()
                .for_each(|event| event.texts[0].make_ascii_lowercase()),
            Fault::FailOn(id) if events.iter().any(|event| event.id == id) => {
                return Err(Error::Payload {
                    event: id,
                    offset: 0,
                    len: 0,
                    problem: "planted".to_owned(),
                });
            }
            Fault::ShiftPage | Fault::FailOn(_) | Fault::Count => {}
        }
        put(page, &events);
        Ok(())
    }
}

impl Engine for Faulty<'_> {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        let position = match (self.fault, query.position()) {
            (Fault::ShiftPage, Position::Page(number)) if number < 1_000 => Position::Page(number + 1),
            (_, position) => position,
        };
        let query = Query::new(query.filter().clone(), position, query.page_size().into())?;
        self.sound.page(&query, page)?;
        self.spoil(page)
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        let count = self.sound.count(filter)?;
        Ok(if self.fault == Fault::Count {
            count.saturating_sub(1)
        } else {
            count
        })
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        self.sound.all(filter, &mut |page| {
            let mut page = page.clone();
            self.spoil(&mut page)?;
            sink(&page)
        })
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        self.sound.maintain(progress)
    }
}

/// An engine before whose answers something happens, so many times.
pub(crate) struct Interrupted<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) left: AtomicUsize,
    pub(crate) happen: &'a (dyn Fn() + Sync),
}

impl Interrupted<'_> {
    fn interrupt(&self) {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            (self.happen)();
        }
    }
}

impl Engine for Interrupted<'_> {
    fn page(&self, query: &Query, page: &mut Page) -> Result<()> {
        self.interrupt();
        self.engine.page(query, page)
    }

    fn count(&self, filter: &Filter) -> Result<u64> {
        self.interrupt();
        self.engine.count(filter)
    }

    fn all(&self, filter: &Filter, sink: &mut dyn FnMut(&Page) -> Result<()>) -> Result<()> {
        self.interrupt();
        self.engine.all(filter, sink)
    }

    fn maintain(&self, progress: Progress<'_>) -> Result<()> {
        self.engine.maintain(progress)
    }
}
