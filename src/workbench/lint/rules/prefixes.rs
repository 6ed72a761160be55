//! AP012: names of images are compared by a part that may end in the middle of a name.

use serde_json::Value as Json;

use super::{Findings, PolicyRule};
use crate::model::object::FieldPath;
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::{Call, Flow, Operand};
use crate::workbench::lint::policies::{Constraint, Place, Policies, Template, below};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP012",
    name: "loose-image-name",
    severity: Severity::Warning,
    summary: "Images are compared with a text that may end, or begin, in the middle of a name",
    page: "\
`startswith(image, \"registry.example.com\")` also holds for `registry.example.com.evil.org/image`, and with \
`registry.example.com/team` for `registry.example.com/team-of-others/image`. A prefix is safe when it ends in `/`, or in `:` \
or `@` behind a whole name.

    repos: [\"registry.example.com/team/\"]

`endswith` is safe when the text begins with one of these. Texts in the code \
are judged there; where the code takes them from parameters, the values in constraints are, unless the code looks itself at how they end.",
    check,
};

const ENDS: [char; 3] = ['/', ':', '@'];

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        for call in &code.flow.calls {
            let [image, text] = call.operands.as_slice() else { continue };
            let Some(comparison) = Comparison::of(&call.name).filter(|_| is_image(image)) else { continue };
            constants(template, call, text, comparison, findings);
            for place in text.value.places.iter().filter(|place| !is_checked(&code.flow, place)) {
                let Some(path) = below(place, &["input", "parameters"]) else { continue };
                for constraint in policies.constraints_of(template).filter(|one| !policies.is_sample(one)) {
                    parameters(constraint, path, comparison, findings);
                }
            }
        }
    }
}

/// Whether the code looks at how such a text ends before it relies on that.
fn is_checked(flow: &Flow, place: &Place) -> bool {
    let mut checks =
        flow.calls.iter().filter(|call| matches!(call.name.as_str(), "endswith" | "regex.match" | "re_match"));
    checks.any(|call| call.operands.iter().any(|operand| operand.value.places.contains(place)) && !is_image_call(call))
}

fn is_image_call(call: &Call) -> bool {
    call.operands.iter().any(is_image)
}

#[derive(Clone, Copy)]
struct Comparison {
    name: &'static str,
    needs_start: bool,
    needs_end: bool,
}

impl Comparison {
    fn of(name: &str) -> Option<Self> {
        match name {
            "startswith" => Some(Self { name: "begin", needs_start: false, needs_end: true }),
            "endswith" => Some(Self { name: "end", needs_start: true, needs_end: false }),
            _ => None,
        }
    }

    fn mistake(self, text: &str) -> Option<String> {
        let is_loose = self.needs_end && !text.ends_with(ENDS) || self.needs_start && !text.starts_with(ENDS);
        // A digest ends itself, and everything begins with nothing, which is another mistake.
        if !is_loose || text.is_empty() || text.contains("@sha256:") {
            return None;
        }
        let Self { name, needs_end, .. } = self;
        let side = if needs_end { "end" } else { "begin" };
        let example = if needs_end { format!("{text}x") } else { format!("x{text}") };
        let wanted = if needs_end { format!("{text}/") } else { format!("/{text}") };
        Some(format!(
            "images that {name} with {text:?} may be {example:?}, too\nlet it {side} with /, as in {wanted:?}"
        ))
    }
}

/// Whether a value is the name of an image.
fn is_image(operand: &Operand) -> bool {
    let ends = |place: &Vec<Step>| matches!(place.last(), Some(Step::Key(key)) if &**key == "image");
    operand.value.places.iter().any(ends)
}

fn constants(
    template: &Template<'_>,
    call: &Call,
    text: &Operand,
    comparison: Comparison,
    findings: &mut Findings<'_>,
) {
    if text.value.is_open || !text.value.places.is_empty() {
        return;
    }
    for text in &text.value.texts {
        if let Some(message) = comparison.mistake(text) {
            findings.code(template, &call.at, message);
        }
    }
}

fn parameters(constraint: &Constraint<'_>, path: &[Step], comparison: Comparison, findings: &mut Findings<'_>) {
    for (at, value) in values(constraint, path) {
        if let Some(message) = value.as_str().and_then(|text| comparison.mistake(text)) {
            findings.value(constraint.bundled, &at, message);
        }
    }
}

/// The values at a path below a constraint's parameters.
pub(super) fn values<'c>(constraint: &'c Constraint<'_>, path: &[Step]) -> Vec<(FieldPath, &'c Json)> {
    let parameters = constraint.field(&["spec", "parameters"]);
    let mut found: Vec<(FieldPath, &Json)> =
        parameters.map(|value| (FieldPath::from(["spec", "parameters"]), value)).into_iter().collect();
    for step in path {
        let below = |(at, value): &(FieldPath, &'c Json)| -> Vec<(FieldPath, &'c Json)> {
            match (step, value) {
                (Step::Key(key), Json::Object(map)) => {
                    map.get(&**key).map(|value| (at.key(&**key), value)).into_iter().collect()
                }
                (Step::Any, Json::Object(map)) => map.iter().map(|(key, value)| (at.key(key), value)).collect(),
                (Step::Any, Json::Array(items)) => {
                    items.iter().enumerate().map(|(index, value)| (at.index(index), value)).collect()
                }
                _ => Vec::new(),
            }
        };
        found = found.iter().flat_map(below).collect();
    }
    found
}
