//! The report as JSON lines.

use serde::Serialize;

use crate::command::bench::report::{Bucket, Cost, Depth, Gate, Open, Ratio, Report, Run, Summary, Write};

/// One JSON line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    Run(&'a Run),
    Summary {
        workload: &'a str,
        subject: &'a str,
        passes_per_round: usize,
        #[serde(flatten)]
        total: Summary,
        #[serde(flatten)]
        open: Option<Open>,
    },
    Depth {
        workload: &'a str,
        subject: &'a str,
        #[serde(flatten)]
        depth: &'a Depth,
    },
    Ratio {
        workload: &'a str,
        #[serde(flatten)]
        ratio: &'a Ratio,
    },
    Cost {
        workload: &'a str,
        #[serde(flatten)]
        cost: &'a Cost,
    },
    Histogram {
        workload: &'a str,
        subject: &'a str,
        buckets: &'a [Bucket],
    },
    Write(&'a Write),
    Gate(&'a Gate),
}

/// The report as JSON lines; the histograms only where they were asked for, the raw rounds in the export only.
pub(super) fn lines(report: &Report, with_histogram: bool) -> Vec<Line<'_>> {
    let mut lines = vec![Line::Run(&report.run)];
    for work in &report.workloads {
        let workload = work.workload.as_str();
        for it in &work.subjects {
            let (subject, total) = (it.subject.as_str(), it.total);
            let passes_per_round = it.passes_per_round;
            lines.push(Line::Summary {
                workload,
                subject,
                passes_per_round,
                total,
                open: it.open,
            });
            lines.extend(it.depths.iter().map(|depth| Line::Depth {
                workload,
                subject,
                depth,
            }));
            if with_histogram {
                lines.push(Line::Histogram {
                    workload,
                    subject,
                    buckets: &it.histogram,
                });
            }
        }
        lines.extend(work.ratios.iter().map(|ratio| Line::Ratio { workload, ratio }));
        lines.extend(work.costs.iter().map(|cost| Line::Cost { workload, cost }));
    }
    lines.extend(report.writes.iter().map(Line::Write));
    lines.extend(report.gate.as_ref().map(Line::Gate));
    lines
}
