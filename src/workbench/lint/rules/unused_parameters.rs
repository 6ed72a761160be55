//! AP004: the schema has a parameter that the code does not read.

use serde_json::Value as Json;

use super::{Findings, PolicyRule};
use crate::model::object::FieldPath;
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::Flow;
use crate::workbench::lint::policies::{Policies, Template, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP004",
    name: "unused-parameter",
    severity: Severity::Warning,
    summary: "The template's schema has a parameter that its code never reads",
    page: "\
Whoever sets such a parameter expects it to change something, and it changes nothing. Often the code reads another name; \
the finding AP003 is then next to this one. Remove the parameter from the schema, or read it.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let Some(schema) = template.parsed.parameters.as_ref().filter(|_| !code.flow.is_lost) else { continue };
        let at = FieldPath::from(["spec", "crd", "spec", "validation", "openAPIV3Schema"]);
        let place = vec![Step::Key("input".into()), Step::Key("parameters".into())];
        visit(Visit { template, flow: &code.flow }, schema, &at, &place, findings);
    }
}

#[derive(Clone, Copy)]
struct Visit<'v> {
    template: &'v Template<'v>,
    flow: &'v Flow,
}

fn visit(of: Visit<'_>, schema: &Json, at: &FieldPath, place: &[Step], findings: &mut Findings<'_>) {
    if of.flow.is_whole(place) {
        return;
    }
    if let Some(items) = schema.get("items") {
        let place: Vec<Step> = place.iter().cloned().chain([Step::Any]).collect();
        visit(of, items, &at.key("items"), &place, findings);
    }
    let properties = schema.get("properties").and_then(Json::as_object);
    for (name, below) in properties.into_iter().flatten() {
        let place: Vec<Step> = place.iter().cloned().chain([Step::Key(name.as_str().into())]).collect();
        let at = at.key("properties").key(name);
        if of.flow.touches(&place) {
            visit(of, below, &at, &place, findings);
        } else {
            let shown = shown(place.get(2..).unwrap_or_default());
            findings.key(of.template.bundled, &at, format!("the code never reads parameter {shown}"));
        }
    }
}
