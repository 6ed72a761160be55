//! AP017: tests that are not run.

use serde_json::Value as Json;

use super::{Findings, PolicyRule};
use crate::model::object::FieldPath;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::Policies;

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP017",
    name: "skipped-test",
    severity: Severity::Warning,
    summary: "A suite, test or case is skipped",
    page: "\
`skip: true` takes a suite, a test or a case out of `admit verify` without making it fail. It is meant for a while, and \
easily left in.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for suite in policies.suites.iter().filter(|suite| suite.is_subject) {
        let mut places = vec![(FieldPath::root(), suite.bundled.object.value())];
        while let Some((at, value)) = places.pop() {
            if value.get("skip") == Some(&Json::Bool(true)) {
                let name = value.get("name").and_then(Json::as_str).unwrap_or("the whole suite");
                findings.key(suite.bundled, &at.key("skip"), format!("{name} is skipped"));
            }
            for key in ["tests", "cases"] {
                let list = value.get(key).and_then(Json::as_array).into_iter().flatten().enumerate();
                places.extend(list.map(|(index, value)| (at.key(key).index(index), value)));
            }
        }
    }
}
