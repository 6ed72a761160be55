//! Templates, constraints and Configs on their way into a live API server, and the label that frees a namespace.

use serde_json::{Value, json};

use super::environment::{ADMIT_NAMESPACE, Environment, wait_until};
use super::{LATER, SOON, apply_constraint, prepared, start, start_with};

fn template(kind: &str, labels: &Value, rego: &str) -> String {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase(), "labels": labels},
        "spec": {"crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
    .to_string()
}

fn constraint(kind: &str, labels: &Value, namespaces: &str, spec: Value) -> Value {
    let mut constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
        "metadata": {"name": kind.to_lowercase(), "labels": labels}, "spec": spec});
    constraint["spec"]["match"] =
        json!({"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap", "Service"]}], "namespaces": [namespaces]});
    constraint
}

const REFUSES: &str = "package a\nviolation[{\"msg\": \"no way\"}] {\n  input.review.kind.kind == \"ConfigMap\"\n}\n";

#[test]
fn a_template_that_does_not_compile_is_not_taken() {
    let environment = prepared();
    let scope = environment.scope("own-template");
    let admit = start(environment);
    let labels = scope.labels();
    let _webhook = scope.register(&admit, "Fail");
    let broken = template("K8sOwnTemplate", &labels, "package a\nviolation[{\"msg\": msg}] {\n  msg = = \"x\"\n}\n");
    let refused = || environment.apply(&broken);
    let expected = "admission webhook \"validation.gatekeeper.sh\" denied the request: Could not ingest Rego: \
                    spec.targets[0].rego: 3:9: rego_parse_error";
    assert!(wait_until(LATER, || refused().stderr.contains(expected)), "{}\n{}", refused().stderr, admit.log());
    assert!(!environment.kubectl(&["get", "constrainttemplate", "k8sowntemplate"]).success);

    environment.apply(&template("K8sOwnTemplate", &labels, REFUSES)).checked();
    assert!(refused().stderr.contains(expected), "an update: {}", refused().stderr);
    let good = constraint("K8sOwnTemplate", &labels, &scope.namespace(), json!({}));
    apply_constraint(environment, &good);
    let bad = constraint("K8sOwnTemplate", &labels, &scope.namespace(), json!({"enforcementAction": "block"}));
    let output = environment.apply(&bad.to_string());
    let expected =
        "unrecognized enforcementAction: \"block\" is not within the supported list [deny dryrun warn scoped]";
    assert!(!output.success && output.stderr.contains(expected), "{}", output.stderr);
    environment.kubectl(&["delete", "k8sowntemplate", "k8sowntemplate"]).checked();
    environment.kubectl(&["delete", "constrainttemplate", "k8sowntemplate"]).checked();
}

fn config(namespace: &str, name: &str, labels: &Value, entries: &Value) -> Value {
    json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": {"match": entries}})
}

fn config_errors(environment: &Environment, namespace: &str, pod: &str) -> String {
    let output = environment.kubectl(&["get", "config", "config", "-n", namespace, "-o", "json"]).checked();
    let status = serde_json::from_str::<Value>(&output.stdout).unwrap()["status"].take();
    let entries = status["byPod"].as_array().cloned().unwrap_or_default();
    entries
        .iter()
        .filter(|entry| entry["id"] == *pod)
        .map(|entry| format!("{} {}", entry["configUID"], entry["errors"]))
        .collect()
}

