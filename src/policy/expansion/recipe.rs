//! Which templates an object holds, and what becomes of each: [`recipes`].

use serde_json::Value;

use super::Unexpandable;
use super::path_map::{Holder, Origin};
use super::pod_templates::{Found, pod_templates};
use super::referents::{Referents, can_be_referent, is_rollout};
use crate::model::object::{FieldPath, GroupVersionKind, Object, describe};

/// How to make one resultant. Gatekeeper's ExpansionTemplate says the same in a file: a source and a type.
#[derive(Debug)]
pub(super) struct Recipe<'a> {
    /// The template's value, whatever it is.
    pub(super) template: Option<&'a Value>,
    /// The object that holds it.
    pub(super) holder: Holder,
    /// Its place there.
    pub(super) source: FieldPath,
    /// What is made of it.
    pub(super) generated: GroupVersionKind,
    /// What the controller adds.
    pub(super) additions: Additions,
}

/// What a controller adds to a template, beside name, namespace and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Additions {
    /// Nothing that is known.
    Unknown,
    /// It owns the resultant, which has a name of its own choice.
    Owner,
    /// The same, and labels with its name.
    JobLabels,
    /// It owns the resultant, and adds volumes for its claims.
    ClaimVolumes,
}

/// Group, kind, the template's place, what is made of it, and what is added.
type BuiltIn = (&'static str, &'static str, &'static [&'static str], fn() -> GroupVersionKind, Additions);

const BUILT_IN: [BuiltIn; 7] = [
    ("apps", "Deployment", &["spec", "template"], pod, Additions::Owner),
    ("apps", "StatefulSet", &["spec", "template"], pod, Additions::ClaimVolumes),
    ("apps", "DaemonSet", &["spec", "template"], pod, Additions::Owner),
    ("apps", "ReplicaSet", &["spec", "template"], pod, Additions::Owner),
    ("", "ReplicationController", &["spec", "template"], pod, Additions::Owner),
    ("batch", "Job", &["spec", "template"], pod, Additions::JobLabels),
    ("batch", "CronJob", &["spec", "jobTemplate"], job, Additions::Owner),
];

/// Whether objects of a type may create others.
pub(super) fn may_create(gvk: &GroupVersionKind) -> bool {
    let is_built_in = BUILT_IN.iter().any(|built_in| built_in.0 == gvk.group && built_in.1 == gvk.kind);
    is_built_in || is_rollout(gvk) || is_custom(&gvk.group)
}

/// How to make everything that an object creates directly.
pub(super) fn recipes<'a>(object: &'a Object, referents: &'a Referents) -> Vec<Result<Recipe<'a>, Unexpandable>> {
    let gvk = object.gvk();
    let is_it = |built_in: &&BuiltIn| built_in.0 == gvk.group && built_in.1 == gvk.kind;
    if let Some((_, _, source, generated, additions)) = BUILT_IN.iter().find(is_it) {
        let recipe = Recipe { generated: generated(), additions: *additions, ..in_generator(object, source) };
        return vec![Ok(recipe)];
    }
    if is_rollout(gvk) {
        return vec![rollout(object, referents)];
    }
    if !is_custom(&gvk.group) {
        return Vec::new();
    }
    let to_recipe = |found: Found<'a>| Recipe {
        template: Some(found.template),
        holder: Holder::Generator,
        source: found.path,
        generated: if found.is_of_job { job() } else { pod() },
        additions: Additions::Unknown,
    };
    pod_templates(object.value()).into_iter().map(to_recipe).map(Ok).collect()
}

fn in_generator<'a>(object: &'a Object, source: &[&str]) -> Recipe<'a> {
    Recipe {
        template: object.field(source),
        holder: Holder::Generator,
        source: path(source),
        generated: pod(),
        additions: Additions::Unknown,
    }
}

/// A Rollout has a template like a Deployment, or names a workload that has one.
fn rollout<'a>(object: &'a Object, referents: &'a Referents) -> Result<Recipe<'a>, Unexpandable> {
    let own = in_generator(object, &["spec", "template"]);
    let own = Recipe { additions: Additions::Owner, ..own };
    let is_empty = |template: &Value| template.is_null() || template.as_object().is_some_and(serde_json::Map::is_empty);
    let Some(reference) = object.field(&["spec", "workloadRef"]).filter(|reference| !reference.is_null()) else {
        return Ok(own);
    };
    if own.template.is_some_and(|template| !is_empty(template)) {
        return Ok(own);
    }
    let at = |keys: &[&str], reason: String| Unexpandable { origin: written(path(keys)), reason };
    let text = |key: &'static str| match reference.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        None | Some(Value::Null | Value::String(_)) => Err(at(
            &["spec", "workloadRef"],
            format!("has no {key}, expected apiVersion, kind and name of a Deployment"),
        )),
        Some(other) => Err(at(&["spec", "workloadRef", key], format!("expected a string, found {}", describe(other)))),
    };
    let (kind, name) = (text("kind")?, text("name")?);
    let gvk = GroupVersionKind::from_api_version(text("apiVersion")?, kind);
    if !can_be_referent(&gvk.group, kind) {
        let reason = format!("names a {kind}, expected a Deployment, a ReplicaSet or a PodTemplate");
        return Err(at(&["spec", "workloadRef"], reason));
    }
    let wanted = [gvk.group.as_str(), kind, object.namespace(), name].map(str::to_owned);
    let Some((holder, source)) = referents.find(&wanted) else {
        let namespace = object.namespace();
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
        return Err(at(
            &["spec", "workloadRef"],
            format!("names {kind} {name}{place}, which is not among the given objects"),
        ));
    };
    Ok(Recipe {
        template: holder.field(source),
        holder: Holder::Other(Box::new(holder.key())),
        source: path(source),
        ..own
    })
}

/// Whether resources of a group are defined by whoever installs them. Those of policy engines hold patterns of workloads,
/// not workloads.
fn is_custom(group: &str) -> bool {
    let is_of = |domain: &str| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    group.contains('.') && !["k8s.io", "gatekeeper.sh", "kyverno.io"].into_iter().any(is_of)
}

/// A field of the generator.
pub(super) fn written(path: FieldPath) -> Origin {
    Origin { holder: Holder::Generator, path, is_made_up: false }
}

pub(super) fn path(keys: &[&str]) -> FieldPath {
    keys.iter().fold(FieldPath::root(), |path, key| path.key(*key))
}

fn pod() -> GroupVersionKind {
    GroupVersionKind::from_api_version("v1", "Pod")
}

fn job() -> GroupVersionKind {
    GroupVersionKind::from_api_version("batch/v1", "Job")
}
