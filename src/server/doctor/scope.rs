//! Webhooks that fail closed and stand between the cluster and what it needs to get them running again.

use serde_json::json;

use super::webhooks::{Request, list};
use super::{Facts, Finding, Severity, Target, Webhook};

const CREATE: &[&str] = &["CREATE"];
const WRITE: &[&str] = &["CREATE", "UPDATE"];

/// A request without which a cluster, or a webhook in it, cannot come up.
struct Need {
    request: Request<'static>,
    /// How it is called in a finding.
    name: &'static str,
    /// What stands still without it.
    effect: &'static str,
    severity: Severity,
}

const fn need(
    group_and_resource: (&'static str, &'static str, &'static str),
    namespace: Option<&'static str>,
    operations: &'static [&'static str],
    (name, effect): (&'static str, &'static str),
    severity: Severity,
) -> Need {
    let (group, resource, subresource) = group_and_resource;
    Need { request: Request { group, resource, subresource, namespace, operations }, name, effect, severity }
}

const NODES_FAIL: &str = "nodes are taken for dead, and their Pods evicted";
const LEADERS_FAIL: &str = "controllers and the scheduler lose their leader";
const LOGINS_FAIL: &str = "kubelets and extension API servers cannot tell who calls them";
const SYSTEM_FAILS: &str = "DNS, network and proxies do not come back after a restart, and neither does the webhook";

const NEEDS: [Need; 9] = [
    need(
        ("coordination.k8s.io", "leases", ""),
        Some("kube-node-lease"),
        WRITE,
        ("leases in kube-node-lease", NODES_FAIL),
        Severity::Error,
    ),
    need(
        ("coordination.k8s.io", "leases", ""),
        Some("kube-system"),
        WRITE,
        ("leases in kube-system", LEADERS_FAIL),
        Severity::Error,
    ),
    need(("", "nodes", ""), None, CREATE, ("nodes", "new nodes cannot join"), Severity::Error),
    need(("", "nodes", "status"), None, &["UPDATE"], ("nodes/status", NODES_FAIL), Severity::Error),
    need(("", "pods", ""), Some("kube-system"), CREATE, ("pods in kube-system", SYSTEM_FAILS), Severity::Error),
    need(("authentication.k8s.io", "tokenreviews", ""), None, CREATE, ("tokenreviews", LOGINS_FAIL), Severity::Error),
    need(
        ("authorization.k8s.io", "subjectaccessreviews", ""),
        None,
        CREATE,
        ("subjectaccessreviews", LOGINS_FAIL),
        Severity::Error,
    ),
    need(
        ("", "events", ""),
        Some("kube-system"),
        CREATE,
        ("events in kube-system", "nobody is told what goes wrong, and each Event waits for the timeout"),
        Severity::Warning,
    ),
    need(
        ("apiextensions.k8s.io", "customresourcedefinitions", ""),
        None,
        WRITE,
        ("customresourcedefinitions", "kinds of constraints and of operators cannot be made"),
        Severity::Warning,
    ),
];

/// What a webhook that is started in a namespace needs to have created there.
const OWN: [Request<'static>; 3] = [
    Request { group: "", resource: "pods", subresource: "", namespace: None, operations: CREATE },
    Request { group: "apps", resource: "replicasets", subresource: "", namespace: None, operations: WRITE },
    Request {
        group: "discovery.k8s.io",
        resource: "endpointslices",
        subresource: "",
        namespace: None,
        operations: WRITE,
    },
];

/// The checks of this theme.
pub(super) fn check(facts: &Facts, all: &[Webhook]) -> Vec<Finding> {
    let closed = all.iter().filter(|webhook| webhook.fails_closed());
    closed
        .flat_map(|webhook| {
            [own_namespace(facts, webhook), system(facts, webhook), wildcard(webhook)].into_iter().flatten()
        })
        .collect()
}

/// What cannot be judged without a request may still keep the harm away.
fn unless_conditions(webhook: &Webhook, severity: Severity) -> (Severity, &'static str) {
    match webhook.has_conditions() {
        true => (severity.max(Severity::Warning), ", unless its matchConditions let it pass"),
        false => (severity, ""),
    }
}

fn own_namespace(facts: &Facts, webhook: &Webhook) -> Option<Finding> {
    let namespace = match &webhook.target {
        Target::Service { namespace, .. } => namespace,
        Target::Url(_) | Target::Unclear if webhook.is_own => &facts.names.namespace,
        Target::Url(_) | Target::Unclear => return None,
    };
    let stopped = OWN
        .iter()
        .filter(|request| webhook.matches(facts, &Request { namespace: Some(namespace.as_str()), ..**request }));
    let stopped: Vec<&str> = stopped.map(|request| request.resource).collect();
    if stopped.is_empty() {
        return None;
    }
    let (severity, unless) = unless_conditions(webhook, Severity::Error);
    let expression =
        json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [namespace]}]).to_string();
    Some(Finding {
        found: format!(
            "failurePolicy Fail, and {} in the webhook's own namespace {namespace} are sent to it{unless}",
            stopped.join(", ")
        ),
        why: "once no replica runs, no new one can be created: the webhook refuses its own start".to_owned(),
        help: format!("{}; add to namespaceSelector.matchExpressions: {expression}", webhook.edit()),
        ..webhook.finding(severity, "own-namespace", "namespaceSelector")
    })
}