/// One test for all that the Config says: there is only one that counts.
#[test]
fn a_config_excludes_namespaces_while_it_is_there() {
    let environment = prepared();
    let scope = environment.scope("own-config");
    let (namespace, labels) = (scope.namespace(), scope.labels());
    let unique = "package a\nviolation[{\"msg\": msg}] {\n  \
                  other := data.inventory.namespace[_][\"v1\"][\"Service\"][name]\n  \
                  other.metadata.labels.color == input.review.object.metadata.labels.color\n  \
                  name != input.review.object.metadata.name\n  msg := concat(\" \", [\"like\", name])\n}\n";
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}, "metadata": {"name": name,
            "namespace": namespace, "labels": {"color": "mauve"}}})
        .to_string()
    };
    environment.apply(&service("mauve")).checked();
    let sync = json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet",
        "metadata": {"name": "own-config"}, "spec": {"gvks": [{"group": "", "version": "v1", "kind": "Service"}]}});
    environment.apply(&sync.to_string()).checked();
    environment.apply(&template("K8sOwnConfig", &labels, REFUSES)).checked();
    environment.apply(&template("K8sOwnSync", &labels, unique)).checked();
    let admit = start(environment);
    apply_constraint(environment, &constraint("K8sOwnConfig", &labels, &namespace, json!({})));
    apply_constraint(environment, &constraint("K8sOwnSync", &labels, &namespace, json!({})));
    let _webhook = scope.register(&admit, "Fail");
    let probe = || environment.kubectl(&["create", "configmap", "probe", "-n", &namespace, "--dry-run=server"]).stderr;
    let compare = || {
        let text = service("other");
        environment
            .kubectl_as(super::environment::User::Admin, &["create", "--dry-run=server", "-f", "-"], Some(&text))
            .stderr
    };
    assert!(wait_until(LATER, || probe().contains("no way")), "{}\n{}", probe(), admit.log());
    assert!(wait_until(LATER, || compare().contains("like mauve")), "{}\n{}", compare(), admit.log());

    let entry = |process: &str| json!([{"excludedNamespaces": [format!("{namespace}*")], "processes": [process]}]);
    let apply = |process: &str| {
        environment.apply(&config(ADMIT_NAMESPACE, "config", &labels, &entry(process)).to_string()).checked()
    };
    apply("webhook");
    assert!(wait_until(SOON, || probe().is_empty()), "{}\n{}", probe(), admit.log());
    // Another process: requests are judged again, and the objects leave the inventory.
    apply("sync");
    assert!(wait_until(SOON, || probe().contains("no way")), "{}", probe());
    assert!(wait_until(SOON, || compare().is_empty()), "{}", compare());
    // They come back as they were.
    apply("audit");
    assert!(wait_until(LATER, || compare().contains("like mauve")), "{}\n{}", compare(), admit.log());
    let mut traced = config(ADMIT_NAMESPACE, "config", &labels, &entry("audit"));
    traced["spec"]["validation"] =
        json!({"traces": [{"user": "admin", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}}]});
    environment.apply(&traced.to_string()).checked();
    let is_traced = || {
        assert!(probe().contains("no way"));
        let log = admit.log();
        log.contains("request traced") && log.contains("constraint K8sOwnConfig/k8sownconfig")
    };
    assert!(wait_until(LATER, is_traced), "{}", admit.log());
    apply("webhook");
    assert!(wait_until(SOON, || probe().is_empty()), "{}", probe());
    assert!(wait_until(LATER, || config_errors(environment, ADMIT_NAMESPACE, &admit.pod_name).ends_with(" null")));

    // One elsewhere has no effect, and says so; one of another name is refused.
    let elsewhere = config(&namespace, "config", &labels, &entry("*"));
    let output = environment.apply(&config(&namespace, "other", &labels, &entry("*")).to_string());
    let text = "denied the request: config resource must have name 'config'";
    assert!(!output.success && output.stderr.contains(text), "also in a namespace that is excluded: {}", output.stderr);
    environment.apply(&elsewhere.to_string()).checked();
    let expected = format!("only the Config in namespace {ADMIT_NAMESPACE} counts");
    let errors = || config_errors(environment, &namespace, &admit.pod_name);
    assert!(wait_until(LATER, || errors().contains(&expected)), "{}\n{}", errors(), admit.log());
    assert!(admit.log().contains(&expected), "{}", admit.log());
    environment.kubectl(&["delete", "config", "config", "-n", ADMIT_NAMESPACE]).checked();
    assert!(wait_until(SOON, || probe().contains("no way")), "what the Config excluded: {}", probe());
}

#[test]
fn only_an_exempt_namespace_gets_the_ignore_label() {
    let environment = prepared();
    let scope = environment.scope("own-label");
    let exempt = scope.add_namespace("-exempt");
    let admit = start_with(environment, &["--shutdown-delay=0", &format!("-exempt-namespace={exempt}")]);
    let mut configuration = scope.webhook_configuration(&admit, "Fail");
    let webhook = &mut configuration["webhooks"][0];
    webhook["name"] = json!("check-ignore-label.gatekeeper.sh");
    webhook["clientConfig"]["url"] = json!(format!("https://127.0.0.1:{}/v1/admitlabel", admit.port));
    webhook["rules"] = json!([{"apiGroups": [""], "apiVersions": ["*"], "resources": ["namespaces"],
        "operations": ["CREATE", "UPDATE"]}]);
    let _webhook = environment.register(&configuration);
    let label = |namespace: &str, label: &str| environment.kubectl(&["label", "namespace", namespace, label]);
    let ignore = |namespace: &str| label(namespace, "admission.gatekeeper.sh/ignore=yes");
    let expected = "admission webhook \"check-ignore-label.gatekeeper.sh\" denied the request: Only exempt namespace can \
                    have the admission.gatekeeper.sh/ignore label";
    let dry_run = || {
        let text = "admission.gatekeeper.sh/ignore=yes";
        environment.kubectl(&["label", "namespace", &scope.namespace(), text, "--dry-run=server"]).stderr
    };
    assert!(wait_until(LATER, || dry_run().contains(expected)), "{}\n{}", dry_run(), admit.log());
    assert!(ignore(&scope.namespace()).stderr.contains(expected));
    ignore(&exempt).checked();
    label(&scope.namespace(), "other=yes").checked();
}
