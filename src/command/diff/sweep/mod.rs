//! The `sweep` workload: systematic, not random. It is made from what the log holds, as the model shows it, so
//! the same log always gives the same requests.

use std::collections::HashSet;

use super::request::Ask;
use crate::engine::Engine;
use crate::error::Result;
use crate::output::diff::Thinned;

mod budget;
mod cursors;
mod evenly_spaced;
mod filters;
mod log_profile;
mod pages;
mod windows;

pub(super) use evenly_spaced::spread;
use log_profile::Shape;

/// What the workload is called.
pub(super) const NAME: &str = "sweep";

/// The requests, and what was left out of them.
pub(super) struct Sweep {
    pub(super) asks: Vec<Ask>,
    pub(super) thinned: Vec<Thinned>,
}

/// A part of the sweep: what it is called, how long the baseline may take for it, and its requests.
struct Part {
    name: &'static str,
    /// By the estimate of [`budget::cost`], in seconds of one processor.
    seconds: u64,
    asks: fn(&Shape) -> Vec<Ask>,
}

/// Every part. On the contract dataset the budgets of pairs, filtered cursors and actor counts bind, and on a larger
/// log all of them.
const PARTS: [Part; 14] = [
    Part {
        name: "every page",
        seconds: 18,
        asks: pages::every_page,
    },
    Part {
        name: "pages of other sizes",
        seconds: 3,
        asks: pages::other_sizes,
    },
    Part {
        name: "pages beyond the end",
        seconds: 4,
        asks: pages::beyond,
    },
    Part {
        name: "pages of each action",
        seconds: 8,
        asks: filters::each_action,
    },
    Part {
        name: "every event of every actor",
        seconds: 60,
        asks: filters::every_actor,
    },
    Part {
        name: "small pages of some actors",
        seconds: 8,
        asks: filters::some_actors,
    },
    Part {
        name: "actors with actions",
        seconds: 6,
        asks: filters::pairs,
    },
    Part {
        name: "unknown actors and actions",
        seconds: 4,
        asks: filters::unknown,
    },
    Part {
        name: "windows",
        seconds: 8,
        asks: windows::windows,
    },
    Part {
        name: "cursors",
        seconds: 6,
        asks: cursors::cursors,
    },
    Part {
        name: "cursors between filters",
        seconds: 4,
        asks: cursors::filtered,
    },
    Part {
        name: "counts",
        seconds: 6,
        asks: filters::counts,
    },
    Part {
        name: "counts of every actor",
        seconds: 3,
        asks: filters::actor_counts,
    },
    Part {
        name: "whole results",
        seconds: 4,
        asks: filters::whole_results,
    },
];

/// Makes the sweep of the model's log, of at most so many requests.
///
/// # Errors
/// Those of [`Engine::all`], except for events that cannot be read: the sweep is then made from the others, and
/// says so.
pub(super) fn make(model: &dyn Engine, requests: Option<usize>) -> Result<Sweep> {
    let shape = Shape::of(model)?;
    let mut sweep = Sweep {
        asks: Vec::new(),
        thinned: Vec::new(),
    };
    let (of, kept) = shape.events();
    sweep.say("events that can be read", kept, of);
    let mut known = HashSet::new();
    for part in &PARTS {
        let asks = (part.asks)(&shape)
            .into_iter()
            .filter(|ask| known.insert(ask.clone()))
            .collect();
        sweep.add(part.name, asks, |asks| {
            budget::affordable(&shape, asks, part.seconds)
        });
    }
    if let Some(most) = requests {
        let asks = std::mem::take(&mut sweep.asks);
        sweep.add("all of it", asks, |_| most);
    }
    Ok(sweep)
}

impl Sweep {
    /// Adds as many requests as may be made, evenly spread, and says so where that is not all.
    fn add(&mut self, part: &'static str, asks: Vec<Ask>, most: impl FnOnce(&[Ask]) -> usize) {
        let (most, of) = (most(&asks), asks.len());
        let before = self.asks.len();
        self.asks
            .extend(spread(of, most).map(|index| asks[index].clone()));
        self.say(part, self.asks.len() - before, of);
    }

    /// Notes what was left out, if anything was.
    fn say(&mut self, part: &'static str, kept: usize, of: usize) {
        if kept < of {
            self.thinned.push(Thinned {
                workload: NAME,
                part,
                kept,
                of,
            });
        }
    }
}

#[cfg(test)]
mod tests;
