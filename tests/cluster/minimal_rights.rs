//! The rights in deploy/manifests/rbac.yaml are those that admit uses: each of them by some request, and none is lacking.
//!
//! One process does everything that there is to do, and the API server's audit log says what it has asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::environment::scope::webhook_configuration;
use super::environment::{ADMIT_NAMESPACE, AdmitServer, Environment, wait_until};
use super::{apply_constraint, judge};

/// For requests that are made now and then only, and on a busy machine.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// Rights that no request of this test shows, and why they are needed. Group, resource, verb.
const UNSEEN: &[(&str, &str, &str, &str)] = &[(
    "templates.gatekeeper.sh",
    "constrainttemplates/finalizers",
    "update",
    "asked for by an admission plugin: to own CRDs",
)];

/// One verb on one resource, in one namespace or everywhere.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// Empty for everywhere.
    namespace: String,
    group: String,
    resource: String,
    /// Of the one object; empty for any.
    name: String,
    verb: String,
}

/// The rights that the manifest grants.
fn granted() -> Vec<Right> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/rbac.yaml");
    let (documents, errors) = admit::manifest::read(&[path.into()], None);
    assert!(errors.is_empty(), "{errors:?}");
    let documents = documents.iter().map(admit::manifest::Document::value);
    let mut rights = Vec::new();
    for role in documents.filter(|one| ["Role", "ClusterRole"].contains(&one["kind"].as_str().unwrap())) {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        for rule in role["rules"].as_array().unwrap() {
            let words = |key: &str| -> Vec<String> { serde_json::from_value(rule[key].clone()).unwrap_or_default() };
            let names = Some(words("resourceNames")).filter(|names| !names.is_empty()).unwrap_or(vec![String::new()]);
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for (name, verb) in
                        names.iter().flat_map(|name| words("verbs").into_iter().map(move |verb| (name, verb)))
                    {
                        let (namespace, group, resource) = (namespace.to_owned(), group.clone(), resource.clone());
                        rights.push(Right { namespace, group, resource, name: name.clone(), verb });
                    }
                }
            }
        }
    }
    assert!(rights.len() > 40, "{rights:?}");
    rights
}

/// The rights that a request of the audit log has used.
fn used(event: &Value) -> Vec<Right> {
    let (reference, text) = (&event["objectRef"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
    let resource = match reference["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&reference["resource"])),
        None => text(&reference["resource"]),
    };
    let right = |verb: &str| Right {
        namespace: text(&reference["namespace"]),
        group: text(&reference["apiGroup"]),
        resource: resource.clone(),
        name: text(&reference["name"]),
        verb: verb.to_owned(),
    };
    // Applying what is not there yet needs the right to create as well.
    let is_new = event["responseStatus"]["code"] == 201 && event["verb"] == "patch";
    [Some(right(&text(&event["verb"]))), is_new.then(|| right("create"))].into_iter().flatten().collect()
}

impl Right {
    fn allows(&self, used: &Self) -> bool {
        let of_any = |subresource: &str| used.resource.ends_with(subresource);
        let is_resource = match self.resource.as_str() {
            "*" => !used.resource.contains('/'),
            "*/status" => of_any("/status"),
            name => name == used.resource,
        };
        is_resource
            && self.verb == used.verb
            && self.group == used.group
            && (self.namespace.is_empty() || self.namespace == used.namespace)
            && (self.name.is_empty() || self.name == used.name)
    }
}

fn unused(environment: &Environment) -> Vec<Right> {
    let used: BTreeSet<Right> = environment.audit_events().iter().flat_map(used).collect();
    let is_unseen = |right: &Right| {
        UNSEEN.iter().any(|(group, resource, verb, _)| {
            (right.group.as_str(), right.resource.as_str(), right.verb.as_str()) == (group, resource, verb)
        })
    };
    granted().into_iter().filter(|right| !is_unseen(right) && !used.iter().any(|one| right.allows(one))).collect()
}

const KIND: &str = "K8sUsesRights";
const SAYS_NO: &str = "package a\nviolation[{\"msg\": \"no\"}] { true }";
const RUNS_AWAY: &str = r#"package a
digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
violation[{"msg": "loops"}] {
  d := digits[_]; e := digits[_]; f := digits[_]; g := digits[_]; h := digits[_]; i := digits[_]; j := digits[_]
  k := digits[_]; l := digits[_]; m := digits[_]; d + e + f + g + h + i + j + k + l + m < 0
}
"#;

fn template(rego: &str) -> String {
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": KIND.to_lowercase()}, "spec": {"crd": {"spec": {"names": {"kind": KIND}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
    .to_string()
}

/// What admit reads at start, and the configurations whose bundles it writes.
fn prepare(environment: &'static Environment) {
    super::apply_crds(environment);
    let services = json!({"group": "", "version": "v1", "kind": "Service"});
    for object in [
        json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "services"},
            "spec": {"gvks": [services]}}),
        json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config", "namespace": ADMIT_NAMESPACE}, "spec": {}}),
    ] {
        environment.apply(&object.to_string()).checked();
    }
    for (api_version, kind, spec) in [
        (
            "mutations.gatekeeper.sh/v1",
            "AssignMetadata",
            json!({"location": "metadata.labels.a", "parameters": {"assign": {"value": "b"}}}),
        ),
        ("expansion.gatekeeper.sh/v1alpha1", "ExpansionTemplate", json!({})),
        ("externaldata.gatekeeper.sh/v1beta1", "Provider", json!({"url": "http://127.0.0.1:1"})),
    ] {
        let object =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "uses-rights"}, "spec": spec});
        environment.apply(&object.to_string()).checked();
    }
    // Nothing is ever sent there: what is sent is sent to the port.
    let nothing = json!({"matchLabels": {"nobody": "has-this"}});
    for kind in ["Validating", "Mutating"] {
        let name = format!("gatekeeper-{}-webhook-configuration", kind.to_lowercase());
        let mut configuration = webhook_configuration(&name, 1, &environment.ca_pem(), "Ignore", &nothing);
        configuration["kind"] = json!(format!("{kind}WebhookConfiguration"));
        configuration["webhooks"][0]["clientConfig"] =
            json!({"service": {"name": SERVICE, "namespace": ADMIT_NAMESPACE}});
        environment.apply(&configuration.to_string()).checked();
    }
}

