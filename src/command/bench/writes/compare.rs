//! The last state of a copy, from both engines, in full.

use sha2::{Digest, Sha256};

use crate::command::bench::check::answers;
use crate::command::bench::settings::Work;
use crate::command::bench::subject::{differences, digest_event};
use crate::command::bench::worker_pool::WorkerPool;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::Filter;

/// Compares every event of the log with its payload, and the answer to every request.
///
/// # Errors
/// The enhanced engine does not answer as the baseline does. A log that cannot be read.
pub(super) fn last_state(workers: &WorkerPool, [baseline, enhanced]: [&dyn Engine; 2], works: &[Work]) -> Result<()> {
    let differs = |what: &str| {
        Err(Error::usage(format!(
            "no figures: after the last commit, {what} from the enhanced engine differs from the baseline's"
        )))
    };
    if whole_log(baseline)? != whole_log(enhanced)? {
        return differs("the whole log");
    }
    for work in works {
        let answers = |engine| answers(workers, engine, work, &|| {});
        if let Some((first, _)) = differences(&answers(baseline), &answers(enhanced)) {
            return differs(&format!("{} request {}", work.name, first + 1));
        }
    }
    Ok(())
}

/// How many events an engine counts and gives, and the digest of them all.
fn whole_log(engine: &dyn Engine) -> Result<(u64, u64, [u8; 32])> {
    let (mut digest, mut given) = (Sha256::new(), 0);
    engine.all(&Filter::ALL, &mut |page| {
        given += page.len() as u64;
        page.events().for_each(|event| digest_event(&mut digest, &event));
        Ok(())
    })?;
    Ok((engine.count(&Filter::ALL)?, given, digest.finalize().into()))
}
