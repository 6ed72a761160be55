//! Fields of single webhooks that are asking for trouble.

use std::collections::BTreeMap;

use super::webhooks::list;
use super::{Facts, Finding, Severity, Webhook};
use crate::model::api::MUTATIONS_GROUP;

/// The checks of this theme.
pub(super) fn check(facts: &Facts, all: &[Webhook]) -> Vec<Finding> {
    let single = all.iter().flat_map(|webhook| {
        [side_effects(webhook), match_policy(webhook), reinvocation(webhook, all)].into_iter().flatten()
    });
    single.chain(missing(facts, all)).chain(missing_for_mutators(facts, all)).chain(duplicates(all)).collect()
}

fn side_effects(webhook: &Webhook) -> Option<Finding> {
    let effects = webhook.text("sideEffects");
    let (severity, why) = match effects {
        "None" => return None,
        "NoneOnDryRun" => (Severity::Info, "it has side effects, and must leave them out on a dry run"),
        _ => (
            Severity::Error,
            "every dry run that it would be asked about is refused: kubectl diff, server-side dry runs",
        ),
    };
    Some(Finding {
        found: format!("sideEffects is {}", if effects.is_empty() { "not set" } else { effects }),
        why: why.to_owned(),
        help: format!("when it only judges: {}", webhook.patch("sideEffects", &"None".into())),
        ..webhook.finding(severity, "side-effects", "sideEffects")
    })
}

/// `Exact` loses nothing where rules name neither groups nor versions.
fn match_policy(webhook: &Webhook) -> Option<Finding> {
    let names_versions = webhook
        .rules()
        .iter()
        .any(|rule| ["apiGroups", "apiVersions"].iter().any(|field| !list(rule, field).any(|entry| entry == "*")));
    (webhook.text("matchPolicy") == "Exact" && names_versions).then(|| Finding {
        found: "matchPolicy is Exact, and rules name groups or versions".to_owned(),
        why:
            "the same object through another group or version of its API is not sent to it: policies can be gone around"
                .to_owned(),
        help: webhook.patch("matchPolicy", &"Equivalent".into()),
        ..webhook.finding(Severity::Warning, "match-policy", "matchPolicy")
    })
}

fn reinvocation(webhook: &Webhook, all: &[Webhook]) -> Option<Finding> {
    let mutating = all.iter().filter(|one| one.is_mutating).count();
    (webhook.is_mutating && mutating > 1 && webhook.text("reinvocationPolicy") != "IfNeeded").then(|| Finding {
        found: format!("reinvocationPolicy is Never, and {mutating} webhooks mutate"),
        why: "what another webhook adds after it (a sidecar container) is not mutated by it".to_owned(),
        help: format!("if it may be asked twice: {}", webhook.patch("reinvocationPolicy", &"IfNeeded".into())),
        ..webhook.finding(Severity::Info, "reinvocation", "reinvocationPolicy")
    })
}

/// Without its configuration, nothing is asked of admit.
fn missing(facts: &Facts, all: &[Webhook]) -> Option<Finding> {
    let is_there = all.iter().any(|webhook| webhook.is_own && !webhook.is_mutating);
    (facts.validating.is_ok() && !is_there).then(|| Finding {
        severity: Severity::Warning,
        check: "no-webhook",
        object: format!("ValidatingWebhookConfiguration {}", facts.names.validating),
        field: String::new(),
        found: "there is none of that name with a webhook in it".to_owned(),
        why: "no request is judged by the policies of this cluster".to_owned(),
        help: "apply it, or say how it is called: --validating-webhook-configuration-name NAME".to_owned(),
    })
}

