//! What keeps tests apart that share one API server: a namespace each, and webhooks that see nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AdmitServer, Environment, User, kubectl::Output, wait_until};

/// The label of everything that belongs to the test of that name.
const LABEL: &str = "admit-test";

/// The part of the API server that belongs to one test: the namespaces with the label `admit-test: NAME`, what is in
/// them, and cluster-scoped objects with that label.
pub(crate) struct Scope {
    environment: &'static Environment,
    name: String,
}

impl Environment {
    /// Makes the namespace `test-NAME`. Each test has its own `name`.
    #[track_caller]
    pub(crate) fn scope(&'static self, name: &str) -> Scope {
        let scope = Scope { environment: self, name: name.to_owned() };
        scope.add_namespace("");
        scope
    }

    /// Applies a webhook configuration (of either kind); it is deleted when the returned value is dropped.
    #[track_caller]
    pub(crate) fn register(&'static self, configuration: &Value) -> RegisteredWebhook {
        self.apply(&configuration.to_string()).checked();
        RegisteredWebhook { environment: self, configuration: configuration.clone() }
    }
}

impl Scope {
    pub(crate) fn namespace(&self) -> String {
        format!("test-{}", self.name)
    }

    /// Makes another namespace in this scope, `test-NAME` with `suffix` behind it, and returns its name.
    #[track_caller]
    pub(crate) fn add_namespace(&self, suffix: &str) -> String {
        let name = format!("{}{suffix}", self.namespace());
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": self.labels() } });
        self.environment.apply(&namespace.to_string()).checked();
        name
    }

    /// What an object outside of the namespace needs in its `metadata.labels` to belong to this test.
    pub(crate) fn labels(&self) -> Value {
        json!({ LABEL: self.name })
    }

    /// The validating webhook of `admit`, for this scope only. To change a field, change the value.
    pub(crate) fn webhook_configuration(&self, admit: &AdmitServer, failure_policy: &str) -> Value {
        let selector = json!({ "matchLabels": self.labels() });
        let mut configuration = webhook_configuration(
            &format!("test-{}", self.name),
            admit.port,
            &self.environment.ca_pem(),
            failure_policy,
            &selector,
        );
        configuration["webhooks"][0]["matchConditions"] = json!([self.match_condition()]);
        configuration
    }

    /// Registers [`Scope::webhook_configuration`].
    #[track_caller]
    pub(crate) fn register(&self, admit: &AdmitServer, failure_policy: &str) -> RegisteredWebhook {
        self.environment.register(&self.webhook_configuration(admit, failure_policy))
    }

    /// A namespaceSelector holds back no cluster-scoped object but namespaces; this does.
    fn match_condition(&self) -> Value {
        json!({ "name": "belongs-to-the-test", "expression": format!(
            "request.?namespace.orValue('') != '' || \
             [object, oldObject].exists(o, o != null && o.?metadata.labels[?'{LABEL}'].orValue('') == '{}')",
            self.name
        )})
    }
}

pub(crate) struct RegisteredWebhook {
    environment: &'static Environment,
    configuration: Value,
}

impl RegisteredWebhook {
    fn delete(&self) -> Output {
        let text = self.configuration.to_string();
        self.environment.kubectl_as(User::Admin, &["delete", "--ignore-not-found", "-f", "-"], Some(&text))
    }
}

impl Drop for RegisteredWebhook {
    fn drop(&mut self) {
        // A webhook that stays behind can only refuse what belongs to this test; not worth a panic in a panic.
        let _ = wait_until(Duration::from_secs(5), || self.delete().success);
    }
}

/// A ValidatingWebhookConfiguration with one webhook, at `https://127.0.0.1:PORT/v1/admit`, for everything that
/// `namespace_selector` lets through.
pub(crate) fn webhook_configuration(
    name: &str,
    port: u16,
    ca_pem: &str,
    failure_policy: &str,
    namespace_selector: &Value,
) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": "validation.gatekeeper.sh",
            "clientConfig": { "url": format!("https://127.0.0.1:{port}/v1/admit"), "caBundle": base64(ca_pem) },
            "rules": [{ "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"],
                        "operations": ["CREATE", "UPDATE", "DELETE"] }],
            "namespaceSelector": namespace_selector,
            "failurePolicy": failure_policy,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1", "v1beta1"],
            "timeoutSeconds": 5,
        }],
    })
}

/// A MutatingWebhookConfiguration with one webhook, at `https://127.0.0.1:PORT/v1/mutate`, for everything that
/// `namespace_selector` lets through.
pub(crate) fn mutating_configuration(name: &str, port: u16, ca_pem: &str, namespace_selector: &Value) -> Value {
    let mut configuration = webhook_configuration(name, port, ca_pem, "Fail", namespace_selector);
    configuration["kind"] = json!("MutatingWebhookConfiguration");
    let webhook = &mut configuration["webhooks"][0];
    webhook["name"] = json!("mutation.gatekeeper.sh");
    webhook["clientConfig"]["url"] = json!(format!("https://127.0.0.1:{port}/v1/mutate"));
    webhook["rules"][0]["operations"] = json!(["CREATE", "UPDATE"]);
    configuration
}

pub(crate) fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |chunk: &[u8]| {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        [18, 12, 6, 0]
            .map(|shift| char::from(DIGITS[(bits >> shift) as usize & 63]))
            .into_iter()
            .take(chunk.len() + 1)
            .collect()
    };
    let mut encoded: String = text.as_bytes().chunks(3).map(encode).collect::<Vec<String>>().concat();
    while !encoded.len().is_multiple_of(4) {
        encoded.push('=');
    }
    encoded
}
