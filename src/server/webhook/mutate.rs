//! `/v1/mutate`: one request from its body to its patch.
//!
//! Decisions and texts are Gatekeeper's, in its order. What is wrong with a mutator or with an object on its way is an answer
//! (500), so that no failure policy lets through what should have been changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::error;

use super::mutate_report::{self, MutationOptions};
use super::namespaces::{Namespaces, UnknownNamespace};
use super::wire::{Reply, TIMEOUT_MARGIN, identity, read_body, request_timeout};
use super::{Policies, own_accounts};
use crate::model::api::{EnforcementPoint, Process, SYNC_SET_GROUP};
use crate::model::review::{
    AdmissionResponse, AdmissionReview, ExactObjects, Operation, RejectedReview, Review, ReviewedObject,
};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{Decision, EvalContext, MutationContext, mutate, own};
use crate::policy::external_data::ExternalDataSource;
use crate::policy::mutation;
use crate::policy::snapshot::{Snapshot, SnapshotHandle};
use crate::server::ServeOptions;
use crate::server::telemetry::metrics::Metrics;
use crate::server::telemetry::mutation::MutationStatus;
use crate::server::telemetry::traces::{RequestTrace, Traces};
use crate::server::turn;

/// The most that an API server may be told to wait.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at once. Gatekeeper has no limit; here some of the threads are kept for those who judge, while these wait for
/// providers.
const MOST_AT_ONCE: usize = 256;

/// Changes objects on their way into the cluster.
pub(super) struct Mutation {
    snapshots: Arc<SnapshotHandle>,
    external_data: Arc<dyn ExternalDataSource>,
    namespaces: Namespaces,
    metrics: Arc<Metrics>,
    traces: Traces,
    slots: Arc<Semaphore>,
    options: MutationOptions,
    max_request_bytes: usize,
    own_accounts: [String; 2],
}

/// What goes with a request from its first byte to its last.
#[derive(Clone)]
struct Course {
    deadline: Deadline,
    trace: RequestTrace,
}

/// A request that is to be mutated.
struct Pending {
    api_version: String,
    review: Review,
    /// The object to the last digit; absent when no mutator can be for it.
    object: Option<Value>,
}

/// How far a request got on a thread.
enum Step {
    Done(Box<Answer>),
    /// It needs its Namespace.
    LookUp(Box<Pending>, UnknownNamespace),
}

struct Answer {
    /// As Gatekeeper's metrics count it; `None` if they do not.
    status: Option<MutationStatus>,
    is_allowed: bool,
    reply: Reply,
}

impl Answer {
    fn new(version: Option<&str>, uid: &str, status: Option<MutationStatus>, response: &AdmissionResponse) -> Self {
        Self { status, is_allowed: response.allowed, reply: Reply::verdict(response, version, uid) }
    }

    fn rejected(rejection: &RejectedReview) -> Self {
        Self { status: None, is_allowed: false, reply: Reply::rejection(rejection) }
    }
}

impl Pending {
    fn answer(&self, status: Option<MutationStatus>, response: &AdmissionResponse) -> Box<Answer> {
        Box::new(Answer::new(Some(&self.api_version), &self.review.uid, status, response))
    }

    fn failed(&self, message: &str) -> Box<Answer> {
        let (kind, name) = (&self.review.kind, self.review.display_name());
        let (namespace, username) = (self.review.namespace.as_str(), self.review.username());
        error!(process = "mutation", resource = %kind, namespace, name, username, error = message, "failed to mutate object");
        self.answer(Some(MutationStatus::success), &AdmissionResponse::error(500, message))
    }
}

impl Mutation {
    pub(super) fn new(
        options: &ServeOptions,
        policies: &Policies,
        namespaces: Namespaces,
        metrics: Arc<Metrics>,
        traces: Traces,
    ) -> Self {
        Self {
            snapshots: Arc::clone(&policies.snapshots),
            external_data: Arc::clone(&policies.external_data),
            namespaces,
            metrics,
            traces,
            slots: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            options: options.mutation,
            max_request_bytes: options.max_request_bytes,
            own_accounts: own_accounts(&options.pod_namespace),
        }
    }

    pub(super) async fn handle(self: Arc<Self>, request: Request) -> Response {
        let started = Instant::now();
        let trace = self.traces.begin(request.uri().path(), request.headers());
        let timeout = request_timeout(request.uri());
        let deadline = Deadline::after(timeout.saturating_sub(TIMEOUT_MARGIN));
        let read = read_body(request, self.max_request_bytes).await;
        let answer = match read {
            Ok(body) => self.answer(body, &Course { deadline, trace: trace.clone() }).await,
            Err(error) => Answer::rejected(&RejectedReview { api_version: None, uid: String::new(), error }),
        };
        if let Some(status) = answer.status {
            self.metrics.mutation().request(status, started.elapsed().as_secs_f64());
        }
        let response = answer.reply.into_response();
        trace.answered(if answer.is_allowed { Decision::Allow } else { Decision::Error }, response.status());
        response
    }

    async fn answer(self: &Arc<Self>, body: Vec<u8>, course: &Course) -> Answer {
        let body = Arc::new(body);
        match self.follow(&body, course).await {
            Ok(answer) => *answer,
            Err(text) => {
                // Without the request's id the API server would not take it for an answer, and ask the failure policy.
                let identified = tokio::task::spawn_blocking(move || identity(&body)).await;
                let (version, uid) = identified.unwrap_or_default();
                let response = AdmissionResponse::error(500, text);
                Answer::new(version.as_deref(), &uid, Some(MutationStatus::unknown), &response)
            }
        }
    }

