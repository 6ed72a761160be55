//! How long one request may wait for webhooks.
//!
//! The API server asks mutating webhooks one after the other, those with reinvocationPolicy IfNeeded perhaps twice, and
//! validating webhooks all at once: the longest wait is the sum of the former and the longest of the latter.
//! Assumption: of resources that rules name, those of [`CLUSTER_SCOPED`] and no others are in no namespace.

use std::collections::BTreeSet;

use super::webhooks::{Request, list};
use super::{Facts, Finding, Severity, Webhook};

/// Seconds that an API server gives a request that writes, as clients see it.
const CEILING: i64 = 30;
/// A single webhook that may take longer is felt by everybody.
const LONG: i64 = 10;
/// What a rule that names no resource may be about, too.
const ANYTHING: &str = "anything";
const CLUSTER_SCOPED: [&str; 9] = [
    ANYTHING,
    "namespaces",
    "nodes",
    "persistentvolumes",
    "clusterroles",
    "clusterrolebindings",
    "customresourcedefinitions",
    "storageclasses",
    "priorityclasses",
];
const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

/// The checks of this theme.
pub(super) fn check(facts: &Facts, all: &[Webhook]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().filter_map(long).collect();
    findings.extend(worst(facts, all));
    findings
}

fn long(webhook: &Webhook) -> Option<Finding> {
    let seconds = webhook.timeout_seconds();
    (seconds > LONG).then(|| Finding {
        found: format!("timeoutSeconds is {seconds}"),
        why: "every request that is sent to it waits so long when it hangs".to_owned(),
        help: webhook.patch("timeoutSeconds", &3.into()),
        ..webhook.finding(Severity::Warning, "long-timeout", "timeoutSeconds")
    })
}

/// The request that may wait longest, when that is too long.
fn worst(facts: &Facts, all: &[Webhook]) -> Option<Finding> {
    let resources = resources(all);
    let mut worst: Option<(i64, String, Vec<&Webhook>)> = None;
    for namespace in namespaces(facts, all) {
        for (group, resource, subresource) in &resources {
            if namespace.is_none() && !CLUSTER_SCOPED.contains(&resource.as_str()) {
                continue;
            }
            for operation in OPERATIONS {
                let request = Request { group, resource, subresource, namespace, operations: &[operation] };
                let asked: Vec<&Webhook> = all.iter().filter(|webhook| webhook.matches(facts, &request)).collect();
                let seconds = wait(&asked);
                if seconds > CEILING && worst.as_ref().is_none_or(|(longest, ..)| seconds > *longest) {
                    worst = Some((seconds, describe(&request, operation), asked));
                }
            }
        }
    }
    let (seconds, request, asked) = worst?;
    let parts: Vec<String> = asked.iter().map(|one| format!("{} ({} s)", one.name, one.timeout_seconds())).collect();
    let first = asked.iter().max_by_key(|webhook| webhook.timeout_seconds())?;
    Some(Finding {
        found: format!(
            "{request} may wait {seconds} s for webhooks, over the {CEILING} s of a request: {}",
            parts.join(", ")
        ),
        why: "the API server gives up before its webhooks do, so that even failurePolicy Ignore refuses the request"
            .to_owned(),
        help: format!("lower timeoutSeconds of these, for example: {}", first.patch("timeoutSeconds", &3.into())),
        ..first.finding(Severity::Error, "sum-of-timeouts", "timeoutSeconds")
    })
}

fn wait(asked: &[&Webhook]) -> i64 {
    let times = |webhook: &Webhook| if webhook.text("reinvocationPolicy") == "IfNeeded" { 2 } else { 1 };
    let mutating = asked.iter().filter(|webhook| webhook.is_mutating);
    let sum: i64 = mutating.map(|webhook| webhook.timeout_seconds() * times(webhook)).sum();
    let validating = asked.iter().filter(|webhook| !webhook.is_mutating);
    sum + validating.map(|webhook| webhook.timeout_seconds()).max().unwrap_or_default()
}

/// Every resource that a rule names, and one that none does.
fn resources(all: &[Webhook]) -> BTreeSet<(String, String, String)> {
    let mut found = BTreeSet::from([(String::new(), "pods".to_owned(), String::new())]);
    for rule in all.iter().flat_map(Webhook::rules) {
        for (group, entry) in
            list(rule, "apiGroups").flat_map(|group| list(rule, "resources").map(move |one| (group, one)))
        {
            let (resource, subresource) = entry.split_once('/').unwrap_or((entry, ""));
            let or = |text: &str, other: &str| if text == "*" { other.to_owned() } else { text.to_owned() };
            found.insert((or(group, "any.example.com"), or(resource, ANYTHING), or(subresource, "status")));
        }
    }
    found
}

/// One namespace for each set of webhooks that namespaces choose, and none.
fn namespaces<'a>(facts: &'a Facts, all: &[Webhook]) -> Vec<Option<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut found = vec![None];
    for namespace in facts.namespaces.iter().flatten() {
        let chosen: Vec<bool> = all.iter().map(|webhook| webhook.selects_namespace(facts, namespace.name())).collect();
        if seen.insert(chosen) {
            found.push(Some(namespace.name()));
        }
    }
    if facts.namespaces.is_err() {
        found.push(Some("default"));
    }
    found
}

fn describe(request: &Request<'_>, operation: &str) -> String {
    let subresource = if request.subresource.is_empty() { String::new() } else { format!("/{}", request.subresource) };
    let group = if request.group.is_empty() { String::new() } else { format!(".{}", request.group) };
    let place = request.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    format!("a {operation} of {}{subresource}{group}{place}", request.resource)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::fixtures::{facts_with, mutating, validating};
    use super::*;

    fn errors(validating: &[Value], mutating: &[Value]) -> Vec<String> {
        let facts = facts_with(validating, mutating);
        let all = super::super::webhooks(&facts);
        let found = check(&facts, &all).into_iter().filter(|one| one.severity == Severity::Error);
        found.map(|one| one.found).collect()
    }

    fn after(seconds: i64) -> impl Fn(&mut Value) {
        move |webhook| webhook["timeoutSeconds"] = seconds.into()
    }

    #[test]
    fn those_that_validate_are_asked_at_once_and_those_that_mutate_one_by_one() {
        assert_eq!(errors(&[validating(after(20)), validating(after(20))], &[]), Vec::<String>::new());
        let two = [mutating(after(15)), mutating(after(15))];
        assert_eq!(errors(&[], &two), Vec::<String>::new());
        let found = errors(&[validating(after(1))], &two);
        assert!(found[0].starts_with("a CREATE of pods in namespace default may wait 31 s"), "{found:?}");
        let again = mutating(|webhook| {
            after(16)(webhook);
            webhook["reinvocationPolicy"] = "IfNeeded".into();
        });
        assert_eq!(errors(&[], &[again]).len(), 1);
    }

    #[test]
    fn webhooks_for_different_things_do_not_add_up() {
        let services = mutating(|webhook| {
            after(20)(webhook);
            webhook["rules"][0]["resources"] = serde_json::json!(["services"]);
        });
        assert_eq!(errors(&[], &[mutating(after(20)), services]), Vec::<String>::new());
    }
}
