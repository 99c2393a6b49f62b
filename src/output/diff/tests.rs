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
        verbose: false,
    };
    let text = as_table(
        &display,
        &[mismatch(), Line::Verdict(verdict(1)), Line::Verdict(verdict(0))],
    );
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("workload  requests  events  missing"), "{text}");
    assert!(
        lines[1].starts_with("deep") && lines[1].ends_with("DIFFERENT"),
        "{text}"
    );
    assert!(lines[2].ends_with("same"), "{text}");
    assert!(text.contains("deep: 2 requests were asked again"), "{text}");
    assert!(text.ends_with("deep, field: actor_id of event 7\n  baseline  1\n  enhanced  2\n  auditq a\n  auditq b\n"));
}
