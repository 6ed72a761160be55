//! What a Pod may come as: in a request of some kind, or inside of something that makes Pods.

use admit::model::api::{EnforcementAction, EnforcementPoint};
use admit::model::object::Object;
use admit::model::review::{AdmissionReview, Review};
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::expansion::{Referents, expand};
use admit::policy::snapshot::Snapshot;
use serde_json::{Value, json};

use super::places::Place;
use super::{Change, Expected};

/// How the Pod gets to the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As CI and the audit see it.
    File,
    Create,
    /// The API server has not made up the name yet.
    GenerateName,
    /// Of a Pod that was good.
    Update,
    /// Of a Pod in which the changed container had another image from nowhere.
    UpdateOfBad,
    /// Of a Pod from before the policy: a label comes, the rest stays.
    Relabel,
    /// `kubectl debug`: the changed container is new.
    EphemeralContainers,
    /// The same on a Pod that has ephemeral containers of the same flaw already.
    MoreEphemeralContainers,
    /// A Pod as bad as can be goes.
    Delete,
    /// Something that makes Pods.
    Workload(&'static str, &'static str, &'static [&'static str]),
}

/// Where each has its pod template.
const WORKLOADS: [Shape; 10] = [
    Shape::Workload("apps/v1", "Deployment", &["spec", "template"]),
    Shape::Workload("apps/v1", "StatefulSet", &["spec", "template"]),
    Shape::Workload("apps/v1", "DaemonSet", &["spec", "template"]),
    Shape::Workload("apps/v1", "ReplicaSet", &["spec", "template"]),
    Shape::Workload("v1", "ReplicationController", &["spec", "template"]),
    Shape::Workload("batch/v1", "Job", &["spec", "template"]),
    Shape::Workload("batch/v1", "CronJob", &["spec", "jobTemplate", "spec", "template"]),
    Shape::Workload("argoproj.io/v1alpha1", "Rollout", &["spec", "template"]),
    Shape::Workload("serving.knative.dev/v1", "Service", &["spec", "template"]),
    Shape::Workload("example.com/v1", "Shop", &["spec", "worker", "template"]),
];

impl Shape {
    /// In which a change must be seen, or must not do harm.
    pub(super) fn of(change: &Change, place: Place, expected: Expected) -> Vec<Self> {
        match expected {
            Expected::MayGo => return vec![Self::Delete],
            Expected::MayStay => return vec![Self::Relabel],
            Expected::Denied | Expected::Allowed => {}
        }
        let mut shapes = vec![Self::File];
        if place.is_ephemeral() {
            shapes.extend([Self::EphemeralContainers, Self::MoreEphemeralContainers]);
        } else {
            shapes.extend([Self::Create, Self::GenerateName]);
            // A template is a Pod as any other, wherever in it the container is.
            let is_varied = matches!(place, Place::Pod | Place::Only | Place::Last | Place::Sidecar);
            shapes.extend(WORKLOADS.into_iter().filter(|_| is_varied));
        }
        // Anything else cannot be changed in a Pod that is there.
        if change.is_mutable && !place.is_ephemeral() {
            shapes.push(Self::Update);
            shapes.extend((expected == Expected::Denied).then_some(Self::UpdateOfBad));
        }
        if expected == Expected::Allowed {
            shapes.extend([Self::Update, Self::Delete]);
        }
        shapes
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Workload(_, kind, _) => kind.to_owned(),
            other => format!("{other:?}"),
        }
    }

    /// What was judged, and the kinds and words of the constraints that deny it.
    pub(super) fn judge(self, snapshot: &Snapshot, good: &Value, pod: &Value) -> (Value, Vec<(String, String)>) {
        let (subject, reviews) = match self {
            Self::File => (pod.clone(), reviews_of_file(pod)),
            Self::Workload(version, kind, path) => {
                let workload = workload(version, kind, path, pod);
                let reviews = reviews_of_file(&workload);
                assert!(reviews.len() > 1, "{kind} makes no Pod: {workload}");
                (workload, reviews)
            }
            Self::Create => request(json!({"operation": "CREATE", "name": "web", "object": pod})),
            Self::GenerateName => {
                let mut pod = pod.clone();
                let metadata = pod["metadata"].as_object_mut().unwrap();
                metadata.remove("name");
                metadata.insert("generateName".to_owned(), "web-".into());
                request(json!({"operation": "CREATE", "object": pod}))
            }
            Self::Update => request(json!({"operation": "UPDATE", "name": "web", "object": pod, "oldObject": good})),
            Self::UpdateOfBad => {
                let mut old = pod.clone();
                let lists = ["containers", "initContainers"].map(|list| old["spec"][list].take());
                let worse = |mut list: Value| {
                    let containers = list.as_array_mut().into_iter().flatten();
                    let changed = containers.filter(|container| container["name"] == "changed");
                    changed.for_each(|container| container["image"] = "elsewhere.example.org/old:1".into());
                    list
                };
                let [containers, init] = lists.map(worse);
                old["spec"]["containers"] = containers;
                old["spec"]["initContainers"] = init;
                request(json!({"operation": "UPDATE", "name": "web", "object": pod, "oldObject": old}))
            }
            Self::Relabel => {
                let mut new = pod.clone();
                new["metadata"]["labels"]["seen"] = "yes".into();
                request(json!({"operation": "UPDATE", "name": "web", "object": new, "oldObject": pod}))
            }
            Self::Delete => request(json!({"operation": "DELETE", "name": "web", "object": null, "oldObject": pod})),
            Self::EphemeralContainers | Self::MoreEphemeralContainers => {
                let (mut old, mut pod) = (pod.clone(), pod.clone());
                let containers = pod["spec"]["ephemeralContainers"].as_array_mut().unwrap();
                let mut before = containers.clone();
                let last = before.pop().unwrap();
                if self == Self::MoreEphemeralContainers {
                    before = vec![json!({"name": "known", "targetContainerName": "app"})];
                    merge_into(&mut before[0], &last);
                    containers.insert(0, before[0].clone());
                }
                old["spec"]["ephemeralContainers"] = before.into();
                let operation = json!({"operation": "UPDATE", "name": "web", "subResource": "ephemeralcontainers",
                    "requestSubResource": "ephemeralcontainers", "object": pod, "oldObject": old});
                request(operation)
            }
        };
        (subject, reviews.iter().flat_map(|review| denials(snapshot, review)).collect())
    }
}

