//! Templates and constraints that come, change, break and go on a live API server.

use serde_json::{Value, json};

use super::environment::{Environment, wait_until};
use super::{LATER, SOON, apply_constraint, prepared, start};

fn template(kind: &str, rego: &str) -> Value {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()},
        "spec": {"crd": {"spec": {"names": {"kind": kind}, "validation": {"openAPIV3Schema":
                {"type": "object", "properties": {"text": {"type": "string"}}}}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
}

fn says(text: &str) -> String {
    format!(
        "package says\nviolation[{{\"msg\": msg}}] {{\n  msg := concat(\" \", [\"{text}\", input.parameters.text])\n}}\n"
    )
}

fn constraint(kind: &str, name: &str, namespace: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": name},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}], "namespaces": [namespace]},
            "parameters": {"text": "parameter"}}})
}

fn status(environment: &Environment, resource: &str, name: &str) -> Value {
    let output = environment.kubectl(&["get", resource, name, "-o", "json"]).checked();
    serde_json::from_str::<Value>(&output.stdout).unwrap()["status"].take()
}

#[test]
fn every_change_counts_within_a_second() {
    let environment = prepared();
    let scope = environment.scope("changes");
    let admit = start(environment);
    let namespace = scope.namespace();
    let probe = || {
        let output = environment.kubectl(&["create", "configmap", "probe", "-n", &namespace, "--dry-run=server"]);
        (output.success, output.stderr)
    };
    // From nothing but our CRDs: the template makes the kind of its constraint.
    environment.apply(&template("K8sSaysChanges", &says("first")).to_string()).checked();
    apply_constraint(environment, &constraint("K8sSaysChanges", "says", &namespace));
    let columns = environment.kubectl(&["get", "k8ssayschanges"]).checked().stdout;
    assert!(columns.contains("ENFORCEMENT-ACTION") && columns.contains("deny"), "{columns}");
    let _webhook = scope.register(&admit, "Fail");
    assert!(wait_until(LATER, || probe().1.contains("[says] first parameter")), "{:?}\n{}", probe(), admit.log());

    environment.apply(&template("K8sSaysChanges", &says("second")).to_string()).checked();
    assert!(wait_until(SOON, || probe().1.contains("[says] second parameter")), "template: {:?}", probe());
    let patch = r#"{"spec":{"parameters":{"text":"changed"}}}"#;
    environment.kubectl(&["patch", "k8ssayschanges", "says", "--type=merge", "-p", patch]).checked();
    assert!(wait_until(SOON, || probe().1.contains("[says] second changed")), "constraint: {:?}", probe());
    environment.kubectl(&["delete", "k8ssayschanges", "says"]).checked();
    assert!(wait_until(SOON, || probe().0), "deleted constraint: {:?}", probe());
    environment.apply(&constraint("K8sSaysChanges", "says", &namespace).to_string()).checked();
    assert!(wait_until(SOON, || !probe().0), "new constraint: {:?}", probe());
    environment.kubectl(&["delete", "constrainttemplate", "k8ssayschanges"]).checked();
    assert!(wait_until(SOON, || probe().0), "deleted template: {:?}", probe());
    assert!(admit.is_ready());
}

