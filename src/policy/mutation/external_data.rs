//! External data in place of what waits for it: every provider is asked once, about all keys together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::draft::{Draft, Placeholder, write};
use crate::model::api::mutator::FailurePolicy;
use crate::model::object::go_text;
use crate::policy::engine::Deadline;
use crate::policy::engine::external_data::{Answer, ExternalDataSource, ProviderFailure, Providers, Purpose, Question};

/// What was filled in although there was no answer, and why.
pub(crate) type Resolved = Vec<String>;

/// What a provider says of each key, or why it says nothing.
type Answers<'k> = BTreeMap<&'k str, Result<BTreeMap<String, Result<Value, String>>, String>>;

/// Fills in what waits for external data.
///
/// # Errors
/// With Gatekeeper's text, when a mutator wants the request to fail without an answer.
pub(crate) fn resolve(
    draft: &mut Draft,
    providers: &Providers,
    source: &dyn ExternalDataSource,
    deadline: Deadline,
) -> Result<Resolved, String> {
    let Draft { object, placeholders } = draft;
    if placeholders.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, placeholder) in placeholders.iter() {
        keys.entry(&placeholder.reference.provider).or_default().insert(&placeholder.key);
    }
    let answers = ask(&keys, providers, source, deadline)?;
    let (mut fallbacks, mut errors) = (Vec::new(), Vec::new());
    for (path, placeholder) in placeholders.iter() {
        match value_of(placeholder, &answers) {
            Ok(text) => write(object, path, text.into()),
            Err(error) => match &placeholder.reference.failure_policy {
                FailurePolicy::Fail => errors.push(error),
                FailurePolicy::Ignore => {
                    write(object, path, placeholder.original.as_str().into());
                    fallbacks.push(format!("{path}: left as it was: {error}"));
                }
                FailurePolicy::UseDefault(default) => {
                    write(object, path, default.as_str().into());
                    fallbacks.push(format!("{path}: the default was written: {error}"));
                }
            },
        }
    }
    match errors.is_empty() {
        true => Ok(fallbacks),
        false => Err(joined(errors)),
    }
}

/// Asks every provider that there is, at the same time. Where nothing can be asked at all, no policy for failures counts.
fn ask<'k>(
    keys: &BTreeMap<&'k str, BTreeSet<&'k str>>,
    providers: &Providers,
    source: &dyn ExternalDataSource,
    deadline: Deadline,
) -> Result<Answers<'k>, String> {
    let mut answers = Answers::new();
    let (mut names, mut asked) = (Vec::new(), Vec::new());
    for (name, keys) in keys {
        match providers.find(name) {
            Some(provider) => {
                names.push(*name);
                asked.push((provider, keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>()));
            }
            None => {
                if let Some(text) = source.refusal(name) {
                    return Err(text);
                }
                let error = format!("failed to find external data provider {name} in responses");
                answers.insert(name, Err(error));
            }
        }
    }
    // What comes of it is still to be finished when the wait is over.
    let deadline = deadline.most();
    let to_question = |(provider, keys)| Question { provider, keys, purpose: Purpose::Mutation, deadline };
    let questions: Vec<Question<'_>> =
        asked.iter().map(|(provider, keys)| to_question((*provider, keys.as_slice()))).collect();
    let results = if questions.is_empty() { Vec::new() } else { source.ask_all(&questions) };
    for (name, result) in names.into_iter().zip(results) {
        let answer = match result {
            Ok(answer) => checked(name, answer),
            Err(ProviderFailure::Failed(text)) => {
                Err(format!("failed to send external data request to provider {name}: {text}"))
            }
            Err(ProviderFailure::Refused(text)) => return Err(text),
        };
        answers.insert(name, answer);
    }
    Ok(answers)
}

/// The items of an answer that can be relied upon.
fn checked(provider: &str, answer: Answer) -> Result<BTreeMap<String, Result<Value, String>>, String> {
    let invalid =
        |text: &str| Err(format!("failed to validate external data response from provider {provider}: {text}"));
    let system_error = answer.system_error.trim();
    if !system_error.is_empty() {
        return invalid(&format!("non-empty system error: {system_error}"));
    }
    if !answer.is_idempotent {
        return invalid("non-idempotent response");
    }
    Ok(answer.items.into_iter().map(|item| (item.key, item.value)).collect())
}

fn value_of(placeholder: &Placeholder, answers: &Answers<'_>) -> Result<String, String> {
    let provider = placeholder.reference.provider.as_str();
    let missing = || format!("failed to find external data item in response for provider {provider}");
    let items = answers.get(provider).ok_or_else(missing)?.as_ref().map_err(Clone::clone)?;
    match items.get(&placeholder.key).ok_or_else(missing)? {
        Ok(Value::String(text)) => Ok(text.clone()),
        Ok(other) => {
            // An answer's numbers are all of one type to Gatekeeper.
            let found = if other.is_number() { "float64" } else { go_text::type_name(other) };
            Err(format!(
                "failed to convert external data item value from provider {provider} to string, got type {found}"
            ))
        }
        Err(text) => Err(format!("failed to retrieve external data item from provider {provider}: {text}")),
    }
}

/// As Kubernetes joins errors: each text once, several of them in brackets.
fn joined(errors: Vec<String>) -> String {
    let mut seen = BTreeSet::new();
    let texts: Vec<String> = errors.into_iter().filter(|text| seen.insert(text.clone())).collect();
    match texts.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