    async fn follow(self: &Arc<Self>, body: &Arc<Vec<u8>>, course: &Course) -> Result<Box<Answer>, &'static str> {
        let body = Arc::clone(body);
        let mut step = self.on_thread(course, move |mutation, course| mutation.begin(&body, course)).await?;
        loop {
            let (pending, UnknownNamespace(name)) = match step {
                Step::Done(answer) => return Ok(answer),
                Step::LookUp(pending, unknown) => (pending, unknown),
            };
            let until = course.deadline.instant().unwrap_or_else(|| Instant::now() + LONGEST_TIMEOUT);
            let _stage = course.trace.stage("look up the namespace");
            let found = match self.namespaces.look_up(&name, until).await {
                Ok(namespace) => namespace,
                Err(message) => return Ok(pending.failed(&message)),
            };
            let finish = move |mutation: &Self, course: &Course| mutation.finish(pending, Some(&found), course);
            step = self.on_thread(course, finish).await?;
        }
    }

    /// Runs work on a thread for it.
    async fn on_thread<T: Send + 'static>(
        self: &Arc<Self>,
        course: &Course,
        work: impl FnOnce(&Self, &Course) -> T + Send + 'static,
    ) -> Result<T, &'static str> {
        let patience = course.deadline.remaining().unwrap_or(Duration::MAX);
        let Ok(Ok(slot)) = tokio::time::timeout(patience, Arc::clone(&self.slots).acquire_owned()).await else {
            return Err("serving context canceled, aborting request");
        };
        let (mutation, course, slots) = (Arc::clone(self), course.clone(), Arc::clone(&self.slots));
        let done = tokio::task::spawn_blocking(move || turn::hold(slots, slot, || work(&mutation, &course)));
        done.await.map_err(|panic| {
            error!(error = %panic, "a request made the server panic; it was refused");
            "panic: the request could not be mutated [recovered]"
        })
    }

    fn begin(&self, body: &[u8], course: &Course) -> Step {
        let AdmissionReview { api_version, review } = match AdmissionReview::parse(body) {
            Ok(parsed) => parsed,
            Err(rejection) => return Step::Done(Box::new(Answer::rejected(&rejection))),
        };
        course.trace.is_about(&review);
        let snapshot = self.snapshots.load();
        let mut pending = Box::new(Pending { api_version, review, object: None });
        if let Some((message, status)) = self.left_alone(&snapshot, &pending.review) {
            return Step::Done(pending.answer(status, &AdmissionResponse::allow(message)));
        }
        // Most objects are nobody's: these are not read to the last digit.
        if snapshot.mutators().may_be_for(&pending.review) {
            match ExactObjects::parse(body).map(|objects| objects.object) {
                Ok(Some(object)) => pending.object = Some(object.into_value()),
                Ok(None) => return Step::Done(pending.failed("the request has no object to mutate")),
                Err(message) => return Step::Done(pending.failed(&message)),
            }
        }
        self.finish(pending, None, course)
    }

    /// Why a request is not looked at, and how that counts.
    fn left_alone(&self, snapshot: &Snapshot, review: &Review) -> Option<(&'static str, Option<MutationStatus>)> {
        if self.own_accounts.iter().any(|account| account == review.username()) {
            return Some(("Gatekeeper does not self-manage", None));
        }
        if !matches!(review.operation, Some(Operation::Create | Operation::Update)) {
            return Some(("Mutating only on create or update", None));
        }
        // SyncSets are none of them to Gatekeeper.
        if own::is_own(review) && review.kind.group != SYNC_SET_GROUP {
            return Some(("Not mutating gatekeeper resources", None));
        }
        let is_excluded = snapshot.exclusions().excludes_review(Process::MutationWebhook, review);
        is_excluded.then_some(("Namespace is set to be ignored by Gatekeeper config", Some(MutationStatus::skip)))
    }

    fn finish(&self, mut pending: Box<Pending>, found: Option<&Arc<ReviewedObject>>, course: &Course) -> Step {
        let snapshot = self.snapshots.load();
        if let Err(unknown) = self.namespaces.add_to(&mut pending.review, &snapshot, found) {
            return Step::LookUp(pending, unknown);
        }
        let _stage = course.trace.stage("mutate");
        let response = match self.mutate(&snapshot, &pending, course) {
            Ok(response) => response,
            Err(message) => return Step::Done(pending.failed(&message)),
        };
        Step::Done(pending.answer(Some(MutationStatus::success), &response))
    }

    fn mutate(&self, snapshot: &Snapshot, pending: &Pending, course: &Course) -> Result<AdmissionResponse, String> {
        let id = mutate_report::new_id();
        let evaluation = EvalContext {
            point: EnforcementPoint::Webhook,
            deadline: course.deadline,
            evaluation_limit: None,
            external_data: self.external_data.as_ref(),
            ..EvalContext::offline()
        };
        let context = MutationContext { id: &id, evaluation };
        let Some(object) = &pending.object else {
            self.metrics.mutation().iterations(true, 0);
            return Ok(AdmissionResponse::allow("Resource was not mutated"));
        };
        let outcome = mutate(snapshot, &pending.review, object, context);
        mutate_report::note(self.options, &self.metrics, &id, &pending.review, &outcome);
        let mutated = outcome.map_err(|failure| failure.to_string())?;
        if !mutated.is_changed {
            return Ok(AdmissionResponse::allow("Resource was not mutated"));
        }
        let after = mutate_report::annotated(self.options, &id, mutated);
        let patch = mutation::patch(object, &after);
        let has_changed = !patch.0.is_empty();
        let patch = serde_json::to_vec(&patch).map_err(|error| format!("failed to write the patch: {error}"))?;
        Ok(AdmissionResponse { patch: has_changed.then_some(patch), ..AdmissionResponse::allow("") })
    }
}
