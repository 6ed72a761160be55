//! What is kept of the objects in the inventory: what policies read, told from their code. Objects that are cut down to it
//! evaluate as whole ones do, and a policy that reads more waits for it.

use admit::model::object::{GroupVersionKind, Object};
use admit::model::review::Review;
use admit::policy::engine::{Deadline, Document, EvalError, Finding, Input};
use admit::policy::snapshot::{BuildOptions, Change, ReplacedKind, ResourceError, Snapshot, Store, build};
use proptest::prelude::*;
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn template(kind: &str, rego: &str) -> Change {
    let name = kind.to_lowercase();
    Change::Apply(object(json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": name}, "spec": {"crd": {"spec": {"names": {"kind": kind}}},
        "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": [{"engine": "Rego",
            "source": {"version": "v1", "rego": format!("package {name}\n{rego}")}}]}]}})))
}

fn constraint(kind: &str) -> Change {
    Change::Apply(object(
        json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": "one"}}),
    ))
}

fn rebuild(store: &mut Store, previous: &Snapshot) -> (Snapshot, Vec<ResourceError>) {
    build(store, previous, BuildOptions::default())
}

/// What each policy says by itself and with its indexes, by kind.
fn judge(snapshot: &Snapshot, review: &Document) -> Vec<(String, Result<Vec<Finding>, EvalError>)> {
    let inventory = snapshot.inventory().document();
    let mut results = Vec::new();
    for one in snapshot.constraints() {
        for indexes in [None, snapshot.indexes(one.constraint.kind())] {
            let input = Input { review, parameters: &one.parameters, inventory, indexes, outside: None };
            results.push((one.constraint.kind().to_owned(), one.program.evaluate(input, Deadline::none())));
        }
    }
    results
}

fn review(object: &Object) -> Document {
    Document::from_review(&Review::of_object(object, None))
}

/// What a body reads of `x`, any object in a namespace.
fn reads(body: &str) -> String {
    let mut store = Store::default();
    let code = format!(
        "{FUNCTIONS}\nviolation contains {{\"msg\": \"m\"}} if {{\nx := data.inventory.namespace[_].v1.Thing[_]\n{body}\n}}"
    );
    store.apply(template("Reads", &code));
    let (snapshot, errors) = rebuild(&mut store, &Snapshot::default());
    assert!(errors.is_empty(), "{body}: {errors:?}");
    let template = snapshot.templates().next().unwrap();
    let reads: Vec<String> =
        template.program.inventory_reads().iter().map(|(kinds, fields)| format!("{kinds}: {fields}")).collect();
    reads.join("; ")
}

const FUNCTIONS: &str = r#"
same(one, other) if { one.metadata.name == other.metadata.name; one.spec.owner == other.spec.owner }
pick(one) := one.spec.owner
hosts(one) := [host | host := one.spec.rules[_].host]
deep(one) := hosts(one.spec)
either(one) := owner if { owner := one.spec.owner; owner != "a" } else := one.spec.type
shape({"a": _, "spec": spec}) := spec
"#;

