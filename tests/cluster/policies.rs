//! The four policies of `policies/`, each refusing and admitting through a real API server.

use serde_json::{Value, json};

use super::environment::{Environment, wait_until};
use super::{LATER, SOON, apply_constraint, prepared, start};

fn constraint(kind: &str, name: &str, about: &str, parameters: Value, criteria: Value) -> Value {
    let mut matching = json!({"kinds": [{"apiGroups": [""], "kinds": [about]}]});
    matching.as_object_mut().unwrap().extend(criteria.as_object().unwrap().clone());
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": name},
        "spec": {"match": matching, "parameters": parameters}})
}

fn check_refused(environment: &Environment, object: &Value, expected: &str) {
    let apply = || {
        environment.kubectl_as(
            super::environment::User::Admin,
            &["create", "--dry-run=server", "-f", "-"],
            Some(&object.to_string()),
        )
    };
    assert!(wait_until(LATER, || apply().stderr.contains(expected)), "{expected:?} is not in {}", apply().stderr);
}

#[test]
fn all_four_refuse_and_admit() {
    let environment = prepared();
    let scope = environment.scope("four");
    let admit = start(environment);
    let namespace = scope.namespace();
    let here = json!({"namespaces": [format!("{namespace}*")]});
    apply_constraint(
        environment,
        &constraint(
            "K8sRequiredLabels",
            "four-contact",
            "Namespace",
            json!({"labels": [{"key": "contact", "allowedRegex": "^[a-z-]+$"}]}),
            here.clone(),
        ),
    );
    apply_constraint(
        environment,
        &constraint("K8sContainerLimits", "four-limits", "Pod", json!({"cpu": "1", "memory": "1Gi"}), here.clone()),
    );
    apply_constraint(
        environment,
        &constraint(
            "K8sAllowedRepos",
            "four-repos",
            "Pod",
            json!({"repos": ["registry.example.com/approved"]}),
            here.clone(),
        ),
    );
    // Which Services are synced is for the whole API server; the constraint is for this test.
    let mut unique = constraint("K8sUniqueServiceSelector", "four-unique", "Service", Value::Null, here);
    unique["spec"].as_object_mut().unwrap().remove("parameters");
    apply_constraint(environment, &unique);
    environment
        .apply(
            &json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet",
        "metadata": {"name": "services"}, "spec": {"gvks": [{"group": "", "version": "v1", "kind": "Service"}]}})
            .to_string(),
        )
        .checked();
    let _webhook = scope.register(&admit, "Fail");

    let other = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": format!("{namespace}-other"), "labels": scope.labels()}});
    check_refused(environment, &other, "[four-contact]");
    let mut labelled = other;
    labelled["metadata"]["labels"]["contact"] = json!("team-a");
    environment.apply(&labelled.to_string()).checked();

    let pod = |image: &str, memory: &str| {
        json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace}, "spec": {"containers": [{"name": "c", "image": image,
            "resources": {"limits": {"cpu": "500m", "memory": memory}}}]}})
    };
    let good = "registry.example.com/approved/web:1";
    check_refused(environment, &pod(good, "2Gi"), "[four-limits] container \"c\" has memory limit \"2Gi\"");
    check_refused(environment, &pod("registry.example.com/approved-evil/web:1", "1Gi"), "[four-repos] container \"c\"");
    environment.apply(&pod(good, "1024Mi").to_string()).checked();

    let service = |name: &str, app: &str| {
        json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace}, "spec": {"selector": {"app": app}, "ports": [{"port": 80}]}})
    };
    environment.apply(&service("one", "four-web").to_string()).checked();
    check_refused(
        environment,
        &service("two", "four-web"),
        "[four-unique] selector app=four-web is already used by Service \"one\"",
    );
    environment.apply(&service("two", "four-api").to_string()).checked();
    environment.kubectl(&["delete", "service", "one", "-n", &namespace]).checked();
    let third = service("three", "four-web").to_string();
    assert!(wait_until(SOON, || environment.apply(&third).success), "{}", environment.apply(&third).stderr);
}
