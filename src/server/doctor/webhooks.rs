//! A webhook as its configuration has it, and which requests the API server sends to it.
//!
//! Assumptions: `matchConditions` cannot be judged without a request, so what they might let pass is told as such; an
//! `objectSelector` is judged for an object without labels. Objects of admissionregistration.k8s.io are never sent to
//! webhooks, so that a webhook cannot keep its own configuration from being mended.

use serde_json::{Map, Value, json};

use super::{Facts, Finding, Severity};
use crate::model::object::{FieldPath, LabelSelector, Labels, Object};

/// One entry of `webhooks`.
#[derive(Clone, Debug)]
pub(in crate::server) struct Webhook {
    pub(in crate::server) configuration: String,
    pub(in crate::server) is_mutating: bool,
    /// Whether its configuration is one of admit's, by name.
    pub(in crate::server) is_own: bool,
    pub(in crate::server) name: String,
    pub(in crate::server) target: Target,
    position: usize,
    value: Value,
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Target {
    Service {
        namespace: String,
        name: String,
        port: i64,
        path: String,
    },
    Url(String),
    /// Neither, or both.
    Unclear,
}

/// A request that an API server may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    /// `None` for what is cluster-scoped.
    pub(super) namespace: Option<&'a str>,
    pub(super) operations: &'a [&'a str],
}

/// The webhooks of all configurations that were read: those that mutate first, by configuration, in order.
pub(in crate::server) fn webhooks(facts: &Facts) -> Vec<Webhook> {
    let of = |objects: &super::Asked<Vec<Object>>, is_mutating: bool, own: &str| {
        let mut objects: Vec<Object> = objects.iter().flatten().cloned().collect();
        objects.sort_by(|one, other| one.name().cmp(other.name()));
        objects.into_iter().flat_map(|one| entries(&one, is_mutating, one.name() == own)).collect::<Vec<_>>()
    };
    let mut all = of(&facts.mutating, true, &facts.names.mutating);
    all.extend(of(&facts.validating, false, &facts.names.validating));
    all
}

