use std::time::Duration;

use super::*;
use crate::command::bench::Sample;
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
    let cost = |name: &str, ns| Cost {
        name: name.to_owned(),
        n: 2,
        rounds_ns: vec![ns, ns],
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
        costs: vec![cost("enhanced", 3_000.0), cost("floor", 1_500.0)],
    }
}

#[test]
fn the_depth_classes_are_the_whole() {
    for subject in workload(&measured()).unwrap().subjects {
        let classes: usize = subject.depths.iter().map(|depth| depth.latency.n).sum();
        let buckets: usize = subject.histogram.iter().map(|bucket| bucket.count).sum();
        let rounds: usize = subject.rounds.iter().map(|round| round.summary.latency.n).sum();
        assert_eq!([classes, buckets, rounds], [subject.total.latency.n; 3]);
        assert_eq!((subject.total.errors, subject.total.rps), (2, 4.0));
    }
}

#[test]
fn above_one_is_faster_in_every_metric() {
    let figures = workload(&measured()).unwrap();
    let ratios: Vec<_> = figures
        .ratios
        .iter()
        .map(|it| (it.metric, it.speedup.ratio.round()))
        .collect();
    assert_eq!(
        ratios,
        [("rps", 1.0), ("p50", 10.0), ("p90", 10.0), ("p95", 10.0), ("p99", 10.0)]
    );
    assert_eq!(figures.ratios[0].verdict, "inconclusive");
    assert_eq!(figures.ratios[1].verdict, "faster");
    assert!((figures.ratios[4].improvement_percent - 90.0).abs() < 1.0 && figures.ratios[4].is_weak);
}

#[test]
fn an_open_loop_has_no_verdict_on_what_the_rate_sets() {
    let of = |requests_per_s: f64| {
        let measured = Measured {
            requests_per_s: Some(requests_per_s),
            ..measured()
        };
        workload(&measured).unwrap()
    };
    let figures = of(4.0);
    let metrics: Vec<_> = figures.ratios.iter().map(|it| it.metric).collect();
    assert_eq!(metrics, ["p50", "p90", "p95", "p99"]);
    // Three intervals in 0.75 s, in each round.
    let open = figures.subjects[1].open.unwrap();
    assert!((open.started_per_s - 4.0).abs() < 1e-9 && open.kept_up);
    assert!(gate(2.0, &[figures], &[]).passed);
    assert!(!of(4.3).subjects[1].open.unwrap().kept_up);
    assert!(workload(&measured()).unwrap().subjects[1].open.is_none());
}

#[test]
fn the_cost_is_told_in_floors() {
    let costs = workload(&measured()).unwrap().costs;
    assert_eq!(costs[0].us_per_request, 3.0);
    assert!((costs[0].of_floor.unwrap().ratio - 2.0).abs() < 1e-9);
    assert!(costs[1].of_floor.is_none());
}

#[test]
fn the_gate_fails_only_where_the_whole_interval_is_below() {
    let mut figures = workload(&measured()).unwrap();
    let names = |gate: &report::Gate| gate.failures.iter().map(|it| it.ratio.metric).collect::<Vec<_>>();
    let strict = gate(1.5, std::slice::from_ref(&figures), &[]);
    assert_eq!((strict.passed, names(&strict)), (false, vec!["rps"]));
    figures.ratios[0].speedup.high = Some(1.5);
    assert!(gate(1.5, std::slice::from_ref(&figures), &[]).passed);
    figures.ratios[0].speedup.high = None;
    assert!(
        gate(
            1e6,
            &[report::Workload {
                ratios: figures.ratios[..1].to_vec(),
                ..figures
            }],
            &[]
        )
        .passed
    );
}

#[test]
fn the_lines_have_the_documented_shape() {
    let figures = workload(&measured()).unwrap();
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
        ratio: &figures.ratios[0],
    });
    assert_eq!(
        ratio,
        "{\"type\":\"ratio\",\"workload\":\"legacy\",\"subject\":\"enhanced\",\"against\":\"baseline\",\"metric\":\"rps\",\
         \"ratio\":1.0,\"low\":1.0,\"high\":1.0,\"verdict\":\"inconclusive\",\"improvement_percent\":0.0,\"is_weak\":false}"
    );
    let cost = line(Line::Cost {
        workload: "legacy",
        cost: &figures.costs[1],
    });
    assert_eq!(
        cost,
        "{\"type\":\"cost\",\"workload\":\"legacy\",\"subject\":\"floor\",\"n\":4,\"us_per_request\":1.5,\
         \"rounds_us_per_request\":[1.5,1.5],\"of_floor\":null}"
    );
    let gate = gate(2.0, &[], &[]);
    assert_eq!(
        line(Line::Gate(&gate)),
        "{\"type\":\"gate\",\"min_speedup\":2.0,\"passed\":true,\"failures\":[]}"
    );
}
