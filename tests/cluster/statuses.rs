//! Statuses: what each process says, what one of them makes of it all, and what is left when a process is gone.
//!
//! Other tests' processes share the API server, and say something of every object, too.

use std::time::Duration;

use serde_json::{Value, json};

use super::environment::{ADMIT_NAMESPACE, AdmitServer, Environment, wait_until};
use super::roles::{allow_in, forget_statuses, start_in};
use super::{LATER, apply_constraint, prepared, start};

const GOOD: &str = "package a\nviolation[{\"msg\": \"x\"}] { false }\n";
const BROKEN: &str = "package a\nviolation[{\"msg\": msg}] {\n  msg = = \"x\"\n}\n";

fn template(kind: &str, rego: &str) -> String {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()}, "spec": {"crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
    .to_string()
}

fn constraint(kind: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": kind.to_lowercase()},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}], "namespaces": ["nowhere"]}}})
}

fn object(environment: &Environment, resource: &str, name: &str) -> Value {
    let output = environment.kubectl(&["get", resource, name, "-o", "json"]).checked();
    serde_json::from_str(&output.stdout).unwrap()
}

fn entries(object: &Value) -> Vec<Value> {
    object["status"]["byPod"].as_array().cloned().unwrap_or_default()
}

fn entry(object: &Value, id: &str) -> Option<Value> {
    entries(object).into_iter().find(|entry| entry["id"] == id)
}

fn condition(object: &Value, name: &str) -> Option<Value> {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == name)
}

/// The object with that name of that kind of PodStatus, if there is one.
fn pod_status(environment: &Environment, kind: &str, namespace: &str, name: &str) -> Option<Value> {
    let arguments = ["get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json"];
    serde_json::from_str(&environment.kubectl(&arguments).checked().stdout).ok()
}

fn wait_for_ready(environment: &Environment, object: &str) {
    environment.kubectl(&["wait", "--for=condition=Ready", "--timeout=20s", object]).checked();
}

