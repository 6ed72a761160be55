//! AP010: a constraint is about a kind that its template does not look into.

use super::{Findings, PolicyRule, list};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::flow::Flow;
use crate::workbench::lint::policies::{Policies, below, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP010",
    name: "unread-kind",
    severity: Severity::Warning,
    summary: "A constraint matches a kind that has none of the fields that the template's code reads",
    page: "\
A template that reads `spec.containers` is for Pods. A constraint that also matches Deployments makes it look at \
`spec.containers` of a Deployment, which is not there: the policy says nothing about them, or, where it asks for something \
to be there, refuses all of them.

Take the kind out of the constraint, or let the code look where the kind has the field (`spec.template.spec.containers`). \
Pods that a Deployment makes are judged when they are created, and ahead of that with an ExpansionTemplate.",
    check,
};

/// At most so many fields are named.
const MOST_SHOWN: usize = 3;
/// What is read of every object, to name it.
const NAMING: [&str; 3] = ["name", "namespace", "generateName"];

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let Some(fields) = fields(&code.flow) else { continue };
        for constraint in policies.constraints_of(template) {
            for named in constraint.kinds().iter().filter(|named| named.kind != "*") {
                let kinds: Vec<_> = named.builtin().collect();
                if kinds.is_empty() || kinds.iter().any(|kind| fields.iter().any(|field| kind.has(field))) {
                    continue;
                }
                let mut names: Vec<String> = fields.iter().map(|field| shown(field)).collect();
                names.sort_by_key(String::len);
                names.truncate(MOST_SHOWN);
                let message = format!(
                    "{} has none of the fields that {} reads, such as {}",
                    named.kind,
                    constraint.kind(),
                    list(&names)
                );
                findings.value(constraint.bundled, &named.at, message);
            }
        }
    }
}

/// The fields that are read of the judged object; nothing when the code may look at anything.
fn fields(flow: &Flow) -> Option<Vec<&[Step]>> {
    let object = ["input", "review", "object"].map(|key| Step::Key(key.into()));
    if flow.is_lost || flow.is_whole(&object) {
        return None;
    }
    let mut fields = Vec::new();
    for place in flow.reads.keys() {
        let path =
            below(place, &["input", "review", "object"]).or_else(|| below(place, &["input", "review", "oldObject"]));
        match path {
            None if below(place, &["input", "review", "userInfo"]).is_some() => return None,
            None | Some([]) => {}
            Some([Step::Any, ..]) => return None,
            Some([Step::Key(first)]) if flow.is_whole(place) && !matches!(&**first, "kind" | "apiVersion") => {
                return None;
            }
            Some([Step::Key(_)]) => {}
            Some([Step::Key(first), Step::Key(second), ..]) if &**first == "metadata" => {
                if !NAMING.contains(&&**second) {
                    return None;
                }
            }
            Some(path) if path.contains(&Step::Any) => {
                let known: Vec<&Step> = path.iter().take_while(|step| **step != Step::Any).collect();
                if known.len() < 2 {
                    return None;
                }
            }
            Some(path) => fields.push(path),
        }
    }
    (!fields.is_empty()).then_some(fields)
}