/// Mutators that nothing is ever sent to.
fn missing_for_mutators(facts: &Facts, all: &[Webhook]) -> Option<Finding> {
    let is_there = all.iter().any(|webhook| webhook.is_own && webhook.is_mutating);
    let mutators = facts.policies.iter().flatten().flatten().filter(|one| one.gvk().group == MUTATIONS_GROUP).count();
    (facts.mutating.is_ok() && !is_there && mutators > 0).then(|| Finding {
        severity: Severity::Warning,
        check: "no-mutating-webhook",
        object: format!("MutatingWebhookConfiguration {}", facts.names.mutating),
        field: String::new(),
        found: format!("there is none of that name with a webhook in it, and {mutators} mutators"),
        why: "no request is changed by the mutators of this cluster".to_owned(),
        help: "apply it, or say how it is called: --mutating-webhook-configuration-name NAME".to_owned(),
    })
}

/// Two installations that judge the same requests.
fn duplicates(all: &[Webhook]) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, Vec<&Webhook>> = BTreeMap::new();
    let judges = |webhook: &&Webhook| webhook.name.ends_with(".gatekeeper.sh");
    for webhook in all.iter().filter(judges) {
        by_name.entry(&webhook.name).or_default().push(webhook);
    }
    let several = by_name.into_values().filter(|found| found.len() > 1);
    let finding = |found: Vec<&Webhook>| {
        let (last, others) = found.split_last()?;
        let names: Vec<&str> = others.iter().map(|one| one.configuration.as_str()).collect();
        Some(Finding {
            found: format!("{} is also in {}", last.name, names.join(", ")),
            why:
                "requests are judged twice, each violation is told twice, and taking one down does not stop the other: \
                  Gatekeeper beside admit, or two installations"
                    .to_owned(),
            help: format!(
                "keep one of them: kubectl delete {} NAME",
                last.object().split(' ').next().unwrap_or_default()
            ),
            ..last.finding(Severity::Warning, "duplicate-webhook", "name")
        })
    };
    several.filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{facts_with, mutating, object, validating};
    use super::*;

    fn run(facts: &Facts) -> Vec<(Severity, &'static str)> {
        let all = super::super::webhooks(facts);
        check(facts, &all).into_iter().map(|one| (one.severity, one.check)).collect()
    }

    fn check_one(change: impl FnOnce(&mut Value), expected: &[(Severity, &'static str)]) {
        assert_eq!(run(&facts_with(&[validating(change)], &[])), expected);
    }

    #[test]
    fn fields_are_judged() {
        check_one(|_| {}, &[]);
        check_one(|webhook| webhook["sideEffects"] = "Unknown".into(), &[(Severity::Error, "side-effects")]);
        check_one(|webhook| webhook["sideEffects"] = "NoneOnDryRun".into(), &[(Severity::Info, "side-effects")]);
        check_one(|webhook| webhook["matchPolicy"] = "Exact".into(), &[(Severity::Warning, "match-policy")]);
        let exact_for_all = |webhook: &mut Value| {
            webhook["matchPolicy"] = "Exact".into();
            webhook["rules"][0]["apiGroups"] = json!(["*"]);
            webhook["rules"][0]["apiVersions"] = json!(["*"]);
        };
        check_one(exact_for_all, &[]);
    }

    #[test]
    fn installations_side_by_side_and_none_at_all() {
        let twice = facts_with(&[validating(|_| {}), validating(|_| {})], &[]);
        assert_eq!(run(&twice), [(Severity::Warning, "duplicate-webhook")]);
        assert_eq!(run(&facts_with(&[], &[])), [(Severity::Warning, "no-webhook")]);
        let mut unheard = facts_with(&[validating(|_| {})], &[]);
        unheard.policies = vec![Ok(vec![object(json!({"apiVersion": "mutations.gatekeeper.sh/v1", "kind": "Assign",
            "metadata": {"name": "a"}}))])];
        assert_eq!(run(&unheard), [(Severity::Warning, "no-mutating-webhook")]);
        let injector = |webhook: &mut Value| webhook["name"] = "sidecar.example.com".into();
        let several = facts_with(&[validating(|_| {})], &[mutating(|_| {}), mutating(injector)]);
        assert_eq!(run(&several), [(Severity::Info, "reinvocation"), (Severity::Info, "reinvocation")]);
    }
}
