//! What is told of requests: Events, log lines, metrics.

use std::time::Duration;

use serde_json::{Value, json};

use super::environment::{AdmitServer, Environment, wait_until};
use super::{LATER, apply_constraint, approved_registries, prepared, start_with};

/// A server that tells all there is to tell, and a namespace in which its webhook refuses Pods of other registries.
fn with_server(name: &str, more: &[&str], check: impl FnOnce(&Environment, &AdmitServer, &str)) {
    let environment = prepared();
    let scope = environment.scope(name);
    let namespace = scope.namespace();
    let flags = ["--shutdown-delay=0", "--emit-admission-events", "--log-denies", "--show-decision-id"];
    let all: Vec<&str> = flags.into_iter().chain(["--log-stats-admission"]).chain(more.iter().copied()).collect();
    let admit = start_with(environment, &all);
    apply_constraint(environment, &approved_registries(&format!("{name}-registries"), &namespace, "deny"));
    let _webhook = scope.register(&admit, "Fail");
    let refused = || create(environment, &namespace, "probe").contains(&format!("[{name}-registries]"));
    assert!(wait_until(LATER, refused), "{}\n{}", create(environment, &namespace, "probe"), admit.log());
    check(environment, &admit, &namespace);
}

fn create(environment: &Environment, namespace: &str, name: &str) -> String {
    let image = "--image=registry.example.com/elsewhere/web:1";
    environment.kubectl(&["run", name, image, "-n", namespace, "--dry-run=server"]).stderr
}

/// Events of one namespace on an object of that name.
fn events(environment: &Environment, namespace: &str, name: &str, constraint: &str) -> Vec<Value> {
    let selector = format!("--field-selector=involvedObject.name={name},source=gatekeeper-webhook");
    let output = environment.kubectl(&["get", "events", "-n", namespace, &selector, "-o", "json"]).checked();
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    let is_of = |event: &&Value| event["metadata"]["annotations"]["constraint_name"] == constraint;
    list["items"].as_array().unwrap().iter().filter(is_of).cloned().collect()
}

#[test]
fn violations_become_events_in_the_servers_namespace() {
    with_server("reports", &[], |environment, admit, namespace| {
        let message = create(environment, namespace, "told");
        let id = message.split_once("(decision ").unwrap().1.split(')').next().unwrap().to_owned();
        let found = || events(environment, "admit-system", "told", "reports-registries");
        assert!(wait_until(LATER, || !found().is_empty()), "{}", admit.log());
        let event = found().remove(0);
        assert_eq!((&event["type"], &event["reason"]), (&json!("Warning"), &json!("FailedAdmission")));
        let text = event["message"].as_str().unwrap();
        let expected = format!(
            "Admission webhook \"validation.gatekeeper.sh\" denied request, Resource Namespace: {namespace}, \
             Constraint: reports-registries, Message: container"
        );
        assert!(text.starts_with(&expected), "{text}");
        let involved = &event["involvedObject"];
        let uid = format!("Pod/{namespace}/told/K8sAllowedRepos//reports-registries");
        assert_eq!((&involved["kind"], &involved["namespace"]), (&json!("Pod"), &json!("admit-system")));
        assert_eq!(involved["uid"], uid.as_str());
        let annotations = &event["metadata"]["annotations"];
        assert_eq!((&annotations["constraint_action"], &annotations["decision_id"]), (&json!("deny"), &json!(id)));
        assert_eq!((&annotations["process"], &annotations["resource_name"]), (&json!("admission"), &json!("told")));

        create(environment, namespace, "told");
        let is_counted = || found().len() == 1 && found()[0]["count"] == 2;
        assert!(wait_until(LATER, is_counted), "{:?}", found());
        check_log(admit, &id);
        check_metrics(admit);
    });
}

/// The lines of one decision, with Gatekeeper's keys.
fn check_log(admit: &AdmitServer, id: &str) {
    let lines: Vec<Value> = admit.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_decision = |text: &str| {
        let is_meant = |line: &&Value| line["decision_id"] == id && line["msg"].as_str().unwrap().starts_with(text);
        lines.iter().find(is_meant).unwrap_or_else(|| panic!("no {text:?} of {id} in {}", admit.log())).clone()
    };
    let violation = of_decision("denied admission: container");
    assert_eq!((&violation["semantic"], &violation["event_type"]), (&json!(true), &json!("violation")));
    assert!(
        violation["details"].is_object() && violation["constraint_enforcement_actions"] == json!([]),
        "{violation}"
    );
    let stats = of_decision("admission review request stats");
    let entry = &stats["execution_stats"][0];
    assert_eq!((&entry["scope"], &entry["statsFor"]), (&json!("template"), &json!("K8sAllowedRepos")), "{stats}");
    assert!(
        entry["stats"][0]["name"] == "templateRunTimeNS" && entry["stats"][0]["value"].as_u64() > Some(0),
        "{stats}"
    );
    assert_eq!(of_decision("request refused")["resource_name"], "told");
}

fn check_metrics(admit: &AdmitServer) {
    let metrics = admit.metrics();
    let of_constraint = "constraint_kind=\"K8sAllowedRepos\",constraint_name=\"reports-registries\"";
    for part in [
        format!("gatekeeper_constraint_verdicts_total{{{of_constraint},verdict=\"violated\"}}"),
        format!("gatekeeper_constraint_evaluation_duration_seconds_bucket{{le=\"+Inf\",{of_constraint}}}"),
        "gatekeeper_validation_request_count_total{admission_status=\"deny\",admission_dryrun=\"true\"}".to_owned(),
        "gatekeeper_watch_manager_watched_gvk ".to_owned(),
        "gatekeeper_admission_events_dropped_total 0".to_owned(),
    ] {
        assert!(metrics.contains(&part), "{part} is not in\n{metrics}");
    }
}

#[test]
fn events_stand_beside_objects_when_asked_for() {
    prepared().apply_file("deploy/manifests/events-beside-objects.yaml").checked();
    with_server("beside", &["--admission-events-involved-namespace"], |environment, admit, namespace| {
        let found = || events(environment, namespace, "probe", "beside-registries");
        assert!(wait_until(LATER, || !found().is_empty()), "{}", admit.log());
        let event = found().remove(0);
        assert_eq!(event["involvedObject"]["namespace"], namespace);
        let text = event["message"].as_str().unwrap();
        assert!(text.contains("denied request, Constraint: beside-registries, Message: "), "{text}");
    });
}

#[test]
fn a_flood_of_violations_is_left_out_and_counted() {
    with_server("flood", &[], |environment, admit, namespace| {
        let review = |number: usize| {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("flood-{number}"),
                "namespace": namespace}, "spec": {"containers": [{"name": "c", "image": "elsewhere/web:1"}]}});
            serde_json::to_vec(&json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request":
                {"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": namespace,
                "operation": "CREATE", "object": pod}}))
            .unwrap()
        };
        let (authority, address) = (environment.ca_pem(), ([127, 0, 0, 1], admit.port).into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = admit::server::loopback::LoopbackClient::connect(address, &authority).await.unwrap();
            for number in 0..300 {
                let (status, _) = client.post("/v1/admit?timeout=3s", review(number)).await.unwrap();
                assert_eq!(status, 200);
            }
        });
        let dropped = || {
            let metrics = admit.metrics();
            let line = metrics.lines().find_map(|line| line.strip_prefix("gatekeeper_admission_events_dropped_total "));
            line.unwrap().parse::<u64>().unwrap()
        };
        assert!(wait_until(Duration::from_secs(30), || dropped() > 50), "{}", dropped());
    });
}
