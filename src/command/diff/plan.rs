//! Which requests a workload consists of.

use super::request::Ask;
use super::sweep;
use crate::cli::DiffWorkload;
use crate::contract::workload::Workload;
use crate::engine::Engine;
use crate::error::Result;
use crate::output::diff::Thinned;

/// How many requests of an endless stream are compared where no number is given.
pub(super) const STREAM_REQUESTS: usize = 2_000;

/// The requests of one workload.
pub(super) struct Plan {
    pub(super) workload: &'static str,
    pub(super) requests: usize,
    pub(super) asks: Box<dyn Iterator<Item = Ask> + Send>,
    /// Requests, evenly spread, for which the baseline is compared with itself.
    pub(super) sample: Vec<Ask>,
    /// What was left out.
    pub(super) thinned: Vec<Thinned>,
}

impl Plan {
    /// The plan of a workload with so many requests, or as many as it has by itself.
    ///
    /// # Errors
    /// The sweep is made from the log: those of [`Engine::all`] on the model.
    pub(super) fn of(
        workload: DiffWorkload,
        requests: Option<usize>,
        model: &dyn Engine,
        most: usize,
    ) -> Result<Self> {
        match workload {
            DiffWorkload::Legacy => Ok(Self::stream(Workload::Legacy, requests, most)),
            DiffWorkload::Deep => Ok(Self::stream(Workload::Deep, requests, most)),
            DiffWorkload::Sweep => Self::sweep(requests, model, most),
        }
    }

    fn stream(workload: Workload, requests: Option<usize>, most: usize) -> Self {
        let requests = requests.unwrap_or(STREAM_REQUESTS);
        let asks = move || workload.stream().take(requests).map(Ask::Page);
        Plan {
            workload: workload.name(),
            requests,
            asks: Box::new(asks()),
            sample: asks().step_by(requests.div_ceil(most).max(1)).collect(),
            thinned: Vec::new(),
        }
    }

    fn sweep(requests: Option<usize>, model: &dyn Engine, most: usize) -> Result<Self> {
        let sweep = sweep::make(model, requests)?;
        let spread = sweep::spread(sweep.asks.len(), most);
        Ok(Plan {
            workload: sweep::NAME,
            requests: sweep.asks.len(),
            sample: spread.map(|index| sweep.asks[index].clone()).collect(),
            asks: Box::new(sweep.asks.into_iter()),
            thinned: sweep.thinned,
        })
    }
}
