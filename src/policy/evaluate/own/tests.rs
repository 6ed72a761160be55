//! Own resources, as the API server is told of them.

use serde_json::{Value, json};

use super::*;
use crate::model::review::AdmissionReview;
use crate::policy::snapshot::{Change, Store, build};

fn rules() -> OwnRules {
    let (build, namespace) = (BuildOptions::default(), "admit-system".to_owned());
    OwnRules { build, admits_uncompilable: false, admits_unknown_actions: false, namespace }
}

fn template(rego: &str) -> Value {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "k8ssays"},
        "spec": {"crd": {"spec": {"names": {"kind": "K8sSays"}, "validation": {"openAPIV3Schema":
            {"type": "object", "properties": {"text": {"type": "string"}}}}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
}

const GOOD: &str = "package a\nviolation[{\"msg\": \"x\"}] { true }";
const BAD: &str = "package a\nviolation[{\"msg\": msg}] {\n  msg := nowhere\n  count(unknown)\n}";

fn with(mut object: Value, path: &str, value: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

fn constraint(spec: Value) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sSays", "metadata": {"name": "a"}, "spec": spec})
}

fn config(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": name, "namespace": "admit-system"}, "spec": spec})
}

fn sync_set(spec: Value) -> Value {
    json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "a"}, "spec": spec})
}

/// Everything that is asked of a request; the code is 200 when it passes.
fn ask_with(rules: &OwnRules, operation: &str, object: &Value, old: &Value) -> (u16, String) {
    let mut store = Store::default();
    store.apply(Change::Apply(Object::from_value(template(GOOD)).unwrap()));
    let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    let subject = if object.is_null() { old } else { object };
    let (group, version) = subject["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = json!({"group": group, "version": version, "kind": subject["kind"]});
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "operation": operation, "kind": kind, "name": subject["metadata"]["name"], "object": object, "oldObject": old}});
    let body = body.to_string().into_bytes();
    let review = AdmissionReview::parse(&body).unwrap().review;
    assert!(is_own(&review));
    let passed = check(&snapshot, &review, &ExactObjects::parse(&body).unwrap(), rules);
    let compiled = passed.and_then(|passed| match &passed.template {
        Some(template) => compile(template, rules).map(|()| passed),
        None => Ok(passed),
    });
    match compiled {
        Ok(passed) => (200, passed.warnings.join("\n")),
        Err(refusal) => (refusal.code, refusal.message),
    }
}

fn check_all(cases: &[(&str, Value, Value, u16, &str)]) {
    for (operation, object, old, code, expected) in cases {
        let (found, message) = ask_with(&rules(), operation, object, old);
        assert!(
            found == *code && message.contains(expected) && expected.is_empty() == message.is_empty(),
            "{operation} {object} {old}\nfound {found} {message}\nexpected {code} {expected}"
        );
    }
}

#[test]
fn templates_must_compile_when_their_spec_is_new() {
    let (good, bad) = (template(GOOD), template(BAD));
    let labelled = with(bad.clone(), "/metadata/labels", json!({"a": "b"}));
    let terminating = with(template("nonsense"), "/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z"));
    let place = "Could not ingest Rego: spec.targets[0].rego: 3:3: rego_unsafe_var_error: var nowhere is unsafe";
    check_all(&[
        ("CREATE", good.clone(), Value::Null, 200, ""),
        ("CREATE", bad.clone(), Value::Null, 422, place),
        (
            "CREATE",
            bad.clone(),
            Value::Null,
            422,
            "\nCould not ingest Rego: spec.targets[0].rego: 4:3: rego_unsafe_var_error: ",
        ),
        ("UPDATE", bad.clone(), good.clone(), 422, place),
        ("UPDATE", labelled, bad.clone(), 200, ""),
        ("UPDATE", terminating, bad.clone(), 200, ""),
        ("UPDATE", good.clone(), bad.clone(), 200, ""),
        ("DELETE", Value::Null, bad.clone(), 200, ""),
        ("CREATE", template("package"), Value::Null, 422, "rego_parse_error"),
    ]);
    let lax = OwnRules { admits_uncompilable: true, ..rules() };
    let no_code = with(good.clone(), "/spec/targets", json!([{"target": "admission.k8s.gatekeeper.sh"}]));
    for object in [bad, no_code.clone()] {
        assert_eq!(ask_with(&lax, "CREATE", &object, &Value::Null), (200, String::new()), "{object}");
    }
    assert_eq!(ask_with(&rules(), "CREATE", &no_code, &Value::Null).0, 422);
    let large = template(&format!("{GOOD}\n# {}", "x".repeat(MOST_CODE)));
    let (code, message) = ask_with(&rules(), "CREATE", &large, &Value::Null);
    assert!(code == 422 && message.contains("at most 1048576 are compiled"), "{message}");
}