fn entries(configuration: &Object, is_mutating: bool, is_own: bool) -> Vec<Webhook> {
    let entries = configuration.field(&["webhooks"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let webhook = |(position, value): (usize, Value)| Webhook {
        configuration: configuration.name().to_owned(),
        is_mutating,
        is_own,
        name: text(&value, "/name").to_owned(),
        target: target(&value),
        position,
        value,
    };
    entries.into_iter().enumerate().map(webhook).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn target(value: &Value) -> Target {
    let service = value.pointer("/clientConfig/service").filter(|service| service.is_object());
    let url = value.pointer("/clientConfig/url").and_then(Value::as_str);
    match (service, url) {
        (Some(service), None) => Target::Service {
            namespace: text(service, "/namespace").to_owned(),
            name: text(service, "/name").to_owned(),
            port: service.get("port").and_then(Value::as_i64).unwrap_or(443),
            path: text(service, "/path").to_owned(),
        },
        (None, Some(url)) => Target::Url(url.to_owned()),
        _ => Target::Unclear,
    }
}

impl Webhook {
    /// The configuration that it is in, as findings name objects.
    pub(super) fn object(&self) -> String {
        let kind = if self.is_mutating { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
        format!("{kind} {}", self.configuration)
    }

    /// `kubectl edit` of the configuration.
    pub(super) fn edit(&self) -> String {
        format!("kubectl edit {} {}", self.resource(), self.configuration)
    }

    fn resource(&self) -> &'static str {
        if self.is_mutating { "mutatingwebhookconfiguration" } else { "validatingwebhookconfiguration" }
    }

    /// A `kubectl patch` of one of its fields.
    pub(super) fn patch(&self, field: &str, value: &Value) -> String {
        let path = format!("/webhooks/{}/{field}", self.position);
        let patch = json!([{"op": "add", "path": path, "value": value}]);
        format!("kubectl patch {} {} --type=json -p '{patch}'", self.resource(), self.configuration)
    }

    /// A finding about one of its fields.
    pub(super) fn finding(&self, severity: Severity, check: &'static str, field: &str) -> Finding {
        let field = format!("webhooks[{}].{field}", self.position);
        let empty = String::new;
        Finding { severity, check, object: self.object(), field, found: empty(), why: empty(), help: empty() }
    }

    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.value.get(field).filter(|value| !value.is_null())
    }

    /// A field whose value is a text.
    pub(super) fn text(&self, field: &str) -> &str {
        self.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a failure to ask it refuses the request.
    pub(super) fn fails_closed(&self) -> bool {
        self.text("failurePolicy") != "Ignore"
    }

    /// How bad it is when it cannot be asked: requests are refused, or not judged.
    pub(super) fn severity_of_outage(&self) -> Severity {
        if self.fails_closed() || self.is_own { Severity::Error } else { Severity::Warning }
    }

    /// Host and port of a URL.
    pub(in crate::server) fn address(&self) -> Option<(String, u16)> {
        let Target::Url(url) = &self.target else { return None };
        let url: hyper::Uri = url.parse().ok()?;
        let host = url.host()?.trim_matches(['[', ']']).to_owned();
        (url.scheme_str() == Some("https")).then(|| (host, url.port_u16().unwrap_or(443)))
    }

    pub(super) fn timeout_seconds(&self) -> i64 {
        self.get("timeoutSeconds").and_then(Value::as_i64).unwrap_or(10)
    }

    /// Bytes of `clientConfig.caBundle`; empty when absent.
    pub(super) fn bundle(&self) -> Vec<u8> {
        let bundle = self.value.pointer("/clientConfig/caBundle").cloned();
        let bundle = bundle.and_then(|text| serde_json::from_value::<k8s_openapi::ByteString>(text).ok());
        bundle.map(|bundle| bundle.0).unwrap_or_default()
    }

    pub(super) fn has_conditions(&self) -> bool {
        self.get("matchConditions").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    }

    pub(super) fn rules(&self) -> &[Value] {
        self.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the API server asks it about such a request, as far as can be told without one.
    pub(super) fn matches(&self, facts: &Facts, request: &Request<'_>) -> bool {
        self.rules().iter().any(|rule| rule_matches(rule, request))
            && request.namespace.is_none_or(|namespace| self.selects_namespace(facts, namespace))
            && selects(self.get("objectSelector"), Labels::None)
    }

    /// Whether `namespaceSelector` lets objects of that namespace through to the webhook.
    pub(super) fn selects_namespace(&self, facts: &Facts, name: &str) -> bool {
        let selector = self.get("namespaceSelector");
        match facts.namespace(name) {
            Some(namespace) => selects(selector, namespace.labels()),
            // The API server gives every Namespace this label.
            None => {
                let labels = Map::from_iter([("kubernetes.io/metadata.name".to_owned(), Value::from(name))]);
                selects(selector, Labels::Json(&labels))
            }
        }
    }
}

fn selects(selector: Option<&Value>, labels: Labels<'_>) -> bool {
    selector.is_none_or(|selector| LabelSelector::parse(selector, &FieldPath::root()).0.matches(labels))
}

fn rule_matches(rule: &Value, request: &Request<'_>) -> bool {
    let scope_matches = match text(rule, "/scope") {
        "Namespaced" => request.namespace.is_some(),
        "Cluster" => request.namespace.is_none(),
        _ => true,
    };
    let operation_matches = request.operations.iter().any(|operation| names(rule, "operations", operation));
    scope_matches
        && operation_matches
        && names(rule, "apiGroups", request.group)
        && list(rule, "resources").any(|entry| {
            let (resource, subresource) = entry.split_once('/').unwrap_or((entry, ""));
            let is_named = resource == "*" || resource == request.resource;
            is_named && (subresource == "*" || subresource == request.subresource)
        })
}

fn names(rule: &Value, field: &str, wanted: &str) -> bool {
    list(rule, field).any(|entry| entry == "*" || entry == wanted)
}

/// Texts of a list in a rule.
pub(super) fn list<'a>(rule: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    rule.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
