//! Whether there is anything at the place that a webhook names.

use serde_json::Value;

use super::{Facts, Finding, ServiceFacts, Severity, Target, Webhook};

/// The checks of this theme.
pub(super) fn check(facts: &Facts, all: &[Webhook]) -> Vec<Finding> {
    all.iter().filter_map(|webhook| check_one(facts, webhook)).collect()
}

fn check_one(facts: &Facts, webhook: &Webhook) -> Option<Finding> {
    match &webhook.target {
        Target::Service { namespace, name, port, .. } => {
            let known = facts.services.get(&(namespace.clone(), name.clone()))?;
            let missing = service_fault(known, *port)?;
            let place = format!("Service {namespace}/{name}");
            let help = match missing.severity {
                Some(_) => {
                    "what answers there is not known here; the canary and the API server's log say more".to_owned()
                }
                None => format!(
                    "kubectl get service,endpointslices,pods -n {namespace}; until it is mended: {}",
                    webhook.patch("failurePolicy", &"Ignore".into())
                ),
            };
            let severity = missing.severity.unwrap_or_else(|| webhook.severity_of_outage());
            Some(unreachable(webhook, severity, "clientConfig.service", format!("{place} {}", missing.text), help))
        }
        Target::Url(url) => {
            let Some((host, port)) = webhook.address() else {
                let text = format!("{url} is no https URL with a host");
                let help = format!("{}; give https://HOST:PORT/PATH", webhook.edit());
                return Some(unreachable(webhook, webhook.severity_of_outage(), "clientConfig.url", text, help));
            };
            let error = facts.served.get(&format!("{host}:{port}"))?.as_ref().err()?;
            let text = format!("{url} could not be reached from here: {error}");
            let help = format!(
                "start what should answer there, or let API servers through to it (it may be that only this machine cannot \
                 reach it); until it is mended: {}",
                webhook.patch("failurePolicy", &"Ignore".into())
            );
            Some(unreachable(webhook, webhook.severity_of_outage(), "clientConfig.url", text, help))
        }
        Target::Unclear => {
            let text = "neither a service nor a url, or both".to_owned();
            Some(unreachable(webhook, webhook.severity_of_outage(), "clientConfig", text, webhook.edit()))
        }
    }
}

fn unreachable(webhook: &Webhook, severity: Severity, field: &str, found: String, help: String) -> Finding {
    let why = match webhook.fails_closed() {
        true => "failurePolicy Fail: every request that it would be asked about is refused",
        false => "failurePolicy Ignore: requests pass without being judged, each after waiting for it",
    };
    Finding { found, why: why.to_owned(), help, ..webhook.finding(severity, "unreachable", field) }
}

struct Fault {
    text: String,
    /// When it is another than that of an outage.
    severity: Option<Severity>,
}

fn fault(text: &str) -> Option<Fault> {
    Some(Fault { text: text.to_owned(), severity: None })
}

fn service_fault(known: &ServiceFacts, port: i64) -> Option<Fault> {
    let Some(service) = known.service.as_ref().ok()? else { return fault("does not exist") };
    if service.field(&["spec", "type"]).and_then(Value::as_str) == Some("ExternalName") {
        let text = "is of type ExternalName: a name in DNS, not endpoints".to_owned();
        return Some(Fault { text, severity: Some(Severity::NotChecked) });
    }
    let ports = service.field(&["spec", "ports"]).and_then(Value::as_array);
    if !ports.into_iter().flatten().any(|one| one.get("port").and_then(Value::as_i64) == Some(port)) {
        return fault(&format!("has no port {port}"));
    }
    let endpoints = known.slices.as_ref().ok()?.iter().filter_map(|slice| slice.field(&["endpoints"])?.as_array());
    let (ready, others): (Vec<&Value>, Vec<&Value>) = endpoints.flatten().partition(|one| is_ready(one));
    match (ready.is_empty(), others.len()) {
        (false, _) => None,
        (true, 0) => fault("has no endpoints: no Pod is behind it"),
        (true, count) => fault(&format!("has no ready endpoint, {count} that are not ready")),
    }
}

/// Unknown counts as ready, as for the API server.
fn is_ready(endpoint: &Value) -> bool {
    endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{facts_with, object, validating};
    use super::*;

    fn run(service: Option<Value>, endpoints: &Value, policy: &str) -> Vec<(Severity, String)> {
        let webhook = validating(|webhook| {
            webhook["clientConfig"] = json!({"service": {"namespace": "admit-system", "name": "admit"}});
            webhook["failurePolicy"] = policy.into();
        });
        let mut facts = facts_with(&[validating(|_| {}), webhook], &[]);
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "admit-1"}, "endpoints": endpoints});
        let known = ServiceFacts {
            service: Ok(service.map(object)),
            slices: Ok(vec![object(slice)]),
            pods: Ok(vec![]),
            budgets: Ok(vec![]),
        };
        facts.services.insert(("admit-system".to_owned(), "admit".to_owned()), known);
        let all = super::super::webhooks(&facts);
        check(&facts, &all).into_iter().map(|one| (one.severity, one.found)).collect()
    }

    #[test]
    fn services_need_their_port_and_a_ready_endpoint() {
        let service = |port: i64| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "admit", "namespace": "admit-system"},
                "spec": {"ports": [{"port": port}]}})
        };
        let up = json!([{"addresses": ["10.0.0.1"]}]);
        let down = json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]);
        assert_eq!(run(Some(service(443)), &up, "Fail"), []);
        let place = "Service admit-system/admit ";
        for (service, endpoints, policy, severity, text) in [
            (None, &up, "Fail", Severity::Error, "does not exist"),
            (None, &up, "Ignore", Severity::Warning, "does not exist"),
            (Some(service(80)), &up, "Fail", Severity::Error, "has no port 443"),
            (Some(service(443)), &json!([]), "Fail", Severity::Error, "has no endpoints: no Pod is behind it"),
            (Some(service(443)), &down, "Fail", Severity::Error, "has no ready endpoint, 1 that are not ready"),
        ] {
            assert_eq!(run(service, endpoints, policy), [(severity, format!("{place}{text}"))]);
        }
    }

    #[test]
    fn urls_are_dialled() {
        let mut facts = facts_with(&[validating(|_| {})], &[]);
        facts.served.insert("webhook.example.com:443".to_owned(), Err("connection refused".to_owned()));
        let all = super::super::webhooks(&facts);
        let found = check(&facts, &all);
        assert!(found[0].found.ends_with("from here: connection refused") && found[0].severity == Severity::Error);
        let plain = validating(|webhook| webhook["clientConfig"]["url"] = "http://webhook.example.com".into());
        let facts = facts_with(&[plain], &[]);
        assert_eq!(check(&facts, &super::super::webhooks(&facts)).len(), 1);
    }
}