#[test]
fn what_is_read_of_objects() {
    for (body, expected) in [
        ("x.spec.rules[_].host == input.review.object.spec.owner", "spec.rules[_].host"),
        ("x.spec.rules[0].host == \"a\"", "spec.rules[_].host"),
        ("x.spec.rules[\"0\"].host == \"a\"", "spec.rules[_].host"),
        ("not x.spec.owner", "spec.owner"),
        ("y := x.spec; z := y.owner; z == 1", "spec.owner"),
        ("y := x.spec; y.owner == y.type", "spec.owner, spec.type"),
        ("x == input.review.object", "all fields"),
        ("x.spec == input.review.object.spec", "spec"),
        ("y := x; y != 1", "all fields"),
        ("object.get(x, [\"spec\", \"type\"], \"\") == \"a\"", "spec.type"),
        ("y := object.get(x, \"spec\", {}); y.type == \"a\"", "spec.type"),
        ("object.get(x, input.review.name, 1) == 1", "all fields"),
        ("same(x, input.review.object)", "metadata.name, spec.owner"),
        ("not same(input.review.object, x)", "metadata.name, spec.owner"),
        ("pick(x) == 1", "spec.owner"),
        ("hosts(x) == hosts(input.review.object)", "spec.rules[_].host"),
        ("deep(x) == []", "spec.spec.rules[_].host"),
        ("either(x) == 1", "spec.owner, spec.type"),
        ("shape(x) == 1", "all fields"),
        ("count(x.spec.rules) > 1", "spec.rules"),
        ("some rule in x.spec.rules; rule.host == 1", "spec.rules[_].host"),
        ("every rule in x.spec.rules { rule.host == 1 }", "spec.rules[_].host"),
        ("every key, rule in x.spec { key == rule.host }", "spec[_].host"),
        ("1 in x.spec.rules", "spec.rules"),
        ("some key; x.spec.selector[key] == 1", "spec.selector[_]"),
        ("{key | x.spec.selector[key]} == set()", "spec.selector[_]"),
        ("is_object(x.spec)", "spec"),
        ("walk(x.spec, [_, 1])", "spec"),
        ("print(x.metadata)", "no field but its identity"),
        ("[x.spec.type, 1] == [1, 1]", "spec.type"),
        ("[a, b] = x.spec.pair", "spec.pair"),
        ("y := {\"a\": x.spec}; y.a.type == 1", "spec"),
        ("same(input.review.object, 1) with input.review.object as x", "all fields"),
    ] {
        let found = reads(body);
        let found = found.strip_prefix("v1 Thing: ").unwrap_or(&found);
        let expected = if expected.starts_with("no field") { "" } else { expected };
        assert_eq!(found, expected, "{body}");
    }
    assert_eq!(reads("data.inventory.cluster[v][k].a.spec.b == 1"), "* *: spec.b");
    assert_eq!(reads("data.inventory[_][_][_][_][_].spec.b == 1"), "* *: spec.b, spec.spec.b, [_].spec.b");
    assert_eq!(reads("sort(data.inventory.namespace.a.v1.Other) == []"), "v1 Other: all fields");
    assert_eq!(reads("sort(data.inventory.cluster) == []"), "* *: all fields");
    assert_eq!(reads("count(data.inventory.namespace.a.v1.Other) == 1"), "");
    assert_eq!(reads("count(data.inventory.cluster) == 1"), "");
    assert_eq!(reads("count(data.inventory.cluster.v1.Node.a) == 1"), "v1 Node: all fields");
    assert_eq!(reads("count(data.inventory.namespace.a.v1.Other.b.spec) == 1"), "v1 Other: spec");
    assert_eq!(reads("not data.inventory.cluster.v1.Namespace.a"), "");
    let lost = "same(x, 1) with data.inventory.cluster as {}";
    assert_eq!(reads(lost), "* *: all fields");
}

/// Policies as they are written, beside the generated ones.
const POLICIES: [(&str, &str); 5] = [
    (
        "Hosts",
        r#"violation contains {"msg": msg} if {
            host := input.review.object.spec.rules[_].host
            other := data.inventory.namespace[_][version].Thing[name]
            regex.match("^(example.org|v1)", version)
            other.spec.rules[_].host == host
            not same(other, input.review.object)
            msg := sprintf("%v %v", [host, name])
        }"#,
    ),
    (
        "Selector",
        r#"flat(one) := concat(",", sort([s | s := concat(":", [key, val]); val := one.spec.selector[key]]))
        violation contains {"msg": msg} if {
            other := data.inventory.namespace[ns][_].Thing[name]
            not same(other, input.review.object)
            flat(other) == flat(input.review.object)
            msg := sprintf("%v %v", [ns, name])
        }"#,
    ),
    (
        "Names",
        r#"violation contains {"msg": msg} if { msg := concat(",", [n | data.inventory.cluster[_].Wide[n]]) }
        violation contains {"msg": "none"} if { not data.inventory.namespace.ns1.v1.Thing[input.review.name] }"#,
    ),
    (
        "Minimum",
        r#"violation contains {"msg": msg} if {
            other := data.inventory.namespace[_].v1.Thing[_]
            pairs := {[k, v] | some k; v := other.spec.selector[k]}
            mine := {[k, v] | some k; v := input.review.object.spec.selector[k]}
            count(pairs - mine) == 0
            not enough(other)
            msg := sprintf("%v %v", [other.metadata.name, other.spec.type])
        }
        enough(one) if { object.get(one.spec, "owner", 1) > 0 }"#,
    ),
    (
        "Conflict",
        r#"only(one) := host if { host := one.spec.rules[_].host }
        violation contains {"msg": name} if {
            other := data.inventory.namespace[_][_].Thing[name]
            only(other) == input.review.object.spec.owner
        }"#,
    ),
];

