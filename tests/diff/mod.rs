//! `diff`: what is wrong with an engine is found and named; where nothing is wrong, nothing is found.

use std::sync::{Mutex, PoisonError};

use auditq::command::diff::Setting;
use auditq::command::diff::report::{Class, Finding, Line, Mismatch, Verdict};
use auditq::config::{DiffArgs, DiffWorkload, Display, Format};
use auditq::contract::workload::Workload;
use auditq::engine::Engine;
use auditq::error::{Exit, Result};

use crate::harness::Log;

mod faults;
mod log;
mod program;

const QUIET: Display = Display {
    format: Format::Jsonl,
    color: false,
    quiet: true,
    verbose: false,
    stdout_is_terminal: false,
    stderr_is_terminal: false,
    width: 120,
};

pub(crate) fn sweep() -> DiffArgs {
    DiffArgs {
        workloads: vec![DiffWorkload::Sweep],
        requests: None,
        max_mismatches: 10,
        threads: 1,
    }
}

pub(crate) fn deep(requests: usize) -> DiffArgs {
    DiffArgs {
        workloads: vec![DiffWorkload::Stream(Workload::Deep)],
        requests: Some(requests),
        ..sweep()
    }
}

/// What a comparison with the log's baseline came to, and all that it said.
pub(crate) struct Outcome {
    pub(crate) exit: Result<Exit>,
    pub(crate) lines: Vec<Line>,
}

/// A process has one lock for all that SQLite allocates: beside each other, comparisons cost several times as much.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn diff(log: &Log, model: &dyn Engine, candidate: &dyn Engine, args: &DiffArgs) -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lines = Vec::new();
    let dir = log.data_dir();
    let setting = Setting {
        dir: &dir,
        display: QUIET,
        args,
    };
    let exit = setting.diff(model, candidate, &mut |line| {
        lines.push(line);
        Ok(())
    });
    Outcome { exit, lines }
}

impl Outcome {
    pub(crate) fn verdict(&self) -> &Verdict {
        match self.lines.last() {
            Some(Line::Verdict(verdict)) => verdict,
            other => panic!("{other:?}: {:?}", self.exit),
        }
    }

    pub(crate) fn mismatches(&self) -> Vec<&Mismatch> {
        let lines = self.lines.iter();
        let mismatches = lines.filter_map(|line| match line {
            Line::Mismatch(it) => Some(&**it),
            _ => None,
        });
        mismatches.collect()
    }

    /// Different, with mismatches of exactly these classes, one of which is shown first.
    pub(crate) fn has_exactly(&self, classes: &[Class]) {
        assert_eq!(*self.exit.as_ref().unwrap(), Exit::Negative);
        let verdict = self.verdict();
        assert_eq!(verdict.verdict, Finding::Different);
        assert!(verdict.differing > 0);
        for class in Class::EACH {
            assert_eq!(
                verdict.mismatches.get(class) > 0,
                classes.contains(&class),
                "{verdict:?}"
            );
        }
        assert!(classes.contains(&self.mismatches()[0].class));
    }
}
