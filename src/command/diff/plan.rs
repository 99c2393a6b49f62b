//! Which requests a workload consists of.

use super::report::Subsampled;
use super::request::Request;
use super::sweep;
use crate::config::DiffWorkload;
use crate::contract::workload::Workload;
use crate::engine::Engine;
use crate::error::Result;

/// How many requests of an endless stream are compared where no number is given.
pub(super) const STREAM_REQUESTS: usize = 2_000;

/// The requests of one workload.
pub(super) struct Plan {
    pub(super) workload: &'static str,
    /// How many requests these are.
    pub(super) total: usize,
    pub(super) requests: Box<dyn Iterator<Item = Request> + Send>,
    /// Requests, evenly spaced, for which the baseline is compared with itself.
    pub(super) sample: Vec<Request>,
    /// What was left out.
    pub(super) subsampled: Vec<Subsampled>,
}

impl Plan {
    /// The plan of a workload with so many requests, or as many as it has by itself; a stream ends at `anchor`.
    ///
    /// # Errors
    /// The sweep is made from the log: those of [`Engine::all`] on the model.
    pub(super) fn of(
        workload: DiffWorkload,
        anchor: i64,
        requests: Option<usize>,
        model: &dyn Engine,
        most: usize,
    ) -> Result<Self> {
        match workload {
            DiffWorkload::Stream(workload) => Ok(Self::stream(workload, anchor, requests, most)),
            DiffWorkload::Sweep => Self::sweep(requests, model, most),
        }
    }

    fn stream(workload: Workload, anchor: i64, requests: Option<usize>, most: usize) -> Self {
        let total = requests.unwrap_or(STREAM_REQUESTS);
        let requests = move || workload.stream(anchor).take(total).map(Request::Page);
        Plan {
            workload: workload.name(),
            total,
            requests: Box::new(requests()),
            sample: requests().step_by(total.div_ceil(most).max(1)).collect(),
            subsampled: Vec::new(),
        }
    }

    fn sweep(requests: Option<usize>, model: &dyn Engine, most: usize) -> Result<Self> {
        let sweep = sweep::make(model, requests)?;
        let evenly_spaced = sweep::evenly_spaced(sweep.requests.len(), most);
        Ok(Plan {
            workload: sweep::NAME,
            total: sweep.requests.len(),
            sample: evenly_spaced.map(|index| sweep.requests[index].clone()).collect(),
            requests: Box::new(sweep.requests.into_iter()),
            subsampled: sweep.subsampled,
        })
    }
}
