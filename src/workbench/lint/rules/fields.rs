//! AP002: a field that no kind has.

use super::{Findings, PolicyRule, did_you_mean};
use crate::model::value::Step;
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::kinds::{self, Found, Kind};
use crate::workbench::lint::policies::{Constraint, Policies, Template, below, nearest, shown};

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP002",
    name: "unknown-field",
    severity: Severity::Warning,
    summary: "The code reads a field that none of the judged kinds has",
    page: "\
The API server drops fields that a kind does not have, so a policy never sees them: a rule that reads `spec.container` of a \
Pod never fires. The fields are those of Kubernetes' own kinds. Nothing is said about custom resources, nor about what is \
below labels, annotations and other places where every key is allowed.

The kinds are those that constraints among the inputs match. A field that another kind of Kubernetes has is left alone, as \
templates are often written for several. Without constraints, or with constraints for custom resources, only fields are \
named that look like a misspelt one.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for (template, code) in policies.codes() {
        let scope = Scope::of(policies, template);
        for (at, message) in code.flow.mistaken(|place| mistake(place, &scope)) {
            findings.code(template, at, message);
        }
    }
}

/// What a template is for.
struct Scope {
    /// Kinds that constraints name; nothing when that is not known.
    kinds: Vec<&'static Kind>,
    has_custom: bool,
}

impl Scope {
    fn of(policies: &Policies<'_>, template: &Template<'_>) -> Self {
        let mut scope = Self { kinds: Vec::new(), has_custom: false };
        for constraint in policies.constraints_of(template) {
            scope.add(constraint);
        }
        scope
    }

    fn add(&mut self, constraint: &Constraint<'_>) {
        for named in constraint.kinds() {
            let groups = || named.groups.iter().filter(|group| *group != "*");
            self.has_custom |= groups().any(|group| !kinds::is_known_group(group));
            if named.kind != "*" {
                let found: Vec<_> = named.builtin().collect();
                self.has_custom |= found.is_empty();
                self.kinds.extend(found);
            }
        }
    }
}

fn mistake(place: &[Step], scope: &Scope) -> Option<String> {
    if let Some(path) = below(place, &["input", "review", "namespaceObject"]) {
        let kinds: Vec<&Kind> = kinds::find("", "Namespace").collect();
        return missing(path, &kinds, &kinds, false);
    }
    if let Some(path) = inventory(place) {
        return path;
    }
    let path =
        below(place, &["input", "review", "object"]).or_else(|| below(place, &["input", "review", "oldObject"]))?;
    if path.is_empty() {
        return None;
    }
    let all: Vec<&Kind> = kinds::all().iter().collect();
    let is_unsure = scope.kinds.is_empty() || scope.has_custom;
    let kinds = if scope.kinds.is_empty() { &all } else { &scope.kinds };
    missing(path, kinds, &all, is_unsure)
}

/// Below an object of the inventory whose kind is written out.
fn inventory(place: &[Step]) -> Option<Option<String>> {
    let (Some(rest), skipped) = (match below(place, &["inventory", "namespace"]) {
        Some(rest) => (Some(rest), 1),
        None => (below(place, &["inventory", "cluster"]), 0),
    }) else {
        return None;
    };
    let [Step::Key(version), Step::Key(kind), _, path @ ..] = rest.get(skipped..)? else { return Some(None) };
    let (group, _) = version.split_once('/').unwrap_or(("", version));
    let kinds: Vec<&Kind> = kinds::find(group, kind).collect();
    Some(if path.is_empty() || kinds.is_empty() { None } else { missing(path, &kinds, &kinds, false) })
}

fn missing(path: &[Step], kinds: &[&'static Kind], all: &[&'static Kind], is_unsure: bool) -> Option<String> {
    let (last, above) = path.split_last()?;
    let Step::Key(field) = last else { return None };
    // What is wrong further up is told there.
    let with_parent = |among: &[&'static Kind]| -> Vec<&'static Kind> {
        among.iter().copied().filter(|kind| kind.has(above)).collect()
    };
    if with_parent(all).iter().any(|kind| kind.look(path) == Found::Something) {
        return None;
    }
    let parents = with_parent(kinds);
    let parents = if parents.is_empty() { with_parent(all) } else { parents };
    let has = |kind: &&'static Kind| match kind.look(path) {
        Found::Nothing(fields) => fields,
        Found::Something => Vec::new(),
    };
    let fields: Vec<&str> = parents.iter().flat_map(has).collect();
    let mut names: Vec<&str> = parents.iter().map(|kind| kind.kind).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let near = nearest(field, fields.iter().copied());
    if is_unsure && (near.is_none() || above.is_empty()) {
        return None;
    }
    let whose = match names.as_slice() {
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} and {other}"),
        [one, rest @ ..] => format!("{one} and {} other kinds", rest.len()),
        [] => String::new(),
    };
    let what = if fields.is_empty() { "is a value without fields, or a list, of" } else { "is no field of" };
    let subject = if fields.is_empty() { shown(above) } else { shown(path) };
    Some(format!("{subject} {what} {whose}, so this is never defined{}", did_you_mean(near)))
}