const KEYS: [&str; 6] = ["spec", "rules", "host", "owner", "selector", "0"];

/// A violation of statements that the numbers choose; each makes a variable out of those before, or tests some.
fn code(choices: &[(u8, u8, u8)]) -> String {
    let mut names = vec!["other".to_owned(), "mine".to_owned()];
    let head = [
        "other := data.inventory.namespace[ns][version].Thing[name]",
        "other := data.inventory.cluster[version].Wide[name]",
        "other := data.inventory.namespace.ns1[version][name][_]",
        "some name; other := data.inventory.cluster.v1[name]",
        "name := input.review.name; other := data.inventory.namespace[_].v1.Thing",
    ];
    let head = head[choices.first().map_or(0, |(one, _, _)| usize::from(*one)) % head.len()];
    let mut body = vec!["mine := input.review.object".to_owned(), head.to_owned()];
    for (number, (form, x, y)) in choices.iter().enumerate() {
        // The latest are the most interesting.
        let name_at = |at: u8| names[names.len() - 1 - usize::from(at / 8) % names.len().min(4)].clone();
        let key_at = |at: u8| KEYS[usize::from(at) % KEYS.len()];
        let (one, other, key, key2, n) = (name_at(*x), name_at(*y), key_at(*x), key_at(*y), format!("v{number}"));
        let (text, is_new) = match form % 32 {
            0 | 1 => (format!("{n} := {one}.{}", if key == "0" { "spec" } else { key }), true),
            2 => (format!("{n} := {one}[\"{key}\"][_]"), true),
            3 => (format!("{n} := {one}[_]"), true),
            4 => (format!("{n} := {one}[k{number}]"), true),
            5 => (format!("{n} := object.get({one}, \"{key}\", {other})"), true),
            6 => (format!("{n} := object.get({one}, [\"{key}\", \"{key2}\"], {{\"spec\": 1}})"), true),
            7 => (format!("{n} := pick({one})"), true),
            8 => (format!("{n} := [y{number} | y{number} := {one}[\"{key}\"][_]]"), true),
            9 => (format!("{n} := {{k{number}: y{number} | y{number} := {one}[k{number}]}}"), true),
            10 => (format!("{n} := count({one})"), true),
            11 => (format!("{n} := {one}"), true),
            12 => (format!("{n} := is_object({one})"), true),
            13 => (format!("{n} := {{\"{key}\": {one}[\"{key2}\"]}}"), true),
            14 => (format!("{n} := {one}[0]"), true),
            15 => (format!("{n} := type_name({one})"), true),
            16 => (format!("some {n} in {one}"), true),
            17 => (format!("{n} := {one}.spec.rules[_].{}", if key == "0" { "host" } else { key }), true),
            18 => (format!("walk({one}, [_, {n}])"), true),
            19 => (format!("some {n}; {n} == {one}[\"{key}\"]"), true),
            20 => (format!("{one}[\"{key}\"]"), false),
            21 => (format!("not {one}[\"{key}\"]"), false),
            22 => (format!("{one} == {other}"), false),
            23 => (format!("{one}[\"{key}\"] != {other}[\"{key2}\"]"), false),
            24 => (format!("every e{number} in {one} {{ e{number}[\"{key}\"] }}"), false),
            25 => (format!("same({one}, {other})"), false),
            26 => (format!("not same({one}, {other})"), false),
            27 => (format!("every k{number}, e{number} in {one} {{ k{number} != e{number}[\"{key}\"] }}"), false),
            28 => (format!("{one} in {other}"), false),
            29 => (format!("not {one}[\"{key}\"] == {other}"), false),
            30 => (format!("given with input.review.object as {one}"), false),
            _ => (format!("{n} := hosts({one})"), true),
        };
        body.push(text);
        names.extend(is_new.then_some(n));
    }
    // What is not shown must be told apart all the same.
    let shown: Vec<&str> =
        names.iter().skip(2).zip(choices).filter(|(_, (_, x, _))| x % 3 == 0).map(|(name, _)| name.as_str()).collect();
    format!(
        "{FUNCTIONS}\ngiven if {{ input.review.object.spec }}\nviolation contains {{\"msg\": msg}} if {{\n{}\nmsg := sprintf(\"%v %v\", [name, [{}]])\n}}",
        body.join("\n"),
        shown.join(", ")
    )
}

