//! Snapshots: the order in which resources arrive does not matter, and what breaks keeps its last good version.

use admit::model::api::EnforcementPoint;
use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::snapshot::{BuildOptions, Change, ErrorPlace, ResourceError, Snapshot, Store, build};
use proptest::prelude::*;
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn template(name: &str, rego: &str) -> Object {
    object(json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": name.to_lowercase()}, "spec": {"crd": {"spec": {"names": {"kind": name},
            "validation": {"openAPIV3Schema": {"type": "object", "properties": {"text": {"type": "string", "default": "default"}}}}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}}))
}

fn says(text: &str) -> String {
    format!("package a\nviolation[{{\"msg\": m}}] {{ m := concat(\" \", [\"{text}\", input.parameters.text]) }}")
}

fn constraint(kind: &str, name: &str, spec: Value) -> Object {
    object(
        json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
    )
}

fn messages(snapshot: &Snapshot) -> Vec<String> {
    let pod = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}}));
    let context = EvalContext { point: EnforcementPoint::Webhook, ..EvalContext::offline() };
    let evaluation = validate(snapshot, &Review::of_object(&pod, None), context).unwrap();
    evaluation.violations.iter().map(admit::policy::evaluate::Violation::line).collect()
}

fn rebuild(store: &mut Store, previous: &Snapshot) -> (Snapshot, Vec<ResourceError>) {
    build(store, previous, BuildOptions::default())
}

#[test]
fn defaults_of_the_schema_reach_the_policy() {
    let mut store = Store::default();
    store.apply(Change::Apply(template("K8sSays", &says("hi"))));
    store.apply(Change::Apply(constraint("K8sSays", "a", json!({"parameters": {}}))));
    let (snapshot, errors) = rebuild(&mut store, &Snapshot::default());
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(messages(&snapshot), ["[a] hi default"]);
}

#[test]
fn a_broken_update_keeps_the_last_good_version() {
    let mut store = Store::default();
    store.apply(Change::Apply(template("K8sSays", &says("one"))));
    store.apply(Change::Apply(constraint("K8sSays", "a", json!({"parameters": {"text": "x"}}))));
    let (first, _) = rebuild(&mut store, &Snapshot::default());
    store.apply(Change::Apply(template("K8sSays", "package a\nviolation[")));
    let (second, errors) = rebuild(&mut store, &first);
    assert_eq!(messages(&second), ["[a] one x"]);
    assert!(errors[0].previous_in_force && errors[0].code == "ingest_error", "{errors:?}");
    let place = ErrorPlace::Text {
        field: ["spec", "targets"]
            .into_iter()
            .fold(admit::model::object::FieldPath::root(), |path, key| path.key(key))
            .index(0)
            .key("rego"),
        line: 2,
        column: 11,
    };
    assert_eq!(errors[0].place, place);
    store.apply(Change::Apply(constraint("K8sSays", "a", json!({"parameters": {"text": 5}}))));
    let (third, errors) = rebuild(&mut store, &second);
    assert_eq!(messages(&third), ["[a] one x"]);
    let text = errors[1].to_string();
    assert!(text.contains("spec.parameters.text: Invalid value: \"integer\""), "{text}");
}

#[test]
fn an_unchanged_policy_is_not_compiled_again() {
    let mut store = Store::default();
    store.apply(Change::Apply(template("K8sSays", &says("one"))));
    store.apply(Change::Apply(constraint("K8sSays", "a", json!({"parameters": {}}))));
    let (first, _) = rebuild(&mut store, &Snapshot::default());
    let mut touched = template("K8sSays", &says("one")).into_value();
    touched["status"] = json!({"created": true});
    touched["metadata"]["resourceVersion"] = json!("2");
    store.apply(Change::Apply(object(touched)));
    let (second, _) = rebuild(&mut store, &first);
    assert!(std::ptr::eq(&*first.constraints()[0], &*second.constraints()[0]), "status changes nothing");
    store.apply(Change::Apply(template("K8sSays", &says("two"))));
    let (third, _) = rebuild(&mut store, &second);
    assert_eq!(messages(&third), ["[a] two default"]);
}

#[test]
fn constraints_without_a_template_are_reported() {
    let mut store = Store::default();
    store.apply(Change::Apply(constraint("K8sNobody", "a", json!({}))));
    let (_, errors) = rebuild(&mut store, &Snapshot::default());
    assert!(errors[0].message.contains("missing ConstraintTemplate: template \"k8snobody\" not found"), "{errors:?}");
}

fn all_changes() -> Vec<Change> {
    let mut changes = vec![
        Change::Apply(template("K8sOne", &says("one"))),
        Change::Apply(template("K8sTwo", &says("two"))),
        Change::Apply(template("K8sBad", "package a\nviolation[{\"msg\": m}] { m := nobody(1) }")),
    ];
    for kind in ["K8sOne", "K8sTwo", "K8sBad", "K8sNobody"] {
        changes.push(Change::Apply(constraint(kind, "a", json!({}))));
        changes.push(Change::Apply(constraint(kind, "b", json!({"enforcementAction": "warn"}))));
    }
    changes.push(Change::Apply(constraint("K8sOne", "c", json!({"parameters": {"text": 5}}))));
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any order of arrival, with a build after every few changes, gives what one build of everything gives.
    #[test]
    fn order_of_arrival_does_not_matter(changes in Just(all_changes()).prop_shuffle(), stride in 1..6_usize) {
        let mut store = Store::default();
        let mut incremental = (Snapshot::default(), Vec::new());
        for batch in changes.chunks(stride) {
            batch.iter().cloned().for_each(|change| store.apply(change));
            incremental = rebuild(&mut store, &incremental.0);
        }
        let (full, mut errors) = rebuild(&mut store, &Snapshot::default());
        prop_assert_eq!(messages(&incremental.0), messages(&full));
        errors.sort_by_key(ToString::to_string);
        incremental.1.sort_by_key(ToString::to_string);
        prop_assert_eq!(incremental.1, errors);
    }
}
