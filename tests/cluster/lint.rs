//! `admit lint --cluster` says beforehand what the webhook of that cluster says.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::environment::{Environment, User, wait_until};
use super::{LATER, apply_constraint, prepared, start};

fn lint(environment: &Environment, user: User, file: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_admit"))
        .args(["lint", "--cluster", "--config-namespace", "admit-system", "-o", "json", "--kubeconfig"])
        .arg(environment.kubeconfig(user))
        .arg(file)
        .output()
        .expect("admit runs")
}

#[test]
fn says_what_the_cluster_will_say() {
    let environment = prepared();
    let scope = environment.scope("lint");
    let admit = start(environment);
    let _webhook = scope.register(&admit, "Fail");
    let namespace = scope.namespace();
    apply_constraint(
        environment,
        &json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sAllowedRepos",
            "metadata": {"name": "lint-repos"},
            "spec": {
                // Only the cluster knows the labels of the namespace.
                "match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
                "parameters": {"repos": ["registry.example.com/approved"]}}}),
    );
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: {namespace}\nspec:\n  containers:\n  - name: \
         app\n    image: elsewhere.example.com/app:1\n"
    );
    let file = environment.directory("lint").join("pod.yaml");
    std::fs::write(&file, &pod).expect("a file");
    let create = || environment.kubectl_as(User::Admin, &["create", "--dry-run=server", "-f", "-"], Some(&pod)).stderr;
    assert!(wait_until(LATER, || create().contains("[lint-repos]")), "{}", create());

    let output = lint(environment, User::Admin, &file);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|one| one["constraint"] == "lint-repos").expect("the webhook's finding");
    let message = found["message"].as_str().expect("a message");
    assert!(create().contains(message), "{message:?} is not in {}", create());
    assert_eq!((&found["place"]["line"], &found["field"]), (&json!(9), &json!("spec.containers[0].image")));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn who_may_not_see_policies_is_told() {
    let environment = prepared();
    let file = environment.directory("lint-forbidden").join("pod.yaml");
    std::fs::write(&file, "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n").expect("a file");
    let output = lint(environment, User::Developer, &file);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("does not show its ConstraintTemplates"), "{errors}");
    assert_eq!(output.status.code(), Some(4));
}