#[test]
fn templates_have_gatekeepers_codes() {
    let good = template(GOOD);
    let target = good["spec"]["targets"][0].clone();
    let operations = with(good.clone(), "/spec/targets/0/operations", json!(["*", "CREATE"]));
    let long = with(good.clone(), "/metadata/name", json!("a".repeat(64)));
    let too_long = "resource cannot have metadata.name larger than 63 char; length: 64";
    let no_kind = with(good.clone(), "/spec/crd/spec/names/kind", json!(""));
    let schema = with(good.clone(), "/spec/crd/spec/validation/openAPIV3Schema", json!({"type": "no"}));
    check_all(&[
        ("CREATE", operations.clone(), Value::Null, 500, "if '*' is present, must not specify other operations"),
        ("DELETE", Value::Null, operations, 500, "if '*' is present, must not specify other operations"),
        ("CREATE", long.clone(), Value::Null, 500, too_long),
        ("DELETE", Value::Null, long, 500, too_long),
        (
            "CREATE",
            with(good.clone(), "/metadata/name", json!("b")),
            Value::Null,
            422,
            "lowercase of CRD's Kind: \"k8ssays\"",
        ),
        ("CREATE", no_kind, Value::Null, 422, "does not specify CRD Kind"),
        ("CREATE", schema, Value::Null, 422, "openAPIV3Schema"),
        ("CREATE", with(good.clone(), "/spec/targets", json!([])), Value::Null, 422, "must declare exactly one target"),
        (
            "DELETE",
            Value::Null,
            with(good.clone(), "/spec/targets", json!([target, target])),
            422,
            "exactly one target",
        ),
        ("DELETE", Value::Null, with(with(good, "/spec/targets", json!([])), "/metadata/name", json!("")), 200, ""),
    ]);
}

#[test]
fn constraints_are_read_by_their_template() {
    let unknown = with(constraint(json!({})), "/kind", json!("K8sOther"));
    let missing = "missing ConstraintTemplate: template \"k8sother\" not found";
    let action = constraint(json!({"enforcementAction": "block"}));
    let refused =
        "unrecognized enforcementAction: \"block\" is not within the supported list [deny dryrun warn scoped]";
    let scoped = constraint(json!({"enforcementAction": "scoped"}));
    let both = constraint(json!({"enforcementAction": "block", "match": {"labelSelector": {"matchExpressions":
        [{"key": "a", "operator": "Near"}]}}}));
    check_all(&[
        ("CREATE", constraint(json!({"parameters": {"text": "a"}})), Value::Null, 200, ""),
        ("CREATE", unknown.clone(), Value::Null, 422, missing),
        ("DELETE", Value::Null, unknown, 422, missing),
        ("UPDATE", constraint(json!({"parameters": {"text": 5}})), constraint(json!({})), 422, "spec.parameters.text"),
        ("CREATE", constraint(json!({"enforcementAction": 5})), Value::Null, 422, "spec.enforcementAction"),
        ("CREATE", action.clone(), Value::Null, 500, refused),
        ("DELETE", Value::Null, action, 500, refused),
        (
            "CREATE",
            scoped,
            Value::Null,
            500,
            "error fetching scopedEnforcementActions: scopedEnforcementActions is required",
        ),
        ("CREATE", both, Value::Null, 422, "Near"),
    ]);
    let (_, text) = ask_with(&rules(), "CREATE", &constraint(json!({"enforcementAction": "x"})), &Value::Null);
    assert!(text.starts_with("unrecognized enforcementAction: "), "{text}");
}

