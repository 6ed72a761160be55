//! Loops over the inventory by index say what a scan says: same violations in the same order, same errors, on random
//! inventories through updates and deletions.

use admit::model::object::{GroupVersionKind, Object, ObjectKey};
use admit::model::review::Review;
use admit::policy::engine::{Deadline, Document, EvalError, Finding, Indexes, Input};
use admit::policy::snapshot::{BuildOptions, Change, CompiledConstraint, ReplacedKind, Snapshot, Store, build};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Kind, whether an index is expected, code.
const POLICIES: [(&str, bool, &str); 12] = [
    (
        "Host",
        true,
        r#"
        same(other, review) { other.metadata.namespace == review.object.metadata.namespace; other.metadata.name == review.object.metadata.name }
        violation[{"msg": msg}] {
            host := input.review.object.spec.rules[_].host
            other := data.inventory.namespace[_][version]["Thing"][name]
            regex.match("^example.org/.+$", version)
            other.spec.rules[_].host == host
            not same(other, input.review)
            msg := sprintf("%v %v", [host, name])
        }"#,
    ),
    (
        "Flat",
        true,
        r#"
        version(kind) = v { kind.group != ""; v := sprintf("%v/%v", [kind.group, kind.version]) }
        version(kind) = v { kind.group == ""; v := kind.version }
        same(one, review) { one.metadata.name == review.name; one.apiVersion == version(review.kind) }
        flat(one) = text { parts := [p | p = concat(":", [k, v]); v = one.spec.selector[k]]; text := concat(",", sort(parts)) }
        violation[{"msg": msg}] {
            mine := flat(input.review.object)
            other := data.inventory.namespace[ns][_]["Thing"][name]
            not same(other, input.review)
            theirs := flat(other)
            mine == theirs
            msg := sprintf("%v/%v", [ns, name])
        }"#,
    ),
    (
        "Ordered",
        true,
        r#"
        violation[{"msg": msg}] {
            names := [[ns, name, rule] | other := data.inventory.namespace[ns][_]["Thing"][name]; rule := other.spec.rules[_].host; other.spec.owner == input.review.object.spec.owner]
            msg := sprintf("%v", [names])
        }"#,
    ),
    (
        "Twice",
        true,
        r#"
        violation[{"msg": msg}] {
            number := count([1 | input.review.object.spec.rules[_].host == data.inventory.namespace[_][_].Thing[_].spec.rules[_].host])
            msg := sprintf("%v", [number])
        }"#,
    ),
    (
        "Conflict",
        true,
        r#"
        only(one) = host { host := one.spec.rules[_].host }
        violation[{"msg": name}] {
            other := data.inventory.namespace[_]["example.org/v1"].Thing[name]
            only(other) == input.review.object.spec.owner
        }"#,
    ),
    (
        "Absent",
        true,
        r#"
        taken { other := data.inventory.cluster[_].Wide[_]; other.spec.owner == input.review.object.spec.owner }
        violation[{"msg": "free"}] { not taken }"#,
    ),
    (
        "Within",
        true,
        r#"
        violation[{"msg": name}] {
            data.inventory.namespace[ns][_].Thing[name].spec.owner == input.review.object.spec.owner
            ns == input.review.namespace
        }"#,
    ),
    (
        "Given",
        true,
        r#"
        violation[{"msg": name}] {
            ns := input.review.namespace
            other := data.inventory.namespace[ns][_].Thing[name]
            input.review.object.spec.owner == other.spec.owner
        }"#,
    ),
    (
        "Replaced",
        true,
        r#"
        taken[name] { other := data.inventory.cluster[_].Wide[name]; other.spec.owner == input.review.object.spec.owner }
        violation[{"msg": msg}] {
            some i
            owner := ["a", "b"][i]
            names := taken with input.review.object.spec.owner as owner
            more := taken with data.inventory.cluster as {"v1": {"Wide": {"x": {"spec": {"owner": "a"}}}}}
            msg := sprintf("%v %v %v", [owner, names, more])
        }"#,
    ),
    (
        "Fallible",
        false,
        r#"
        pick(one, input_owner) = host { host := one.spec.rules[_].host; input_owner != "" }
        violation[{"msg": name}] {
            other := data.inventory.namespace[_][_].Thing[name]
            pick(other, input.review.object.spec.owner) != "x"
            other.spec.owner == input.review.object.spec.owner
        }"#,
    ),
    (
        "Prefix",
        false,
        r#"
        violation[{"msg": name}] {
            other := data.inventory.namespace[_][_].Thing[name]
            startswith(other.spec.owner, input.review.object.spec.owner)
        }"#,
    ),
    ("Kinds", false, r#"violation[{"msg": kind}] { data.inventory.cluster[_][kind] }"#),
];

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn policies(store: &mut Store) {
    for (kind, _, code) in POLICIES {
        let name = kind.to_lowercase();
        store.apply(Change::Apply(object(json!({"apiVersion": "templates.gatekeeper.sh/v1",
            "kind": "ConstraintTemplate", "metadata": {"name": name}, "spec": {
                "crd": {"spec": {"names": {"kind": kind}}}, "targets": [{"target": "admission.k8s.gatekeeper.sh",
                "rego": format!("package {name}\n{code}")}]}}))));
        store.apply(Change::Apply(object(json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": kind, "metadata": {"name": "one"}}))));
    }
}

/// A few names, so that objects meet.
#[derive(Clone, Debug)]
struct Thing {
    namespace: usize,
    name: u8,
    version: usize,
    hosts: Vec<u8>,
    owner: usize,
    selector: Vec<(u8, u8)>,
}

impl Thing {
    fn object(&self) -> Object {
        let (namespace, kind) = match self.namespace {
            0 => (None, "Wide"),
            number => (Some(format!("ns{number}")), "Thing"),
        };
        let version = ["v1", "example.org/v1", "example.org/v2"][self.version];
        let owner = [json!("a"), json!("b"), json!(1), json!(1.5), json!({"x": ["a"]}), json!("")][self.owner].clone();
        let hosts: Vec<Value> = self.hosts.iter().map(|host| json!({"host": format!("h{host}")})).collect();
        let selector: Value =
            self.selector.iter().map(|(key, value)| (format!("k{key}"), json!(format!("v{value}")))).collect();
        let name = format!("n{}", self.name);
        object(json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace},
            "spec": {"rules": hosts, "owner": owner, "selector": selector}}))
    }
}

fn thing() -> impl Strategy<Value = Thing> {
    let parts = (0usize..4, 0u8..40, 0usize..3, prop::collection::vec(0u8..6, 0..3), 0usize..6);
    (parts, prop::collection::vec((0u8..2, 0u8..2), 0..3)).prop_map(
        |((namespace, name, version, hosts, owner), selector)| Thing {
            namespace,
            name,
            version,
            hosts,
            owner,
            selector,
        },
    )
}

fn judge(
    one: &CompiledConstraint,
    snapshot: &Snapshot,
    review: &Document,
    indexes: Option<&Indexes>,
) -> Result<Vec<Finding>, EvalError> {
    let inventory = snapshot.inventory().document();
    one.program
        .evaluate(Input { review, parameters: &one.parameters, inventory, indexes, outside: None }, Deadline::none())
}

fn rebuilt(store: &mut Store, previous: &Snapshot) -> Snapshot {
    let (snapshot, errors) = build(store, previous, BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    snapshot
}

#[test]
fn the_shapes_are_recognised() {
    let mut store = Store::default();
    policies(&mut store);
    let snapshot = rebuilt(&mut store, &Snapshot::default());
    for (kind, is_indexed, _) in POLICIES {
        let one = snapshot.constraints().iter().find(|one| one.constraint.kind() == kind).unwrap();
        let loops = one.program.inventory_loops();
        assert!(!loops.is_empty() && loops.iter().all(|one| one.reason.is_none() == is_indexed), "{kind}: {loops:?}");
        assert_eq!(snapshot.indexes(kind).is_some(), is_indexed, "{kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn an_index_says_what_a_scan_says(
        steps in prop::collection::vec((prop::collection::vec((thing(), 0u8..8), 0..60), thing()), 1..8),
    ) {
        let mut store = Store::default();
        policies(&mut store);
        let mut snapshot = rebuilt(&mut store, &Snapshot::default());
        for (changes, reviewed) in steps {
            for (thing, action) in changes {
                let object = thing.object();
                store.apply(match action {
                    0 | 1 => Change::Unsync(object.key()),
                    2 => Change::Replace(ReplacedKind::Synced(object.gvk().clone()), vec![object]),
                    _ => Change::Sync(object),
                });
            }
            snapshot = rebuilt(&mut store, &snapshot);
            let fresh = rebuilt(&mut store, &Snapshot::default());
            let review = Document::from_review(&Review::of_object(&reviewed.object(), None));
            for one in snapshot.constraints() {
                let kind = one.constraint.kind();
                let scan = judge(one, &snapshot, &review, None);
                prop_assert_eq!(&judge(one, &snapshot, &review, snapshot.indexes(kind)), &scan, "{}", kind);
                let again = fresh.constraints().iter().find(|other| other.constraint.kind() == kind).unwrap();
                prop_assert_eq!(&judge(again, &fresh, &review, fresh.indexes(kind)), &scan, "{} made anew", kind);
            }
        }
    }
}

#[test]
fn indexes_of_another_version_are_not_used() {
    let mut store = Store::default();
    policies(&mut store);
    let empty = rebuilt(&mut store, &Snapshot::default());
    let thing = Thing { namespace: 1, name: 1, version: 1, hosts: vec![1], owner: 0, selector: Vec::new() };
    store.apply(Change::Sync(thing.object()));
    let full = rebuilt(&mut store, &empty);
    let review = Thing { name: 2, ..thing.clone() }.object();
    let review = Document::from_review(&Review::of_object(&review, None));
    let one = full.constraints().iter().find(|one| one.constraint.kind() == "Host").unwrap();
    assert_eq!(judge(one, &full, &review, empty.indexes("Host")).unwrap().len(), 1);
    assert_eq!(judge(one, &empty, &review, full.indexes("Host")).unwrap().len(), 0);
    let key = ObjectKey {
        gvk: GroupVersionKind { group: "example.org".into(), version: "v1".into(), kind: "Thing".into() },
        namespace: "ns1".into(),
        name: "n1".into(),
    };
    store.apply(Change::Unsync(key));
    assert_eq!(judge(one, &full, &review, full.indexes("Host")).unwrap().len(), 1, "a version never changes");
}