fn system(facts: &Facts, webhook: &Webhook) -> Option<Finding> {
    let stopped: Vec<&Need> = NEEDS.iter().filter(|need| webhook.matches(facts, &need.request)).collect();
    let worst = stopped.iter().map(|need| need.severity).min()?;
    let (severity, unless) = unless_conditions(webhook, worst);
    let names: Vec<&str> = stopped.iter().map(|need| need.name).collect();
    let mut effects: Vec<&str> = stopped.iter().map(|need| need.effect).collect();
    effects.dedup();
    Some(Finding {
        found: format!("failurePolicy Fail, and these are sent to it{unless}: {}", names.join(", ")),
        why: format!("while it does not answer, {}", effects.join("; ")),
        help: format!(
            "name in rules only the resources that policies are about (admit serve --narrow-webhook-rules keeps them so), \
             and keep kube-system and kube-node-lease out by namespaceSelector; or: {}",
            webhook.patch("failurePolicy", &"Ignore".into())
        ),
        ..webhook.finding(severity, "system-resources", "rules")
    })
}

fn wildcard(webhook: &Webhook) -> Option<Finding> {
    let is_wide = |rule: &serde_json::Value| {
        let has_star = |field| list(rule, field).any(|entry| entry == "*" || entry == "*/*");
        has_star("apiGroups") && has_star("resources")
    };
    let position = webhook.rules().iter().position(is_wide)?;
    let field = format!("rules[{position}]");
    Some(Finding {
        found: "failurePolicy Fail, and a rule for every resource of every group".to_owned(),
        why: "while it does not answer, nearly every write in the cluster is refused; kinds that are installed later are \
              caught too"
            .to_owned(),
        help: format!("{}; name groups and resources in {field}", webhook.edit()),
        ..webhook.finding(Severity::Warning, "wildcard-rule", &field)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{facts_with, validating};
    use super::*;

    fn run(change: impl FnOnce(&mut Value)) -> Vec<(Severity, &'static str, String)> {
        let facts = facts_with(&[validating(change)], &[]);
        let all = super::super::webhooks(&facts);
        check(&facts, &all).into_iter().map(|one| (one.severity, one.check, one.found)).collect()
    }

    fn wide(webhook: &mut Value) {
        webhook["rules"] = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"],
            "operations": ["CREATE", "UPDATE"]}]);
    }

    #[test]
    fn narrow_rules_and_open_failure_are_fine() {
        assert_eq!(run(|_| {}), vec![]);
        let open = run(|webhook| {
            wide(webhook);
            webhook["failurePolicy"] = "Ignore".into();
        });
        assert_eq!(open, vec![]);
    }

    #[test]
    fn everything_that_is_needed_is_listed() {
        let found = run(wide);
        assert_eq!(
            found.iter().map(|(severity, check, _)| (*severity, *check)).collect::<Vec<_>>(),
            [
                (Severity::Error, "own-namespace"),
                (Severity::Error, "system-resources"),
                (Severity::Warning, "wildcard-rule")
            ]
        );
        assert!(found[0].2.contains("pods, replicasets, endpointslices in the webhook's own namespace admit-system"));
        // `*` is no subresource.
        assert!(
            !found[1].2.contains("nodes/status") && found[1].2.contains("leases in kube-node-lease, "),
            "{found:?}"
        );
    }

    #[test]
    fn selectors_conditions_and_scopes_count() {
        let kept_out = |webhook: &mut Value| {
            wide(webhook);
            webhook["namespaceSelector"] = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name",
                "operator": "NotIn", "values": ["admit-system", "kube-system", "kube-node-lease"]}]});
            webhook["rules"][0]["scope"] = "Namespaced".into();
        };
        assert_eq!(run(kept_out).len(), 1, "the wildcard alone");
        let conditional = run(|webhook| {
            wide(webhook);
            webhook["matchConditions"] = json!([{"name": "a", "expression": "false"}]);
        });
        assert!(conditional.iter().all(|(severity, _, _)| *severity == Severity::Warning), "{conditional:?}");
        let by_label = run(|webhook| {
            wide(webhook);
            webhook["objectSelector"] = json!({"matchLabels": {"checked": "yes"}});
        });
        assert_eq!(by_label.len(), 1);
        let status = run(|webhook| {
            webhook["rules"] = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["nodes/*"],
                "operations": ["*"]}]);
        });
        assert!(status[0].2.ends_with("nodes, nodes/status"), "{status:?}");
    }
}