#[test]
fn unknown_actions_are_taken_where_that_is_asked_for() {
    let rules = OwnRules { admits_unknown_actions: true, ..rules() };
    let near = json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}});
    for (spec, code, expected) in [
        (
            json!({"enforcementAction": "block"}),
            200,
            "this constraint is not enforced: unrecognized enforcementAction: \"block\"",
        ),
        (json!({"enforcementAction": "scoped"}), 200, "not enforced: error fetching scopedEnforcementActions"),
        (json!({"enforcementAction": "deny"}), 200, ""),
        (json!({"enforcementAction": 5}), 422, "spec.enforcementAction"),
        (json!({"enforcementAction": "block", "match": near}), 422, "Near"),
    ] {
        let (found, text) = ask_with(&rules, "CREATE", &constraint(spec.clone()), &Value::Null);
        assert!(
            found == code && text.contains(expected) && expected.is_empty() == text.is_empty(),
            "{spec}: {found} {text}"
        );
        assert!(code == 200 || !text.contains("block"), "{spec}: {text}");
    }
    let gone = constraint(json!({"enforcementAction": "block"}));
    assert_eq!(ask_with(&rules, "DELETE", &Value::Null, &gone), (200, String::new()));
}

#[test]
fn a_constraint_that_is_enforced_nowhere_is_taken_with_a_warning() {
    let nowhere = constraint(json!({"enforcementAction": "scoped", "scopedEnforcementActions": []}));
    let warning = "this constraint is enforced nowhere: spec.scopedEnforcementActions is empty";
    check_all(&[
        ("CREATE", nowhere.clone(), Value::Null, 200, warning),
        ("DELETE", Value::Null, nowhere, 200, ""),
        ("CREATE", constraint(json!({"scopedEnforcementActions": []})), Value::Null, 200, ""),
    ]);
}

#[test]
fn configs_and_sync_sets_are_read() {
    let name = "config resource must have name 'config'";
    let exclusion = |processes: Value| config("config", json!({"match": [{"processes": processes}]}));
    let bad = config("config", json!({"match": [{"excludedNamespaces": ["a*b"]}]}));
    let elsewhere = with(config("config", json!({})), "/metadata/namespace", json!("shop"));
    let bad_set = sync_set(json!({"gvks": [{"kind": "Pod"}]}));
    let other = |kind: &str, group: &str| json!({"apiVersion": format!("{group}.gatekeeper.sh/v1"), "kind": kind, "metadata": {"name": "a"}});
    check_all(&[
        ("CREATE", exclusion(json!(["webhook"])), Value::Null, 200, ""),
        ("CREATE", exclusion(json!(["webhooks"])), Value::Null, 200, "process \"webhooks\" is not known"),
        ("CREATE", elsewhere, Value::Null, 200, "only the one in namespace admit-system counts"),
        ("CREATE", config("other", json!({})), Value::Null, 422, name),
        ("DELETE", Value::Null, config("other", json!({})), 422, name),
        ("CREATE", bad.clone(), Value::Null, 422, "invalid Config: spec.match[0].excludedNamespaces[0]: Invalid value"),
        ("DELETE", Value::Null, bad, 200, ""),
        ("CREATE", sync_set(json!({"gvks": []})), Value::Null, 200, ""),
        ("CREATE", bad_set.clone(), Value::Null, 422, "invalid SyncSet: spec.gvks[0].version: Required value"),
        ("UPDATE", bad_set.clone(), bad_set.clone(), 200, ""),
        ("DELETE", Value::Null, bad_set, 200, ""),
        ("CREATE", other("Assign", "mutations"), Value::Null, 422, "assign must set one of"),
        ("DELETE", Value::Null, other("Assign", "mutations"), 422, "assign must set one of"),
        ("CREATE", other("Unknown", "mutations"), Value::Null, 200, ""),
        (
            "CREATE",
            with(other("Provider", "externaldata"), "/metadata/name", json!("b".repeat(70))),
            Value::Null,
            500,
            "length: 70",
        ),
        (
            "CREATE",
            with(other("ConstraintPodStatus", "status"), "/metadata/name", json!("b".repeat(70))),
            Value::Null,
            200,
            "",
        ),
    ]);
}

