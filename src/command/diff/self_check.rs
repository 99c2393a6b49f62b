//! The self-check: the comparison must find planted differences, and nothing else.

use super::comparison::Comparison;
use super::fixture_engine::FixtureEngine;
use super::report::{Class, Counts, Finding, SelfCheck};
use super::request::Request;
use super::stable::Engines;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::{Filter, Position, Query};

/// For how many requests of a workload the baseline is compared with itself.
pub(super) const REQUESTS: usize = 64;

/// Runs the whole comparison on planted differences, then on the baseline and itself for some `requests`.
///
/// # Errors
/// A difference that was not found, or one that was found where there is none: no verdict would be worth anything.
pub(super) fn run(comparison: Comparison<'_>, mut requests: Vec<Request>) -> Result<SelfCheck> {
    let planted = planted(comparison)?;
    // One that has events, wherever there are any.
    requests.push(Request::Page(Query::new(Filter::ALL, Position::Page(1), 50)?));
    let (workload, baseline) = (comparison.workload, comparison.engines.model);
    let (shown, verdict) = between(comparison, baseline, baseline)
        .run(&mut requests.into_iter(), &|_| ())
        .finish(workload, 1);
    if verdict.verdict == Finding::Different {
        let example = shown.first().map_or("", |mismatch| &mismatch.reproduce[0]);
        return Err(failed(&format!("the baseline differs from itself: {example}")));
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
    let sound = FixtureEngine { fault: None };
    let mut planted = 0;
    for request in kinds()? {
        if find(comparison, &sound, &sound, &request) != Counts::default() {
            return Err(failed("a difference was found where none is"));
        }
        for class in Class::EACH.into_iter().filter(|class| shows(*class, &request)) {
            let mut expected = Counts::default();
            *expected.get_mut(class) = 1;
            let found = find(comparison, &sound, &FixtureEngine { fault: Some(class) }, &request);
            if found != expected {
                let class = class.name();
                return Err(failed(&format!("a planted difference ({class}) was not found as such")));
            }
            planted += 1;
        }
    }
    Ok(planted)
}

fn kinds() -> Result<[Request; 3]> {
    let page = Query::new(Filter::ALL, Position::Page(1), 10)?;
    Ok([
        Request::Page(page),
        Request::Count(Filter::ALL),
        Request::All(Filter::ALL),
    ])
}

/// Whether such a difference can show in the answer.
fn shows(class: Class, request: &Request) -> bool {
    let in_a_number = matches!(class, Class::Missing | Class::Extra | Class::Error);
    in_a_number || !matches!(request, Request::Count(_))
}

fn find(comparison: Comparison<'_>, model: &FixtureEngine, candidate: &FixtureEngine, request: &Request) -> Counts {
    let tally = between(comparison, model, candidate).run(&mut [request.clone()].into_iter(), &|_| ());
    tally.finish(comparison.workload, 0).1.mismatches
}

fn between<'a>(comparison: Comparison<'a>, model: &'a dyn Engine, candidate: &'a dyn Engine) -> Comparison<'a> {
    Comparison {
        engines: Engines { model, candidate },
        ..comparison
    }
}

fn failed(why: &str) -> Error {
    Error::NoVerdict(format!("the self-check failed, so there is no verdict: {why}"))
}