const SERVICE: &str = "gatekeeper-webhook-service";

#[test]
fn every_right_is_used_and_none_is_lacking() {
    let (_turn, environment) = Environment::to_break();
    prepare(environment);
    let keeper = AdmitServer::begin(
        environment,
        &["--shutdown-delay=0", &format!("--cert-service-name={SERVICE}"), "--cert-rotation-pause=2"],
    );
    let flags = [
        "--shutdown-delay=0",
        "--emit-admission-events",
        "--evaluation-timeout=100",
        "--narrow-webhook-rules",
        "--narrow-webhook-rules-pause=1",
    ];
    let mut admit = AdmitServer::start(environment, &flags);
    environment.apply(&template(SAYS_NO)).checked();
    let constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": KIND,
        "metadata": {"name": "uses-rights"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}]}}});
    apply_constraint(environment, &constraint);
    let expect = |admit: &AdmitServer, text: &str| {
        let says_it = || judge(environment, admit, "default").contains(text);
        assert!(wait_until(EVENTUALLY, says_it), "{text}: {}\n{}", judge(environment, admit, "default"), admit.log());
    };
    expect(&admit, "[uses-rights] no");
    // A Namespace that no watch has told of is asked for.
    judge(environment, &admit, "not-there");
    for _ in 0..2 {
        environment.apply(&template(RUNS_AWAY)).checked();
        expect(&admit, "policy is set aside");
        // It is looked for once a second whether something is set aside.
        std::thread::sleep(Duration::from_secs(2));
        environment.apply(&template(SAYS_NO)).checked();
        expect(&admit, "[uses-rights] no");
        std::thread::sleep(Duration::from_secs(2));
    }
    // A certificate that is no certificate is replaced.
    let secret = ["secret", "gatekeeper-webhook-server-cert", "-n", ADMIT_NAMESPACE];
    let has_secret = || environment.kubectl(&[&["get"], &secret[..]].concat()).success;
    assert!(wait_until(EVENTUALLY, has_secret), "{}", keeper.log());
    let broken = r#"{"stringData": {"tls.crt": "broken"}}"#;
    environment.kubectl(&[&["patch"], &secret[..], &["--type=merge", "-p", broken]].concat()).checked();

    // What is said of it is removed, and at the end what is said of all.
    environment.kubectl(&["delete", KIND, "uses-rights"]).checked();
    let is_left = |right: &Right| right.verb != "delete";
    let _ = wait_until(EVENTUALLY, || !unused(environment).iter().any(is_left));
    assert!(admit.terminate().is_some_and(|status| status.success()), "{}", admit.log());
    let is_used_up = wait_until(EVENTUALLY, || unused(environment).is_empty());
    let unused = unused(environment);
    let is_refused = |event: &&Value| event["responseStatus"]["code"] == 403;
    let of = |event: Value| format!("{} {}", event["verb"], event["requestURI"]);
    let refused: BTreeSet<String> = environment.audit_events().iter().filter(is_refused).cloned().map(of).collect();
    assert!(refused.is_empty(), "rights that are lacking in rbac.yaml: {refused:#?}");
    assert!(is_used_up, "rights in rbac.yaml that nothing uses: {unused:#?}\n{}\n{}", admit.log(), keeper.log());
}
