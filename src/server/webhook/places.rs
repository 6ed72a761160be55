//! Where in the object violations are, for the messages that people see: `--blame`.
//!
//! Promises: the verdict is made before, and stays; what is not found in time is left out, so that every answer comes in time.

use std::time::Duration;

use crate::model::api::EnforcementAction;
use crate::model::review::Review;
use crate::policy::blame::{Basis, Blame, blame};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{Evaluation, Violation};
use crate::policy::snapshot::Snapshot;

/// The longest that one request may be held up by this: others wait for its thread.
const MOST: Duration = Duration::from_millis(250);

/// One place for each violation that somebody is told of, in their order.
pub(super) fn find(
    snapshot: &Snapshot,
    review: &Review,
    evaluation: &Evaluation,
    deadline: Deadline,
) -> Vec<Option<String>> {
    let deadline = deadline.share(MOST);
    let is_told = |action: &EnforcementAction| matches!(action, EnforcementAction::Deny | EnforcementAction::Warn);
    let places = evaluation.violations.iter().map(|violation| {
        if !violation.actions.iter().any(is_told) {
            return None;
        }
        let blame = blame(snapshot, review, violation, deadline);
        // What is found until time is up need not be what would have been found in the end.
        place(&blame, violation).filter(|_| !deadline.has_passed())
    });
    places.collect()
}

/// The field, as the API server writes it; for what the object would create, the field that that is made from.
fn place(blame: &Blame, violation: &Violation) -> Option<String> {
    let written = |path| violation.origin_of(path).path;
    match (&blame.missing, blame.basis) {
        (_, Basis::Object) => None,
        (Some(missing), _) => Some(format!("missing {}", written(missing))),
        (None, _) => Some(written(&blame.path).to_string()),
    }
}
