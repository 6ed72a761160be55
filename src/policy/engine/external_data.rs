//! What policies and mutators may ask of the world: providers of external data, by name.
//!
//! The one call out of the core. Whoever runs evaluations says who answers: the server asks over HTTPS, the command line
//! reads a recorded file, and [`NoExternalData`] refuses. Promises: a source never takes longer than the question's
//! deadline; what goes wrong at a provider is a [`ProviderFailure`], which policies see and failure policies decide.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use thiserror::Error;

use super::Deadline;
use crate::model::api::{Provider, Recorded, RecordedAnswers};

/// Providers in force, by name.
#[derive(Clone, Debug, Default)]
pub struct Providers(BTreeMap<String, Arc<Provider>>);

impl Providers {
    /// One of them.
    pub fn find(&self, name: &str) -> Option<&Arc<Provider>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Providers {
    /// The same, with what was recorded of them, and of others.
    #[must_use]
    pub fn with_records(mut self, records: &RecordedAnswers) -> Self {
        for (name, recorded) in records {
            let of_record = || Arc::new(Provider::of_record(name, Arc::clone(recorded)));
            let provider = self.0.entry(name.clone()).or_insert_with(of_record);
            if provider.recorded.as_ref() != Some(recorded) {
                Arc::make_mut(provider).recorded = Some(Arc::clone(recorded));
            }
        }
        self
    }
}

impl FromIterator<Arc<Provider>> for Providers {
    fn from_iter<T: IntoIterator<Item = Arc<Provider>>>(providers: T) -> Self {
        Self(providers.into_iter().map(|one| (one.name.clone(), one)).collect())
    }
}

/// Who answers questions to providers.
pub trait ExternalDataSource: Debug + Send + Sync {
    /// Asks providers at the same time; one answer for each question, in their order.
    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>>;

    /// Why nobody can be asked who is not among the providers; nothing where that is all the same.
    fn refusal(&self, _name: &str) -> Option<String> {
        None
    }

    /// Asks one provider.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&self, question: Question<'_>) -> Result<Answer, ProviderFailure> {
        let none = || Err(ProviderFailure::Refused("the source of external data gave no answer".to_owned()));
        self.ask_all(&[question]).pop().unwrap_or_else(none)
    }
}

/// What one evaluation may ask, and how long it may wait at all.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'e> {
    /// Who answers.
    pub source: &'e dyn ExternalDataSource,
    /// Who may be asked.
    pub providers: &'e Providers,
    /// When the whole review must have its answer.
    pub deadline: Deadline,
}

impl<'e> Outside<'e> {
    /// What was recorded of these providers, and nothing else.
    pub fn recorded(providers: &'e Providers) -> Self {
        Self { source: &NoExternalData, providers, deadline: Deadline::none() }
    }
}

/// What is asked of one provider.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Whom.
    pub provider: &'q Arc<Provider>,
    /// About what; each key once.
    pub keys: &'q [String],
    /// What for.
    pub purpose: Purpose,
    /// When the asker must have an answer, or know that there is none.
    pub deadline: Deadline,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To judge: an answer of a while ago serves.
    Validation,
    /// To change an object: asked anew, as Gatekeeper does.
    Mutation,
}

/// What a provider says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// One for each key that it knows something of, in its order; it may say less or more than it was asked.
    pub items: Vec<Item>,
    /// Its own account of a failure of the whole; empty when all is well.
    pub system_error: String,
    /// Whether it says that asking again gives the same.
    pub is_idempotent: bool,
    /// Of HTTP; 0 when nothing was sent, because everything had been answered before.
    pub status_code: u16,
}

/// What a provider says of one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The key.
    pub key: String,
    /// Any JSON, or why there is none: a text that is not empty.
    pub value: Result<Value, String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProviderFailure {
    /// The provider could not be asked, or did not answer so that it could be understood.
    #[error("{0}")]
    Failed(String),
    /// External data cannot be had here: no policy may take that for an answer.
    #[error("{0}")]
    Refused(String),
}

