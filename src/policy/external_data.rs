//! What policies and mutators may ask of the world: providers of external data, by name.
//!
//! The one call out of the core. Whoever runs evaluations says who answers: the server asks over HTTPS, the command line
//! reads a recorded file, and [`NoExternalData`] refuses. Promises: a source never takes longer than the question's
//! deadline; what goes wrong at a provider is a [`ProviderFailure`], which policies see and failure policies decide.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use crate::model::api::Provider;
use crate::policy::engine::Deadline;

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

impl FromIterator<Arc<Provider>> for Providers {
    fn from_iter<T: IntoIterator<Item = Arc<Provider>>>(providers: T) -> Self {
        Self(providers.into_iter().map(|one| (one.name.clone(), one)).collect())
    }
}

/// Who answers questions to providers.
pub trait ExternalDataSource: Debug + Send + Sync {
    /// Asks providers at the same time; one answer for each question, in their order.
    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>>;

    /// Asks one provider.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&self, question: Question<'_>) -> Result<Answer, ProviderFailure> {
        let none = || Err(ProviderFailure::Refused("the source of external data gave no answer".to_owned()));
        self.ask_all(&[question]).pop().unwrap_or_else(none)
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

/// Nobody to ask: evaluation offline does no I/O.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoExternalData;

impl ExternalDataSource for NoExternalData {
    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>> {
        let refused = |question: &Question<'_>| {
            Err(ProviderFailure::Refused(format!(
                "provider {:?} is asked for external data, and nothing is sent from here; record its answers in a file \
                 and give that with --external-data FILE",
                question.provider.name
            )))
        };
        questions.iter().map(refused).collect()
    }
}
