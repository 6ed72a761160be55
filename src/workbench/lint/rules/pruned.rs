//! AP005: a constraint has fields that the API server drops.

use super::{Findings, PolicyRule};
use crate::model::api::constraint_schema;
use crate::model::object::FieldPath;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::Policies;

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP005",
    name: "pruned-field",
    severity: Severity::Warning,
    summary: "A constraint has a field that its schema does not know, which the API server drops",
    page: "\
Constraints are custom resources: fields that the schema does not have vanish when one is stored, without an error. A \
misspelt parameter then has its default, and a misspelt criterion of `spec.match` matches everything.

Correct the name, or add the parameter to the template's schema.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for constraint in &policies.constraints {
        let Some(template) = policies.template_of(constraint) else { continue };
        let (schema, errors) = constraint_schema(template.parsed.parameters.as_ref());
        if !errors.is_empty() {
            continue;
        }
        for path in schema.unknown_fields(constraint.bundled.object.value(), &FieldPath::root()) {
            let message = format!("{path} is not in the schema of {}, so the API server drops it", constraint.kind());
            findings.key(constraint.bundled, &path, message);
        }
    }
}
