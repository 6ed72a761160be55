//! Mutation as a whole: from an AdmissionReview and mutators to the patch, in every case of a table and in made-up ones.

mod case;
mod properties;
mod providers;

use std::collections::BTreeSet;
use std::sync::Arc;

use admit::model::api::mutator::MutatorId;
use admit::model::object::Object;
use admit::model::review::{AdmissionReview, ExactObjects, ReviewedObject, Source};
use admit::policy::evaluate::{EvalContext, Mutation, MutationContext, MutationFailure, mutate};
use admit::policy::mutation::{Patch, annotate, patch};
use admit::policy::snapshot::{BuildOptions, CONFLICTING, Change, ErrorPlace, ResourceError, Snapshot, Store, build};
use case::{Case, Expected};
use providers::Table;
use serde_json::{Value, json};

#[test]
fn every_case_becomes_what_it_should() {
    let cases = case::load();
    assert!(cases.len() >= 350, "{} cases", cases.len());
    let failures: Vec<String> =
        cases.iter().filter_map(|case| Some(format!("{}: {}", case.name, problem(case)?))).collect();
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn what_differs_from_gatekeeper_is_told() {
    let cases = case::load();
    let differing: BTreeSet<&str> = cases.iter().filter(|case| case.differs).map(|case| case.name.as_str()).collect();
    let told: BTreeSet<&str> = crate::divergence::MUTATION_CASES.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, told);
}

fn problem(case: &Case) -> Option<String> {
    let (snapshot, errors) = snapshot(case.mutators.iter().cloned());
    if let Expected::Refused { text, column, is_part } = &case.expected {
        return refusal_problem(&errors, text, *column, *is_part);
    }
    if let Some(problem) = conflict_problem(case, &snapshot, &errors) {
        return Some(problem);
    }
    let table = Table::default();
    let first = run(case, &snapshot, &case.object, &table);
    // The other way round they act the same.
    let (reversed, _) = self::snapshot(case.mutators.iter().rev().cloned());
    let other = run(case, &reversed, &case.object, &Table::default());
    if told(&first) != told(&other) {
        return Some(format!("{} in one order, {} in the other", told(&first), told(&other)));
    }
    match (&case.expected, first) {
        (Expected::Becomes(after, again), Ok(mutation)) => {
            let asked = table.asked();
            if case.asked.as_ref().is_some_and(|expected| *expected != asked) {
                return Some(format!("asked {asked}"));
            }
            patch_problem(case, &mutation, after).or_else(|| {
                let second = run(case, &snapshot, after, &Table::default());
                let is_so = second
                    .as_ref()
                    .is_ok_and(|second| second.object == *again && second.is_changed == (again != after));
                (!is_so).then(|| format!("the second time {}", told(&second)))
            })
        }
        (Expected::Fails(text), Err(failure)) => {
            let found = failure.to_string();
            (found != *text).then_some(found)
        }
        (_, result) => Some(told(&result)),
    }
}

/// What becomes of an object, also when the patch is applied to it as it came in.
fn patch_problem(case: &Case, mutation: &Mutation, after: &Value) -> Option<String> {
    let Mutation { object, is_changed, .. } = mutation;
    let patch = patch(&case.object, object);
    let sent = serde_json::to_string(&patch).unwrap();
    let mut patched = case.object.clone();
    let received: Patch = serde_json::from_str(&sent).unwrap();
    json_patch::patch(&mut patched, &received).unwrap();
    if object != after || patched != *after {
        return Some(format!("became {object}, patched {patched}, by {sent}"));
    }
    let should = case.object != *after;
    (*is_changed != should || patch.is_empty() == should).then(|| format!("changed: {is_changed}, patch {sent}"))
}

fn run(case: &Case, snapshot: &Snapshot, object: &Value, table: &Table) -> Result<Mutation, MutationFailure> {
    let mut body = case.review.clone();
    let place = if body["request"]["operation"] == "DELETE" { "oldObject" } else { "object" };
    body["request"][place] = object.clone();
    let body = body.to_string().into_bytes();
    let mut review = AdmissionReview::parse(&body).unwrap().review;
    let exact = ExactObjects::parse(&body).unwrap().object.unwrap();
    review.namespace_object = case.namespace_object.as_ref().map(|one| Arc::new(ReviewedObject::from(one)));
    if case.is_generated {
        review.source = Source::Generated;
    }
    let context = MutationContext { id: "ID", evaluation: EvalContext::offline().asking(table) };
    mutate(snapshot, &review, exact.value(), context)
}

fn told(result: &Result<Mutation, MutationFailure>) -> String {
    match result {
        Ok(mutation) => mutation.object.to_string(),
        Err(failure) => failure.to_string(),
    }
}