#[test]
fn a_broken_template_says_why_and_leaves_the_others_alone() {
    let environment = prepared();
    let scope = environment.scope("broken");
    let admit = start(environment);
    let namespace = scope.namespace();
    environment.apply(&template("K8sSaysBroken", &says("works")).to_string()).checked();
    apply_constraint(environment, &constraint("K8sSaysBroken", "says-broken", &namespace));
    let _webhook = scope.register(&admit, "Fail");
    let probe = || environment.kubectl(&["create", "configmap", "probe", "-n", &namespace, "--dry-run=server"]).stderr;
    assert!(wait_until(LATER, || probe().contains("[says-broken] works parameter")), "{}", probe());

    let cases = [
        ("K8sSyntax", "package a\nviolation[{\"msg\": msg}] {\n  msg = = \"x\"\n}\n", "targets[0].rego:3:9"),
        ("K8sNoRule", "package a\nviolations[x] { x := 1 }\n", "missing required rules: [violation]"),
        ("K8sImport", "package a\nimport data.secrets\nviolation[{\"msg\": \"x\"}] { true }\n", "targets[0].rego:2:1"),
    ];
    for (kind, rego, expected) in cases {
        environment.apply(&template(kind, rego).to_string()).checked();
        check_status_error(environment, &admit.pod_name, kind, expected);
    }
    let mut two = template("K8sTwoTargets", &says("x"));
    let target = two["spec"]["targets"][0].clone();
    two["spec"]["targets"].as_array_mut().unwrap().push(target);
    environment.apply(&two.to_string()).checked();
    check_status_error(environment, &admit.pod_name, "K8sTwoTargets", "must declare exactly one target, found 2");
    assert!(
        admit.log().contains("policy refused: Could not ingest Rego: spec.targets[0].rego: 3:9"),
        "{}",
        admit.log()
    );
    assert!(probe().contains("[says-broken] works parameter"), "others keep enforcing: {}", probe());

    // A broken update of a good template: the last good version stays in force, and the status says so.
    environment.apply(&template("K8sSaysBroken", "package a\nviolation[{").to_string()).checked();
    check_status_error(environment, &admit.pod_name, "K8sSaysBroken", "the previous version stays in force");
    assert!(probe().contains("[says-broken] works parameter"), "{}", probe());
    environment.apply(&template("K8sSaysBroken", &says("mended")).to_string()).checked();
    assert!(wait_until(SOON, || probe().contains("[says-broken] mended parameter")), "{}", probe());
    // Entries of other tests' servers, which may be gone, are not ours to judge.
    let is_clean = || {
        let status = status(environment, "constrainttemplate", "k8ssaysbroken");
        let entries = status["byPod"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|entry| entry["id"] == admit.pod_name.as_str() && entry.get("errors").is_none())
    };
    assert!(wait_until(LATER, is_clean), "{}", status(environment, "constrainttemplate", "k8ssaysbroken"));
}

fn check_status_error(environment: &Environment, pod: &str, kind: &str, expected: &str) {
    let status = || status(environment, "constrainttemplate", &kind.to_lowercase());
    let has_error = |status: &Value| {
        let entries = status["byPod"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|entry| entry["id"] == *pod && entry["errors"].to_string().contains(expected))
    };
    assert!(wait_until(LATER, || has_error(&status())), "{kind}: {expected:?} is not in {}", status());
}

#[test]
fn statuses_tell_who_enforces_what() {
    let environment = prepared();
    let scope = environment.scope("status");
    let admit = start(environment);
    environment.apply(&template("K8sSaysStatus", &says("x")).to_string()).checked();
    apply_constraint(environment, &constraint("K8sSaysStatus", "says-status", &scope.namespace()));
    let mine = |status: &Value| {
        let entries = status["byPod"].as_array().cloned().unwrap_or_default();
        entries.into_iter().find(|entry| entry["id"] == admit.pod_name.as_str()).unwrap_or_default()
    };
    let enforced = || mine(&status(environment, "k8ssaysstatus", "says-status"))["enforced"] == true;
    assert!(wait_until(LATER, enforced), "{}", status(environment, "k8ssaysstatus", "says-status"));
    let of_template = status(environment, "constrainttemplate", "k8ssaysstatus");
    assert_eq!((&of_template["created"], &mine(&of_template)["observedGeneration"]), (&json!(true), &json!(1)));
}

#[test]
fn constraints_that_do_not_fit_are_refused_with_the_field() {
    let environment = prepared();
    let scope = environment.scope("misfit");
    let _admit = start(environment);
    environment.apply(&template("K8sSaysMisfit", &says("x")).to_string()).checked();
    apply_constraint(environment, &constraint("K8sSaysMisfit", "says-misfit", &scope.namespace()));
    let mut wrong = constraint("K8sSaysMisfit", "wrong", &scope.namespace());
    wrong["spec"]["parameters"]["text"] = json!(5);
    let refused = environment.apply(&wrong.to_string());
    assert!(refused.stderr.contains("spec.parameters.text: Invalid value: \"integer\""), "{}", refused.stderr);
    let unknown = environment.apply(&constraint("K8sNobodyKnows", "unknown", "x").to_string());
    assert!(unknown.stderr.contains("no matches for kind \"K8sNobodyKnows\""), "{}", unknown.stderr);
}
