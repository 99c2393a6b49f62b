//! The check before and after timing: every answer of every engine is compared with the model's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::settings::Work;
use super::subject::{Response, differences};
use super::worker_pool::WorkerPool;
use crate::command::no_event::NoEvent;
use crate::command::reproduce;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::measure::Depth;
use crate::model::{Filter, Page, Query};
use crate::storage::data_dir::DataDir;

/// What is known of a workload before it is timed.
pub(super) struct Checked {
    /// The model's, which are everybody's.
    pub(super) answers: Vec<Response>,
    /// How long each engine took for them, when it was colder than it will be.
    pub(super) took: Vec<Duration>,
}

/// Compares the engines' answers; the first engine is the model.
#[derive(Clone, Copy)]
pub(super) struct Checker<'a> {
    pub(super) workers: &'a WorkerPool,
    pub(super) engines: &'a [(&'a str, &'a dyn Engine)],
    /// For the command line that reproduces a difference.
    pub(super) dir: &'a DataDir,
}

impl Checker<'_> {
    /// Collects every engine's answers and compares them. `answered` is called after each of the model's.
    pub(super) fn check(&self, work: &Work, answered: &(dyn Fn() + Sync)) -> Result<Checked> {
        let (mut model, mut took) = (None, Vec::new());
        for (place, (_, engine)) in self.engines.iter().enumerate() {
            let answered = if place == 0 { answered } else { &|| {} };
            let start = Instant::now();
            let answers = answers(self.workers, *engine, work, answered);
            took.push(start.elapsed());
            match &model {
                None => model = Some(answers),
                Some(model) => self.compare(work, place, model, &answers)?,
            }
        }
        let answers = model.filter(|answers| !answers.is_empty());
        let answers = answers.ok_or_else(|| Error::NoFigures("there is nothing to measure".to_owned()))?;
        Ok(Checked { answers, took })
    }

    /// A workload without an event measures how fast nothing is found.
    ///
    /// # Errors
    /// Names every workload of which no answer holds an event, and those that could be measured without them.
    pub(super) fn require_events(&self, works: &[Work], checked: &[Checked]) -> Result<()> {
        let (mut reasons, mut sound) = (Vec::new(), Vec::new());
        for (work, checked) in works.iter().zip(checked) {
            let answers = &checked.answers;
            if answers.iter().any(|answer| answer.events > Some(0)) {
                sound.push(work.name.as_str());
                continue;
            }
            let no_event = NoEvent {
                workload: &work.name,
                requests: answers.len() as u64,
                failed: answers.iter().filter(|answer| answer.events.is_none()).count() as u64,
                to_ts: work.requests.first().map(|query| query.filter().to_ts),
            };
            reasons.push(no_event.reason(self.engines[0].1, "measured"));
        }
        if reasons.is_empty() {
            return Ok(());
        }
        if !sound.is_empty() {
            reasons.push(format!("{} alone can be measured", sound.join(" and ")));
        }
        Err(Error::NoFigures(reasons.join("; ")))
    }

    fn compare(&self, work: &Work, place: usize, model: &[Response], other: &[Response]) -> Result<()> {
        let Some((first, count)) = differences(model, other) else {
            return Ok(());
        };
        let ((model, _), (name, _)) = (self.engines[0], self.engines[place]);
        Err(Error::NoFigures(format!(
            "{name} does not answer as {model} does: {count} of {} {} requests differ, first number {}: \
             compare {} with --mode {model}",
            work.requests.len(),
            work.name,
            first + 1,
            reproduce::batch(self.dir, name, &work.requests[first]),
        )))
    }

    /// An engine may have gone wrong while it was timed.
    pub(super) fn check_again(&self, work: &Work, checked: &Checked) -> Result<()> {
        for (place, (_, engine)) in self.engines.iter().enumerate().skip(1) {
            let answers = answers(self.workers, *engine, work, &|| {});
            self.compare(work, place, &checked.answers, &answers)?;
        }
        Ok(())
    }

    /// An empty page lies past the end; of the others the model must say how many events match.
    pub(super) fn depths(&self, work: &Work, checked: &Checked) -> Result<Vec<Depth>> {
        let known = work.requests.iter().zip(&checked.answers);
        let mut matching: HashMap<&Filter, u64> = HashMap::new();
        for (query, answer) in known.clone() {
            if answer.events != Some(0) {
                matching.insert(query.filter(), 0);
            }
        }
        let model = self.engines[0].1;
        self.workers.install(|| {
            matching.par_iter_mut().try_for_each(|(filter, count)| {
                *count = model.count(filter)?;
                Ok(())
            })
        })?;
        let depth = |query: &Query| Depth::of(query.offset(), matching.get(query.filter()).copied().unwrap_or(0));
        Ok(known
            .map(|(query, answer)| {
                if answer.events == Some(0) {
                    Depth::PastTheEnd
                } else {
                    depth(query)
                }
            })
            .collect())
    }
}

/// Every answer of an engine, from all threads at once.
pub(super) fn answers(
    workers: &WorkerPool,
    engine: &dyn Engine,
    work: &Work,
    answered: &(dyn Fn() + Sync),
) -> Vec<Response> {
    let ask = |page: &mut Page, query: &Query| {
        let result = engine.page(query, page);
        answered();
        Response::of(result, page)
    };
    let requests = work.requests.par_iter();
    workers.install(|| requests.map_init(Page::default, ask).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::Position;
    use crate::progress::Progress;

    /// It has 1,000 events of actor 7, and is asked about nobody else.
    struct Counting;

    impl Engine for Counting {
        fn page(&self, _: &Query, _: &mut Page) -> Result<()> {
            unreachable!("no page is needed to tell how deep one lies")
        }

        fn count(&self, filter: &Filter) -> Result<u64> {
            assert_eq!(filter.actor_id, Some(7));
            Ok(1_000)
        }

        fn maintain(&self, _: Progress<'_>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_page_lies_as_deep_as_its_own_filter_matches_and_an_empty_one_past_the_end() {
        let query = |actor_id, page| {
            let filter = Filter {
                actor_id: Some(actor_id),
                ..Filter::ALL
            };
            Query::new(filter, Position::Page(page), 10).unwrap()
        };
        let failed = || Response::of(Err(Error::usage("no page")), &Page::default());
        let empty = || Response::of(Ok(()), &Page::default());
        let work = Work {
            name: "pages".to_owned(),
            requests: vec![query(7, 1), query(7, 11), query(8, 1), query(7, 51), query(7, 100)],
        };
        let checked = Checked {
            answers: vec![failed(), failed(), empty(), failed(), empty()],
            took: Vec::new(),
        };
        let checker = Checker {
            workers: &WorkerPool::new(1).unwrap(),
            engines: &[("model", &Counting)],
            dir: &DataDir::new(Path::new(".")),
        };
        let depths = checker.depths(&work, &checked).unwrap();
        let [shallow, middle, deep, past_the_end] = Depth::ALL;
        assert_eq!(depths, [shallow, middle, past_the_end, deep, past_the_end]);
    }
}
