//! What `bench --plot` draws.

use super::exports::Exported;
use super::report::{PageTime, Run, Write};
use crate::escape::escape_for_terminal;
use crate::output::plot::{Axis, Labels, Line, Panel, Picture};
use crate::output::units::{bound, whole};

/// The latency of a page from the first page to the last.
pub(super) fn latency_by_page(pages: &[PageTime], run: &Run) -> Picture {
    let mut lines: Vec<Line> = Vec::new();
    for time in pages {
        let point = (time.page as f64, time.p50_us);
        match lines.iter_mut().find(|line| line.name == time.subject) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name: time.subject.clone(),
                color: lines.len(),
                is_dashed: false,
                points: vec![point],
            }),
        }
    }
    let last = pages.iter().map(|time| time.page).max().unwrap_or(1) as f64;
    let (size, rounds) = pages.first().map_or((0, 0), |time| (time.page_size, time.n));
    Picture {
        title: "What a page costs, by its place in the log",
        caption: caption(
            run,
            &format!("Pages of {size} events, no filter, one thread, medians of {rounds} in turn."),
        ),
        panels: vec![Panel {
            title: String::new(),
            x: Axis {
                label: "page",
                labels: Labels::Numbers(whole),
            },
            y: Axis {
                label: "time for the page",
                labels: Labels::Numbers(bound),
            },
            lines,
            mark: Some((last, format!("end of the log: page {}", whole(last)))),
        }],
    }
}

/// Cost against the size of the log: the last page of each, and the mean page that holds events of each stream.
pub(super) fn by_size(exports: &[Exported], command_line: &str) -> Picture {
    let sizes: Vec<_> = exports.iter().map(|it| whole(it.dataset.events as f64)).collect();
    let panel = |title: String, figure: &dyn Fn(&Exported, &str) -> Option<f64>| Panel {
        title,
        x: Axis {
            label: "events in the log",
            labels: Labels::Names(sizes.clone()),
        },
        y: Axis {
            label: "time for the page",
            labels: Labels::Numbers(bound),
        },
        lines: ["baseline", "enhanced"]
            .into_iter()
            .enumerate()
            .map(|(color, subject)| Line {
                name: subject.to_owned(),
                color,
                is_dashed: false,
                points: exports
                    .iter()
                    .enumerate()
                    .filter_map(|(place, export)| Some((place as f64, figure(export, subject)?)))
                    .collect(),
            })
            .collect(),
        mark: None,
    };
    let page_size = exports.iter().flat_map(|it| &it.pages).map(|it| it.page_size).next();
    let mut panels = vec![panel(
        format!("the last page of the log, {} events, no filter", page_size.unwrap_or(0)),
        &last_page,
    )];
    for stream in exports.first().map_or(&[][..], |it| &it.workloads) {
        let name = &stream.workload;
        let figure = |export: &Exported, subject: &str| with_events(export, name, subject);
        let panel = panel(
            format!("{}: a page that holds events", escape_for_terminal(name)),
            &figure,
        );
        // A stream that not every log was asked, or that met no event, is left out.
        if panel.lines.iter().all(|line| line.points.len() == exports.len()) {
            panels.push(panel);
        }
    }
    let mut caption =
        vec!["One thread; the last page: the median; a stream: the mean of its first requests.".to_owned()];
    if let Some(Exported {
        auditq_version,
        commit,
        machine,
        ..
    }) = exports.first()
    {
        caption.push(escape_for_terminal(&format!(
            "{}, {} cores, Linux {}; auditq {auditq_version}, commit {commit}.",
            machine.cpu_model, machine.cores, machine.kernel
        )));
    }
    for (export, size) in exports.iter().zip(&sizes) {
        caption.push(escape_for_terminal(&format!(
            "{size} events ({}): {}",
            export.dataset.label, export.command_line
        )));
    }
    caption.push(command_line.to_owned());
    Picture {
        title: "What a page costs, by the size of the log",
        caption,
        panels,
    }
}

fn last_page(export: &Exported, subject: &str) -> Option<f64> {
    let times = export.pages.iter().filter(|it| it.subject == subject);
    times.max_by_key(|it| it.page).map(|it| it.p50_us)
}

fn with_events(export: &Exported, stream: &str, subject: &str) -> Option<f64> {
    let stream = export.workloads.iter().find(|it| it.workload == stream)?;
    let mut costs = stream.costs.iter().filter(|it| it.pages == "with events");
    costs.find(|it| it.subject == subject).map(|it| it.us_per_request)
}

/// Throughput and P99 beside a writer against its rate of commits: two panels for each workload.
pub(super) fn beside_a_writer(writes: &[Write], run: &Run) -> Picture {
    let mut rates: Vec<_> = writes.iter().map(|write| write.write_rate_per_s).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.dedup();
    let mut workloads: Vec<_> = writes.iter().map(|write| write.workload.as_str()).collect();
    workloads.sort_unstable_by(|one, other| other.cmp(one));
    workloads.dedup();
    let mut panels = Vec::new();
    for workload in workloads {
        let panel = |what: &str, y, figure: fn(&Write) -> Option<f64>| Panel {
            title: format!("{workload}: {what}"),
            x: rate_axis(&rates),
            y,
            lines: lines(writes.iter().filter(|write| write.workload == workload), &rates, figure),
            mark: None,
        };
        let per_s = Axis {
            label: "requests a second",
            labels: Labels::Numbers(whole),
        };
        let time = Axis {
            label: "P99",
            labels: Labels::Numbers(bound),
        };
        panels.push(panel("requests a second", per_s, |it| Some(it.requests?.rps)));
        panels.push(panel("P99 of a request", time, |it| Some(it.requests?.latency.p99_us)));
    }
    Picture {
        title: "Beside a writer",
        caption: caption(run, &format!("{}.", run.method.label)),
        panels,
    }
}

/// Rates are shown side by side, whatever lies between them: 0 has no place on a logarithmic axis.
fn rate_axis(rates: &[f64]) -> Axis {
    Axis {
        label: "commits a second that the writer is asked for",
        labels: Labels::Names(rates.iter().map(f64::to_string).collect()),
    }
}

/// A line for each engine and journal mode.
fn lines<'a>(writes: impl Iterator<Item = &'a Write>, rates: &[f64], figure: fn(&Write) -> Option<f64>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for write in writes {
        let Some(figure) = figure(write) else { continue };
        let name = format!("{}, {} journal", write.subject, write.journal);
        let place = rates.iter().position(|rate| *rate == write.write_rate_per_s);
        let point = (place.unwrap_or(0) as f64, figure);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                color: usize::from(write.subject != "baseline"),
                is_dashed: write.journal == "wal",
                points: vec![point],
            }),
        }
    }
    lines
}

fn caption(run: &Run, method: &str) -> Vec<String> {
    let (data, machine) = (&run.dataset, &run.machine);
    vec![
        method.to_owned(),
        format!(
            "{} events ({}); {}, {} cores, Linux {}; auditq {}, commit {}.",
            whole(data.events as f64),
            data.label,
            machine.cpu_model,
            machine.cores,
            machine.kernel,
            run.auditq_version,
            run.commit
        ),
        run.command_line.clone(),
    ]
}
