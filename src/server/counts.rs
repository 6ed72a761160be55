//! How many policies there are, and how they stand, for metrics.

use std::collections::BTreeMap;

use super::telemetry::metrics::{ACTIONS, Metrics, State};
use super::writer::{Report, ResourceState};
use crate::model::api::{CONSTRAINTS_GROUP, EXPANSION_GROUP, MUTATIONS_GROUP, PROVIDERS_GROUP, TEMPLATES_GROUP};
use crate::model::object::{Object, ObjectKey};

/// Gatekeeper's type of error for mutators that are in each other's way.
const CONFLICT: &str = "ErrConflictingSchema";

/// Counts, and remembers what was counted before.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// UID and generation of the mutators that were there.
    mutators: BTreeMap<ObjectKey, (String, i64)>,
}

impl Counts {
    /// Counts what is in a report; `seconds` is what it took to come to it.
    pub(super) fn count(&mut self, metrics: &Metrics, report: &Report, seconds: f64) {
        for status in [State::active, State::error] {
            let of = |group: &str| report.resources.iter().filter(|one| is(one, group, status)).count();
            metrics.templates(status, of(TEMPLATES_GROUP));
            metrics.mutation().mutators(status, of(MUTATIONS_GROUP));
            metrics.mutation().expansion_templates(status, of(EXPANSION_GROUP));
            metrics.mutation().providers(status, of(PROVIDERS_GROUP));
            for action in ACTIONS {
                let constraints = report.resources.iter().filter(|one| is(one, CONSTRAINTS_GROUP, status));
                let count = constraints.filter(|one| action_label(&one.object) == action).count();
                metrics.constraints(action, status, count);
            }
        }
        self.count_mutators(metrics, report, seconds);
    }

    fn count_mutators(&mut self, metrics: &Metrics, report: &Report, seconds: f64) {
        let mutators = || report.resources.iter().filter(|one| one.object.gvk().group == MUTATIONS_GROUP);
        let has_conflict = |one: &&ResourceState| one.errors.iter().any(|error| error.code == CONFLICT);
        metrics.mutation().conflicting(mutators().filter(has_conflict).count());
        let mut now = BTreeMap::new();
        for state in mutators() {
            let (key, version) = (state.object.key(), (state.object.uid().to_owned(), state.object.generation()));
            if self.mutators.get(&key) != Some(&version) {
                metrics.mutation().ingestion(status(state), seconds);
            }
            now.insert(key, version);
        }
        self.mutators = now;
    }
}

fn status(state: &ResourceState) -> State {
    if state.errors.is_empty() { State::active } else { State::error }
}

fn is(state: &ResourceState, group: &str, wanted: State) -> bool {
    state.object.gvk().group == group && status(state) == wanted
}

fn action_label(constraint: &Object) -> &'static str {
    let written = constraint.field(&["spec", "enforcementAction"]).and_then(serde_json::Value::as_str);
    let action = written.filter(|text| !text.is_empty()).unwrap_or("deny");
    ACTIONS.into_iter().find(|known| *known == action).unwrap_or("unrecognized")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::model::object::FieldPath;
    use crate::policy::snapshot::{ErrorPlace, ResourceError};

    fn state(name: &str, generation: u64, code: Option<&'static str>) -> ResourceState {
        let metadata = json!({"name": name, "uid": name, "generation": generation});
        let value = json!({"apiVersion": "mutations.gatekeeper.sh/v1", "kind": "Assign", "metadata": metadata});
        let object = Arc::new(Object::from_value(value).unwrap());
        let (key, place) = (object.key(), ErrorPlace::Field(FieldPath::root()));
        let error = |code| ResourceError { key, code, message: String::new(), place, previous_in_force: false };
        let errors: Vec<_> = code.map(error).into_iter().collect();
        ResourceState { is_in_force: errors.is_empty(), object, errors }
    }

    #[test]
    fn a_mutator_is_ingested_once_a_version_and_conflicts_are_told_apart() {
        let (metrics, mut counts) = (Metrics::new(), Counts::default());
        let mut count = |resources| counts.count(&metrics, &Report { resources, is_complete: true }, 0.001);
        count(vec![state("a", 1, None), state("b", 1, Some(CONFLICT)), state("c", 1, Some(""))]);
        count(vec![state("a", 2, None), state("b", 1, Some(CONFLICT)), state("d", 1, Some(CONFLICT))]);
        let text = metrics.encode().unwrap();
        for line in [
            "gatekeeper_mutators{status=\"active\"} 1",
            "gatekeeper_mutators{status=\"error\"} 2",
            "gatekeeper_mutator_conflicting_count 2",
            "gatekeeper_mutator_ingestion_count_total{status=\"active\"} 2",
            "gatekeeper_mutator_ingestion_count_total{status=\"error\"} 3",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} not in\n{text}");
        }
    }
}