fn part() -> impl Strategy<Value = Value> {
    let key = || prop::sample::select(vec!["spec", "rules", "host", "owner", "selector", "type", "0", "a"]);
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        prop::sample::select(vec!["a", "b", "", "h"]).prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..5)
                .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Mostly of the right shape, with parts of any.
fn thing() -> impl Strategy<Value = Object> {
    let host = prop_oneof![3 => Just(json!("a")), 2 => Just(json!("b")), 1 => part()];
    let rule = prop_oneof![3 => host.prop_map(|host| json!({"host": host, "owner": 1, "spec": {}})), 1 => part()];
    let rules = prop_oneof![4 => prop::collection::vec(rule, 0..3).prop_map(Value::from), 1 => part()];
    let spec = (rules, part(), part(), 0..3usize).prop_map(|(rules, owner, selector, other)| {
        let mut spec = json!({"rules": rules, "owner": owner, "selector": {"a": selector}, "type": "a"});
        spec[["b", "c", "type"][other]] = json!("c");
        spec
    });
    let place = (0..3usize, 0..4usize, prop::sample::select(vec!["v1", "example.org/v1"]));
    (place, prop_oneof![4 => spec, 1 => part()], part()).prop_map(|((namespace, name, version), spec, labels)| {
        let (kind, namespace) = [("Wide", None), ("Thing", Some("ns1")), ("Thing", Some("ns2"))][namespace];
        let mut metadata = json!({"name": format!("n{name}"), "labels": {"a": labels}});
        if let Some(namespace) = namespace {
            metadata["namespace"] = json!(namespace);
        }
        object(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}))
    })
}