/// Nobody to ask: evaluation offline does no I/O. What was recorded of a provider is its answer, and nothing else is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoExternalData;

impl NoExternalData {
    fn answer(question: &Question<'_>) -> Result<Answer, ProviderFailure> {
        let name = &question.provider.name;
        let Some(recorded) = &question.provider.recorded else {
            return Err(ProviderFailure::Refused(not_recorded(name)));
        };
        if let Some(failure) = &recorded.failure {
            return Err(ProviderFailure::Failed(format!("failed to send external data request: {failure}")));
        }
        let known = |key: &String| recorded.keys.get(key).map(|value| Item { key: key.clone(), value: value.clone() });
        let items: Vec<Item> = question.keys.iter().filter_map(known).collect();
        // A provider that fails as a whole need not speak of keys.
        if items.len() < question.keys.len() && recorded.system_error.is_empty() {
            let unknown = question.keys.iter().filter(|key| !recorded.keys.contains_key(*key));
            let unknown: Vec<String> = unknown.map(|key| format!("{key:?}")).collect();
            return Err(ProviderFailure::Refused(format!(
                "provider {name:?} is asked about keys of which nothing is recorded; add them to the file of \
                 --external-data, each with a value or an error: {}",
                unknown.join(", ")
            )));
        }
        let Recorded { system_error, is_idempotent, .. } = recorded.as_ref();
        Ok(Answer { items, system_error: system_error.clone(), is_idempotent: *is_idempotent, status_code: 200 })
    }
}

impl ExternalDataSource for NoExternalData {
    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>> {
        questions.iter().map(Self::answer).collect()
    }

    fn refusal(&self, name: &str) -> Option<String> {
        Some(not_recorded(name))
    }
}

fn not_recorded(name: &str) -> String {
    format!(
        "provider {name:?} is asked, and nothing is sent from here; give its recorded answers with --external-data FILE"
    )
}

/// A source for one review: what was answered once is the answer for all its policies, and a provider that failed is not
/// waited for again.
#[derive(Debug)]
pub struct OncePerReview<'s> {
    source: &'s dyn ExternalDataSource,
    known: Mutex<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    provider: Arc<Provider>,
    keys: Vec<String>,
    purpose: Purpose,
    answer: Result<Answer, ProviderFailure>,
}

impl<'s> OncePerReview<'s> {
    /// Answers from this source.
    pub fn of(source: &'s dyn ExternalDataSource) -> Self {
        Self { source, known: Mutex::default() }
    }

    fn recall(&self, question: &Question<'_>) -> Option<Result<Answer, ProviderFailure>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |one: &&Known| {
            Arc::ptr_eq(&one.provider, question.provider)
                && one.purpose == question.purpose
                && (one.answer.is_err() || one.keys == question.keys)
        };
        known.iter().find(is_known).map(|one| one.answer.clone())
    }
}