fn expansion_template(spec: Value) -> Value {
    json!({"apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate", "metadata": {"name": "t"}, "spec": spec})
}

#[test]
fn expansion_templates_are_refused_in_gatekeepers_words() {
    let good =
        expansion_template(json!({"applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment"]}],
        "templateSource": "spec.template", "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"}}));
    let no_source = with(good.clone(), "/spec/templateSource", json!(""));
    let no_version = with(good.clone(), "/spec/generatedGVK/version", json!(""));
    let labelled = with(no_version.clone(), "/metadata/labels", json!({"a": "b"}));
    let unknown = with(good.clone(), "/spec/enforcementAction", json!("block"));
    let odd = with(good.clone(), "/spec/applyTo", json!(5));
    let source = "ExpansionTemplate t has empty source field";
    check_all(&[
        ("CREATE", good.clone(), Value::Null, 200, ""),
        ("UPDATE", no_source.clone(), good.clone(), 422, source),
        // As in Gatekeeper, which looks at what is deleted, too.
        ("DELETE", Value::Null, no_source.clone(), 422, source),
        ("DELETE", Value::Null, good.clone(), 200, ""),
        (
            "CREATE",
            no_version.clone(),
            Value::Null,
            422,
            "invalid ExpansionTemplate: spec.generatedGVK.version: Required",
        ),
        ("UPDATE", labelled, no_version.clone(), 200, ""),
        ("DELETE", Value::Null, no_version, 200, ""),
        (
            "CREATE",
            unknown.clone(),
            Value::Null,
            200,
            "\"block\" is no action: violations in what this generates have no",
        ),
        ("DELETE", Value::Null, unknown, 200, ""),
        (
            "CREATE",
            odd,
            Value::Null,
            422,
            "invalid ExpansionTemplate: spec.applyTo: expected a list, found a number (5)",
        ),
    ]);
    assert_eq!(ask_with(&rules(), "CREATE", &no_source, &Value::Null).1, source);
}

#[test]
fn who_closes_a_cycle_is_warned() {
    let template = |name: &str, from: &str, to: &str| {
        let spec = json!({"applyTo": [{"groups": ["g"], "versions": ["v1"], "kinds": [from]}], "templateSource": "spec",
            "generatedGVK": {"group": "g", "version": "v1", "kind": to}});
        Object::from_value(with(expansion_template(spec), "/metadata/name", json!(name))).unwrap()
    };
    let mut store = Store::default();
    for known in [template("a", "A", "B"), template("b", "B", "C"), template("x", "X", "Y"), template("y", "Y", "X")] {
        store.apply(Change::Apply(known));
    }
    let (snapshot, _) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    let warnings = |object: &Object| expansion_templates::check(&snapshot, object, true).unwrap().warnings;
    let expected = "template forms expansion cycle: a, b, c generate what they apply to, directly or through each other; none \
                    of them is in force until that is changed";
    assert_eq!(warnings(&template("c", "C", "A")), [expected]);
    assert!(warnings(&template("c", "C", "D")).is_empty() && warnings(&template("b", "C", "A")).is_empty());
}
