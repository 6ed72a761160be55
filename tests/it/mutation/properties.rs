//! What holds for any mutators and any object: applied twice they do what they do once, in whatever order they were loaded;
//! the patch makes of the object what they do; nothing is written where no location leads.

use admit::model::object::Object;
use admit::model::review::AdmissionReview;
use admit::policy::evaluate::{Mutation, MutationContext, MutationFailure, mutate};
use admit::policy::mutation::patch;
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["a", "b", "k"];
const ELEMENTS: [&str; 5] = ["", "[k: v]", "[k: 1]", "[k: *]", "[a: v]"];

fn location() -> impl Strategy<Value = String> {
    let step = (select(&NAMES[..]), select(&ELEMENTS[..])).prop_map(|(name, element)| format!("{name}{element}"));
    prop::collection::vec(step, 1..4).prop_map(|steps| format!("spec.{}", steps.join(".")))
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = select(vec![json!(null), json!(1), json!("v"), json!("x/y:z"), json!(true), json!(0.5)]);
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(select(&NAMES[..]), inner.clone(), 0..4).prop_map(|fields| json!(fields)),
            // Elements that locations can find.
            (select(vec![json!("v"), json!(1), json!("w")]), inner)
                .prop_map(|(key, value)| json!([{"k": key, "a": value}])),
        ]
    })
}

fn parameters() -> impl Strategy<Value = (&'static str, Value)> {
    let image = select(vec![
        json!({"assignTag": ":v1"}),
        json!({"assignDomain": "a.io"}),
        json!({"assignPath": "x/y"}),
        json!({"assignDomain": "localhost", "assignTag": ":v2"}),
    ]);
    let set = (select(vec!["merge", "prune"]), prop::collection::vec(values(), 0..3))
        .prop_map(|(operation, values)| json!({"operation": operation, "values": {"fromList": values}}));
    prop_oneof![
        4 => values().prop_map(|value| ("Assign", json!({"assign": {"value": value}}))),
        1 => select(vec!["name", "namespace"])
            .prop_map(|field| ("Assign", json!({"assign": {"fromMetadata": {"field": field}}}))),
        2 => set.prop_map(|parameters| ("ModifySet", parameters)),
        2 => image.prop_map(|parameters| ("AssignImage", parameters)),
        1 => select(vec!["x", "y"]).prop_map(|value| ("AssignMetadata", json!({"assign": {"value": value}}))),
    ]
}

fn mutator() -> impl Strategy<Value = Object> {
    let condition = prop::option::of((select(vec!["MustExist", "MustNotExist"]), 1_usize..4));
    let criteria = select(vec![
        json!({}),
        json!({"labelSelector": {"matchLabels": {"team": "x"}}}),
        json!({"labelSelector": {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}}),
        json!({"namespaces": ["sh*"]}),
    ]);
    let name = select(vec!["m1", "m2", "m3", "m4", "m5", "m6"]);
    (name, location(), parameters(), condition, criteria).prop_map(
        |(name, location, parameters, condition, criteria)| {
            let (kind, mut parameters) = parameters;
            let is_metadata = kind == "AssignMetadata";
            if let Some((condition, steps)) = condition.filter(|_| !is_metadata) {
                let steps: Vec<&str> = location.split('.').take(steps).collect();
                parameters["pathTests"] = json!([{"subPath": steps.join("."), "condition": condition}]);
            }
            let location = if is_metadata { "metadata.labels.team".to_owned() } else { location };
            let mut spec = json!({"location": location, "parameters": parameters, "match": criteria});
            if !is_metadata {
                spec["applyTo"] = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
            }
            let version = if kind == "AssignImage" { "v1alpha1" } else { "v1" };
            Object::from_value(json!({"apiVersion": format!("mutations.gatekeeper.sh/{version}"), "kind": kind,
            "metadata": {"name": name}, "spec": spec}))
            .unwrap()
        },
    )
}

fn pod() -> impl Strategy<Value = Value> {
    let spec = prop::collection::btree_map(select(&NAMES[..]), values(), 0..4);
    let labels = select(vec![None, Some(json!({})), Some(json!({"team": "y"}))]);
    (spec, labels).prop_map(|(spec, labels)| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        if let Some(labels) = labels {
            pod["metadata"]["labels"] = labels;
        }
        pod
    })
}

fn run(snapshot: &Snapshot, pod: &Value) -> Result<Mutation, MutationFailure> {
    let review = json!({"request": {"kind": {"version": "v1", "kind": "Pod"}, "operation": "CREATE",
        "namespace": "shop", "object": pod}});
    let review = AdmissionReview::parse(review.to_string().as_bytes()).unwrap().review;
    mutate(snapshot, &review, pod, MutationContext::offline())
}

fn snapshot<'o>(mutators: impl Iterator<Item = &'o Object>, in_steps: bool) -> Snapshot {
    let (mut store, mut snapshot) = (Store::default(), Snapshot::default());
    for mutator in mutators {
        store.apply(Change::Apply(mutator.clone()));
        if in_steps {
            snapshot = build(&mut store, &snapshot, BuildOptions::default()).0;
        }
    }
    build(&mut store, &snapshot, BuildOptions::default()).0
}

/// One of each kind and name, as a cluster has them.
fn distinct(mutators: Vec<Object>) -> Vec<Object> {
    let mut seen = std::collections::BTreeSet::new();
    mutators.into_iter().filter(|one| seen.insert(one.key())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn once_is_enough_and_order_does_not_matter(
        mutators in prop::collection::vec(mutator(), 1..7).prop_map(distinct),
        pod in pod(),
    ) {
        let first = run(&snapshot(mutators.iter(), false), &pod);
        let other = run(&snapshot(mutators.iter().rev(), true), &pod);
        prop_assert_eq!(super::told(&first), super::told(&other));
        let Ok(mutation) = first else { return Ok(()) };
        prop_assert_eq!(mutation.is_changed, mutation.object != pod);
        let mut patched = pod.clone();
        json_patch::patch(&mut patched, &patch(&pod, &mutation.object)).unwrap();
        prop_assert_eq!(&patched, &mutation.object);
        let second = run(&snapshot(mutators.iter(), false), &patched).unwrap();
        prop_assert!(!second.is_changed && second.object == patched, "{} became {}", patched, second.object);
        for (key, value) in pod.as_object().unwrap() {
            prop_assert!(matches!(key.as_str(), "spec" | "metadata") || mutation.object[key] == *value);
        }
        prop_assert_eq!(&mutation.object["metadata"]["name"], &pod["metadata"]["name"]);
        prop_assert!(mutation.object["metadata"].get("namespace").is_none(), "the request's namespace is no change");
    }
}
