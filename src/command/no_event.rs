//! Why a workload whose answers hold no event proves nothing, in one line.

use crate::engine::Engine;
use crate::model::Filter;

/// A workload that was asked of a log, and had no event in any answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoEvent<'a> {
    pub(super) workload: &'a str,
    pub(super) requests: u64,
    /// How many of them failed.
    pub(super) failed: u64,
    /// The last second that a stream asks for, epoch seconds; `None` where the workload is made from the log.
    pub(super) to_ts: Option<i64>,
}

impl NoEvent<'_> {
    /// What was asked in vain, and what to do; `undone` is what was not done with any event, such as "compared".
    pub(super) fn reason(self, log: &dyn Engine, undone: &str) -> String {
        let NoEvent {
            workload,
            requests,
            failed,
            to_ts,
        } = self;
        if failed > 0 {
            return format!(
                "{workload}: {failed} of {requests} requests failed and no other has an event, so no event was {undone}: \
                 `auditq query --mode baseline` says why"
            );
        }
        if log.count(&Filter::ALL).is_ok_and(|events| events == 0) {
            return format!("{workload}: the log holds no event, so none was {undone}: --data-dir names another log");
        }
        let up_to = to_ts.map_or(String::new(), |second| format!(" up to epoch second {second}"));
        format!(
            "{workload}: none of its {requests} requests{up_to} has an event, so none was {undone}: --requests takes \
             more, and `auditq diff --workload sweep` asks for what the log holds"
        )
    }
}
