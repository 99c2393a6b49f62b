//! Can the comparison be believed? It must find what is there, and nothing else.

use super::comparison::Comparison;
use super::fixture_engine::Known;
use super::request::Ask;
use super::stable::Engines;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::{Filter, Position, Query};
use crate::output::diff::{Class, Counts, Finding, SelfCheck};

/// For how many requests of a workload the baseline is compared with itself.
pub(super) const REQUESTS: usize = 64;

/// Runs the whole comparison on planted differences, then on the baseline and itself for some `asks`.
///
/// # Errors
/// A difference that was not found, or one that was found where there is none: no verdict would be worth anything.
pub(super) fn run(comparison: Comparison<'_>, mut asks: Vec<Ask>) -> Result<SelfCheck> {
    let planted = planted(comparison)?;
    // One that has events, wherever there are any.
    asks.push(Ask::Page(Query::new(Filter::ALL, Position::Page(1), 50)?));
    let (workload, baseline) = (comparison.workload, comparison.engines.model);
    let (shown, verdict) = between(comparison, baseline, baseline)
        .run(&mut asks.into_iter(), &|_| ())
        .finish(workload, 1);
    if verdict.verdict == Finding::Different {
        let example = shown.first().map_or("", |mismatch| &mismatch.reproduce[0]);
        return Err(failed(&format!(
            "the baseline differs from itself: {example}"
        )));
    }
    let (requests, events) = (verdict.requests, verdict.events);
    Ok(SelfCheck {
        workload,
        planted,
        requests,
        events,
    })
}

/// Plants one difference of each class, in memory, into each kind of answer. How many there were.
fn planted(comparison: Comparison<'_>) -> Result<usize> {
    let sound = Known { fault: None };
    let mut planted = 0;
    for ask in kinds()? {
        if find(comparison, &sound, &sound, &ask) != Counts::default() {
            return Err(failed("a difference was found where none is"));
        }
        for class in Class::EACH.into_iter().filter(|class| shows(*class, &ask)) {
            let mut expected = Counts::default();
            *expected.get_mut(class) = 1;
            let found = find(comparison, &sound, &Known { fault: Some(class) }, &ask);
            if found != expected {
                let class = class.name();
                return Err(failed(&format!(
                    "a planted difference ({class}) was not found as such"
                )));
            }
            planted += 1;
        }
    }
    Ok(planted)
}

fn kinds() -> Result<[Ask; 3]> {
    let page = Query::new(Filter::ALL, Position::Page(1), 10)?;
    Ok([
        Ask::Page(page),
        Ask::Count(Filter::ALL),
        Ask::All(Filter::ALL),
    ])
}

/// Whether such a difference can show in the answer.
fn shows(class: Class, ask: &Ask) -> bool {
    let in_a_number = matches!(class, Class::Missing | Class::Extra | Class::Error);
    in_a_number || !matches!(ask, Ask::Count(_))
}

fn find(comparison: Comparison<'_>, model: &Known, candidate: &Known, ask: &Ask) -> Counts {
    let tally = between(comparison, model, candidate).run(&mut [ask.clone()].into_iter(), &|_| ());
    tally.finish(comparison.workload, 0).1.mismatches
}

fn between<'a>(
    comparison: Comparison<'a>,
    model: &'a dyn Engine,
    candidate: &'a dyn Engine,
) -> Comparison<'a> {
    Comparison {
        engines: Engines { model, candidate },
        ..comparison
    }
}

fn failed(why: &str) -> Error {
    Error::usage(format!(
        "the self-check failed, so there is no verdict: {why}"
    ))
}
