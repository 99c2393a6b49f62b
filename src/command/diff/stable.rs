//! Compares the engines on one request, repeatedly while the log changes.

use super::compare::{self, Difference};
use super::request::{Outcome, Request, Response};
use crate::engine::Engine;

/// How often a request is asked anew while the log changes under it.
const ROUNDS: usize = 8;

/// The two engines that are compared.
#[derive(Clone, Copy)]
pub(super) struct Engines<'a> {
    /// The reference: right by definition.
    pub(super) model: &'a dyn Engine,
    /// The engine under test.
    pub(super) candidate: &'a dyn Engine,
}

/// The answers that a thread holds, kept from request to request.
#[derive(Debug, Default)]
pub(super) struct Responses {
    model: Response,
    candidate: Response,
    again: Response,
}

/// What came out for one request.
#[derive(Debug)]
pub(super) struct Stable {
    pub(super) verdict: Verdict,
    /// How many events the model gave.
    pub(super) events: usize,
    /// Whether the request was asked more than once, because the log changed in between.
    pub(super) asked_again: bool,
}

/// The verdict on one request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The same answer.
    Same,
    /// The same error.
    FailedAlike,
    /// Another answer, while the model's own stayed as it was.
    Different(Vec<Difference>),
    /// None: whenever both were asked, the model's answer had changed in between.
    Unsettled,
}

impl Engines<'_> {
    /// Asks both in immediate succession. Where they differ, the model is asked once more. If it stands by its
    /// answer, the candidate's, which was given in between, was wrong. If not, the log has changed: the candidate
    /// may have seen that, or both are asked anew.
    pub(super) fn compare_until_stable(self, request: &Request, answers: &mut Responses) -> Stable {
        let Responses {
            model,
            candidate,
            again,
        } = answers;
        model.fetch(self.model, request);
        for round in 0..ROUNDS {
            candidate.fetch(self.candidate, request);
            if compare::same(model, candidate) {
                return stable(alike(model), model, round > 0);
            }
            again.fetch(self.model, request);
            if compare::same(model, again) {
                return stable(
                    Verdict::Different(compare::differences(model, candidate)),
                    model,
                    round > 0,
                );
            }
            if compare::same(again, candidate) {
                return stable(alike(again), again, true);
            }
            std::mem::swap(model, again);
        }
        stable(Verdict::Unsettled, model, true)
    }
}

fn stable(verdict: Verdict, model: &Response, asked_again: bool) -> Stable {
    Stable {
        verdict,
        events: model.len(),
        asked_again,
    }
}

fn alike(answer: &Response) -> Verdict {
    if matches!(answer.outcome, Outcome::Failed(_)) {
        Verdict::FailedAlike
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests;