fn snapshot(mutators: impl Iterator<Item = Object>) -> (Snapshot, Vec<ResourceError>) {
    let mut store = Store::default();
    providers::all().into_iter().chain(mutators).for_each(|object| store.apply(Change::Apply(object)));
    build(&mut store, &Snapshot::default(), BuildOptions::default())
}

fn refusal_problem(errors: &[ResourceError], text: &str, column: Option<u64>, is_part: bool) -> Option<String> {
    let Some(first) = errors.first() else { return Some("nothing is refused".to_owned()) };
    let place = column.map_or_else(String::new, |column| format!(", at character {column}"));
    let found = &first.message;
    let is_text = if is_part { found.contains(text) } else { *found == format!("{text}{place}") };
    let found_column = match first.place {
        ErrorPlace::Text { line: 1, column, .. } => u64::try_from(column).ok(),
        _ => None,
    };
    (!is_text || found_column != column).then(|| format!("{found} ({:?})", first.place))
}

fn conflict_problem(case: &Case, snapshot: &Snapshot, errors: &[ResourceError]) -> Option<String> {
    let shown = |id: &MutatorId| format!("{}/{}", id.kind, id.name);
    let conflicts = snapshot.mutators().conflicts().iter();
    let found = conflicts.map(|(id, ids)| (shown(id), ids.iter().map(shown).collect())).collect();
    if case.conflicts != found {
        return Some(format!("in conflict are {found:?}; errors: {errors:?}"));
    }
    let text = |ids: &[String]| {
        let whole = |id: &String| {
            let (kind, name) = id.split_once('/').unwrap();
            format!("{kind}.mutations.gatekeeper.sh /{name}")
        };
        let ids: Vec<String> = ids.iter().map(whole).collect();
        format!("the following mutators have conflicting schemas: [{}]", ids.join(","))
    };
    let expected: Vec<String> = case.conflicts.values().map(|ids| text(ids)).collect();
    let is_so = errors.iter().all(|error| error.code == CONFLICTING)
        && errors.iter().map(|error| &error.message).eq(expected.iter());
    (!is_so).then(|| format!("{errors:?}"))
}

fn assign(name: &str, spec: &Value) -> Object {
    let mut spec = spec.clone();
    spec["applyTo"] = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
    Object::from_value(json!({"apiVersion": "mutations.gatekeeper.sh/v1", "kind": "Assign",
        "metadata": {"name": name, "generation": 1}, "spec": spec}))
    .unwrap()
}

fn value_at(location: &str, value: &str) -> Value {
    json!({"location": location, "parameters": {"assign": {"value": value}}})
}

fn spec_after(snapshot: &Snapshot) -> Value {
    try_on_pod(snapshot).unwrap().object["spec"].clone()
}

fn try_on_pod(snapshot: &Snapshot) -> Result<Mutation, MutationFailure> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {}});
    let review = json!({"request": {"kind": {"version": "v1", "kind": "Pod"}, "operation": "CREATE",
        "namespace": "shop", "object": pod}});
    let review = AdmissionReview::parse(review.to_string().as_bytes()).unwrap().review;
    mutate(snapshot, &review, &pod, MutationContext::offline())
}

