//! Whether there may be figures at all: every answer of every engine is held against the model's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::Work;
use super::rounds::Bench;
use super::subject::{Answer, answers, differences};
use crate::command::reproduce;
use crate::error::{Error, Result};
use crate::measure::Depth;
use crate::model::{Filter, Query};

/// What is known of a workload before it is timed.
pub(super) struct Checked {
    /// The model's, which are everybody's.
    pub(super) answers: Vec<Answer>,
    /// How long each engine took for them, when it was colder than it will be.
    pub(super) took: Vec<Duration>,
}

impl Bench<'_> {
    pub(super) fn check(&self, work: &Work) -> Result<Checked> {
        let (mut model, mut took) = (None, Vec::new());
        for (place, (_, engine)) in self.engines.iter().enumerate() {
            let answered = || {
                if place == 0 {
                    self.steps.add(1)
                }
            };
            let start = Instant::now();
            let answers = answers(&self.workers, *engine, &work.requests, &answered);
            took.push(start.elapsed());
            match &model {
                None => model = Some(answers),
                Some(model) => self.compare(work, place, model, &answers)?,
            }
        }
        let answers = model.filter(|answers| !answers.is_empty());
        let answers = answers.ok_or_else(|| Error::usage("there is nothing to measure"))?;
        Ok(Checked { answers, took })
    }

    fn compare(&self, work: &Work, place: usize, model: &[Answer], other: &[Answer]) -> Result<()> {
        let Some((first, count)) = differences(model, other) else {
            return Ok(());
        };
        let ((model, _), (name, _)) = (self.engines[0], self.engines[place]);
        Err(Error::usage(format!(
            "no figures: {name} does not answer as {model} does: {count} of {} {} requests differ, first number {}: \
             compare {} with --mode {model}",
            work.requests.len(),
            work.name,
            first + 1,
            reproduce::batch(self.dir, name, &work.requests[first]),
        )))
    }

    /// An engine may have become untrue while it was timed.
    pub(super) fn check_again(&self, work: &Work, checked: &Checked) -> Result<()> {
        for (place, (_, engine)) in self.engines.iter().enumerate().skip(1) {
            let answers = answers(&self.workers, *engine, &work.requests, &|| {});
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
                matching.insert(&query.filter, 0);
            }
        }
        let model = self.engines[0].1;
        self.workers.install(|| {
            matching.par_iter_mut().try_for_each(|(filter, count)| {
                *count = model.count(filter)?;
                Ok(())
            })
        })?;
        let depth = |query: &Query| Depth::of(query.offset(), matching.get(&query.filter).copied().unwrap_or(0));
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
