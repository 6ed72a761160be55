//! What became of a ConfigMap that was created as a dry run: the one proof that webhooks answer the API server itself.

use std::time::Duration;

use super::{Facts, Finding, Severity, Webhook};

/// People at a terminal notice that.
const SLOW: Duration = Duration::from_secs(1);

/// The checks of this theme.
pub(super) fn check(facts: &Facts, _: &[Webhook]) -> Vec<Finding> {
    let namespace = &facts.names.canary_namespace;
    let took = facts.canary.took.as_millis();
    let finding = |severity, found: String, why: &str, help: String| {
        vec![Finding {
            severity,
            check: "canary",
            object: format!("ConfigMap {namespace}/admit-doctor-canary"),
            field: String::new(),
            found,
            why: why.to_owned(),
            help,
        }]
    };
    match &facts.canary.outcome {
        Ok(()) if facts.canary.took > SLOW => finding(
            Severity::Warning,
            format!("a dry run of its creation took {took} ms"),
            "every write waits so long, or something does that webhooks wait for",
            "look at apiserver_admission_webhook_admission_duration_seconds of the API server, by webhook".to_owned(),
        ),
        Ok(()) => finding(
            Severity::Info,
            format!("a dry run of its creation took {took} ms"),
            "webhooks for ConfigMaps answered, or were passed over (failurePolicy Ignore)",
            String::new(),
        ),
        Err((_, message)) if message.contains("failed calling webhook") => finding(
            Severity::Error,
            format!("the API server could not ask a webhook ({took} ms): {message}"),
            "it refuses the request, and every other that it would ask that webhook about",
            "mend the webhook that is named (other findings say how), or set its failurePolicy to Ignore meanwhile"
                .to_owned(),
        ),
        Err((_, message)) if message.contains("denied the request") => finding(
            Severity::Info,
            format!("a policy refuses it ({took} ms): {message}"),
            "webhooks answer; more is not known",
            "choose a namespace where ConfigMaps are allowed: --canary-namespace NAME".to_owned(),
        ),
        Err((401 | 403 | 404, message)) => finding(
            Severity::NotChecked,
            format!("it could not be tried: {message}"),
            "whether webhooks answer the API server is not known",
            format!(
                "run admit doctor as a user who may create ConfigMaps in {namespace}, or choose another namespace: \
                 --canary-namespace NAME"
            ),
        ),
        Err((_, message)) => finding(
            Severity::Error,
            format!("a dry run of its creation failed after {took} ms: {message}"),
            "such a request must pass in a cluster that works",
            "look at the message, and at the log of the API server".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::facts_with;
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let webhook = "Internal error occurred: failed calling webhook \"a\": connection refused";
        let denied = "admission webhook \"a\" denied the request: [x] no";
        for (took, outcome, expected) in [
            (5, Ok(()), Severity::Info),
            (1_500, Ok(()), Severity::Warning),
            (5, Err((500, webhook)), Severity::Error),
            (5, Err((403, denied)), Severity::Info),
            (5, Err((403, "configmaps is forbidden: User \"x\" cannot create")), Severity::NotChecked),
            (5, Err((400, "admission webhook \"a\" does not support dry run")), Severity::Error),
            (9_000, Err((0, "no answer")), Severity::Error),
        ] {
            let mut facts = facts_with(&[], &[]);
            let outcome = outcome.map_err(|(code, message)| (code, message.to_owned()));
            facts.canary = super::super::Canary { took: Duration::from_millis(took), outcome };
            assert_eq!(check(&facts, &[])[0].severity, expected, "{:?}", facts.canary);
        }
    }
}
