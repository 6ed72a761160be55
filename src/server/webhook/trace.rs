//! `spec.validation.traces` of a Config: requests whose evaluation is logged.
//!
//! A trace is made beside the answer, from the same snapshot, and never holds it up. What waits is bounded; a trace that
//! is left out is said to be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::model::api::EnforcementPoint;
use crate::model::review::Review;
use crate::policy::engine::{Deadline, Notes};
use crate::policy::evaluate::{EvalContext, validate_noting};
use crate::policy::external_data::ExternalDataSource;
use crate::policy::snapshot::{BuildOptions, Snapshot};

/// The most traces that wait for each other.
const MOST_WAITING: usize = 16;
/// The longest that the evaluation for one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes traces, one at a time.
pub(super) struct Tracer {
    build: BuildOptions,
    external_data: Arc<dyn ExternalDataSource>,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Tracer {
    pub(super) fn new(build: BuildOptions, external_data: Arc<dyn ExternalDataSource>) -> Self {
        Self {
            build,
            external_data,
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            running: Arc::new(Semaphore::new(1)),
        }
    }

    /// Begins a trace of the request, if a Config asks for one.
    pub(super) fn trace_if_asked(&self, snapshot: &Arc<Snapshot>, review: &Review) {
        if !snapshot.traces().iter().any(|trace| trace.asks_for(review)) {
            return;
        }
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            warn!(uid = review.uid, "a trace was left out: too many requests are traced at once");
            return;
        };
        let (snapshot, review, build) = (Arc::clone(snapshot), review.clone(), self.build);
        let source = Arc::clone(&self.external_data);
        let running = Arc::clone(&self.running);
        tokio::spawn(async move {
            let _turn = running.acquire_owned().await;
            let traced =
                tokio::task::spawn_blocking(move || log_trace(&snapshot, &review, build, source.as_ref())).await;
            if let Err(error) = traced {
                warn!(%error, "a trace could not be made");
            }
            drop(place);
        });
    }
}

fn log_trace(snapshot: &Snapshot, review: &Review, build: BuildOptions, source: &dyn ExternalDataSource) {
    let traced = snapshot.traced(review, build);
    let (point, deadline) = (EnforcementPoint::Webhook, Deadline::after(PATIENCE));
    let mut notes = Notes::default();
    let context =
        EvalContext { point, deadline, evaluation_limit: None, external_data: source, ..EvalContext::offline() };
    let outcome = match validate_noting(&traced, review, context, Some(&mut notes)) {
        Ok(evaluation) => {
            format!("{} constraints matched, {} violations", evaluation.matched, evaluation.violations.len())
        }
        Err(failure) => failure.to_string(),
    };
    info!(
        process = "admission",
        event_type = "trace",
        resource_group = review.kind.group,
        resource_api_version = review.kind.version,
        resource_kind = review.kind.kind,
        resource_namespace = review.namespace,
        resource_name = review.display_name(),
        request_username = review.username(),
        uid = review.uid,
        outcome,
        trace = notes.trace(),
        "request traced"
    );
}
