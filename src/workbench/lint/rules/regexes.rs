//! AP022: a pattern in parameters that a part of a value may match.

use super::prefixes::values;
use super::{Findings, PolicyRule};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Policies, below};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP022",
    name: "unanchored-pattern",
    severity: Severity::Note,
    summary: "A regular expression in a constraint's parameters may match in the middle of a value",
    page: "\
`regex.match` looks for a match anywhere in the value: `prod|test` also matches `nonproduction`. When the whole value is \
meant, write `^(prod|test)$`. This is a note, as a part may be meant.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        for call in code.flow.calls.iter().filter(|call| matches!(call.name.as_str(), "regex.match" | "re_match")) {
            let places = call.operands.first().into_iter().flat_map(|pattern| &pattern.value.places);
            for path in places.filter_map(|place| below(place, &["input", "parameters"])) {
                for constraint in policies.in_use().filter(|one| one.kind() == template.parsed.kind) {
                    for (at, value) in values(constraint, path) {
                        let Some(pattern) = value.as_str().filter(|pattern| is_loose(pattern)) else { continue };
                        let message =
                            format!("pattern {pattern:?} matches in the middle of a value, too\n^ and $ tie it down");
                        findings.value(constraint.bundled, &at, message);
                    }
                }
            }
        }
    }
}

fn is_loose(pattern: &str) -> bool {
    !pattern.is_empty() && !pattern.contains(['^', '$']) && !pattern.contains("\\A") && !pattern.starts_with(".*")
}
