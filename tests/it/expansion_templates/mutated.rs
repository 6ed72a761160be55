//! Resultants are mutated before they are judged.

use admit::policy::evaluate::{EvalContext, validate};
use serde_json::json;

use super::*;

/// Denies what does not have the label `team`, and says its value where there is one.
const LABELLED: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8steam}
spec:
  crd: {spec: {names: {kind: K8sTeam}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package team
        violation[{"msg": "no team"}] { not input.review.object.metadata.labels.team }
        violation[{"msg": sprintf("team %v", [input.review.object.metadata.labels.team])}] { true }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sTeam
metadata: {name: team}
spec: {match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}}
---
"#;

fn adds_team(matching: &str) -> String {
    format!(
        "apiVersion: mutations.gatekeeper.sh/v1\nkind: AssignMetadata\nmetadata: {{name: team}}\nspec:\n  match: \
         {matching}\n  location: metadata.labels.team\n  parameters: {{assign: {{value: blue}}}}\n---\n"
    )
}

#[test]
fn mutators_for_what_is_generated_run_on_resultants() {
    for (matching, expected) in [
        ("{source: Generated}", "team blue"),
        ("{}", "team blue"),
        ("{source: Generated, namespaces: [shop], kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}", "team blue"),
        ("{source: Original}", "no team"),
        ("{source: Generated, namespaces: [other]}", "no team"),
        ("{kinds: [{apiGroups: [apps], kinds: [Deployment]}]}", "no team"),
    ] {
        let expected = format!("[team] [Implied by expand-deployments] {expected}");
        check_denied(&[LABELLED, DEPLOYMENTS, &adds_team(matching)], &deployment(), &[&expected]);
    }
}

#[test]
fn mutators_for_some_operations_alone_leave_resultants_alone() {
    let assign = |more: &str| {
        format!(
            "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {{name: image}}\nspec:\n  applyTo: [{{groups: \
             [\"\"], versions: [v1], kinds: [Pod]{more}}}]\n  location: spec.team\n  parameters: {{assign: {{value: \
             blue}}}}\n---\n"
        )
    };
    let policy = LABELLED.replace("metadata.labels.team", "spec.team");
    for (operations, expected) in
        [("", "team blue"), (", operations: [CREATE]", "no team"), (", operations: [\"*\"]", "team blue")]
    {
        let expected = format!("[team] [Implied by expand-deployments] {expected}");
        check_denied(&[&policy, DEPLOYMENTS, &assign(operations)], &deployment(), &[&expected]);
    }
}

#[test]
fn what_mutators_add_can_be_a_generator_again() {
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "n", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {}}}});
    let jobs = template("jobs", "batch/v1/CronJob", "spec.jobTemplate", "batch/v1/Job", "");
    let pods = template("pods", "batch/v1/Job", "spec.template", "v1/Pod", "");
    let response = create(&[LABELLED, &jobs, &pods], &cron);
    assert_eq!(
        response.message,
        "unable to expand object: could not find source field \"spec.template\" in resource n-job"
    );
    let adds = "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: t}\nspec:\n  applyTo: [{groups: \
                [batch], versions: [v1], kinds: [Job]}]\n  location: spec.template.spec.team\n  parameters: {assign: {value: \
                blue}}\n---\n";
    let policy = LABELLED.replace("metadata.labels.team", "spec.team");
    check_denied(&[&policy, &jobs, &pods, adds], &cron, &["[team] [Implied by pods] team blue"]);
}

#[test]
fn a_mutator_that_fails_fails_the_request() {
    let bad = "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: bad}\nspec:\n  applyTo: [{groups: \
               [\"\"], versions: [v1], kinds: [Pod]}]\n  location: spec.containers.name\n  parameters: {assign: {value: \
               1}}\n---\n";
    let response = create(&[DEPLOYMENTS, bad], &deployment());
    assert_eq!(response.code, 500);
    let expected = "unable to expand object: failed to mutate resultant resource web-pod: mutation u1 for mutator \
                    Assign.mutations.gatekeeper.sh /bad";
    assert!(response.message.starts_with(expected), "{response:?}");
}

#[test]
fn a_generator_in_a_file_is_mutated_before_it_is_expanded() {
    let adds = "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: t}\nspec:\n  applyTo: [{groups: \
                [apps], versions: [v1], kinds: [Deployment]}]\n  location: spec.template.metadata.labels.team\n  parameters: \
                {assign: {value: blue}}\n---\n";
    let snapshot = snapshot(&[LABELLED, DEPLOYMENTS, adds]);
    let said = |context: EvalContext<'_>| {
        let review = Review::of_object(&object(deployment()), None);
        validate(&snapshot, &review, context).unwrap().violations.remove(0).own_message().to_owned()
    };
    // In the cluster it has been by the time it is judged.
    assert_eq!((said(EvalContext::offline()), said(at_webhook())), ("team blue".to_owned(), "no team".to_owned()));
}
