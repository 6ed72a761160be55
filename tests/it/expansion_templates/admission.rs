//! Verdicts and their words.

use admit::model::api::EnforcementPoint;
use admit::policy::engine::Deadline;
use admit::policy::evaluate::{EvalContext, Expands, Verdict, validate};
use serde_json::{Value, json};

use super::*;

#[test]
fn violations_of_a_resultant_are_the_generators_and_say_who_implies_them() {
    let pods = says("pods", "no %", PODS);
    check_denied(
        &[SAYS, &pods, DEPLOYMENTS],
        &deployment(),
        &["[pods] [Implied by expand-deployments] no Pod web-pod"],
    );
    check_denied(&[SAYS, &pods], &deployment(), &[]);
    // What nothing applies to is judged as ever.
    let mut other = deployment();
    other["apiVersion"] = json!("apps/v1beta1");
    check_denied(&[SAYS, &pods, DEPLOYMENTS], &other, &[]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}});
    check_denied(&[SAYS, &pods, DEPLOYMENTS], &pod, &["[pods] no Pod p"]);
}

#[test]
fn all_are_in_one_order_by_action_and_message() {
    let (a, b) = (says("a", "z of %", ""), says("b", "A of %", ""));
    let warn = says("c", "warned of %", "enforcementAction: warn");
    let response = create(&[SAYS, &a, &b, &warn, DEPLOYMENTS], &deployment());
    let expected = [
        "[b] A of Deployment web",
        "[b] [Implied by expand-deployments] A of Pod web-pod",
        "[a] [Implied by expand-deployments] z of Pod web-pod",
        "[a] z of Deployment web",
    ];
    assert_eq!(response.message.lines().collect::<Vec<_>>(), expected);
    let warned = ["[c] [Implied by expand-deployments] warned of Pod web-pod", "[c] warned of Deployment web"];
    assert_eq!(response.warnings, warned);
}

#[test]
fn source_says_which_of_the_two_a_constraint_is_for() {
    let (own, implied) = ("[a] Deployment web", "[a] [Implied by expand-deployments] Pod web-pod");
    for (source, expected) in [
        ("", vec![own, implied]),
        ("match: {source: All}", vec![own, implied]),
        ("match: {source: Original}", vec![own]),
        ("match: {source: Generated}", vec![implied]),
        ("match: {source: Generated, name: web}", vec![]),
        ("match: {source: Generated, name: web-pod}", vec![implied]),
        ("match: {labelSelector: {matchLabels: {app: web}}}", vec![implied]),
        ("match: {namespaces: [shop], kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}", vec![implied]),
        ("match: {excludedNamespaces: [sh*]}", vec![]),
        ("match: {scope: Cluster}", vec![]),
    ] {
        check_denied(&[SAYS, &says("a", "%", source), DEPLOYMENTS], &deployment(), &expected);
    }
}

/// The answer when the template says `enforcementAction`: whether it is allowed, and how many lines and warnings it has.
#[track_caller]
fn check_override(action: &str, constraint: &str, expected: (bool, u16, usize, usize)) {
    let pods = says("pods", "no %", &format!("{PODS}\n  {constraint}"));
    let more = if action.is_empty() { String::new() } else { format!("enforcementAction: {action}") };
    let template = template("t", "apps/v1/Deployment", "spec.template", "v1/Pod", &more);
    let response = create(&[SAYS, &pods, &template], &deployment());
    let found = (response.allowed, response.code, response.message.lines().count(), response.warnings.len());
    assert_eq!(found, expected, "{action} over {constraint}: {response:?}");
}

#[test]
fn the_templates_action_takes_the_place_of_every_other() {
    let scoped = |action: &str| {
        format!(
            "enforcementAction: scoped\n  scopedEnforcementActions: [{{action: {action}, enforcementPoints: [{{name: \
             \"*\"}}]}}]"
        )
    };
    let (deny, warn) = (scoped("deny"), scoped("warn"));
    for (action, constraint, expected) in [
        ("", "enforcementAction: warn", (true, 299, 0, 1)),
        ("", deny.as_str(), (false, 403, 1, 0)),
        ("warn", "enforcementAction: deny", (true, 299, 0, 1)),
        ("warn", &deny, (true, 299, 0, 1)),
        ("dryrun", "enforcementAction: deny", (true, 200, 0, 0)),
        ("deny", "enforcementAction: warn", (false, 403, 1, 0)),
        ("deny", "enforcementAction: dryrun", (false, 403, 1, 0)),
        ("deny", &warn, (false, 403, 1, 0)),
        ("nothing", "enforcementAction: deny", (true, 200, 0, 0)),
        ("scoped", "enforcementAction: deny", (true, 200, 0, 0)),
        ("scoped", &deny, (false, 403, 1, 0)),
        ("scoped", &warn, (true, 299, 0, 1)),
        // Nothing at this point is nothing to override.
        ("deny", "enforcementAction: scoped\n  scopedEnforcementActions: []", (true, 200, 0, 0)),
    ] {
        check_override(action, constraint, expected);
    }
}

