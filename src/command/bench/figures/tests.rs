use std::time::Duration;

use super::*;
use crate::command::bench::gate::gate;
use crate::command::bench::{Pages, Sample};
use crate::output::bench::Line;

/// Two requests, each asked twice a round, in two rounds of a second.
fn timed(name: &str, latencies_ns: [u64; 2]) -> Timed {
    let sample = |request: u32| Sample {
        request,
        latency_ns: latencies_ns[request as usize],
    };
    let samples = [0, 1, 0, 1].map(sample).to_vec();
    let round = Round {
        wall: Duration::from_secs(1),
        last_start: Duration::from_millis(750),
        errors: 1,
        samples,
    };
    Timed {
        name: name.to_owned(),
        passes: 2,
        rounds: vec![round.clone(), round],
        turns: vec![0, 1],
    }
}

fn measured() -> Measured {
    let cost = |name: &str, pages, requests, ns| Cost {
        name: name.to_owned(),
        pages,
        requests,
        n: 2,
        rounds_ns: vec![ns, ns],
    };
    let costs = |pages, requests, [baseline, enhanced, floor]: [f64; 3]| {
        [
            cost("baseline", pages, requests, baseline),
            cost("enhanced", pages, requests, enhanced),
            cost("floor", pages, requests, floor),
        ]
    };
    Measured {
        workload: "legacy".to_owned(),
        requests_per_s: None,
        depths: vec![Depth::Shallow, Depth::PastTheEnd],
        offsets: vec![0, 90],
        subjects: vec![
            timed("baseline", [8_000, 40_000]),
            timed("enhanced", [1_000, 4_000]),
            timed("floor", [500, 30]),
        ],
        costs: [
            costs(Pages::All, 2, [30_000.0, 3_000.0, 1_500.0]),
            costs(Pages::WithEvents, 1, [8_000.0, 4_000.0, 2_000.0]),
        ]
        .concat(),
    }
}

/// Of one workload, whose clients have a core each or not.
fn figures(measured: &Measured, has_cores: bool) -> report::Workload {
    workloads(std::slice::from_ref(measured), has_cores).unwrap().remove(0)
}

fn metrics(figures: &report::Workload) -> Vec<&'static str> {
    figures.ratios.iter().map(|it| it.metric).collect()
}

#[test]
fn the_depth_classes_are_the_whole() {
    for subject in figures(&measured(), true).subjects {
        let classes: usize = subject.depths.iter().map(|depth| depth.latency.n).sum();
        let buckets: usize = subject.histogram.iter().map(|bucket| bucket.count).sum();
        let rounds: usize = subject.rounds.iter().map(|round| round.summary.latency.n).sum();
        assert_eq!([classes, buckets, rounds], [subject.total.latency.n; 3]);
        assert_eq!((subject.total.errors, subject.total.rps), (2, 4.0));
        let numbers: Vec<_> = subject.rounds.iter().map(|round| (round.round, round.turn)).collect();
        assert_eq!(numbers, [(1, 1), (2, 2)], "both are counted from 1");
    }
}

#[test]
fn above_one_is_faster_in_every_metric() {
    let figures = figures(&measured(), true);
    let ratios: Vec<_> = figures
        .ratios
        .iter()
        .map(|it| (it.metric, it.speedup.ratio.round()))
        .collect();
    assert_eq!(
        ratios,
        [
            ("cost", 10.0),
            ("cost_with_events", 2.0),
            ("rps", 1.0),
            ("p50", 10.0),
            ("p90", 10.0),
            ("p95", 10.0),
            ("p99", 10.0)
        ]
    );
    // Two rounds are too few for a verdict, however clear they are.
    assert!(figures.ratios.iter().all(|it| it.verdict == "inconclusive"));
    assert!((figures.ratios[6].improvement_percent - 90.0).abs() < 1.0);
    let weak: Vec<_> = figures
        .ratios
        .iter()
        .filter(|it| it.is_weak)
        .map(|it| it.metric)
        .collect();
    assert_eq!(weak, ["p99"]);
}

#[test]
fn latencies_of_more_clients_than_cores_are_shown_and_not_compared() {
    let figures = figures(&measured(), false);
    assert_eq!(metrics(&figures), ["cost", "cost_with_events", "rps"]);
    assert_eq!(figures.subjects[0].total.latency.p50_us, 24.0);
}

