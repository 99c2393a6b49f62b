//! How two answers to one request differ.

use std::collections::HashMap;

use super::order;
use super::report::Class;
use super::request::{Outcome, Response};
use super::value;
use crate::model::Event;

/// One difference between the model's answer and the candidate's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) class: Class,
    /// The id of the event it is about, if it is about one.
    pub(super) event: Option<i64>,
    /// What differs: a field's name, `event`, `place`, `count` or `answer`.
    pub(super) what: &'static str,
    pub(super) model: String,
    pub(super) candidate: String,
}

/// Whether two answers are the same, in every field and byte.
pub(super) fn same(model: &Response, candidate: &Response) -> bool {
    model.outcome == candidate.outcome && model.len() == candidate.len() && model.events().eq(candidate.events())
}

/// Every difference between two answers. None only where they are the same.
pub(super) fn differences(model: &Response, candidate: &Response) -> Vec<Difference> {
    match (&model.outcome, &candidate.outcome) {
        (Outcome::Events, Outcome::Events) => {
            let (ours, theirs): (Vec<_>, Vec<_>) = (model.events().collect(), candidate.events().collect());
            Pairing::of(&ours, &theirs).differences()
        }
        (Outcome::Count(ours), Outcome::Count(theirs)) if ours != theirs => {
            let class = if theirs < ours { Class::Missing } else { Class::Extra };
            vec![whole(class, "count", ours.to_string(), theirs.to_string())]
        }
        (ours, theirs) if ours != theirs => {
            vec![whole(Class::Error, "answer", describe(model), describe(candidate))]
        }
        _ => Vec::new(),
    }
}

fn whole(class: Class, what: &'static str, model: String, candidate: String) -> Difference {
    Difference {
        class,
        event: None,
        what,
        model,
        candidate,
    }
}

fn describe(answer: &Response) -> String {
    match &answer.outcome {
        Outcome::Events => format!("{} events", answer.len()),
        Outcome::Count(count) => format!("count {count}"),
        Outcome::Failed(text) => format!("error: {}", value::text(text)),
    }
}

/// Which event of one answer is which of the other. An id that comes twice is paired once.
struct Pairing<'a> {
    ours: &'a [Event<'a>],
    theirs: &'a [Event<'a>],
    /// Places in both, in the candidate's order.
    pairs: Vec<(usize, usize)>,
    missing: Vec<usize>,
    extra: Vec<usize>,
}

impl<'a> Pairing<'a> {
    fn of(ours: &'a [Event<'a>], theirs: &'a [Event<'a>]) -> Self {
        let mut places: HashMap<i64, Vec<usize>> = HashMap::new();
        for (place, event) in ours.iter().enumerate().rev() {
            places.entry(event.id).or_default().push(place);
        }
        let (mut pairs, mut extra) = (Vec::new(), Vec::new());
        for (place, event) in theirs.iter().enumerate() {
            match places.get_mut(&event.id).and_then(Vec::pop) {
                Some(our) => pairs.push((our, place)),
                None => extra.push(place),
            }
        }
        let mut missing: Vec<_> = places.into_values().flatten().collect();
        missing.sort_unstable();
        Pairing {
            ours,
            theirs,
            pairs,
            missing,
            extra,
        }
    }

    fn differences(&self) -> Vec<Difference> {
        let missing = self.missing.iter().map(|&place| gap(Class::Missing, self.ours, place));
        let extra = self.extra.iter().map(|&place| gap(Class::Extra, self.theirs, place));
        let mut found: Vec<_> = missing.chain(extra).collect();
        found.extend(self.reordered());
        for &(our, their) in &self.pairs {
            fields(&self.ours[our], &self.theirs[their], &mut found);
        }
        found
    }

    /// The fewest events that must move for the rest to stand in the model's order.
    fn reordered(&self) -> impl Iterator<Item = Difference> {
        let sequence: Vec<_> = self.pairs.iter().map(|&(our, _)| our).collect();
        order::out_of_place(&sequence).into_iter().map(|index| {
            let (our, their) = self.pairs[index];
            let place = |place: usize, events: &[Event<'_>]| format!("place {} of {}", place + 1, events.len());
            Difference {
                class: Class::Reordered,
                event: Some(self.ours[our].id),
                what: "place",
                model: place(our, self.ours),
                candidate: place(their, self.theirs),
            }
        })
    }
}

/// An event that only one of the answers has.
fn gap(class: Class, events: &[Event<'_>], place: usize) -> Difference {
    let event = &events[place];
    let there = format!("place {} of {}: {}", place + 1, events.len(), value::event(event));
    let nothing = "nothing".to_owned();
    let (model, candidate) = if class == Class::Missing {
        (there, nothing)
    } else {
        (nothing, there)
    };
    Difference {
        class,
        event: Some(event.id),
        what: "event",
        model,
        candidate,
    }
}

fn fields(ours: &Event<'_>, theirs: &Event<'_>, found: &mut Vec<Difference>) {
    let mut field = |what, differs: bool, model: String, candidate: String| {
        if differs {
            found.push(Difference {
                class: Class::Field,
                event: Some(ours.id),
                what,
                model,
                candidate,
            });
        }
    };
    for (what, our, their) in [
        ("created_at", ours.created_at, theirs.created_at),
        ("actor_id", ours.actor_id, theirs.actor_id),
    ] {
        field(what, our != their, our.to_string(), their.to_string());
    }
    for (what, our, their) in [
        ("action", ours.action, theirs.action),
        ("resource_type", ours.resource_type, theirs.resource_type),
        ("resource_id", ours.resource_id, theirs.resource_id),
    ] {
        let (model, candidate) = value::bytes(our.as_bytes(), their.as_bytes());
        field(what, our != their, model, candidate);
    }
    if ours.payload != theirs.payload {
        let (model, candidate) = value::bytes(ours.payload, theirs.payload);
        let (class, event) = (Class::Payload, Some(ours.id));
        found.push(Difference {
            class,
            event,
            what: "payload",
            model,
            candidate,
        });
    }
}

#[cfg(test)]
mod tests;
