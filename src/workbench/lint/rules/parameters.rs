//! AP003: the code reads a parameter that the schema does not have.

use serde_json::Value as Json;

use super::{Findings, PolicyRule, did_you_mean};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::{Place, Policies, below, nearest, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP003",
    name: "undeclared-parameter",
    severity: Severity::Warning,
    summary: "The code reads a parameter that is not in the template's schema",
    page: "\
The API server drops fields of a constraint that the schema of its template does not have. A parameter that is not declared \
below `spec.crd.spec.validation.openAPIV3Schema` is therefore never there, whatever constraints say.

Declare it, or correct the name. Schemas with `legacySchema: true`, as v1beta1 templates have them by default, and those \
with `x-kubernetes-preserve-unknown-fields` keep everything; nothing is said about them.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let schema = template.parsed.parameters.as_ref();
        let judge = |place: &Place| mistake(below(place, &["input", "parameters"])?, schema);
        for (at, message) in code.flow.mistaken(judge) {
            findings.code(template, at, message);
        }
    }
}

fn mistake(path: &[Step], schema: Option<&Json>) -> Option<String> {
    let (Step::Key(name), above) = path.split_last()? else { return None };
    let Some(schema) = schema else {
        let message =
            "the template has no schema for parameters, so the API server keeps none and this is never defined";
        return above.is_empty().then(|| message.to_owned());
    };
    let parent = above.iter().try_fold(schema, |schema, step| down(schema, step))?;
    let properties = parent.get("properties").and_then(Json::as_object);
    let is_free = parent.get("x-kubernetes-preserve-unknown-fields") == Some(&Json::Bool(true))
        || parent.get("additionalProperties").is_some_and(|more| more != &Json::Bool(false));
    let is_mapping = parent.get("type").and_then(Json::as_str) == Some("object") || properties.is_some();
    if is_free || !is_mapping || properties.is_some_and(|properties| properties.contains_key(&**name)) {
        return None;
    }
    let names = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
    let near = nearest(name, names);
    Some(format!(
        "parameter {} is not in the template's schema, so constraints cannot set it{}",
        shown(path),
        did_you_mean(near)
    ))
}

fn down<'s>(schema: &'s Json, step: &Step) -> Option<&'s Json> {
    match step {
        Step::Key(key) => schema.get("properties")?.get(&**key),
        Step::Any => schema.get("items"),
    }
}