#[test]
fn six_rounds_allow_a_verdict() {
    let mut measured = measured();
    for timed in &mut measured.subjects {
        timed.rounds = vec![timed.rounds[0].clone(); 6];
        timed.turns = vec![0; 6];
    }
    for cost in &mut measured.costs {
        cost.rounds_ns = vec![cost.rounds_ns[0]; 6];
    }
    let figures = figures(&measured, true);
    let verdicts: Vec<_> = figures.ratios.iter().map(|it| it.verdict).collect();
    assert_eq!(verdicts[..3], ["faster", "faster", "inconclusive"]);
    assert!(verdicts[3..].iter().all(|it| *it == "faster"));
    assert!(figures.costs.iter().all(|it| it.n == 2 * 6), "requests of all rounds");
}

#[test]
fn the_last_bucket_of_a_histogram_has_no_end() {
    let end = |to_ns| {
        let bucket = bucket(measure::Bucket {
            from_ns: 500,
            to_ns,
            count: 3,
        });
        assert_eq!((bucket.from_us, bucket.count), (0.5, 3));
        bucket.to_us
    };
    assert_eq!((end(1_000), end(u64::MAX)), (Some(1.0), None));
}

#[test]
fn intervals_are_wider_the_more_ratios_are_told() {
    let mut one = measured();
    for cost in &mut one.costs[..1] {
        cost.rounds_ns = vec![30_000.0, 31_000.0];
    }
    let width = |figures: &report::Workload| {
        let speedup = figures.ratios[0].speedup;
        speedup.high.unwrap() / speedup.low.unwrap()
    };
    let (few, many) = (figures(&one, false), figures(&one, true));
    assert!(width(&many) > 1.5 * width(&few));
    let twice = workloads(&[one.clone(), one], false).unwrap();
    assert!(width(&twice[0]) > 1.5 * width(&few));
}

#[test]
fn a_p99_is_weak_by_the_requests_that_differ() {
    let mut measured = measured();
    let weak = |measured: &Measured| {
        let subject = figures(measured, true).subjects.remove(0);
        (subject.total.latency.p99_is_weak, subject.depths[0].latency.p99_is_weak)
    };
    // A thousand samples of the same two requests.
    for timed in &mut measured.subjects {
        let samples = timed.rounds[0].samples.repeat(500);
        timed.rounds[0].samples = samples;
    }
    assert_eq!(weak(&measured), (true, true));
    measured.depths = [Depth::Shallow, Depth::PastTheEnd].repeat(500);
    assert_eq!(weak(&measured), (false, true));
    measured.depths = vec![Depth::Shallow; 1_000];
    assert_eq!(weak(&measured), (false, false));
}

#[test]
fn an_open_loop_has_no_verdict_on_what_the_rate_sets() {
    let of = |requests_per_s: f64| {
        let measured = Measured {
            requests_per_s: Some(requests_per_s),
            ..measured()
        };
        figures(&measured, false)
    };
    let kept_up = of(4.0);
    assert_eq!(
        metrics(&kept_up),
        ["cost", "cost_with_events", "p50", "p90", "p95", "p99"]
    );
    // Three intervals in 0.75 s, in each round.
    let open = kept_up.subjects[1].open.unwrap();
    assert!((open.started_per_s - 4.0).abs() < 1e-9 && open.kept_up);
    let behind = of(4.3);
    assert!(!behind.subjects[1].open.unwrap().kept_up);
    // A queue is like nothing else.
    assert_eq!(metrics(&behind), ["cost", "cost_with_events"]);
    assert!(figures(&measured(), false).subjects[1].open.is_none());
}

/// Nothing tells a rate where there is but one request, or no time between them.
#[test]
fn what_has_no_rate_of_its_own_keeps_up() {
    let spoils: [fn(&mut Round); 2] = [
        |round| round.samples.truncate(1),
        |round| round.last_start = Duration::ZERO,
    ];
    for spoil in spoils {
        let mut measured = Measured {
            requests_per_s: Some(4.0),
            ..measured()
        };
        measured
            .subjects
            .iter_mut()
            .flat_map(|timed| &mut timed.rounds)
            .for_each(spoil);
        let open = figures(&measured, false).subjects[1].open.unwrap();
        assert_eq!((open.started_per_s, open.kept_up), (4.0, true));
    }
}

#[test]
fn a_ratio_is_weak_where_either_side_is() {
    let rounds = [Summary::of(&mut [1_000, 2_000], 0, 1.0).unwrap()];
    let side = |is_p99_weak| Side {
        name: "either",
        rounds: &rounds,
        is_p99_weak,
    };
    for (model, other, is_weak) in [(true, false, true), (false, true, true), (false, false, false)] {
        let told = ratios::judge(&ratios::of_latencies(&[side(model), side(other)]), 4).unwrap();
        let weak: Vec<_> = told.iter().filter(|it| it.is_weak).map(|it| it.metric).collect();
        assert_eq!(weak, if is_weak { &["p99"][..] } else { &[] }, "{model} {other}");
    }
}

