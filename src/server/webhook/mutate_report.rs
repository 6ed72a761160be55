//! What is told of mutations: log lines, metrics, and annotations on what was mutated, as Gatekeeper has them.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value};
use tracing::{info, warn};

use crate::model::review::{Review, Source};
use crate::policy::evaluate::{Mutation, MutationFailure};
use crate::policy::mutation::{CompiledMutator, annotate};
use crate::server::telemetry::metrics::Metrics;

/// What is told of mutations; one field a flag.
#[derive(Clone, Copy, Debug, Default)]
pub struct MutationOptions {
    /// `--log-mutations`.
    pub are_logged: bool,
    /// `--mutation-annotations`.
    pub are_annotated: bool,
}

/// A random UUID (version 4): what a mutation is called in messages, logs and annotations.
pub(super) fn new_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness, ids are not told apart; nothing is decided by them.
    let _ = SystemRandom::new().fill(&mut bytes);
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{number:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Tells what came of a request.
pub(super) fn note(
    options: MutationOptions,
    metrics: &Metrics,
    id: &str,
    review: &Review,
    outcome: &Result<Mutation, MutationFailure>,
) {
    match outcome {
        Ok(mutation) => {
            // The last pass found nothing to do.
            let passes = if mutation.is_changed { mutation.passes.len() + 1 } else { 0 };
            metrics.mutation().iterations(true, passes);
            for fallback in &mutation.fallbacks {
                let (kind, name) = (&review.kind, review.display_name());
                warn!(process = "mutation", resource = %kind, name, "external data was to be had, and was not: {fallback}");
            }
            if options.are_logged && mutation.is_changed {
                let text = |pass: &Vec<Arc<CompiledMutator>>| pass.iter().map(|one| one.mutator.to_string()).collect();
                let passes: Vec<Vec<String>> = mutation.passes.iter().map(text).collect();
                log("Mutation applied", id, review, &passes);
            }
        }
        Err(MutationFailure::NotConverging { passes, .. }) => {
            metrics.mutation().iterations(false, passes.len());
            if options.are_logged {
                log("Mutation not converging", id, review, passes);
            }
        }
        Err(_) => metrics.mutation().iterations(false, 1),
    }
}

/// The object as it is to be, with annotations if they are wanted.
pub(super) fn annotated(options: MutationOptions, id: &str, mutation: Mutation) -> Value {
    let Mutation { mut object, passes, .. } = mutation;
    if options.are_annotated {
        annotate(&mut object, &passes, id);
    }
    object
}

fn log(message: &str, id: &str, review: &Review, passes: &[Vec<String>]) {
    let iterations = Value::Object(iterations(passes));
    let object = review.object.as_ref();
    let name = object.map(|one| one.name()).filter(|name| !name.is_empty()).or(object.map(|one| one.generate_name()));
    let labels = object.and_then(|one| one.value().to_json().pointer("/metadata/labels").cloned()).unwrap_or_default();
    let source = match review.source {
        Source::Original => "Original",
        Source::Generated => "Generated",
    };
    info!(
        semantic = true,
        process = "mutation",
        "Mutation Id" = id,
        event_type = "mutation_applied",
        resource_group = review.kind.group,
        resource_kind = review.kind.kind,
        resource_api_version = review.kind.version,
        resource_namespace = review.namespace,
        resource_name = name,
        resource_source_type = source,
        resource_labels = %labels,
        iterations = %iterations,
        "{message}"
    );
}

/// `iteration_0` and so on, each with the mutators that had a part in it.
fn iterations(passes: &[Vec<String>]) -> Map<String, Value> {
    let named = passes.iter().enumerate().filter(|(_, pass)| !pass.is_empty());
    named.map(|(number, pass)| (format!("iteration_{number}"), pass.join(", ").into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_uuids() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{one}");
        assert!(one.as_bytes()[14] == b'4' && b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }

    #[test]
    fn passes_are_numbered_from_0_and_empty_ones_left_out() {
        let passes = [vec!["a".to_owned(), "b".to_owned()], vec![], vec!["c".to_owned()]];
        let fields = Value::Object(iterations(&passes));
        assert_eq!(fields, serde_json::json!({"iteration_0": "a, b", "iteration_2": "c"}));
    }
}
