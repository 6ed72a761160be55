//! What a Config excludes from the inventory: whatever the order of Configs and objects, policies see what is not excluded,
//! with and without indexes; and nobody ever sees less than that.

use std::collections::BTreeMap;

use admit::model::object::{GroupVersionKind, Object, ObjectKey, Wildcard};
use admit::model::review::Review;
use admit::policy::engine::{Deadline, Document, Input};
use admit::policy::snapshot::{BuildOptions, Change, ReplacedKind, Snapshot, Store, build};
use proptest::prelude::*;
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// Lists all objects that it sees, by a loop and by a join that an index serves.
const LISTS: &str = r#"package lists
violation[{"msg": msg}] { data.inventory.namespace[space].v1.Thing[name]; msg := concat("/", ["all", space, name]) }
violation[{"msg": msg}] { data.inventory.cluster.v1.Namespace[name]; msg := concat("/", ["namespace", name]) }
violation[{"msg": msg}] { data.inventory.cluster.v1.Machine[name]; msg := concat("/", ["machine", name]) }
violation[{"msg": msg}] {
  other := data.inventory.namespace[space].v1.Thing[name]
  other.spec.color == input.review.object.spec.color
  msg := concat("/", ["same", space, name])
}
"#;

const SPACES: [&str; 4] = ["lab", "lab-2", "shop", "kube-system"];
const PATTERNS: [&str; 5] = ["lab", "lab*", "*-system", "*", "*o*"];

fn policies() -> [Change; 2] {
    let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "lists"}, "spec": {"crd": {"spec": {"names": {"kind": "Lists"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": LISTS}]}});
    let constraint =
        json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Lists", "metadata": {"name": "one"}});
    [Change::Apply(object(template)), Change::Apply(object(constraint))]
}

fn config(patterns: &[&str]) -> Object {
    object(json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "admit-system"},
        "spec": {"match": [{"excludedNamespaces": patterns, "processes": ["sync"]}]}}))
}

fn thing(kind: &str, space: &str, name: &str, color: &str) -> Object {
    let metadata = if kind == "Thing" { json!({"name": name, "namespace": space}) } else { json!({"name": name}) };
    object(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {"color": color}}))
}

fn findings(snapshot: &Snapshot) -> Vec<String> {
    let review = Document::from_review(&Review::of_object(&thing("Thing", "shop", "new", "red"), None));
    let one = &snapshot.constraints()[0];
    let answers = [None, snapshot.indexes("Lists")].map(|indexes| {
        let inventory = snapshot.inventory().document();
        let input = Input { review: &review, parameters: &one.parameters, inventory, indexes, outside: None };
        let found = one.program.evaluate(input, Deadline::none()).unwrap();
        found.into_iter().map(|finding| finding.message).collect::<Vec<String>>()
    });
    assert_eq!(answers[0], answers[1], "with indexes");
    answers[0].clone()
}

fn expected(objects: &BTreeMap<ObjectKey, Object>, patterns: &[&str]) -> Vec<String> {
    let is_seen = |space: &str| !patterns.iter().any(|pattern| Wildcard::new(*pattern).matches(space));
    let mut lines = Vec::new();
    for object in objects.values() {
        let (space, name) = (object.namespace(), object.name());
        match object.gvk().kind.as_str() {
            "Thing" if is_seen(space) => {
                lines.push(format!("all/{space}/{name}"));
                lines.extend((object.value()["spec"]["color"] == "red").then(|| format!("same/{space}/{name}")));
            }
            "Namespace" if is_seen(name) => lines.push(format!("namespace/{name}")),
            "Machine" => lines.push(format!("machine/{name}")),
            _ => {}
        }
    }
    lines.sort();
    lines
}

/// What happens: an object comes or changes, one goes, a list of all comes, or the Config changes.
#[derive(Clone, Debug)]
enum Step {
    Sync(Object),
    Unsync(Object),
    List(&'static str),
    Config(Vec<&'static str>),
    NoConfig,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec!["Thing", "Thing", "Thing", "Namespace", "Machine"]);
    let (space, name) = (prop::sample::select(&SPACES), prop::sample::select(&["a", "b", "lab", "shop"]));
    let color = prop::sample::select(&["red", "blue"]);
    let one = (kind.clone(), space, name, color).prop_map(|(kind, space, name, color)| thing(kind, space, name, color));
    let patterns = prop::sample::subsequence(PATTERNS.to_vec(), 0..3);
    prop_oneof![
        6 => one.clone().prop_map(Step::Sync),
        2 => one.prop_map(Step::Unsync),
        1 => kind.prop_map(Step::List),
        3 => patterns.prop_map(Step::Config),
        1 => Just(Step::NoConfig),
    ]
}

fn list(objects: &BTreeMap<ObjectKey, Object>, gvk: &GroupVersionKind) -> Change {
    let of_kind = objects.values().filter(|object| object.gvk() == gvk).cloned().collect();
    Change::Replace(ReplacedKind::Synced(gvk.clone()), of_kind)
}

fn walk(mut store: Store, steps: &[Step]) {
    policies().into_iter().for_each(|change| store.apply(change));
    let (mut objects, mut patterns) = (BTreeMap::new(), Vec::new());
    let (mut snapshot, _) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    for step in steps {
        let before = expected(&objects, &patterns);
        match step.clone() {
            Step::Sync(object) => {
                objects.insert(object.key(), object.clone());
                store.apply(Change::Sync(object));
            }
            Step::Unsync(object) => {
                objects.remove(&object.key());
                store.apply(Change::Unsync(object.key()));
            }
            Step::List(kind) => store.apply(list(&objects, &GroupVersionKind::from_api_version("v1", kind))),
            Step::Config(now) => {
                store.apply(Change::Apply(config(&now)));
                patterns = now;
            }
            Step::NoConfig => {
                store.apply(Change::Delete(config(&[]).key()));
                patterns = Vec::new();
            }
        }
        (snapshot, _) = build(&mut store, &snapshot, BuildOptions::default());
        let (found, expected) = (findings(&snapshot), expected(&objects, &patterns));
        let is_missing = |line: &&String| !found.contains(*line) && before.contains(*line);
        assert_eq!(expected.iter().find(is_missing), None, "was there before {step:?}, and should be still");
        let is_too_much = |line: &&String| !expected.contains(*line);
        assert_eq!(found.iter().find(is_too_much), None, "is excluded after {step:?}");
        // What the cluster feed does when it is asked.
        let wanted = store.take_kinds_to_list();
        wanted.iter().for_each(|gvk| store.apply(list(&objects, gvk)));
        (snapshot, _) = build(&mut store, &snapshot, BuildOptions::default());
        assert_eq!(findings(&snapshot), expected, "after {step:?}, and the lists of {wanted:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn policies_see_what_is_not_excluded(steps in prop::collection::vec(step(), 1..24)) {
        walk(Store::default().in_namespace("admit-system"), &steps);
        walk(Store::of_fields_that_are_read().in_namespace("admit-system"), &steps);
    }
}
