//! What policies read of other objects and do not find: their statuses say so, and nothing else waits for it.

use serde_json::{Value, json};

use super::environment::{ADMIT_NAMESPACE, Environment, wait_until};
use super::roles::{allow_in, start_in};
use super::{LATER, apply_constraint, prepared, start};

fn template(kind: &str, api_version: &str, read: &str, annotation: Option<&str>) -> String {
    let rego = format!(
        "package a\nviolation[{{\"msg\": \"x\"}}] {{\n  \
         data.inventory.namespace[_][\"{api_version}\"][\"{read}\"][_].metadata.labels.x == input.review.object.x\n}}\n"
    );
    let mut template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()}, "spec": {"crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}});
    if let Some(text) = annotation {
        template["metadata"]["annotations"] = json!({"metadata.gatekeeper.sh/requires-sync-data": text});
    }
    template.to_string()
}

fn constraint(kind: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": kind.to_lowercase()},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}], "namespaces": ["nowhere"]}}})
}

fn sync_set(name: &str, group: &str, version: &str, kind: &str) -> String {
    json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": name},
        "spec": {"gvks": [{"group": group, "version": version, "kind": kind}]}})
    .to_string()
}

fn status(environment: &Environment, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["get"].into_iter().chain(arguments.iter().copied()).chain(["-o", "json"]).collect();
    serde_json::from_str::<Value>(&environment.kubectl(&all).checked().stdout).unwrap()["status"].take()
}

fn entry(status: &Value, id: &str) -> Value {
    let entries = status["byPod"].as_array().cloned().unwrap_or_default();
    entries.into_iter().find(|entry| entry["id"] == id).unwrap_or_default()
}

fn condition(status: &Value, name: &str) -> Value {
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == name).unwrap_or_default()
}

#[test]
fn a_policy_whose_data_is_not_synced_says_so_until_it_is() {
    let environment = prepared();
    // Other tests sync Services; nobody but this one, Endpoints.
    let rule = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "sync-endpoints"},
        "rules": [{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get", "list", "watch"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "sync-endpoints"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sync-endpoints"},
        "subjects": [{"kind": "ServiceAccount", "name": "admit", "namespace": "admit-system"}]});
    environment.apply(&template("K8sReadsEndpoints", "v1", "Endpoints", None)).checked();
    let admit = start(environment);
    apply_constraint(environment, &constraint("K8sReadsEndpoints"));
    let status = || status(environment, &["k8sreadsendpoints", "k8sreadsendpoints"]);
    let mine = || entry(&status(), &admit.pod_name);
    let says = |text: &str| {
        let (mine, ready) = (mine(), condition(&status(), "Ready"));
        mine["errors"].to_string().contains(text) && ready["message"].as_str().unwrap_or_default().contains(text)
    };
    let unsynced =
        "the policy reads v1 Endpoints in data.inventory, which is not synced: no SyncSet and no Config names it";
    assert!(wait_until(LATER, || says(unsynced)), "{}\n{}", status(), admit.log());
    let found = status();
    let mine_now = mine();
    assert_eq!((&mine_now["enforced"], &mine_now["errors"][0]["code"]), (&json!(true), &json!("data_not_synced")));
    assert_eq!(condition(&found, "Ready")["reason"], "DataNotSynced");
    assert_eq!(condition(&found, "DataNotSynced")["status"], "True");

    environment.apply(&sync_set("endpoints", "", "v1", "Endpoints")).checked();
    assert!(wait_until(LATER, || says("let admit's ServiceAccount get, list and watch it")), "{}", status());
    environment.apply(&rule.to_string()).checked();
    environment.apply(&binding.to_string()).checked();
    let is_well = || mine().get("errors").is_none() && condition(&status(), "Ready")["status"] == "True";
    assert!(wait_until(LATER, is_well), "{}\n{}", status(), admit.log());
    assert_eq!(condition(&status(), "DataNotSynced"), Value::Null);

    environment.kubectl(&["delete", "syncset", "endpoints"]).checked();
    assert!(wait_until(LATER, || says(unsynced)), "{}", status());
}

