//! Why a plan could not be made, or an evaluation has no answer.

use std::fmt;

use super::budget::Breach;
use super::plan::Place;

/// A module that broke the contract between the compile passes and the evaluator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct PlanError {
    pub line: u32,
    pub message: String,
}

/// Why an evaluation stopped. Undefined results are no error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Rules contradict each other. Worded as OPA does, because Gatekeeper shows it as the violation's message.
    #[error("{}eval_conflict_error: {conflict}", prefix(.module.as_deref(), *.line))]
    Conflict { module: Option<String>, line: u32, conflict: Conflict },
    /// A limit was reached.
    #[error("evaluation stopped: {}", .0.as_str())]
    Limit(Breach),
    /// A builtin halted.
    #[error("{0}")]
    Halt(String),
    /// Somebody was to be asked who cannot be: there is no answer of the policy's.
    #[error("{0}")]
    NobodyToAsk(String),
    /// A rule needs its own value, or a function was called with the wrong number of arguments: the compile passes
    /// should have refused the policy.
    #[error("rego_recursion_error: {0}")]
    Recursion(String),
}

/// What contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    CompleteRule,
    Function,
    ObjectKey,
}

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CompleteRule => "complete rules must not produce multiple outputs",
            Self::Function => "functions must not produce multiple outputs for same inputs",
            Self::ObjectKey => "object keys must be unique",
        })
    }
}

impl EvalError {
    pub(super) fn conflict(place: &Place, conflict: Conflict) -> Box<Self> {
        Box::new(Self::Conflict { module: place.module.as_deref().map(str::to_owned), line: place.line, conflict })
    }
}

impl From<Breach> for Box<EvalError> {
    fn from(breach: Breach) -> Self {
        Self::new(EvalError::Limit(breach))
    }
}

/// `template:50: `
fn prefix(module: Option<&str>, line: u32) -> String {
    module.map(|module| format!("{module}:{line}: ")).unwrap_or_default()
}
