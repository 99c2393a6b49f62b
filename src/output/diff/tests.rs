use super::*;
use crate::command::diff::report::Counts;

fn mismatch() -> Line {
    Line::Mismatch(Box::new(Mismatch {
        workload: "deep",
        class: Class::Field,
        event: Some(7),
        what: "actor_id",
        baseline: "1".to_owned(),
        enhanced: "2".to_owned(),
        reproduce: ["auditq a".to_owned(), "auditq b".to_owned()],
    }))
}

fn verdict(differing: u64) -> Verdict {
    Verdict {
        workload: "deep",
        verdict: if differing == 0 {
            Finding::Same
        } else {
            Finding::Different
        },
        requests: 20,
        events: 300,
        differing,
        mismatches: Counts {
            field: differing,
            ..Counts::default()
        },
        failed_alike: 0,
        asked_again: 2,
        unsettled: 0,
    }
}

fn printed(line: &Line) -> String {
    String::from_utf8(json_line(line).unwrap()).unwrap()
}

#[test]
fn a_line_has_the_documented_keys() {
    assert_eq!(
        printed(&Line::SelfCheck(SelfCheck {
            workload: "deep",
            planted: 9,
            requests: 3,
            events: 4
        })),
        "{\"type\":\"self_check\",\"workload\":\"deep\",\"planted\":9,\"requests\":3,\"events\":4}\n"
    );
    assert_eq!(
        printed(&Line::Subsampled(Subsampled {
            workload: "sweep",
            part: "counts",
            kept: 1,
            of: 2
        })),
        "{\"type\":\"thinned\",\"workload\":\"sweep\",\"part\":\"counts\",\"kept\":1,\"of\":2}\n"
    );
    assert_eq!(
        printed(&mismatch()),
        "{\"type\":\"mismatch\",\"workload\":\"deep\",\"class\":\"field\",\"event\":7,\"what\":\"actor_id\",\
         \"baseline\":\"1\",\"enhanced\":\"2\",\"reproduce\":[\"auditq a\",\"auditq b\"]}\n"
    );
    assert_eq!(
        printed(&Line::Verdict(verdict(1))),
        "{\"type\":\"verdict\",\"workload\":\"deep\",\"verdict\":\"different\",\"requests\":20,\"events\":300,\"differing\":1,\
         \"mismatches\":{\"missing\":0,\"extra\":0,\"reordered\":0,\"field\":1,\"payload\":0,\"error\":0},\
         \"failed_alike\":0,\"asked_again\":2,\"unsettled\":0}\n"
    );
}

#[test]
fn a_class_is_named_and_counted_as_json_has_it() {
    let mut counts = Counts::default();
    for (number, class) in (1..).zip(Class::EACH) {
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{}\"", class.name()));
        *counts.get_mut(class) = number;
    }
    for (number, class) in (1..).zip(Class::EACH) {
        assert_eq!(counts.get(class), number);
        let json = serde_json::to_value(counts).unwrap();
        assert_eq!(json[class.name()], number);
    }
    assert_eq!(counts.total(), 21);
}

#[test]
fn a_table_has_a_row_a_workload_and_the_mismatches_below() {
    let display = Display {
        format: Format::Table,
        color: false,
        quiet: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
        width: 120,
        verbose: false,
    };
    let text = as_table(
        &display,
        &[mismatch(), Line::Verdict(verdict(1)), Line::Verdict(verdict(0))],
        Duration::from_secs(70),
    );
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "enhanced answers 1 of 40 requests otherwise than the baseline (1 field); compared in 1 min 10 s.",
            "",
            "workload  verdict    requests  events  field",
            "deep      DIFFERENT        20     300      1",
            "deep      same             20     300",
        ],
        "{text}"
    );
    assert!(text.contains("deep: 2 requests were asked again"), "{text}");
    assert!(text.ends_with("deep, field: actor_id of event 7\n  baseline  1\n  enhanced  2\n  auditq a\n  auditq b\n"));
}

#[test]
fn where_all_is_the_same_one_sentence_says_so() {
    let same = verdict(0);
    assert_eq!(
        sentence(&[&same, &same], Duration::from_millis(1_234)),
        "enhanced answers as the baseline does, byte for byte: 40 requests, 600 events, in 1.23 s."
    );
}

#[test]
fn seconds_are_shown_with_their_date() {
    assert_eq!(dated("created_at", "1767052800"), "1767052800 (2025-12-30 00:00:00)");
    assert_eq!(dated("actor_id", "1767052800"), "1767052800");
    assert_eq!(
        dated("event", "id 7, created_at 0, actor 1, created_at 5, X"),
        "id 7, created_at 0 (1970-01-01 00:00:00), actor 1, created_at 5, X"
    );
    assert_eq!(dated("action", "\"created_at 0\""), "\"created_at 0\"");
}