impl ExternalDataSource for OncePerReview<'_> {
    fn refusal(&self, name: &str) -> Option<String> {
        self.source.refusal(name)
    }

    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>> {
        let recalled: Vec<_> = questions.iter().map(|question| self.recall(question)).collect();
        let unknown = questions.iter().zip(&recalled).filter(|(_, answer)| answer.is_none());
        let unknown: Vec<Question<'_>> = unknown.map(|(question, _)| *question).collect();
        let mut asked = Vec::new();
        if !unknown.is_empty() {
            asked = self.source.ask_all(&unknown);
            let keep = |(question, answer): (&Question<'_>, &Result<_, _>)| Known {
                provider: Arc::clone(question.provider),
                keys: question.keys.to_vec(),
                purpose: question.purpose,
                answer: Result::clone(answer),
            };
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(unknown.iter().zip(&asked).map(keep));
        }
        let mut asked = asked.into_iter();
        let missing = || Err(ProviderFailure::Refused("the source of external data gave no answer".to_owned()));
        recalled.into_iter().map(|known| known.or_else(|| asked.next()).unwrap_or_else(missing)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails for one provider, and counts.
    #[derive(Debug, Default)]
    struct Counting(Mutex<Vec<(String, Vec<String>)>>);

    impl ExternalDataSource for Counting {
        fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>> {
            let answer = |question: &Question<'_>| {
                let name = &question.provider.name;
                self.0.lock().unwrap().push((name.clone(), question.keys.to_vec()));
                let item = |key: &String| Item { key: key.clone(), value: Ok(key.as_str().into()) };
                match name.as_str() {
                    "down" => Err(ProviderFailure::Failed("it is down".to_owned())),
                    _ => Ok(Answer { items: question.keys.iter().map(item).collect(), ..Answer::default() }),
                }
            };
            questions.iter().map(answer).collect()
        }
    }

    fn provider(name: &str) -> Arc<Provider> {
        let (url, authorities) = ("https://example.com".to_owned(), Vec::new());
        Arc::new(Provider { name: name.to_owned(), url, timeout_seconds: 1, authorities, recorded: None })
    }

    #[test]
    fn only_what_is_recorded_is_answered_offline() {
        let keys = BTreeMap::from([("a".to_owned(), Ok(Value::from(1))), ("b".to_owned(), Err("bad".to_owned()))]);
        let all = Arc::new(Recorded { keys, is_idempotent: true, ..Recorded::default() });
        let down = Arc::new(Recorded { failure: Some("it is down".to_owned()), ..Recorded::default() });
        let sick = Arc::new(Recorded { system_error: "sealed".to_owned(), ..Recorded::default() });
        let records = [("all", all), ("down", down), ("sick", sick)].map(|(name, one)| (name.to_owned(), one));
        let providers = Providers::from_iter([provider("all"), provider("silent")]).with_records(&records.into());
        let ask = |name, key: &str| {
            let (provider, keys) = (providers.find(name).unwrap(), [key.to_owned()]);
            let deadline = Deadline::none();
            NoExternalData.ask(Question { provider, keys: &keys, purpose: Purpose::Validation, deadline })
        };
        assert_eq!(ask("all", "a").unwrap().items[0].value, Ok(Value::from(1)));
        assert_eq!(ask("all", "b").unwrap().items[0].value, Err("bad".to_owned()));
        assert_eq!(ask("sick", "a").unwrap().system_error, "sealed");
        let failed = "failed to send external data request: it is down".to_owned();
        assert_eq!(ask("down", "a"), Err(ProviderFailure::Failed(failed)));
        for (name, key) in [("all", "c"), ("silent", "a")] {
            let error = ask(name, key).unwrap_err();
            assert!(matches!(&error, ProviderFailure::Refused(text) if text.contains("--external-data")), "{error}");
        }
        assert_eq!((providers.len(), providers.find("all").unwrap().timeout_seconds), (4, 1));
    }

    #[test]
    fn one_review_asks_once_and_waits_once_for_whom_is_down() {
        let (good, down, source) = (provider("good"), provider("down"), Counting::default());
        let once = OncePerReview::of(&source);
        let (one, two) = (["a".to_owned()], ["a".to_owned(), "b".to_owned()]);
        let ask =
            |provider, keys| Question { provider, keys, purpose: Purpose::Validation, deadline: Deadline::none() };
        let questions = [ask(&good, &one[..]), ask(&down, &one[..]), ask(&good, &two[..])];
        for _ in 0..2 {
            let answers = once.ask_all(&questions);
            assert_eq!(answers[0].as_ref().unwrap().items.len(), 1);
            assert_eq!(answers[1], Err(ProviderFailure::Failed("it is down".to_owned())));
            assert_eq!(answers[2].as_ref().unwrap().items.len(), 2);
        }
        assert!(once.ask(ask(&down, &two[..])).is_err(), "with other keys it is as down");
        assert_eq!(source.0.lock().unwrap().len(), 3);
        let changes = Question { purpose: Purpose::Mutation, ..ask(&good, &one[..]) };
        assert!(once.ask(changes).is_ok());
        assert_eq!(source.0.lock().unwrap().len(), 4, "changes are asked anew");
    }
}