#[test]
fn every_process_has_its_entry_and_one_makes_the_conditions() {
    let environment = prepared();
    let first = start(environment);
    let second = super::start_with(environment, &["--shutdown-delay=0", "--operation=webhook"]);
    environment.apply(&template("K8sStatusTwo", GOOD)).checked();
    wait_for_ready(environment, "constrainttemplate/k8sstatustwo");
    environment.apply(&constraint("K8sStatusTwo").to_string()).checked();
    wait_for_ready(environment, "k8sstatustwo/k8sstatustwo");

    let constraint = || object(environment, "k8sstatustwo", "k8sstatustwo");
    let has_both = || [&first, &second].iter().all(|server| entry(&constraint(), &server.pod_name).is_some());
    assert!(wait_until(LATER, has_both), "{}\n{}\n{}", constraint()["status"], first.log(), second.log());
    let found = constraint();
    let ids: Vec<String> = entries(&found).iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    let of_second = entry(&found, &second.pod_name).unwrap();
    assert_eq!(
        of_second,
        json!({"id": second.pod_name, "observedGeneration": 1, "operations": ["webhook"], "enforced": true,
            "constraintUID": found["metadata"]["uid"]})
    );
    let ready = condition(&found, "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("True"), &json!("InForce")));
    assert_eq!((&ready["observedGeneration"], &found["status"]["observedGeneration"]), (&json!(1), &json!(1)));

    // What it is made of, as Gatekeeper names and labels it.
    let name = format!("{}-k8sstatustwo-k8sstatustwo", second.pod_name.replace('-', "--"));
    let source = pod_status(environment, "constraintpodstatuses", ADMIT_NAMESPACE, &name).unwrap();
    assert_eq!(source["status"], of_second);
    let labels = &source["metadata"]["labels"];
    assert_eq!(labels["internal.gatekeeper.sh/constraint-kind"], "K8sStatusTwo");
    assert_eq!(labels["internal.gatekeeper.sh/constraint-name"], "k8sstatustwo");
    assert_eq!(labels["internal.gatekeeper.sh/pod"], second.pod_name.as_str());
    assert!(source["metadata"].get("ownerReferences").is_none(), "no Pod has its name: {source}");

    // A process that ends takes its entry with it; what says of an object that is gone goes, too.
    let mut second = second;
    second.terminate();
    assert!(second.log().contains("removed what this process said"), "{}", second.log());
    let has_one = || entries(&constraint()).iter().any(|entry| entry["id"] == first.pod_name.as_str());
    let is_gone = || !entries(&constraint()).iter().any(|entry| entry["id"] == of_second["id"]);
    assert!(wait_until(LATER, || is_gone() && has_one()), "{}\n{}", constraint()["status"], first.log());
    let name = format!("{}-k8sstatustwo-k8sstatustwo", first.pod_name.replace('-', "--"));
    let is_there = || pod_status(environment, "constraintpodstatuses", ADMIT_NAMESPACE, &name).is_some();
    assert!(is_there());
    environment.kubectl(&["delete", "k8sstatustwo", "k8sstatustwo"]).checked();
    assert!(wait_until(LATER, || !is_there()), "{}", first.log());
}

#[test]
fn a_broken_template_is_stalled_until_it_is_mended_and_stays_created() {
    let environment = prepared();
    let admit = start(environment);
    let template_now = || object(environment, "constrainttemplate", "k8sstatusbroken");
    let is = |name: &str, status: &str| {
        let template = template_now();
        let is_told = entry(&template, &admit.pod_name).is_some();
        is_told && condition(&template, name).is_some_and(|one| one["status"] == status)
    };
    environment.apply(&template("K8sStatusBroken", BROKEN)).checked();
    assert!(wait_until(LATER, || is("Stalled", "True") && is("Ready", "False")), "{}\n{}", template_now(), admit.log());
    let broken = template_now();
    assert_eq!(broken["status"]["created"], false);
    let error = &entry(&broken, &admit.pod_name).unwrap()["errors"][0];
    assert_eq!((&error["code"], &error["location"]), (&json!("ingest_error"), &json!("spec.targets[0].rego:3:9")));
    let ready = condition(&broken, "Ready").unwrap();
    assert_eq!(ready["reason"], "IngestError");
    assert!(ready["message"].as_str().unwrap().contains("Could not ingest Rego"), "{ready}");

    environment.apply(&template("K8sStatusBroken", GOOD)).checked();
    wait_for_ready(environment, "constrainttemplate/k8sstatusbroken");
    let good = template_now();
    assert_eq!((&good["status"]["created"], condition(&good, "Stalled")), (&json!(true), None));
    let transition = condition(&good, "Ready").unwrap()["lastTransitionTime"].clone();
    assert!(transition.as_str() >= ready["lastTransitionTime"].as_str(), "{transition} {ready}");

    environment.apply(&template("K8sStatusBroken", BROKEN)).checked();
    assert!(wait_until(LATER, || is("Stalled", "True")), "{}", template_now());
    assert_eq!(template_now()["status"]["created"], true, "it has been once");
    assert!(admit.is_ready());
}

/// A Pod that nothing runs, as the owner of what a process of its name says.
fn apply_pod(environment: &Environment, namespace: &str, name: &str) -> String {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/approved/web"}]}});
    environment.apply(&pod.to_string()).checked();
    let path = "-o=jsonpath={.metadata.uid}";
    environment.kubectl(&["get", "pod", name, "-n", namespace, path]).checked().stdout
}

#[test]
fn what_belongs_to_a_pod_goes_with_it() {
    let environment = prepared();
    let scope = environment.scope("departed");
    let namespace = scope.namespace();
    allow_in(environment, &namespace);
    environment.apply(&template("K8sDeparted", GOOD)).checked();
    // An entry that nobody stands for; a process outside of a cluster that ended hours ago, and one of Gatekeeper's.
    let patch = r#"{"status": {"byPod": [{"id": "somebody-else", "operations": []}]}}"#;
    let arguments = ["patch", "constrainttemplate", "k8sdeparted", "--subresource=status", "--type=merge", "-p", patch];
    environment.kubectl(&arguments).checked();
    let uid = object(environment, "constrainttemplate", "k8sdeparted")["metadata"]["uid"].clone();
    let status = |id: &str, labels: &Value, owners: &Value| {
        let text = json!({"apiVersion": "status.gatekeeper.sh/v1beta1", "kind": "ConstraintTemplatePodStatus",
            "metadata": {"name": format!("{id}-k8sdeparted"), "namespace": namespace, "labels": labels,
                "ownerReferences": owners, "annotations": {"status.gatekeeper.sh/renewed": "2020-01-01T00:00:00Z"}},
            "status": {"id": id, "templateUID": uid, "observedGeneration": 1, "operations": ["webhook"]}});
        environment.apply(&text.to_string()).checked();
    };
    status("laptop", &json!({"app.kubernetes.io/managed-by": "admit"}), &json!([]));
    status("gatekeeper", &json!({}), &json!([]));
    let evicted = json!([{"apiVersion": "v1", "kind": "Pod", "name": "evicted",
        "uid": apply_pod(environment, &namespace, "evicted")}]);
    let patch = r#"{"status": {"phase": "Failed", "reason": "Evicted"}}"#;
    environment
        .kubectl(&["patch", "pod", "evicted", "-n", &namespace, "--subresource=status", "--type=merge", "-p", patch])
        .checked();
    status("evicted", &json!({}), &evicted);
    let pod_uid = apply_pod(environment, &namespace, "departed-a");
    apply_pod(environment, &namespace, "departed-b");
    let mut first = start_in(environment, &namespace, &["--pod-name=departed-a", "--operation=webhook"]);
    let second = start_in(environment, &namespace, &["--pod-name=departed-b"]);

    let ids = || {
        let template = object(environment, "constrainttemplate", "k8sdeparted");
        entries(&template).iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let has = |id: &str| ids().iter().any(|one| one == id);
    let is_settled =
        || has("departed-a") && has("departed-b") && ["somebody-else", "laptop", "evicted"].iter().all(|id| !has(id));
    assert!(wait_until(LATER, is_settled), "{:?}\n{}", ids(), second.log());
    let name = "departed--a-k8sdeparted";
    let of_first = || pod_status(environment, "constrainttemplatepodstatuses", &namespace, name);
    assert_eq!(of_first().unwrap()["metadata"]["ownerReferences"][0]["uid"], pod_uid.as_str());

    // Killed, it can say nothing; what it said stays for as long as its Pod, which may come back.
    first.kill();
    std::thread::sleep(Duration::from_secs(1));
    assert!(of_first().is_some() && has("departed-a"));
    environment.kubectl(&["delete", "pod", "departed-a", "-n", &namespace, "--force", "--grace-period=0"]).checked();
    assert!(wait_until(LATER, || of_first().is_none() && !has("departed-a")), "{:?}\n{}", ids(), second.log());
    assert!(has("departed-b") && has("gatekeeper"), "{:?}", ids());
    drop(second);
    forget_statuses(environment, &namespace);
}

/// Versions of everything that statuses are about or made of, as far as it is of this test.
fn versions(environment: &Environment, namespace: &str, admit: &AdmitServer) -> Vec<String> {
    let version = "{.metadata.name} {.metadata.resourceVersion}\n";
    let path = format!("-o=jsonpath={{range .items[*]}}{version}{{end}}");
    let label = format!("internal.gatekeeper.sh/pod={}", admit.pod_name);
    let own = ["constrainttemplatepodstatuses", "constraintpodstatuses"]
        .map(|kind| environment.kubectl(&["get", kind, "-n", namespace, "-l", &label, &path]).checked().stdout);
    let single = format!("-o=jsonpath={version}");
    let parents = [["constrainttemplate", "k8sstatusquiet"], ["k8sstatusquiet", "k8sstatusquiet"]]
        .map(|[resource, name]| environment.kubectl(&["get", resource, name, &single]).checked().stdout);
    own.iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.contains("k8sstatusquiet"))
        .map(str::to_owned)
        .chain(parents)
        .collect()
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let environment = prepared();
    let scope = environment.scope("quiet");
    let namespace = scope.namespace();
    allow_in(environment, &namespace);
    let admit = start_in(environment, &namespace, &[]);
    environment.apply(&template("K8sStatusQuiet", GOOD)).checked();
    apply_constraint(environment, &constraint("K8sStatusQuiet"));
    wait_for_ready(environment, "constrainttemplate/k8sstatusquiet");
    wait_for_ready(environment, "k8sstatusquiet/k8sstatusquiet");
    let is_told = || versions(environment, &namespace, &admit).len() == 4;
    assert!(wait_until(LATER, is_told), "{:?}\n{}", versions(environment, &namespace, &admit), admit.log());
    // Servers of other tests come and go: a few seconds in which none did are to be found.
    let is_quiet = || {
        let before = versions(environment, &namespace, &admit);
        assert_eq!(before.len(), 4, "{before:?}");
        let said = || {
            ["constrainttemplate", "k8sstatusquiet"]
                .map(|resource| object(environment, resource, "k8sstatusquiet")["status"]["byPod"].clone())
        };
        let said_before = said();
        std::thread::sleep(Duration::from_secs(4));
        let after = versions(environment, &namespace, &admit);
        assert_eq!(before[..2], after[..2], "its own: {}", admit.log());
        assert!(
            before == after || said() != said_before,
            "written without need: {before:?} {after:?}\n{}",
            admit.log()
        );
        before == after
    };
    assert!(
        wait_until(Duration::from_secs(60), is_quiet),
        "{:?}\n{}",
        versions(environment, &namespace, &admit),
        admit.log()
    );
}