#[test]
fn what_cannot_be_matched_counts_as_violated_under_the_templates_action() {
    let selecting = says("s", "x", "match: {namespaceSelector: {matchLabels: {a: b}}}");
    let warn = template("t", "apps/v1/Deployment", "spec.template", "v1/Pod", "enforcementAction: warn");
    let response = create(&[SAYS, &selecting, &warn], &deployment());
    let unclear = |name: &str| {
        format!(
            "unable to match constraints: error matching the requested object: {name} :failed to run Match criteria: \
             namespace selector for namespace-scoped object but missing Namespace"
        )
    };
    assert_eq!(response.message, format!("[s] {}", unclear("web")));
    assert_eq!(response.warnings, [format!("[s] [Implied by t] {}", unclear("web-pod"))]);
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {a: b}}\n---\n";
    let response = create(&[SAYS, &selecting, &warn, namespace], &deployment());
    assert_eq!(
        (response.message.as_str(), response.warnings.as_slice()),
        ("[s] x", &["[s] [Implied by t] x".to_owned()][..])
    );
}

#[test]
fn resultants_are_expanded_again_and_each_says_its_own_template() {
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}});
    let jobs = template("jobs", "batch/v1/CronJob", "spec.jobTemplate", "batch/v1/Job", "");
    let pods = template("pods", "batch/v1/Job", "spec.template", "v1/Pod", "enforcementAction: deny");
    let all = says("a", "%", "enforcementAction: warn");
    let response = create(&[SAYS, &all, &jobs, &pods], &cron);
    assert_eq!(response.message, "[a] [Implied by pods] Pod nightly-job-pod");
    assert_eq!(response.warnings, ["[a] CronJob nightly", "[a] [Implied by jobs] Job nightly-job"]);
    let response = create(&[SAYS, &all, &jobs], &cron);
    assert_eq!((response.allowed, response.warnings.len()), (true, 2));
}

#[test]
fn several_templates_may_apply_to_one_generator() {
    let second = template("also", "apps/v1/Deployment", "spec.template.spec", "g.io/v1/Spec", "");
    let response = create(&[SAYS, &says("a", "%", "match: {source: Generated}"), DEPLOYMENTS, &second], &deployment());
    let expected = "[a] [Implied by also] Spec web-spec\n[a] [Implied by expand-deployments] Pod web-pod";
    assert_eq!(response.message, expected);
}

#[test]
fn nobody_who_cannot_be_expanded_gets_in() {
    let all = says("a", "%", "enforcementAction: dryrun");
    for (template, expected) in [
        (
            Value::Null,
            "could not extract source field from unstructured: .spec.template accessor error: <nil> is of the \
                       type <nil>, expected map[string]interface{}",
        ),
        (
            json!("x"),
            "could not extract source field from unstructured: .spec.template accessor error: x is of the type \
                      string, expected map[string]interface{}",
        ),
    ] {
        let mut generator = deployment();
        generator["spec"]["template"] = template;
        let response = create(&[SAYS, &all, DEPLOYMENTS], &generator);
        assert_eq!((response.allowed, response.code), (false, 500));
        assert_eq!(response.message, format!("unable to expand object: {expected}"));
    }
    let mut generator = deployment();
    generator["spec"] = json!({});
    let response = create(&[DEPLOYMENTS], &generator);
    let expected = "unable to expand object: could not find source field \"spec.template\" in resource web";
    assert_eq!((response.code, response.message.as_str()), (500, expected));
    // Scaling is a request of another kind.
    let scale =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "shop"}});
    assert!(create(&[DEPLOYMENTS], &scale).allowed);
}

/// A chain of so many templates, each kind generating the next.
fn chain(length: usize, per_kind: usize) -> (String, Value) {
    let one = |number: usize| {
        let (from, to) = (format!("g.io/v1/K{number}"), format!("g.io/v1/K{}", number + 1));
        (0..per_kind)
            .map(move |twin| template(&format!("t{number}-{twin}"), &from, "spec", &to, ""))
            .collect::<String>()
    };
    let spec = (0..length).fold(json!({}), |inside, _| json!({"spec": inside}));
    let generator = json!({"apiVersion": "g.io/v1", "kind": "K0", "metadata": {"name": "k"}, "spec": spec});
    ((0..length).map(one).collect(), generator)
}

