//! What `auditq diff` reports, line by line. The JSON keys are fixed.

use serde::Serialize;

/// One line of the report. As JSON it is an object whose first key, `type`, names the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The self-check of the comparison passed.
    SelfCheck(SelfCheck),
    /// A part of a workload was subsampled.
    #[serde(rename = "thinned")]
    Subsampled(Subsampled),
    /// One mismatch.
    Mismatch(Box<Mismatch>),
    /// The verdict on a workload: its last line.
    Verdict(Verdict),
}

/// The self-check: planted differences were found, and none between the baseline and itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SelfCheck {
    /// Before which workload.
    pub workload: &'static str,
    /// Differences that were planted in memory, each of which was found and classed right.
    pub planted: usize,
    /// Requests for which the baseline was compared with itself.
    pub requests: u64,
    /// Events in their answers.
    pub events: u64,
}

/// A part of a workload of which only some requests were made, evenly spread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subsampled {
    /// Which workload.
    pub workload: &'static str,
    /// Which part of it.
    pub part: &'static str,
    /// How many requests were made.
    pub kept: usize,
    /// How many there are.
    pub of: usize,
}

/// How two answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// An event is not there, or fewer are counted.
    Missing,
    /// An event is there that should not be, or more are counted.
    Extra,
    /// An event stands in another place among those that both answers have.
    Reordered,
    /// A field of an event, other than its payload.
    Field,
    /// A payload's bytes.
    Payload,
    /// One fails where the other answers, or fails with another text.
    Error,
}

impl Class {
    /// Every class, in the order of the report.
    pub const EACH: [Class; 6] = [
        Class::Missing,
        Class::Extra,
        Class::Reordered,
        Class::Field,
        Class::Payload,
        Class::Error,
    ];

    /// Its name, as JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Missing => "missing",
            Class::Extra => "extra",
            Class::Reordered => "reordered",
            Class::Field => "field",
            Class::Payload => "payload",
            Class::Error => "error",
        }
    }
}

/// One mismatch, with what reproduces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Which workload.
    pub workload: &'static str,
    /// What kind of difference it is.
    pub class: Class,
    /// The event's id; null where it is about none.
    pub event: Option<i64>,
    /// What differs: a field's name, `event`, `place`, `count` or `answer`.
    pub what: &'static str,
    /// What the baseline has, shortened and escaped.
    pub baseline: String,
    /// What the enhanced engine has, likewise.
    pub enhanced: String,
    /// For a shell: the request in mode baseline, and in mode enhanced.
    pub reproduce: [String; 2],
}

/// How many mismatches there are of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub missing: u64,
    pub extra: u64,
    pub reordered: u64,
    pub field: u64,
    pub payload: u64,
    pub error: u64,
}

impl Counts {
    /// The count of a class.
    #[must_use]
    pub fn get(&self, class: Class) -> u64 {
        match class {
            Class::Missing => self.missing,
            Class::Extra => self.extra,
            Class::Reordered => self.reordered,
            Class::Field => self.field,
            Class::Payload => self.payload,
            Class::Error => self.error,
        }
    }

    /// Adds the counts of other requests.
    pub fn add(&mut self, other: &Counts) {
        for class in Class::EACH {
            *self.get_mut(class) += other.get(class);
        }
    }

    /// The count of a class, to be changed.
    pub fn get_mut(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::Missing => &mut self.missing,
            Class::Extra => &mut self.extra,
            Class::Reordered => &mut self.reordered,
            Class::Field => &mut self.field,
            Class::Payload => &mut self.payload,
            Class::Error => &mut self.error,
        }
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        Class::EACH.into_iter().map(|class| self.get(class)).sum()
    }
}

/// What the comparison of a workload found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Every request had the same answer from both.
    Same,
    /// At least one had not.
    Different,
    /// Nothing: the log changed too fast, or no answer held an event.
    None,
}

/// The verdict on a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Which workload.
    pub workload: &'static str,
    /// What was found.
    pub verdict: Finding,
    /// Requests compared.
    pub requests: u64,
    /// Events compared: those of the baseline's answers.
    pub events: u64,
    /// Requests whose answers differ.
    pub differing: u64,
    /// Every mismatch, also those that are not shown.
    pub mismatches: Counts,
    /// Requests that both engines answered with the same error.
    pub failed_alike: u64,
    /// Requests that were asked more than once, because the log changed between the two engines' answers.
    pub asked_again: u64,
    /// Requests without a verdict, because the log changed each time.
    pub unsettled: u64,
}
