//! Requests about templates, constraints, Configs and SyncSets over TLS, and what a Config does to others.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::webhook::{Running, ask, metrics, request};

fn review(kind: &str, object: &Value, operation: &str, old: &Value) -> Value {
    let subject = if object.is_null() { old } else { object };
    let (group, version) = subject["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u7",
        "kind": {"group": group, "version": version, "kind": kind}, "name": subject["metadata"]["name"],
        "operation": operation, "object": object, "oldObject": old, "userInfo": {"username": "jane"}}})
}

fn template(rego: &str) -> Value {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "k8snew"},
        "spec": {"crd": {"spec": {"names": {"kind": "K8sNew"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
}

/// Compilations take turns, and another test has one that takes long.
fn ask_in_turn(review: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let answer = ask(review);
        let is_late = answer["response"]["status"]["message"].as_str().is_some_and(|text| text.contains("canceled"));
        if !is_late || begun.elapsed() > Duration::from_secs(60) {
            return answer;
        }
    }
}

#[test]
fn a_template_that_does_not_compile_is_refused_with_every_line() {
    let bad = template("package a\nviolation[{\"msg\": \"x\"}] {\n  nowhere\n  nobody(1)\n}");
    let response = &ask_in_turn(&review("ConstraintTemplate", &bad, "CREATE", &Value::Null))["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u7"), &json!(false)));
    assert_eq!(response["status"]["code"], 422, "{response}");
    let message = response["status"]["message"].as_str().unwrap();
    for line in ["spec.targets[0].rego: 3:3: rego_unsafe_var_error", "spec.targets[0].rego: 4:3: rego_type_error"] {
        assert!(message.contains(line), "{message}");
    }
    let good = template("package a\nviolation[{\"msg\": \"x\"}] { true }");
    let response = ask_in_turn(&review("ConstraintTemplate", &good, "UPDATE", &bad));
    assert_eq!(response["response"], json!({"uid": "u7", "allowed": true, "status": {"code": 200}}));
    let response = ask(&review("ConstraintTemplate", &Value::Null, "DELETE", &bad));
    assert_eq!(response["response"]["allowed"], true, "what is broken can go");
}

#[test]
fn own_resources_have_gatekeepers_codes_and_are_not_counted() {
    let constraint = |kind: &str, spec: Value| json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    let config = json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "other", "namespace": "admit-system"}, "spec": {}});
    let cases = [
        (constraint("K8sNone", json!({})), 422, "missing ConstraintTemplate: template \"k8snone\" not found"),
        (constraint("K8sSays", json!({"parameters": {"text": 1}})), 422, "spec.parameters.text"),
        (constraint("K8sSays", json!({"enforcementAction": "no"})), 500, "unrecognized enforcementAction: \"no\""),
        (config, 422, "config resource must have name 'config'"),
    ];
    let counted =
        || metrics().lines().filter(|line| line.contains("validation_request_count") && line.contains("error")).count();
    let before = counted();
    for (object, code, expected) in cases {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let response = &ask(&review(&kind, &object, "CREATE", &Value::Null))["response"];
        let message = response["status"]["message"].as_str().unwrap();
        assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(code)), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(counted(), before);
}

#[test]
fn a_template_that_compiles_slowly_holds_up_nobody() {
    let rules: Vec<String> = (0..6_000).map(|n| format!("f{n}(x) = y {{ y := [x, {n}, f{}(x)] }}", n + 1)).collect();
    let large = format!("package a\nviolation[{{\"msg\": \"x\"}}] {{ f0(1) }}\nf6000(x) = x\n{}", rules.join("\n"));
    assert!(large.len() < 1 << 20);
    let large = review("ConstraintTemplate", &template(&large), "CREATE", &Value::Null);
    let compiling = std::thread::spawn(move || ask(&large));
    std::thread::sleep(Duration::from_millis(50));
    let started = Instant::now();
    for _ in 0..5 {
        assert_eq!(ask(&request("bad"))["response"]["status"]["code"], 403);
    }
    let (asked, is_compiled) = (started.elapsed(), compiling.is_finished());
    assert!(!is_compiled || asked < Duration::from_secs(1), "{asked:?}");
    let compiled = compiling.join().unwrap();
    // Also when it took longer than the request may: an answer with the request's id.
    assert_eq!(compiled["response"]["uid"], "u7");
}

#[test]
fn a_config_takes_namespaces_out_of_sight() {
    let config = r#"
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: admit-system}
spec:
  match:
    - {excludedNamespaces: ["kube-*", lab], processes: [webhook]}
    - {excludedNamespaces: [audited], processes: [audit, sync, mutation-webhook]}
---
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: elsewhere}
spec: {match: [{excludedNamespaces: ["*"], processes: ["*"]}]}
"#;
    let server = Running::start(config);
    for (namespace, excluded) in
        [("kube-system", true), ("lab", true), ("lab-2", false), ("audited", false), ("", false)]
    {
        let mut review = request("bad");
        review["request"]["namespace"] = json!(namespace);
        let response = server.ask(&review)["response"].take();
        let status = if excluded {
            json!({"code": 200, "message": "Namespace is set to be ignored by Gatekeeper config"})
        } else {
            json!({"code": 403, "reason": "Forbidden", "message": "[denies] no way"})
        };
        assert_eq!((&response["allowed"], &response["status"]), (&json!(excluded), &status), "{namespace}");
        // At DELETE it is the same.
        let object = review["request"]["object"].take();
        review["request"]["oldObject"] = object;
        review["request"]["operation"] = json!("DELETE");
        assert_eq!(server.ask(&review)["response"]["allowed"], excluded, "DELETE in {namespace}");
    }
}
