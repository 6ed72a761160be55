//! What kubectl says when a policy has something to say.

use super::environment::wait_until;
use super::{LATER, SOON, apply_constraint, approved_registries, prepared, start};

const BAD: &str = "--image=registry.example.com/approved-evil/web:1";
const GOOD: &str = "--image=registry.example.com/approved/web:1";

#[test]
fn a_violation_is_refused_with_the_policys_message() {
    let environment = prepared();
    let scope = environment.scope("deny");
    let admit = start(environment);
    apply_constraint(environment, &approved_registries("deny-registries", &scope.namespace(), "deny"));
    let _webhook = scope.register(&admit, "Fail");
    let namespace = format!("--namespace={}", scope.namespace());
    let expected = "admission webhook \"validation.gatekeeper.sh\" denied the request: [deny-registries] container \
                    \"bad\" uses image \"registry.example.com/approved-evil/web:1\"";
    let refused = || environment.kubectl(&["run", "bad", BAD, &namespace, "--dry-run=server"]);
    assert!(wait_until(LATER, || refused().stderr.contains(expected)), "{}\n{}", refused().stderr, admit.log());
    let refused = environment.kubectl(&["run", "bad", BAD, &namespace]);
    assert!(!refused.success);
    assert!(refused.stderr.starts_with("Error from server (Forbidden): "), "{}", refused.stderr);
    assert!(!environment.kubectl(&["get", "pod", "bad", &namespace]).success, "a refused Pod is not there");
    environment.kubectl(&["run", "good", GOOD, &namespace]).checked();
    let metrics = admit.metrics();
    for label in ["deny", "allow"] {
        let line = format!("gatekeeper_validation_request_count_total{{admission_status=\"{label}\"");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn warn_is_printed_and_created_and_dryrun_is_silent() {
    let environment = prepared();
    let scope = environment.scope("warn");
    let admit = start(environment);
    let warning = approved_registries("warn-registries", &scope.namespace(), "warn");
    apply_constraint(environment, &warning);
    let _webhook = scope.register(&admit, "Fail");
    let namespace = format!("--namespace={}", scope.namespace());
    let text = "Warning: [warn-registries] container \"probe\" uses image";
    let probe = || environment.kubectl(&["run", "probe", BAD, &namespace, "--dry-run=server"]);
    assert!(wait_until(LATER, || probe().stderr.contains(text)), "{}\n{}", probe().stderr, admit.log());
    let warned = environment.kubectl(&["run", "warned", BAD, &namespace]).checked();
    assert!(warned.stderr.contains("Warning: [warn-registries] container \"warned\" uses image"), "{}", warned.stderr);
    environment.kubectl(&["get", "pod", "warned", &namespace]).checked();

    environment.apply(&approved_registries("warn-registries", &scope.namespace(), "dryrun").to_string()).checked();
    assert!(wait_until(SOON, || probe().stderr.is_empty()), "dryrun is not silent: {}", probe().stderr);
    let silent = environment.kubectl(&["run", "silent", BAD, &namespace]).checked();
    assert_eq!(silent.stderr, "");
    environment.kubectl(&["get", "pod", "silent", &namespace]).checked();
}

#[test]
fn labels_of_the_namespace_choose() {
    let environment = prepared();
    let scope = environment.scope("selector");
    let admit = start(environment);
    let mut constraint = approved_registries("selector-registries", &scope.namespace(), "deny");
    constraint["spec"]["match"]["namespaceSelector"] = serde_json::json!({"matchLabels": {"stage": "production"}});
    apply_constraint(environment, &constraint);
    let _webhook = scope.register(&admit, "Fail");
    let name = scope.namespace();
    let run = || environment.kubectl(&["run", "probe", BAD, "--namespace", &name, "--dry-run=server"]);
    assert!(wait_until(LATER, || run().success), "{}", run().stderr);
    environment.kubectl(&["label", "namespace", &name, "stage=production"]).checked();
    assert!(wait_until(SOON, || run().stderr.contains("[selector-registries]")), "{}", run().stderr);
    // A Namespace that was made a moment ago is known, too: it is asked for when the watch has not brought it yet.
    let fresh = scope.add_namespace("-fresh");
    let refused = environment.kubectl(&["run", "probe", BAD, "--namespace", &fresh, "--dry-run=server"]);
    assert!(refused.success, "{}", refused.stderr);
}
