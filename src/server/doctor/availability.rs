//! Whether a webhook outlives a node that is drained or lost.

use serde_json::Value;

use super::{Facts, Finding, ServiceFacts, ServiceName, Severity, Target, Webhook};
use crate::model::object::{FieldPath, LabelSelector, Object};

/// The checks of this theme.
pub(super) fn check(facts: &Facts, all: &[Webhook]) -> Vec<Finding> {
    facts.services.iter().flat_map(|(name, known)| check_one(name, known, all)).collect()
}

fn check_one(name: &ServiceName, known: &ServiceFacts, all: &[Webhook]) -> Vec<Finding> {
    let Ok(pods) = &known.pods else { return Vec::new() };
    let ready: Vec<&Object> = pods.iter().filter(|pod| is_ready(pod)).collect();
    // Nothing ready is an outage, which is told elsewhere; a Service without Pods is somebody else's.
    if ready.is_empty() {
        return Vec::new();
    }
    let (namespace, service) = name;
    let is_of = |webhook: &&Webhook| matches!(&webhook.target, Target::Service { namespace: one, name: other, .. } if one == namespace && other == service);
    let closed = all.iter().filter(is_of).any(Webhook::fails_closed);
    let effect = if closed { "requests are refused (failurePolicy Fail)" } else { "requests are not judged" };
    let finding = |check, found: String, why: &str, help: String| Finding {
        severity: Severity::Warning,
        check,
        object: format!("Service {namespace}/{service}"),
        field: "spec.selector".to_owned(),
        found,
        why: format!("{why}, {effect}"),
        help,
    };
    let mut findings = Vec::new();
    if ready.len() < 2 {
        let help = format!("kubectl scale -n {namespace} deployment/NAME --replicas=3");
        let why = "while its one Pod is replaced or its node is down";
        findings.push(finding("replicas", "one ready Pod".to_owned(), why, help));
    }
    let node = |pod: &&Object| pod.field(&["spec", "nodeName"]).and_then(Value::as_str).unwrap_or_default().to_owned();
    let nodes: std::collections::BTreeSet<String> = ready.iter().map(node).collect();
    if let (true, 1, Some(node)) = (ready.len() > 1, nodes.len(), nodes.first()) {
        let help = "spread the Pods: topologySpreadConstraints or podAntiAffinity by kubernetes.io/hostname".to_owned();
        let found = format!("all {} ready Pods are on node {node}", ready.len());
        findings.push(finding("one-node", found, "while that node is down", help));
    }
    if let Ok(budgets) = &known.budgets
        && !ready.iter().any(|pod| budgets.iter().any(|budget| protects(budget, pod)))
    {
        let help = format!(
            "kubectl create poddisruptionbudget NAME -n {namespace} --min-available=1 --selector={}",
            known.service.as_ref().ok().and_then(Option::as_ref).map(selector_text).unwrap_or_default()
        );
        let found = "no PodDisruptionBudget is for its Pods".to_owned();
        findings.push(finding("disruption-budget", found, "while nodes are drained all at once", help));
    }
    findings
}

fn is_ready(pod: &Object) -> bool {
    let conditions = pod.field(&["status", "conditions"]).and_then(Value::as_array).into_iter().flatten();
    let is = |condition: &Value, key, text| condition.get(key).and_then(Value::as_str) == Some(text);
    !pod.is_terminating() && conditions.into_iter().any(|one| is(one, "type", "Ready") && is(one, "status", "True"))
}

fn protects(budget: &Object, pod: &Object) -> bool {
    let selector = budget.field(&["spec", "selector"]);
    selector.is_some_and(|selector| LabelSelector::parse(selector, &FieldPath::root()).0.matches(pod.labels()))
}

/// As `--selector` has it.
fn selector_text(service: &Object) -> String {
    let selector = service.field(&["spec", "selector"]).and_then(Value::as_object);
    let pairs =
        selector.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::{facts_with, object, validating};
    use super::*;

    fn run(nodes: &[&str], has_budget: bool) -> Vec<&'static str> {
        let mut facts = facts_with(&[validating(|_| {})], &[]);
        let pod = |node: &&str| {
            object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "admit"}},
                "spec": {"nodeName": node}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}))
        };
        let budget =
            object(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"},
            "spec": {"selector": {"matchLabels": {"app": if has_budget { "admit" } else { "other" }}}}}));
        let service = object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "admit"},
            "spec": {"selector": {"app": "admit"}}}));
        let known = ServiceFacts {
            service: Ok(Some(service)),
            slices: Ok(vec![]),
            pods: Ok(nodes.iter().map(pod).collect()),
            budgets: Ok(vec![budget]),
        };
        facts.services.insert(("admit-system".to_owned(), "admit".to_owned()), known);
        let all = super::super::webhooks(&facts);
        check(&facts, &all).into_iter().map(|one| one.check).collect()
    }

    #[test]
    fn replicas_are_several_spread_and_protected() {
        assert_eq!(run(&["a", "b"], true), Vec::<&str>::new());
        assert_eq!(run(&["a"], true), ["replicas"]);
        assert_eq!(run(&["a", "a"], true), ["one-node"]);
        assert_eq!(run(&["a", "b"], false), ["disruption-budget"]);
        assert_eq!(run(&[], false), Vec::<&str>::new());
    }
}
