//! What the comparison of many requests adds up to.

use super::report::{Class, Counts, Finding, Mismatch, Verdict};
use super::stable::{Stable, Verdict as Outcome};

/// The sum over some requests. Sums of neighbouring requests join to the sum over all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: u64,
    events: u64,
    differing: u64,
    failed_alike: u64,
    asked_again: u64,
    unsettled: u64,
    mismatches: Counts,
    /// The first mismatches of each class, in the order of the requests.
    shown: [Vec<Mismatch>; Class::EACH.len()],
}

impl Tally {
    /// Adds one request. What is to be shown, `show` makes from a difference.
    pub(super) fn add(
        &mut self,
        stable: Stable,
        most: usize,
        mut show: impl FnMut(super::compare::Difference) -> Mismatch,
    ) {
        self.requests += 1;
        self.events += stable.events as u64;
        self.asked_again += u64::from(stable.asked_again);
        match stable.verdict {
            Outcome::Same => {}
            Outcome::FailedAlike => self.failed_alike += 1,
            Outcome::Unsettled => self.unsettled += 1,
            Outcome::Different(differences) => {
                self.differing += 1;
                for difference in differences {
                    *self.mismatches.get_mut(difference.class) += 1;
                    let shown = &mut self.shown[difference.class as usize];
                    if shown.len() < most {
                        shown.push(show(difference));
                    }
                }
            }
        }
    }

    /// Joins the sum over the requests that follow.
    pub(super) fn join(mut self, later: Tally, most: usize) -> Tally {
        for (sum, more) in [
            (&mut self.requests, later.requests),
            (&mut self.events, later.events),
            (&mut self.differing, later.differing),
            (&mut self.failed_alike, later.failed_alike),
            (&mut self.asked_again, later.asked_again),
            (&mut self.unsettled, later.unsettled),
        ] {
            *sum += more;
        }
        self.mismatches.add(&later.mismatches);
        for (shown, more) in self.shown.iter_mut().zip(later.shown) {
            let room = most - shown.len();
            shown.extend(more.into_iter().take(room));
        }
        self
    }

    /// At most so many mismatches to show, and the verdict on all.
    pub(super) fn finish(self, workload: &'static str, most: usize) -> (Vec<Mismatch>, Verdict) {
        let Tally {
            requests,
            events,
            differing,
            failed_alike,
            asked_again,
            unsettled,
            mismatches,
            shown,
        } = self;
        let finding = if differing > 0 {
            Finding::Different
        } else if unsettled > 0 || events == 0 {
            Finding::None
        } else {
            Finding::Same
        };
        let verdict = Verdict {
            workload,
            verdict: finding,
            requests,
            events,
            differing,
            mismatches,
            failed_alike,
            asked_again,
            unsettled,
        };
        (in_turn(shown, most), verdict)
    }
}

/// So many of the mismatches, the classes in turn: a class with few is not hidden behind one with many.
fn in_turn(shown: [Vec<Mismatch>; Class::EACH.len()], most: usize) -> Vec<Mismatch> {
    let mut classes = shown.map(Vec::into_iter);
    let mut chosen = Vec::new();
    loop {
        let before = chosen.len();
        for class in &mut classes {
            if chosen.len() < most {
                chosen.extend(class.next());
            }
        }
        if chosen.len() == before {
            return chosen;
        }
    }
}

#[cfg(test)]
mod tests;
