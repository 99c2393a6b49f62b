//! `auditq diff`: compares the enhanced engine with the baseline.
//!
//! Both engines get the same requests, each request one right after the other. Counts, order, every field, payload
//! bytes and error texts must be the same.
//!
//! Concurrent writes cause neither false alarms nor missed mismatches: where two answers differ, the baseline is asked
//! again. If it repeats itself, the other answer, given in between, was wrong. If not, the log has changed, and the
//! request is repeated.

use crate::command::no_event::NoEvent;
use crate::command::notify::notify;
use crate::config::{Config, DiffArgs, DiffWorkload, Display};
use crate::engine::{self, Engine, Lifetime};
use crate::error::{Error, Exit, Result};
use crate::model::{Filter, Mode};
use crate::output::diff::Report;
use crate::output::progress::{ProgressBar, note};
use crate::output::unless_closed;
use crate::parallel::Pool;
use crate::seed;
use crate::storage::data_dir::DataDir;

mod compare;
mod comparison;
mod fixture_engine;
mod order;
mod plan;
pub mod report;
mod reproduce;
mod request;
mod self_check;
mod stable;
mod sweep;
mod tally;
mod value;

use comparison::Comparison;
use plan::Plan;
use report::{Finding, Line, Verdict};
use stable::Engines;

pub(super) fn run(config: &Config, args: &DiffArgs) -> Result<Exit> {
    let (dir, display) = (&config.data_dir, config.display);
    let open = |mode| engine::open(mode, dir, Lifetime::LongLived, notify(display));
    let (baseline, enhanced) = (open(Mode::Baseline)?, open(Mode::Enhanced)?);
    prepare(&*enhanced)?;
    let mut report = Report::new(&display);
    let setting = Setting { dir, display, args };
    let exit = setting.diff(&*baseline, &*enhanced, &mut |line| unless_closed(report.add(line)));
    // What has been found is shown, whatever came after it.
    unless_closed(report.finish())?;
    exit
}

/// Makes the enhanced engine build its index, as reading everything does, so that the index is compared and not the
/// fallback.
fn prepare(enhanced: &dyn Engine) -> Result<()> {
    let nothing = Filter {
        from_ts: i64::MAX,
        to_ts: i64::MIN,
        ..Filter::ALL
    };
    enhanced.all(&nothing, &mut |_| Ok(()))
}

/// The settings of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Where the log lies, for the command lines that reproduce a mismatch.
    pub dir: &'a DataDir,
    /// Whether there is a progress bar.
    pub display: Display,
    /// Which requests, and how many mismatches are shown.
    pub args: &'a DiffArgs,
}

impl Setting<'_> {
    /// Compares `candidate` with `model`, which is right by definition, and tells `report` what comes out.
    ///
    /// # Errors
    /// There is no verdict: no request was compared, the comparison failed its self-check, the log changed too
    /// fast, or it cannot be read. And those of `report`.
    pub fn diff(
        &self,
        model: &dyn Engine,
        candidate: &dyn Engine,
        report: &mut dyn FnMut(Line) -> Result<()>,
    ) -> Result<Exit> {
        let pool = Pool::at_most(self.args.threads);
        if pool.threads() < self.args.threads {
            let (started, threads) = (pool.threads(), self.args.threads);
            note(
                &self.display,
                &format!("only {started} of {threads} threads could be started"),
            );
        }
        let anchor = seed::stream_anchor(self.dir);
        let (mut verdicts, mut reasons) = (Vec::new(), Vec::new());
        for workload in &self.args.workloads {
            let plan = Plan::of(*workload, anchor, self.args.requests, model, self_check::REQUESTS)?;
            let verdict = self.workload(&pool, Engines { model, candidate }, plan, report)?;
            let to_ts = matches!(workload, DiffWorkload::Stream(_)).then_some(anchor);
            reasons.extend(no_verdict(&verdict, to_ts, model));
            verdicts.push(verdict);
        }
        conclude(&verdicts, &reasons)
    }

    fn workload(
        &self,
        pool: &Pool,
        engines: Engines<'_>,
        plan: Plan,
        report: &mut dyn FnMut(Line) -> Result<()>,
    ) -> Result<Verdict> {
        let Plan {
            workload,
            total,
            mut requests,
            sample,
            subsampled,
        } = plan;
        let max_mismatches = self.args.max_mismatches;
        let comparison = Comparison {
            engines,
            dir: self.dir,
            workload,
            max_mismatches,
        };
        report(Line::SelfCheck(pool.install(|| self_check::run(comparison, sample))?))?;
        for part in subsampled {
            report(Line::Subsampled(part))?;
        }
        let progress = ProgressBar::new(&self.display, workload);
        let done = |done| progress.report(done, total as u64);
        let tally = pool.install(|| comparison.run(&mut *requests, &done));
        let (mismatches, verdict) = tally.finish(workload, max_mismatches);
        for mismatch in mismatches {
            report(Line::Mismatch(Box::new(mismatch)))?;
        }
        report(Line::Verdict(verdict.clone()))?;
        Ok(verdict)
    }
}