/// What is not there yet.
fn merge_into(value: &mut Value, more: &Value) {
    for (key, new) in more.as_object().unwrap() {
        if value.get(key).is_none() {
            value[key] = new.clone();
        }
    }
}

fn workload(version: &str, kind: &str, path: &[&str], pod: &Value) -> Value {
    let namespace = &pod["metadata"]["namespace"];
    let mut workload =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": namespace}});
    let template = path.iter().fold(&mut workload, |value, key| &mut value[*key]);
    let mut metadata = pod["metadata"].clone();
    let fields = metadata.as_object_mut().unwrap();
    fields.remove("name");
    fields.remove("namespace");
    *template = json!({"metadata": metadata, "spec": pod["spec"]});
    workload
}

/// The object and what it would create.
fn reviews_of_file(object: &Value) -> Vec<Review> {
    let object = Object::from_value(object.clone()).unwrap();
    let expansion = expand(&object, &Referents::default());
    assert!(expansion.unexpandable.is_empty(), "{:?}", expansion.unexpandable);
    let resultants = expansion.resultants.iter().map(|resultant| resultant.review(None));
    std::iter::once(Review::of_object(&object, None)).chain(resultants).collect()
}

fn request(fields: Value) -> (Value, Vec<Review>) {
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let object = ["object", "oldObject"].map(|key| fields[key]["metadata"]["namespace"].clone());
    let namespace = object.into_iter().find(|namespace| !namespace.is_null());
    let mut request = json!({"uid": "u", "kind": kind, "resource": resource, "requestKind": kind,
        "requestResource": resource, "namespace": namespace, "userInfo": {"username": "developer"}});
    merge_into(&mut request, &fields);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let parsed = AdmissionReview::parse(review.to_string().as_bytes());
    let parsed = parsed.unwrap_or_else(|rejected| panic!("{}: {review}", rejected.error));
    (review, vec![parsed.review])
}

fn denials(snapshot: &Snapshot, review: &Review) -> Vec<(String, String)> {
    // A request is one of the webhook, which minds the operations of templates.
    let point = if review.operation.is_some() { EnforcementPoint::Webhook } else { EnforcementPoint::CommandLine };
    let evaluation = validate(snapshot, review, EvalContext { point, ..EvalContext::offline() }).unwrap();
    let denials = evaluation.violations.iter().filter(|one| one.actions.contains(&EnforcementAction::Deny));
    let texts = denials.map(|one| {
        let constraint = &one.constraint.constraint;
        (constraint.kind().to_owned(), format!("[{}] {}", constraint.name(), one.message))
    });
    texts.collect()
}
