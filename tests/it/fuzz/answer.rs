//! What an engine says about a policy and an input, and what of it has to be the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::query::{Policies, QueryError, Solution, SourceFile};
use serde_json::Value;

use super::values::is_same;

#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// It does not compile.
    Refused(String),
    Undefined,
    Value(Value),
    /// It stopped while it ran.
    Failed(String),
    /// A mistake of the engine's.
    Panicked,
}

impl Answer {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(one), Self::Value(other)) => is_same(one, other),
            (Self::Panicked, _) => false,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Undefined => "undefined",
            Self::Value(_) => "value",
            Self::Failed(_) => "failed",
            Self::Panicked => "panicked",
        }
    }

    /// Whether it differs by empty objects only: regorus has none for `p["k"] = x { … }` when there is no such `x`.
    pub(super) fn lacks_empty_objects(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(one), Self::Value(other)) => {
                is_same(&without_empty_objects(one), &without_empty_objects(other))
            }
            (Self::Undefined, Self::Value(other)) => other.as_object().is_some_and(serde_json::Map::is_empty),
            _ => false,
        }
    }

    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// Its words, when it has no value.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Refused(text) | Self::Failed(text) => text,
            Self::Undefined | Self::Value(_) | Self::Panicked => "",
        }
    }

    pub(super) fn of_own(policies: &Policies, path: &str, input: &Value) -> Self {
        let query = format!("data.{}", path.replace('/', "."));
        let ask = || policies.ask(&query, Some(input), None);
        match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(Ok(answer)) => Self::of_solutions(answer.solutions),
            Ok(Err(QueryError::Evaluate(error))) => Self::Failed(error.to_string()),
            Ok(Err(QueryError::Compile(errors))) => Self::Refused(format!("{errors:?}")),
            Ok(Err(error)) => Self::Refused(format!("{error:?}")),
            Err(_) => Self::Panicked,
        }
    }

    pub(super) fn of_regorus(policies: &Policies, path: &str, input: &Value) -> Self {
        let query = format!("data.{}", path.replace('/', "."));
        let ask = || policies.ask_second(&query, Some(input), None);
        match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(Ok(answer)) => Self::of_solutions(answer.solutions),
            Ok(Err(QueryError::Second(text) | QueryError::Internal(text))) => Self::Failed(text),
            Ok(Err(error)) => Self::Failed(format!("{error:?}")),
            Err(_) => Self::Failed("regorus panicked".to_owned()),
        }
    }

    fn of_solutions(solutions: Vec<Solution>) -> Self {
        let first = solutions.into_iter().next().and_then(|solution| solution.expressions.into_iter().next());
        first.map_or(Self::Undefined, Self::Value)
    }
}

fn without_empty_objects(value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let fields = map.iter().map(|(key, value)| (key.clone(), without_empty_objects(value)));
    Value::Object(fields.filter(|(_, value)| !value.as_object().is_some_and(serde_json::Map::is_empty)).collect())
}

/// The compiled policy, or what is wrong with it.
pub(super) fn compile(text: &str, version: RegoVersion) -> Result<Policies, Answer> {
    let file = SourceFile { name: "case.rego".to_owned(), text: text.to_owned() };
    let compiled = catch_unwind(AssertUnwindSafe(|| Policies::compile(&[file], version)));
    let errors = compiled.map_err(|_| Answer::Panicked)?;
    errors.map_err(|errors| {
        let show = |error: &admit::policy::engine::rego::syntax::ast::RegoError| {
            format!("{}: {} ({})", error.class.as_str(), error.message, error.span.line)
        };
        Answer::Refused(errors.iter().map(show).collect::<Vec<_>>().join("; "))
    })
}
