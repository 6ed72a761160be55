//! AP020: a comparison whose sides can never be equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Findings, PolicyRule, did_you_mean};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::kinds;
use crate::workbench::lint::policies::flow::{At, Call, Flow, Operand};
use crate::workbench::lint::policies::{Policies, Template, below, nearest, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP020",
    name: "impossible-comparison",
    severity: Severity::Warning,
    summary: "A comparison is the same for every input, because of the types or values that its sides can have",
    page: "\
`input.parameters.replicas == \"3\"` never holds when the schema says that `replicas` is an integer: values of different \
types are never equal, and no error is raised. `<` and `>` order different types by their types.

Operations are `CREATE`, `UPDATE`, `DELETE` and `CONNECT`, in capitals, and kinds are written as in manifests: \
`input.review.operation == \"create\"` and `input.review.kind.kind == \"pods\"` never hold either.",
    check,
};

const COMPARISONS: [&str; 7] = ["=", "equal", "neq", "lt", "lte", "gt", "gte"];
const OPERATIONS: [&str; 5] = ["CREATE", "UPDATE", "DELETE", "CONNECT", ""];

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        // A function that is called with several things compares in vain when it does with all of them.
        let mut mistakes: BTreeMap<&At, Option<String>> = BTreeMap::new();
        for call in code.flow.calls.iter().filter(|call| COMPARISONS.contains(&call.name.as_str())) {
            let found = judge(template, &code.flow, call);
            mistakes.entry(&call.at).and_modify(|before| *before = before.take().and(found.clone())).or_insert(found);
        }
        for (at, message) in mistakes {
            message.into_iter().for_each(|message| findings.code(template, at, message));
        }
    }
}

fn judge(template: &Template<'_>, flow: &Flow, call: &Call) -> Option<String> {
    let [left, right] = call.operands.as_slice() else { return None };
    [(left, right), (right, left)].into_iter().find_map(|(known, constant)| {
        // Functions that are called with anything ask in this way whether it is there.
        let is_question = matches!(constant.constant, Some("boolean" | "null")) && !is_written(flow, known, &call.at);
        mistake(template, known, constant, call).filter(|_| !is_question)
    })
}

/// Whether the comparison itself names the document that is compared.
fn is_written(flow: &Flow, operand: &Operand, at: &At) -> bool {
    let is_inside =
        |read: &At| read.module == at.module && read.span.start >= at.span.start && read.span.end <= at.span.end;
    operand.value.places.iter().filter_map(|place| flow.reads.get(place.get(..2)?)).flatten().any(is_inside)
}

fn mistake(template: &Template<'_>, known: &Operand, constant: &Operand, call: &Call) -> Option<String> {
    let written = constant.constant?;
    let mut places = known.value.places.iter();
    let (Some(place), None) = (places.next(), places.next()) else { return None };
    if known.value.is_open || !known.value.texts.is_empty() {
        return None;
    }
    if let Some(path) = below(place, &["input", "parameters"]) {
        let schema = path.iter().try_fold(template.parsed.parameters.as_ref()?, down)?;
        let is_nullable = schema.get("nullable") == Some(&Json::Bool(true));
        let expected = match schema.get("type").and_then(Json::as_str)? {
            "integer" => "number",
            other => other,
        };
        let is_free = schema.get("x-kubernetes-int-or-string") == Some(&Json::Bool(true));
        if expected == written || is_free || written == "null" && is_nullable {
            return None;
        }
        let path = shown(path);
        return Some(format!(
            "parameter {path} is of type {expected} in the schema and compared with a {written} here"
        ));
    }
    let text = constant.value.texts.first().filter(|_| matches!(call.name.as_str(), "=" | "equal" | "neq"))?;
    value(place, text)
}

fn value(place: &[Step], text: &Arc<str>) -> Option<String> {
    match below(place, &["input", "review"])? {
        [Step::Key(key)] if &**key == "operation" && !OPERATIONS.contains(&&**text) => {
            let near = nearest(text, OPERATIONS);
            Some(format!("there is no operation {text:?}{}", did_you_mean(near)))
        }
        [Step::Key(one), Step::Key(key)] if &**key == "kind" && matches!(&**one, "kind" | "object") => {
            let meant = |kind: &&kinds::Kind| kind.plural == &**text || kind.kind.eq_ignore_ascii_case(text);
            let is_kind = kinds::all().iter().any(|kind| kind.kind == &**text);
            let meant = kinds::all().iter().find(meant).filter(|_| !is_kind)?;
            Some(format!("there is no kind {text:?}\ndid you mean {}?", meant.kind))
        }
        _ => None,
    }
}

fn down<'s>(schema: &'s Json, step: &Step) -> Option<&'s Json> {
    match step {
        Step::Key(key) => schema.get("properties")?.get(&**key),
        Step::Any => schema.get("items"),
    }
}
