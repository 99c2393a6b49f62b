//! The `sweep` workload: systematic, not random. It is made from what the log holds, as the model shows it, so
//! the same log always gives the same requests.

use std::collections::HashSet;

use super::request::Request;
use crate::command::diff::report::Subsampled;
use crate::engine::Engine;
use crate::error::Result;

mod budget;
mod cursors;
mod evenly_spaced;
mod filters;
mod log_profile;
mod pages;
mod pins;
mod windows;

pub(super) use evenly_spaced::evenly_spaced;
use log_profile::LogProfile;

/// What the workload is called.
pub(super) const NAME: &str = "sweep";

/// The requests, and what was left out of them.
pub(super) struct Sweep {
    pub(super) requests: Vec<Request>,
    pub(super) subsampled: Vec<Subsampled>,
}

/// A part of the sweep: what it is called, how long the baseline may take for it, and its requests.
struct Part {
    name: &'static str,
    /// By the estimate of [`budget::cost`], in seconds of one processor.
    seconds: u64,
    requests: fn(&LogProfile) -> Vec<Request>,
}

/// Every part. On the contract dataset the budgets of pairs, filtered cursors and actor counts bind, and on a larger
/// log all of them.
const PARTS: [Part; 16] = [
    part("every page", 18, pages::every_page),
    part("pages of other sizes", 3, pages::other_sizes),
    part("pages beyond the end", 4, pages::beyond),
    part("pages of each action", 8, filters::each_action),
    part("every event of every actor", 60, filters::every_actor),
    part("small pages of some actors", 8, filters::some_actors),
    part("actors with actions", 6, filters::pairs),
    part("unknown actors and actions", 4, filters::unknown),
    part("windows", 8, windows::windows),
    part("cursors", 6, cursors::cursors),
    part("cursors between filters", 4, cursors::filtered),
    part("pins", 6, pins::pins),
    part("pins between filters", 6, pins::filtered),
    part("counts", 6, filters::counts),
    part("counts of every actor", 3, filters::actor_counts),
    part("whole results", 4, filters::whole_results),
];

const fn part(name: &'static str, seconds: u64, requests: fn(&LogProfile) -> Vec<Request>) -> Part {
    Part {
        name,
        seconds,
        requests,
    }
}

/// Makes the sweep of the model's log, of at most so many requests.
///
/// # Errors
/// Those of [`Engine::all`], except for events that cannot be read: the sweep is then made from the others, and
/// says so.
pub(super) fn make(model: &dyn Engine, requests: Option<usize>) -> Result<Sweep> {
    let profile = LogProfile::of(model)?;
    let mut sweep = Sweep {
        requests: Vec::new(),
        subsampled: Vec::new(),
    };
    let (of, kept) = profile.events();
    sweep.say("events that can be read", kept, of);
    let mut known = HashSet::new();
    for part in &PARTS {
        let requests = (part.requests)(&profile)
            .into_iter()
            .filter(|request| known.insert(request.clone()))
            .collect();
        sweep.add(part.name, requests, |requests| {
            budget::fit_budget(&profile, requests, part.seconds)
        });
    }
    if let Some(most) = requests {
        let requests = std::mem::take(&mut sweep.requests);
        sweep.add("all of it", requests, |_| most);
    }
    Ok(sweep)
}

impl Sweep {
    /// Adds as many requests as may be made, evenly spaced, and says so where that is not all.
    fn add(&mut self, part: &'static str, requests: Vec<Request>, most: impl FnOnce(&[Request]) -> usize) {
        let (most, of) = (most(&requests), requests.len());
        let before = self.requests.len();
        self.requests
            .extend(evenly_spaced(of, most).map(|index| requests[index].clone()));
        self.say(part, self.requests.len() - before, of);
    }

    /// Notes what was left out, if anything was.
    fn say(&mut self, part: &'static str, kept: usize, of: usize) {
        if kept < of {
            self.subsampled.push(Subsampled {
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