#[test]
fn a_broken_update_leaves_the_last_good_version_in_force() {
    let mut store = Store::default();
    store.apply(Change::Apply(assign("a", &value_at("spec.a", "1"))));
    let (good, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    store.apply(Change::Apply(assign("a", &value_at("spec..a", "2"))));
    store.apply(Change::Apply(assign("b", &value_at("spec.", "2"))));
    let (broken, errors) = build(&mut store, &good, BuildOptions::default());
    let told: Vec<_> =
        errors.iter().map(|error| (error.key.name.as_str(), error.code, error.previous_in_force)).collect();
    assert_eq!(told, [("a", "", true), ("b", "", false)], "{errors:?}");
    assert_eq!(spec_after(&broken), json!({"a": "1"}));
    let (same, _) = build(&mut store, &broken, BuildOptions::default());
    assert!(std::ptr::eq(same.mutators(), broken.mutators()), "nothing changed");
    store.apply(Change::Delete(assign("a", &value_at("spec.a", "1")).key()));
    let (gone, errors) = build(&mut store, &same, BuildOptions::default());
    assert_eq!((spec_after(&gone), errors.len()), (json!({}), 1));
}

#[test]
fn a_conflict_ends_when_one_of_those_involved_goes() {
    let mut store = Store::default();
    store.apply(Change::Apply(assign("a", &value_at("spec.l.x", "1"))));
    store.apply(Change::Apply(assign("b", &value_at("spec.b", "1"))));
    let (before, _) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    let contradicting = assign("c", &value_at("spec.l[k: v].x", "1"));
    store.apply(Change::Apply(contradicting.clone()));
    let (during, errors) = build(&mut store, &before, BuildOptions::default());
    assert_eq!((spec_after(&during), errors.len()), (json!({"b": "1"}), 2));
    store.apply(Change::Delete(contradicting.key()));
    let (after, errors) = build(&mut store, &during, BuildOptions::default());
    assert_eq!((spec_after(&after), errors), (json!({"l": {"x": "1"}, "b": "1"}), vec![]));
}

#[test]
fn a_mutator_that_is_being_deleted_does_not_act() {
    let mut value = assign("a", &value_at("spec.a", "1")).into_value();
    value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let (snapshot, errors) = snapshot([Object::from_value(value).unwrap()].into_iter());
    assert_eq!((spec_after(&snapshot), errors), (json!({}), vec![]));
}

#[test]
fn no_mutator_asks_providers_where_that_is_switched_off() {
    let spec = json!({"location": "spec.a", "parameters": {"assign": {"externalData": {"provider": "p"}}}});
    let mut options = BuildOptions::default();
    options.compile.access.disable_external_data();
    let mut store = Store::default();
    store.apply(Change::Apply(assign("a", &spec)));
    store.apply(Change::Apply(assign("b", &value_at("spec.b", "1"))));
    let (snapshot, errors) = build(&mut store, &Snapshot::default(), options);
    let told: Vec<_> = errors.iter().map(|error| (error.key.name.as_str(), error.message.as_str())).collect();
    assert_eq!(told, [("a", "external data feature flag is not enabled")]);
    assert_eq!(spec_after(&snapshot), json!({"b": "1"}));
}

#[test]
fn offline_nobody_is_asked_whatever_the_failure_policy_is() {
    for (provider, policy) in [("p", "Ignore"), ("p", "Fail"), ("lost", "Ignore")] {
        let ask = json!({"provider": provider, "failurePolicy": policy});
        let spec = json!({"location": "spec.a", "parameters": {"assign": {"externalData": ask}}});
        let (snapshot, _) = snapshot([assign("a", &spec)].into_iter());
        let text = try_on_pod(&snapshot).unwrap_err().to_string();
        assert!(text.contains("--external-data FILE") && text.contains(provider), "{text}");
    }
}

#[test]
fn annotations_say_who_changed_an_object() {
    let (snapshot, _) =
        snapshot([assign("b", &value_at("spec.b", "1")), assign("a", &value_at("spec.a", "1"))].into_iter());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {"x": "y"}}});
    let review = json!({"request": {"kind": {"version": "v1", "kind": "Pod"}, "operation": "CREATE", "object": pod}});
    let review = AdmissionReview::parse(review.to_string().as_bytes()).unwrap().review;
    let mut mutation = mutate(&snapshot, &review, &pod, MutationContext::offline()).unwrap();
    annotate(&mut mutation.object, &mutation.passes, "u-1");
    let expected =
        json!({"x": "y", "gatekeeper.sh/mutations": "Assign//a:1, Assign//b:1", "gatekeeper.sh/mutation-id": "u-1"});
    assert_eq!(mutation.object["metadata"]["annotations"], expected);
}

#[test]
fn every_version_of_every_kind_is_read_and_no_other() {
    let of = |kind: &str, version: &str| {
        let location = if kind == "AssignMetadata" { "metadata.labels.a" } else { "spec.a" };
        let parameters = json!({"assign": {"value": "x"}, "assignTag": ":v1", "values": {"fromList": ["x"]}});
        let apply_to = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
        Object::from_value(json!({"apiVersion": format!("mutations.gatekeeper.sh/{version}"), "kind": kind,
            "metadata": {"name": "a"}, "spec": {"location": location, "applyTo": apply_to, "parameters": parameters}}))
        .unwrap()
    };
    for (kind, version, expected) in [
        ("Assign", "v1", None),
        ("Assign", "v1beta1", None),
        ("Assign", "v1alpha1", None),
        ("AssignMetadata", "v1", None),
        ("ModifySet", "v1alpha1", None),
        ("AssignImage", "v1alpha1", None),
        ("AssignImage", "v1", Some("apiVersion: Unsupported value: \"mutations.gatekeeper.sh/v1\"")),
        ("Assign", "v2", Some("apiVersion: Unsupported value")),
        (
            "Assigned",
            "v1",
            Some("kind: Unsupported value: \"Assigned\": supported values: \"Assign\", \"AssignImage\""),
        ),
    ] {
        let (_, errors) = snapshot([of(kind, version)].into_iter());
        let found: Vec<String> = errors
            .iter()
            .map(|error| match &error.place {
                ErrorPlace::Field(path) => format!("{path}: {}", error.message),
                other => format!("{other:?}"),
            })
            .collect();
        match expected {
            None => assert!(found.is_empty(), "{kind} {version}: {found:?}"),
            Some(text) => assert!(found.len() == 1 && found[0].starts_with(text), "{kind} {version}: {found:?}"),
        }
    }
}