#[test]
fn depth_and_number_are_bounded() {
    let (templates, generator) = chain(29, 1);
    assert!(create(&[&templates], &generator).allowed);
    let (templates, generator) = chain(30, 1);
    let response = create(&[&templates], &generator);
    let expected = "unable to expand object: maximum recursion depth of 30 reached";
    assert_eq!((response.code, response.message.as_str()), (500, expected));
    let (templates, generator) = chain(8, 2);
    assert!(create(&[&templates], &generator).allowed);
    let (templates, generator) = chain(28, 2);
    let response = create(&[&templates], &generator);
    assert_eq!(response.code, 500);
    assert!(response.message.starts_with("unable to expand object: more than 1000 resultants"), "{response:?}");
}

const SHOWS: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8sshows}
spec:
  crd: {spec: {names: {kind: K8sShows}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package shows
        violation[{"msg": json.marshal(object.remove(input.review, ["object", "oldObject", "namespaceObject"]))}] { true }
        violation[{"msg": "both"}] { input.review.object == input.review.oldObject }
        violation[{"msg": ns}] { ns := input.review.namespaceObject.metadata.name }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sShows
metadata: {name: shows}
spec: {match: {source: Generated}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
"#;

#[test]
fn policies_see_a_request_by_nobody_for_the_same_operation() {
    let snapshot = snapshot(&[SHOWS, DEPLOYMENTS]);
    let lines = |operation: &str| {
        let response = answer(&snapshot, request(operation, &deployment()));
        response
            .message
            .lines()
            .map(|line| line.replace("[shows] [Implied by expand-deployments] ", ""))
            .collect::<Vec<_>>()
    };
    let [ns, seen] = lines("CREATE").try_into().unwrap();
    assert_eq!(ns, "shop");
    let seen: Value = serde_json::from_str(&seen).unwrap();
    let expected = json!({"uid": "", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "name": "web-pod",
        "resource": {"group": "", "version": "", "resource": ""}, "namespace": "shop", "operation": "CREATE", "userInfo": {},
        "options": null});
    assert_eq!(seen, expected);
    let deletion = lines("DELETE");
    assert!(deletion[0] == "both" && deletion[2].contains("\"operation\":\"DELETE\""), "{deletion:?}");
}

#[test]
fn a_resultant_that_cannot_be_judged_is_not_let_in() {
    let slow =
        SAYS.replace("object := input", "sum([x | x := numbers.range(1, 1000000)[_]]) > 0\n          object := input");
    let snapshot = snapshot(&[&slow, &says("pods", "x", PODS), DEPLOYMENTS]);
    let context = EvalContext { deadline: Deadline::after(std::time::Duration::ZERO), ..at_webhook() };
    let failure = validate(&snapshot, &request("CREATE", &deployment()), context).unwrap_err();
    let response = Verdict::from_failure(&failure, "web").response;
    assert_eq!(response.code, 500);
    let expected = "error reviewing resultant resource: evaluating constraint K8sSays/pods";
    assert!(response.message.starts_with(expected), "{response:?}");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
    let failure = validate(&snapshot, &request("CREATE", &pod), context).unwrap_err();
    let message = Verdict::from_failure(&failure, "p").response.message;
    assert!(message.starts_with("error reviewing resource p: evaluating constraint K8sSays/pods"), "{message}");
}

#[test]
fn without_expansion_templates_are_ignored() {
    let snapshot = snapshot(&[SAYS, &says("a", "%", ""), DEPLOYMENTS]);
    let context = EvalContext { expands: Expands::Nothing, point: EnforcementPoint::Webhook, ..EvalContext::offline() };
    let mut broken = deployment();
    broken["spec"] = json!({});
    let evaluation = validate(&snapshot, &request("CREATE", &broken), context).unwrap();
    assert_eq!(evaluation.violations.len(), 1);
}

#[test]
fn templates_in_a_cycle_are_errors_and_apply_to_nothing() {
    let (there, back) = (
        template("there", "apps/v1/Deployment", "spec.template", "g.io/v1/A", ""),
        template("back", "g.io/v1/A", "spec", "apps/v1/Deployment", ""),
    );
    let (snapshot, errors) = built(&[SAYS, &says("a", "%", "match: {source: Generated}"), &there, &back, DEPLOYMENTS]);
    let found: Vec<_> = errors.iter().map(|one| (one.key.to_string(), one.code, one.message.as_str())).collect();
    let key = |name: &str| format!("expansion.gatekeeper.sh/v1alpha1/ExpansionTemplate {name}");
    let text = "template forms expansion cycle";
    assert_eq!(found, [(key("back"), "", text), (key("there"), "", text)]);
    let response = answer(&snapshot, request("CREATE", &deployment()));
    assert_eq!(response.message, "[a] [Implied by expand-deployments] Pod web-pod");
}