#[test]
fn the_cost_is_told_in_floors() {
    let costs = figures(&measured(), true).costs;
    let told: Vec<_> = costs
        .iter()
        .map(|it| (it.subject.as_str(), it.pages, it.us_per_request))
        .collect();
    assert_eq!(
        told,
        [
            ("baseline", "all", 30.0),
            ("enhanced", "all", 3.0),
            ("floor", "all", 1.5),
            ("baseline", "with events", 8.0),
            ("enhanced", "with events", 4.0),
            ("floor", "with events", 2.0)
        ]
    );
    let floors = [0, 1, 3, 4].map(|place| costs[place].of_floor.unwrap().ratio);
    for (found, expected) in floors.into_iter().zip([20.0, 2.0, 4.0, 2.0]) {
        assert!((found - expected).abs() < 1e-9, "{floors:?}");
    }
    assert!(costs[2].of_floor.is_none() && costs[5].of_floor.is_none());
}

#[test]
fn the_gate_is_closed_by_doubt() {
    let mut figures = figures(&measured(), false);
    let names = |gate: &report::Gate| gate.failures.iter().map(|it| it.ratio.metric).collect::<Vec<_>>();
    let missed = gate(1.5, std::slice::from_ref(&figures), &[]);
    assert_eq!((missed.passed, names(&missed)), (false, vec!["rps"]));
    assert!(gate(1.0, std::slice::from_ref(&figures), &[]).passed);
    // The estimate is far above, but the interval begins below.
    figures.ratios[0].speedup.low = Some(0.999);
    let doubted = gate(1.0, std::slice::from_ref(&figures), &[]);
    assert_eq!((doubted.passed, names(&doubted)), (false, vec!["cost"]));
    figures.ratios[0].speedup.low = None;
    assert!(!gate(0.001, std::slice::from_ref(&figures), &[]).passed);
    assert!(!gate(0.001, &[], &[]).passed, "nothing was shown");
}

#[test]
fn the_lines_have_the_documented_shape() {
    let figures = figures(&measured(), true);
    let line = |line: Line<'_>| serde_json::to_string(&line).unwrap();
    let total = figures.subjects[1].total;
    assert_eq!(
        line(Line::Summary {
            workload: "legacy",
            subject: "enhanced",
            passes_per_round: 2,
            total,
            open: None
        }),
        "{\"type\":\"summary\",\"workload\":\"legacy\",\"subject\":\"enhanced\",\"passes_per_round\":2,\"rps\":4.0,\
         \"errors\":2,\"n\":8,\"mean_us\":2.5,\"p50_us\":2.5,\"p90_us\":4.0,\"p95_us\":4.0,\"p99_us\":4.0,\"max_us\":4.0,\
         \"p99_is_weak\":true}"
    );
    let depth = line(Line::Depth {
        workload: "legacy",
        subject: "floor",
        depth: &figures.subjects[2].depths[1],
    });
    assert!(depth.starts_with(
        "{\"type\":\"depth\",\"workload\":\"legacy\",\"subject\":\"floor\",\"depth\":\"past_the_end\",\"n\":4,\"mean_us\":0.03,"
    ));
    let ratio = line(Line::Ratio {
        workload: "legacy",
        ratio: &figures.ratios[2],
    });
    assert_eq!(
        ratio,
        "{\"type\":\"ratio\",\"workload\":\"legacy\",\"subject\":\"enhanced\",\"against\":\"baseline\",\"metric\":\"rps\",\
         \"ratio\":1.0,\"low\":1.0,\"high\":1.0,\"verdict\":\"inconclusive\",\"improvement_percent\":0.0,\"is_weak\":false}"
    );
    let cost = line(Line::Cost {
        workload: "legacy",
        cost: &figures.costs[2],
    });
    assert_eq!(
        cost,
        "{\"type\":\"cost\",\"workload\":\"legacy\",\"subject\":\"floor\",\"pages\":\"all\",\"requests\":2,\"n\":4,\"us_per_request\":1.5,\
         \"rounds_us_per_request\":[1.5,1.5],\"of_floor\":null}"
    );
    let gate = gate(2.0, &[], &[]);
    assert_eq!(
        line(Line::Gate(&gate)),
        "{\"type\":\"gate\",\"min_speedup\":2.0,\"passed\":false,\"failures\":[]}"
    );
}