const NOTHING_COMPARED: &str = "no request was compared, so there is no verdict: ask for at least one";

/// The exit code: a difference is a verdict, even if other requests have none.
fn conclude(verdicts: &[Verdict], reasons: &[String]) -> Result<Exit> {
    if verdicts.iter().any(|verdict| verdict.verdict == Finding::Different) {
        return Ok(Exit::Negative);
    }
    if verdicts.iter().all(|verdict| verdict.requests == 0) {
        return Err(Error::NoVerdict(NOTHING_COMPARED.to_owned()));
    }
    if reasons.is_empty() {
        Ok(Exit::Fine)
    } else {
        Err(Error::NoVerdict(reasons.join("; ")))
    }
}

/// Why a workload has no verdict; `to_ts` is the last second that a stream asks for.
fn no_verdict(verdict: &Verdict, to_ts: Option<i64>, model: &dyn Engine) -> Option<String> {
    let Verdict {
        workload,
        requests,
        unsettled,
        failed_alike,
        ..
    } = *verdict;
    if verdict.verdict != Finding::None {
        return None;
    }
    Some(if requests == 0 {
        format!("{workload}: {NOTHING_COMPARED}")
    } else if unsettled > 0 {
        format!(
            "{workload}: {unsettled} of {requests} requests have no verdict, the log changed each time they were \
             asked: try again when it is written to less"
        )
    } else if failed_alike == requests {
        format!(
            "{workload}: both engines failed alike on all {requests} requests, so there is no verdict: \
             `auditq query --mode baseline` says why"
        )
    } else {
        let no_event = NoEvent {
            workload,
            requests,
            failed: failed_alike,
            to_ts,
        };
        no_event.reason(model, "compared")
    })
}

#[cfg(test)]
mod tests {
    use super::report::Counts;
    use super::*;

    fn verdict(verdict: Finding, requests: u64) -> Verdict {
        Verdict {
            workload: "legacy",
            verdict,
            requests,
            events: 0,
            differing: 0,
            mismatches: Counts::default(),
            failed_alike: 0,
            asked_again: 0,
            unsettled: 0,
        }
    }

    #[test]
    fn a_difference_decides_and_no_doubt_is_a_success() {
        let why = ["why".to_owned()];
        let [same, different] = [Finding::Same, Finding::Different].map(|finding| verdict(finding, 1));
        let none = verdict(Finding::None, 1);
        let code = |verdicts: &[&Verdict], reasons: &[String]| {
            let verdicts: Vec<_> = verdicts.iter().map(|&it| it.clone()).collect();
            conclude(&verdicts, reasons).ok()
        };
        assert_eq!(code(&[&same, &same], &[]), Some(Exit::Fine));
        assert_eq!(code(&[&same, &different], &[]), Some(Exit::Negative));
        assert_eq!(code(&[&none, &different, &same], &why), Some(Exit::Negative));
        assert_eq!(code(&[&none, &same], &why), None);
        assert_eq!(code(&[&verdict(Finding::None, 0)], &[]), None);
        assert_eq!(code(&[], &[]), None);
    }
}