/// Both inventories say the same.
fn compare(policies: &[(String, String)], objects: &[Object]) -> Result<(), TestCaseError> {
    let (mut whole, mut cut) = (Store::default(), Store::of_fields_that_are_read());
    let mut snapshots = Vec::new();
    for store in [&mut whole, &mut cut] {
        for (kind, code) in policies {
            store.apply(template(kind, code));
            store.apply(constraint(kind));
        }
        let (before, _) = rebuild(store, &Snapshot::default());
        objects.iter().for_each(|object| store.apply(Change::Sync(object.clone())));
        snapshots.push(rebuild(store, &before).0);
    }
    for reviewed in objects.iter().take(4) {
        let review = review(reviewed);
        for (one, other) in judge(&snapshots[0], &review).iter().zip(&judge(&snapshots[1], &review)) {
            let code = policies.iter().find(|(kind, _)| *kind == one.0).map(|(_, code)| code.as_str());
            prop_assert_eq!(one, other, "{}", code.unwrap_or_default());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn policies_find_the_same_in_what_is_kept(objects in prop::collection::vec(thing(), 1..8)) {
        let policies: Vec<(String, String)> =
            POLICIES.iter().map(|(kind, code)| ((*kind).to_owned(), format!("{FUNCTIONS}\n{code}"))).collect();
        compare(&policies, &objects)?;
    }

    #[test]
    fn generated_policies_find_the_same_in_what_is_kept(
        codes in prop::collection::vec(prop::collection::vec(any::<(u8, u8, u8)>(), 1..6), 1..6),
        objects in prop::collection::vec(thing(), 1..8),
    ) {
        let policies: Vec<(String, String)> =
            codes.iter().enumerate().map(|(number, choices)| (format!("Made{number}"), code(choices))).collect();
        compare(&policies, &objects)?;
    }
}

fn messages(snapshot: &Snapshot, reviewed: &Object) -> Vec<String> {
    let results = judge(snapshot, &review(reviewed)).into_iter();
    results.flat_map(|(_, result)| result.unwrap()).map(|finding| finding.message).collect()
}

/// Violated by another object with the same value of a field.
fn same_field(field: &str) -> String {
    format!(
        "violation contains {{\"msg\": msg}} if {{ other := data.inventory.namespace[_].v1.Thing[name]
        other.spec.{field} == input.review.object.spec.{field}; name != input.review.name
        msg := concat(\" \", [\"{field}\", name]) }}"
    )
}

#[test]
fn a_policy_that_reads_more_waits_for_it() {
    let thing = |name: &str, owner: &str| {
        object(json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name, "namespace": "ns"},
            "spec": {"type": "t", "owner": owner, "more": "data"}}))
    };
    let gvk = GroupVersionKind { group: String::new(), version: "v1".into(), kind: "Thing".into() };
    let list = |objects: Vec<Object>| Change::Replace(ReplacedKind::Synced(gvk.clone()), objects);
    let mut store = Store::of_fields_that_are_read();
    for change in [template("Same", &same_field("type")), constraint("Same"), constraint("Later")] {
        store.apply(change);
    }
    let (first, _) = rebuild(&mut store, &Snapshot::default());
    store.apply(list(vec![thing("a", "x"), thing("b", "y")]));
    let (second, errors) = rebuild(&mut store, &first);
    assert!(second.has_policies_of(&first) && errors.len() == 1, "only Later is without its template: {errors:?}");
    assert!(store.take_kinds_to_list().is_empty());
    let new = thing("new", "x");
    let of_type = ["type a", "type b", "type a", "type b"];
    assert_eq!(messages(&second, &new), of_type);

    // Another version of a template, and a new template: both read what was not kept.
    store.apply(template("Same", &same_field("owner")));
    store.apply(template("Later", &same_field("owner")));
    let (third, errors) = rebuild(&mut store, &second);
    assert_eq!(messages(&third, &new), of_type, "the version before stays in force");
    let found: Vec<(&str, &str, bool)> =
        errors.iter().map(|one| (one.key.name.as_str(), one.code, one.previous_in_force)).collect();
    assert_eq!(found, [("later", "not_ready", false), ("same", "not_ready", true), ("one", "ingest_error", false)]);
    assert!(errors[0].message.starts_with("not ready yet: it reads fields"), "{errors:?}");
    assert!(errors[0].message.contains("Thing") && errors[2].message.ends_with("not ready yet: see its status"));
    assert_eq!(store.take_kinds_to_list(), std::slice::from_ref(&gvk));
    assert_eq!(third.inventory().len(), 2);

    // Single objects that come meanwhile are not the whole list.
    store.apply(Change::Sync(thing("b", "x")));
    store.apply(constraint("Unknown"));
    let (fourth, _) = rebuild(&mut store, &third);
    assert_eq!(messages(&fourth, &new), of_type);
    assert!(store.take_kinds_to_list().is_empty(), "it was asked for already");

    store.apply(list(vec![thing("a", "x"), thing("b", "x"), thing("c", "y")]));
    let (fifth, errors) = rebuild(&mut store, &fourth);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let of_owner = ["owner a", "owner b", "owner a", "owner b"];
    assert_eq!(messages(&fifth, &new), [of_owner, of_owner].concat());

    // What nobody reads any more is gone with the next list, which nobody asks for.
    assert!(store.take_kinds_to_list().is_empty());
    store.apply(list(vec![thing("a", "x"), thing("b", "x"), thing("c", "y")]));
    let (sixth, _) = rebuild(&mut store, &fifth);
    assert!(sixth.has_policies_of(&fifth) && sixth.inventory().footprint() < fifth.inventory().footprint());
    assert_eq!(messages(&sixth, &new), messages(&fifth, &new));
    let silent = r#"violation contains {"msg": "m"} if { input.review.object.spec.x }"#;
    store.apply(template("Same", silent));
    store.apply(template("Later", silent));
    let (seventh, errors) = rebuild(&mut store, &sixth);
    assert!(errors.len() == 1 && store.take_kinds_to_list().is_empty(), "{errors:?}");
    assert_eq!(messages(&seventh, &new), Vec::<String>::new());
    assert!(seventh.inventory().document() == sixth.inventory().document(), "reading less changes nothing");

    // A kind without objects lacks nothing.
    store.apply(list(Vec::new()));
    store.apply(template("Later", &same_field("more")));
    let (eighth, errors) = rebuild(&mut store, &seventh);
    assert!(errors.len() == 1 && store.take_kinds_to_list().is_empty(), "{errors:?}");
    store.apply(Change::Sync(thing("a", "x")));
    let new = object(json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "n"}, "spec": {"more": "data"}}));
    assert_eq!(messages(&rebuild(&mut store, &eighth).0, &new), ["more a", "more a"]);
}
