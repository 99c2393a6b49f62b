//! Whether an engine is as many times faster as was asked for.

use super::report;

/// Passes only where the low end of every ratio's interval reaches the least speedup: doubt, and a report without ratios,
/// close the gate.
pub(super) fn gate(min_speedup: f64, workloads: &[report::Workload], writes: &[report::Write]) -> report::Gate {
    let at_rest = workloads.iter().map(|work| (work.workload.clone(), &work.ratios));
    let beside_writer = writes.iter().map(|it| {
        let workload = format!(
            "{}, {} journal, {} commits/s",
            it.workload, it.journal, it.write_rate_per_s
        );
        (workload, &it.ratios)
    });
    let judged: Vec<_> = at_rest
        .chain(beside_writer)
        .flat_map(|(workload, ratios)| ratios.iter().map(move |ratio| (workload.clone(), ratio)))
        .collect();
    let reaches = |ratio: &report::Ratio| ratio.speedup.low.is_some_and(|low| low >= min_speedup);
    let failures: Vec<_> = judged
        .iter()
        .filter(|(_, ratio)| !reaches(ratio))
        .map(|(workload, ratio)| report::Failure {
            workload: workload.clone(),
            ratio: (*ratio).clone(),
        })
        .collect();
    report::Gate {
        min_speedup,
        passed: failures.is_empty() && !judged.is_empty(),
        failures,
    }
}
