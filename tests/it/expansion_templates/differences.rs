//! What differs from Gatekeeper and its tool, on purpose, with its direction. None lets through what Gatekeeper's webhook
//! refuses.

use admit::model::api::{EnforcementAction, ExpansionTemplate};
use admit::policy::evaluate::{EvalContext, validate};
use serde_json::json;

use super::*;

/// Stricter: Gatekeeper takes a template that generates something without a kind or a version. Without a kind it then
/// refuses every generator; without a version it judges an object that no API server could have. Here such a template is
/// refused.
#[test]
fn what_is_generated_has_a_version_and_a_kind() {
    for generated in [json!({"kind": "Pod"}), json!({"version": "v1"}), json!({"group": "apps"})] {
        let template = json!({"apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate",
            "metadata": {"name": "t"}, "spec": {"templateSource": "spec.template", "generatedGVK": generated,
            "applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment"]}]}});
        let errors = ExpansionTemplate::parse(&object(template)).unwrap_err();
        assert!(errors.iter().all(|error| error.message.starts_with("Required value")), "{errors:?}");
    }
}

/// Stricter: a template whose `metadata` is null has a resultant without name and namespace in Gatekeeper, so that no
/// constraint by namespace or name is for it. API servers keep no such template.
#[test]
fn a_template_without_metadata_has_a_name_all_the_same() {
    let mut generator = deployment();
    generator["spec"]["template"]["metadata"] = json!(null);
    let shop = says("a", "%", "match: {namespaces: [shop], kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}");
    check_denied(&[SAYS, &shop, DEPLOYMENTS], &generator, &["[a] [Implied by expand-deployments] Pod web-pod"]);
}

/// Equal to the cluster, other than `gator`: a resource in no namespace has no Namespace in files either, so that a
/// namespace in its template stays. gator takes it away.
#[test]
fn a_namespace_in_the_template_of_what_is_in_no_namespace_stays() {
    let generator = json!({"apiVersion": "g.io/v1", "kind": "Fleet", "metadata": {"name": "f"},
        "spec": {"template": {"metadata": {"namespace": "shop"}}}});
    let pods = template("t", "g.io/v1/Fleet", "spec.template", "v1/Pod", "");
    let shop = says("a", "%", "match: {source: Generated, namespaces: [shop]}");
    let snapshot = snapshot(&[SAYS, &shop, &pods]);
    for context in [at_webhook(), EvalContext::offline()] {
        let review = Review::of_object(&object(generator.clone()), None);
        assert_eq!(validate(&snapshot, &review, context).unwrap().violations.len(), 1);
    }
}

/// Equal to the cluster, other than `gator`: what a template says takes the place of the actions of a scoped constraint.
/// gator lists those beside it, and exits with 1 for their sake.
#[test]
fn an_override_to_warn_denies_nothing_on_the_command_line() {
    let scoped = says(
        "a",
        "%",
        "match: {source: Generated}\n  enforcementAction: scoped\n  scopedEnforcementActions: [{action: deny, \
         enforcementPoints: [{name: \"*\"}]}]",
    );
    let warns = template("t", "apps/v1/Deployment", "spec.template", "v1/Pod", "enforcementAction: warn");
    let snapshot = snapshot(&[SAYS, &scoped, &warns]);
    let review = Review::of_object(&object(deployment()), None);
    let found = validate(&snapshot, &review, EvalContext::offline()).unwrap().violations;
    assert_eq!((found[0].actions.as_slice(), found[0].enforcement_action()), (&[EnforcementAction::Warn][..], "warn"));
}

/// Laxer for an object that Gatekeeper cannot judge: one kind named twice in `applyTo` makes Gatekeeper's graph fail when
/// another template generates that kind. Here it is named once.
#[test]
fn a_kind_may_be_named_twice() {
    let twice = DEPLOYMENTS.replace("kinds: [Deployment]", "kinds: [Deployment, Deployment]");
    let to = template("to", "g.io/v1/Shop", "spec", "apps/v1/Deployment", "");
    let (snapshot, errors) = built(&[SAYS, &says("a", "%", PODS), &twice, &to]);
    assert_eq!(errors, []);
    let response = answer(&snapshot, request("CREATE", &deployment()));
    assert_eq!(response.message, "[a] [Implied by expand-deployments] Pod web-pod");
}
