//! A policy that runs away under real requests: set aside, said everywhere, harmless to others, and back when mended.

use serde_json::{Value, json};

use super::environment::{AdmitServer, Environment, wait_until};
use super::{LATER, apply_constraint, approved_registries, prepared, start_with};

const KIND: &str = "K8sRunsAwayHere";
const RUNAWAY: &str = r#"package away
digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
violation[{"msg": "loops"}] {
  d := digits[_]; e := digits[_]; f := digits[_]; g := digits[_]; h := digits[_]; i := digits[_]; j := digits[_]
  k := digits[_]; l := digits[_]; m := digits[_]; d + e + f + g + h + i + j + k + l + m < 0
}
"#;
const MENDED: &str = "package away\nviolation[{\"msg\": \"mended\"}] { true }\n";
const GOOD: &str = "--image=registry.example.com/approved/web:1";
const BAD: &str = "--image=registry.example.com/elsewhere/web:1";

fn template(rego: &str) -> String {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": KIND.to_lowercase()},
        "spec": {"crd": {"spec": {"names": {"kind": KIND}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
    .to_string()
}

/// The constraint as the API server has it.
fn constraint(environment: &Environment) -> Value {
    let output = environment.kubectl(&["get", &KIND.to_lowercase(), "loops-here", "-o", "json"]).checked();
    serde_json::from_str(&output.stdout).unwrap()
}

/// Whether this server's entry in the status says that the constraint is set aside; `None` while there is no entry.
fn status_says_aside(environment: &Environment, admit: &AdmitServer) -> Option<bool> {
    let constraint = constraint(environment);
    let entries = constraint["status"]["byPod"].as_array().cloned().unwrap_or_default();
    let mine = entries.into_iter().find(|entry| entry["id"] == admit.pod_name.as_str())?;
    Some(mine["errors"].to_string().contains("\"set_aside\""))
}

/// The Event of this server on the constraint with that reason.
fn event(environment: &Environment, admit: &AdmitServer, reason: &str) -> Option<Value> {
    let output = environment.kubectl(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"]).checked();
    let events: Value = serde_json::from_str(&output.stdout).unwrap();
    let is_meant = |event: &&Value| {
        event["reason"] == reason
            && event["reportingInstance"] == admit.pod_name.as_str()
            && event["regarding"]["kind"] == KIND
    };
    events["items"].as_array().unwrap().iter().find(is_meant).cloned()
}

#[test]
fn a_runaway_is_set_aside_and_comes_back_when_it_is_mended() {
    let environment = prepared();
    let scope = environment.scope("contain");
    let admit = start_with(environment, &["--shutdown-delay=0", "--evaluation-timeout=100"]);
    let namespace = scope.namespace();
    environment.apply(&template(RUNAWAY)).checked();
    apply_constraint(environment, &approved_registries("contain-registries", &namespace, "deny"));
    let matching =
        json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "namespaces": [namespace], "name": "away-*"});
    apply_constraint(
        environment,
        &json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": KIND,
            "metadata": {"name": "loops-here"}, "spec": {"match": matching}}),
    );
    let _webhook = scope.register(&admit, "Fail");
    let run = |name: &str, image: &str| {
        environment.kubectl(&["run", name, image, "--namespace", &namespace, "--dry-run=server"])
    };
    let refusal = |name: &str, image: &str| run(name, image).stderr;
    let is_refused = || refusal("plain", BAD).contains("[contain-registries] container");
    assert!(wait_until(LATER, is_refused), "{}\n{}", refusal("plain", BAD), admit.log());

    let is_aside = || refusal("away-1", GOOD).contains("[loops-here] policy is set aside, because");
    assert!(wait_until(LATER, is_aside), "{}\n{}", refusal("away-1", GOOD), admit.log());
    assert!(wait_until(LATER, || status_says_aside(environment, &admit) == Some(true)), "{}", constraint(environment));
    assert!(wait_until(LATER, || event(environment, &admit, "SetAside").is_some()), "{}", admit.log());
    let event_aside = event(environment, &admit, "SetAside").unwrap();
    assert_eq!(event_aside["type"], "Warning");
    assert_eq!(event_aside["regarding"]["uid"], constraint(environment)["metadata"]["uid"]);
    assert!(event_aside["note"].as_str().unwrap().starts_with("policy is set aside, because"), "{event_aside}");
    let metric =
        format!("gatekeeper_constraint_set_aside{{constraint_kind=\"{KIND}\",constraint_name=\"loops-here\"}} 1");
    assert!(admit.metrics().contains(&metric), "{}", admit.metrics());
    // The others are as they were, beside it and alone.
    let both = refusal("away-1", BAD);
    assert!(both.contains("[contain-registries] container") && both.contains("[loops-here]"), "{both}");
    let one = refusal("plain", BAD);
    assert!(one.contains("[contain-registries] container") && !one.contains("[loops-here]"), "{one}");
    run("plain", GOOD).checked();

    environment.apply(&template(MENDED)).checked();
    let is_mended = || refusal("away-1", GOOD).contains("[loops-here] mended");
    assert!(wait_until(LATER, is_mended), "{}\n{}", refusal("away-1", GOOD), admit.log());
    assert!(wait_until(LATER, || status_says_aside(environment, &admit) == Some(false)), "{}", constraint(environment));
    assert!(wait_until(LATER, || event(environment, &admit, "EvaluatedAgain").is_some()), "{}", admit.log());
    assert!(!admit.metrics().contains("gatekeeper_constraint_set_aside{"), "{}", admit.metrics());
    assert!(!admit.log().contains("failed to write an Event"), "{}", admit.log());
}