#[test]
fn what_cannot_be_synced_holds_up_nobody() {
    let environment = prepared();
    let scope = environment.scope("unsyncable");
    let namespace = scope.namespace();
    allow_in(environment, &namespace);
    // Secrets may not be read; nobody knows a Gadget.
    environment.apply(&sync_set("unsyncable", "", "v1", "Secret")).checked();
    environment.apply(&template("K8sReadsSecrets", "v1", "Secret", None)).checked();
    environment.apply(&template("K8sReadsGadgets", "gadgets.example.com/v1", "Gadget", Some("[[oops"))).checked();
    let config = |name: &str| {
        json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": name, "namespace": namespace}, "spec": {"sync": {"syncOnly": [
                {"group": "gadgets.example.com", "version": "v1", "kind": "Gadget"},
                {"group": "apps", "version": "v1", "kind": "Gadget"}]}}})
    };
    environment.apply(&config("config").to_string()).checked();
    environment.apply(&config("other").to_string()).checked();
    // Nor does a template that is on its way out.
    let mut leaving: Value = serde_json::from_str(&template("K8sReadsLeaving", "v1", "Secret", None)).unwrap();
    leaving["metadata"]["finalizers"] = json!(["example.com/later"]);
    environment.apply(&leaving.to_string()).checked();
    environment.kubectl(&["delete", "constrainttemplate", "k8sreadsleaving", "--wait=false"]).checked();
    // Ready is what it is when it is started.
    let admit = start_in(environment, &namespace, &[]);
    let of = |arguments: &[&str]| status(environment, arguments);
    let of_config = |name: &str| of(&["config", name, "-n", &namespace]);
    for (name, texts) in [
        ("config", ["does not know kind gadgets.example.com/v1", "does not know kind apps/v1"]),
        ("other", ["\"type\":\"ignored\"", "config resource must have name 'config'"]),
    ] {
        let errors = || entry(&of_config(name), &admit.pod_name)["errors"].to_string();
        let says_all = || texts.iter().all(|text| errors().contains(text));
        assert!(wait_until(LATER, says_all), "{name}: {}\n{}", errors(), admit.log());
        assert!(wait_until(LATER, || condition(&of_config(name), "Ready")["status"] == "False"), "{}", of_config(name));
    }
    for (kind, text) in [("K8sReadsSecrets", "may not be read"), ("K8sReadsGadgets", "does not know kind")] {
        apply_constraint(environment, &constraint(kind));
        let name = kind.to_lowercase();
        let mine = || entry(&of(&[&name, &name]), &admit.pod_name);
        let says = || mine()["errors"].to_string().contains(text) && mine()["enforced"] == true;
        assert!(wait_until(LATER, says), "{kind}: {}\n{}", mine(), admit.log());
    }
    let names = ["get", "constrainttemplatepodstatuses", "-n", &namespace, "-o", "name"];
    let names = environment.kubectl(&names).checked().stdout;
    assert!(names.contains("k8sreadssecrets") && !names.contains("k8sreadsleaving"), "{names}");
    let patch = r#"{"metadata": {"finalizers": []}}"#;
    environment.kubectl(&["patch", "constrainttemplate", "k8sreadsleaving", "--type=merge", "-p", patch]).checked();
    // An annotation that cannot be read is told, and stops nothing.
    let template = || of(&["constrainttemplate", "k8sreadsgadgets"]);
    let error = || entry(&template(), &admit.pod_name)["errors"][0].clone();
    assert!(wait_until(LATER, || error()["code"] == "sync_annotation_warning"), "{}", template());
    assert!(wait_until(LATER, || condition(&template(), "Ready")["status"] == "True"), "{}", template());
    assert_eq!(template()["created"], true);

    // Another one, started while all of this is there, is ready too; it goes by the Config of its own namespace.
    let other = start(environment);
    let elsewhere = || entry(&of_config("config"), &other.pod_name)["errors"].to_string();
    let expected = format!("only the Config in namespace {ADMIT_NAMESPACE} counts");
    assert!(wait_until(LATER, || elsewhere().contains(&expected)), "{}", elsewhere());
    environment.kubectl(&["delete", "syncset", "unsyncable"]).checked();
    for name in ["config", "other"] {
        environment.kubectl(&["delete", "config", name, "-n", &namespace]).checked();
    }
}
