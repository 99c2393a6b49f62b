use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::command::diff::fixture_engine::FixtureEngine;
use crate::command::diff::report::Class;
use crate::error::{Error, Result};
use crate::model::{Filter, Page, Position, Query};
use crate::progress::Progress;

/// Counts one after the other, the last of them for ever; `None` is an error.
struct Scripted(Mutex<VecDeque<Option<u64>>>);

impl Scripted {
    fn new(counts: &[Option<u64>]) -> Self {
        Scripted(Mutex::new(counts.iter().copied().collect()))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Engine for Scripted {
    fn page(&self, _: &Query, _: &mut Page) -> Result<()> {
        Err(Error::usage("no pages"))
    }

    fn count(&self, _: &Filter) -> Result<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match counts.len() {
            1 => counts[0],
            _ => counts.pop_front().flatten(),
        };
        count.ok_or_else(|| Error::usage("as planned"))
    }

    fn maintain(&self, _: Progress<'_>) -> Result<()> {
        Ok(())
    }
}

fn compare(model: &Scripted, candidate: &Scripted) -> Stable {
    let engines = Engines { model, candidate };
    engines.compare_until_stable(&Request::Count(Filter::ALL), &mut Responses::default())
}

#[test]
fn a_difference_counts_where_the_model_stands_by_its_answer() {
    for (model, candidate, expected, asked_again) in [
        (&[Some(5)][..], &[Some(5)][..], "Same", false),
        (&[None], &[None], "FailedAlike", false),
        (&[Some(5)], &[Some(4)], "Different", false),
        (&[Some(5)], &[None], "Different", false),
        // The candidate saw a change between the model's two answers.
        (&[Some(5), Some(6)], &[Some(6)], "Same", true),
        (&[Some(5), None], &[None], "FailedAlike", true),
        // Neither of the model's two answers: both are asked anew.
        (&[Some(5), Some(6)], &[Some(4), Some(6)], "Same", true),
        (&[Some(5), Some(6)], &[Some(4)], "Different", true),
        // What the model said before the change is no longer right.
        (&[Some(5), Some(6)], &[Some(4), Some(5)], "Different", true),
    ] {
        let stable = compare(&Scripted::new(model), &Scripted::new(candidate));
        let verdict = format!("{:?}", stable.verdict);
        assert!(verdict.starts_with(expected), "{model:?} {candidate:?}: {verdict}");
        assert_eq!(stable.asked_again, asked_again, "{model:?} {candidate:?}");
    }
}

#[test]
fn a_log_that_always_changes_has_no_verdict() {
    let counts: Vec<_> = (0..100).map(Some).collect();
    let (model, candidate) = (Scripted::new(&counts), Scripted::new(&[None]));
    let stable = compare(&model, &candidate);
    assert!(matches!(stable.verdict, Verdict::Unsettled) && stable.asked_again);
    assert_eq!(model.left(), 100 - 1 - ROUNDS);
}

#[test]
fn the_models_events_are_counted() {
    let page = Request::Page(Query::new(Filter::ALL, Position::Page(1), 10).unwrap());
    let (whole, broken) = (
        FixtureEngine { fault: None },
        FixtureEngine {
            fault: Some(Class::Extra),
        },
    );
    let engines = Engines {
        model: &whole,
        candidate: &broken,
    };
    let stable = engines.compare_until_stable(&page, &mut Responses::default());
    assert!(matches!(stable.verdict, Verdict::Different(_)));
    assert_eq!(stable.events, 3);
}
