//! What the API server is told.

use crate::model::api::EnforcementAction;
use crate::model::review::AdmissionResponse;

use super::{Evaluation, ReviewFailure, Violation};

/// The outcome of a review in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The request goes on, perhaps with warnings.
    Allow,
    /// A policy refuses it.
    Deny,
    /// It is refused because it could not be judged.
    Error,
}

impl Decision {
    /// As metrics and traces have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// The outcome of a review and the response that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The outcome.
    pub decision: Decision,
    /// What to answer.
    pub response: AdmissionResponse,
}

impl Verdict {
    /// One denial is enough to refuse; warnings are attached either way.
    pub fn from_evaluation(evaluation: &Evaluation) -> Self {
        Self::with_places(evaluation, &[])
    }

    /// The same, with what is known of the place of each violation, in their order, behind its message.
    pub fn with_places(evaluation: &Evaluation, places: &[Option<String>]) -> Self {
        let places = places.iter().map(Option::as_deref).chain(std::iter::repeat(None));
        let line = |violation: &Violation, place: Option<&str>| match place {
            Some(place) => format!("{} ({place})", violation.line()),
            None => violation.line(),
        };
        let lines = |action: &EnforcementAction| -> Vec<String> {
            let placed = evaluation.violations.iter().zip(places.clone());
            let with_action = placed.filter(|(violation, _)| violation.actions.contains(action));
            with_action.map(|(violation, place)| line(violation, place)).collect()
        };
        let (denials, warnings) = (lines(&EnforcementAction::Deny), lines(&EnforcementAction::Warn));
        let allowed = denials.is_empty();
        let (code, reason) = match (allowed, warnings.is_empty()) {
            (false, _) => (403, Some("Forbidden")),
            (true, false) => (299, None),
            (true, true) => (200, None),
        };
        let decision = if allowed { Decision::Allow } else { Decision::Deny };
        let response = AdmissionResponse { allowed, code, reason, message: denials.join("\n"), warnings, patch: None };
        Self { decision, response }
    }

    /// The request is refused: what cannot be judged is not let through.
    pub fn from_failure(failure: &ReviewFailure, name: &str) -> Self {
        let message = match failure {
            ReviewFailure::Evaluation { .. } => format!("error reviewing resource {name}: {failure}"),
            ReviewFailure::Resultant { .. } | ReviewFailure::Expansion(_) | ReviewFailure::Generator { .. } => {
                failure.to_string()
            }
        };
        Self { decision: Decision::Error, response: AdmissionResponse::error(500, message) }
    }
}
