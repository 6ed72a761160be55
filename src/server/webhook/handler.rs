//! `/v1/admit`: one request from its body to its verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tracing::{error, info};

use super::namespaces::{Namespaces, UnknownNamespace};
use super::trace::Tracer;
use super::wire::{Reply, TIMEOUT_MARGIN, identity, read_body, request_timeout};
use super::{Policies, Reporter, own_accounts};
use crate::model::api::{EnforcementPoint, Process};
use crate::model::review::{
    AdmissionResponse, AdmissionReview, ExactObjects, Operation, RejectedReview, Review, ReviewedObject,
};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::own::{self, OwnRules, Passed, Refusal};
use crate::policy::evaluate::{Decision, EvalContext, Expands, validate};
use crate::policy::external_data::ExternalDataSource;
use crate::policy::snapshot::SnapshotHandle;
use crate::server::ServeOptions;
use crate::server::telemetry::metrics::Metrics;
use crate::server::telemetry::traces::{RequestTrace, Traces};
use crate::server::turn;

/// The most that an API server may be told to wait.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Judges admission requests.
pub(super) struct Admission {
    snapshots: Arc<SnapshotHandle>,
    namespaces: Namespaces,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    /// One at a time: they are rare, and none may take the processors from requests.
    compilations: Arc<Semaphore>,
    own_rules: OwnRules,
    tracer: Tracer,
    max_request_bytes: usize,
    evaluation_limit: Duration,
    expands_generators: bool,
    reporter: Reporter,
    external_data: Arc<dyn ExternalDataSource>,
    traces: Traces,
    own_accounts: [String; 2],
}

/// What goes with a request from its first byte to its last.
#[derive(Clone)]
struct Course {
    deadline: Deadline,
    trace: RequestTrace,
}

/// A request on its way.
struct Pending {
    api_version: String,
    review: Review,
    passed: Passed,
}

/// How far a request got on a thread.
enum Step {
    Done(Box<Answer>),
    Compile(Box<Pending>),
    /// It needs its Namespace.
    LookUp(Box<Pending>, UnknownNamespace),
}

struct Answer {
    decision: Decision,
    is_dry_run: bool,
    /// Whether Gatekeeper's metrics count it.
    is_counted: bool,
    reply: Reply,
}

impl Pending {
    fn without_namespace(&self, message: &str) -> Answer {
        let text = format!("failed to create augmentedReview: {message}");
        failed(Some(&self.api_version), &self.review.uid, &text)
    }

    fn refused(&self, Refusal { code, message }: &Refusal) -> Answer {
        let Review { kind, operation, .. } = &self.review;
        let (name, operation) = (self.review.display_name(), operation.map(Operation::as_str));
        info!(code, resource = %kind, name, operation, username = self.review.username(), message, "policy refused");
        let response = AdmissionResponse::error(*code, message.as_str());
        let answer = answered(Some(&self.api_version), &self.review, Decision::Error, &response);
        Answer { is_counted: false, ..answer }
    }
}

impl Admission {
    pub(super) fn new(
        options: &ServeOptions,
        policies: &Policies,
        namespaces: Namespaces,
        metrics: Arc<Metrics>,
        reporter: Reporter,
        traces: Traces,
    ) -> Self {
        Self {
            snapshots: Arc::clone(&policies.snapshots),
            external_data: Arc::clone(&policies.external_data),
            namespaces,
            metrics,
            slots: Arc::new(Semaphore::new(options.serving_threads)),
            compilations: Arc::new(Semaphore::new(1)),
            own_rules: OwnRules {
                build: options.build,
                admits_uncompilable: options.admits_uncompilable_templates,
                admits_unknown_actions: options.admits_unknown_actions,
                namespace: options.pod_namespace.clone(),
            },
            tracer: Tracer::new(options.build, Arc::clone(&policies.external_data)),
            max_request_bytes: options.max_request_bytes,
            reporter,
            traces,
            evaluation_limit: options.evaluation_limit,
            own_accounts: own_accounts(&options.pod_namespace),
            expands_generators: options.expands_generators,
        }
    }

    pub(super) async fn handle(self: Arc<Self>, request: Request) -> Response {
        let started = Instant::now();
        let trace = self.traces.begin(request.uri().path(), request.headers());
        let timeout = request_timeout(request.uri());
        let deadline = Deadline::after(timeout.saturating_sub(TIMEOUT_MARGIN));
        let reading = trace.stage("read the request");
        let read = read_body(request, self.max_request_bytes).await;
        reading.end();
        let answer = match read {
            Ok(body) => Arc::clone(&self).answer(body, &Course { deadline, trace: trace.clone() }).await,
            Err(error) => rejected(&RejectedReview { api_version: None, uid: String::new(), error }),
        };
        if answer.is_counted {
            self.metrics.request(answer.decision, answer.is_dry_run, started.elapsed().as_secs_f64());
        }
        let response = answer.reply.into_response();
        trace.answered(answer.decision, response.status());
        response
    }

    async fn answer(self: Arc<Self>, body: Vec<u8>, course: &Course) -> Answer {
        let body = Arc::new(body);
        match self.judge(&body, course).await {
            Ok(answer) => *answer,
            Err(text) => {
                // Without the request's id the API server would not take it for an answer, and ask the failure policy.
                let identified = tokio::task::spawn_blocking(move || identity(&body)).await;
                let (version, uid) = identified.unwrap_or_default();
                failed(version.as_deref(), &uid, text)
            }
        }
    }

    /// Judges. A template is compiled beside the threads that judge, one at a time: however long that takes, no other
    /// request waits for it. A Namespace that has to be looked up is waited for without a thread.
    async fn judge(self: &Arc<Self>, body: &Arc<Vec<u8>>, course: &Course) -> Result<Box<Answer>, &'static str> {
        let body = Arc::clone(body);
        let begin = move |admission: &Self, course: &Course| admission.begin(&body, course);
        let mut step = self.on_thread(&self.slots, course, begin).await?;
        loop {
            let (pending, found) = match step {
                Step::Done(answer) => return Ok(answer),
                Step::Compile(pending) => match self.compile_in_time(pending, course).await? {
                    Ok(pending) => (pending, None),
                    Err(answer) => return Ok(answer),
                },
                Step::LookUp(pending, UnknownNamespace(name)) => {
                    let until = course.deadline.instant().unwrap_or_else(|| Instant::now() + LONGEST_TIMEOUT);
                    let _stage = course.trace.stage("look up the namespace");
                    match self.namespaces.look_up(&name, until).await {
                        Ok(namespace) => (pending, Some(namespace)),
                        Err(message) => return Ok(Box::new(pending.without_namespace(&message))),
                    }
                }
            };
            let finish = move |admission: &Self, course: &Course| admission.finish(*pending, found.as_ref(), course);
            step = self.on_thread(&self.slots, course, finish).await?;
        }
    }

    async fn compile_in_time(
        self: &Arc<Self>,
        pending: Box<Pending>,
        course: &Course,
    ) -> Result<Result<Box<Pending>, Box<Answer>>, &'static str> {
        let compile = move |admission: &Self, course: &Course| {
            let _stage = course.trace.stage("compile the template");
            admission.compile(*pending)
        };
        let compiled = self.on_thread(&self.compilations, course, compile);
        let remaining = course.deadline.remaining().unwrap_or(LONGEST_TIMEOUT);
        tokio::time::timeout(remaining, compiled).await.unwrap_or(Err(
            "compiling the template takes longer than the request may; with --admit-uncompilable-templates it would be \
             left for later",
        ))
    }

    /// Runs work on a thread for it, once there is a free one.
    async fn on_thread<T: Send + 'static>(
        self: &Arc<Self>,
        slots: &Arc<Semaphore>,
        course: &Course,
        work: impl FnOnce(&Self, &Course) -> T + Send + 'static,
    ) -> Result<T, &'static str> {
        let waiting = course.trace.stage("wait for a thread");
        let patience = course.deadline.remaining().unwrap_or(Duration::MAX);
        let Ok(Ok(slot)) = tokio::time::timeout(patience, Arc::clone(slots).acquire_owned()).await else {
            return Err("serving context canceled, aborting request");
        };
        let (admission, course, turns) = (Arc::clone(self), course.clone(), Arc::clone(slots));
        let done = tokio::task::spawn_blocking(move || {
            waiting.end();
            turn::hold(turns, slot, || work(&admission, &course))
        });
        done.await.map_err(|panic| {
            error!(error = %panic, "a request made the server panic; it was refused");
            "panic: the request could not be judged [recovered]"
        })
    }

    fn begin(&self, body: &[u8], course: &Course) -> Step {
        let decoding = course.trace.stage("decode the request");
        let AdmissionReview { api_version, review } = match AdmissionReview::parse(body) {
            Ok(parsed) => parsed,
            Err(rejection) => return Step::Done(Box::new(rejected(&rejection))),
        };
        decoding.end();
        course.trace.is_about(&review);
        if self.own_accounts.iter().any(|account| account == review.username()) {
            let response = AdmissionResponse::allow("Gatekeeper does not self-manage");
            let answer = answered(Some(&api_version), &review, Decision::Allow, &response);
            return Step::Done(Box::new(Answer { is_counted: false, ..answer }));
        }
        let mut pending = Pending { api_version, review, passed: Passed::default() };
        if own::is_own(&pending.review) {
            let _stage = course.trace.stage("check the policy");
            match self.check_own(&pending.review, body) {
                Ok(passed) => pending.passed = passed,
                Err(refusal) => return Step::Done(Box::new(pending.refused(&refusal))),
            }
        }
        if pending.passed.template.is_some() {
            return Step::Compile(Box::new(pending));
        }
        self.finish(pending, None, course)
    }

    fn check_own(&self, review: &Review, body: &[u8]) -> Result<Passed, Refusal> {
        let objects = ExactObjects::parse(body).map_err(|message| Refusal { code: 500, message })?;
        own::check(&self.snapshots.load(), review, &objects, &self.own_rules)
    }

    fn compile(&self, pending: Pending) -> Result<Box<Pending>, Box<Answer>> {
        let compiled = pending.passed.template.as_ref().map_or(Ok(()), |object| own::compile(object, &self.own_rules));
        match compiled {
            Ok(()) => Ok(Box::new(pending)),
            Err(refusal) => Err(Box::new(pending.refused(&refusal))),
        }
    }

    /// What comes after own resources: every request is judged by policies.
    fn finish(&self, mut pending: Pending, found: Option<&Arc<ReviewedObject>>, course: &Course) -> Step {
        let snapshot = self.snapshots.load();
        let version = Some(pending.api_version.as_str());
        let done = |answer| Step::Done(Box::new(answer));
        if snapshot.exclusions().excludes_review(Process::Webhook, &pending.review) {
            let response = AdmissionResponse::allow("Namespace is set to be ignored by Gatekeeper config");
            return done(answered(version, &pending.review, Decision::Allow, &response));
        }
        match self.namespaces.add_to(&mut pending.review, &snapshot, found) {
            Ok(()) => {}
            Err(unknown) => return Step::LookUp(Box::new(pending), unknown),
        }
        let review = &pending.review;
        self.tracer.trace_if_asked(&snapshot, review);
        let Course { deadline, trace } = course;
        let context = EvalContext {
            point: EnforcementPoint::Webhook,
            deadline: *deadline,
            evaluation_limit: Some(self.evaluation_limit),
            keeps_runs: trace.is_recorded(),
            external_data: self.external_data.as_ref(),
            expands: if self.expands_generators { Expands::ByTemplates } else { Expands::Nothing },
        };
        let evaluating = trace.stage("evaluate constraints");
        let outcome = validate(&snapshot, review, context);
        evaluating.evaluated(&outcome);
        let _stage = trace.stage("write the answer");
        let places = self.reporter.places(&snapshot, review, &outcome, *deadline);
        let mut verdict = self.reporter.judged(review, outcome, &places, trace);
        verdict.response.warnings.extend(pending.passed.warnings);
        done(answered(version, review, verdict.decision, &verdict.response))
    }
}

fn answered(version: Option<&str>, review: &Review, decision: Decision, response: &AdmissionResponse) -> Answer {
    let reply = Reply::verdict(response, version, &review.uid);
    Answer { decision, is_dry_run: review.is_dry_run(), is_counted: true, reply }
}

fn failed(version: Option<&str>, uid: &str, text: &str) -> Answer {
    let reply = Reply::verdict(&AdmissionResponse::error(500, text), version, uid);
    Answer { decision: Decision::Error, is_dry_run: false, is_counted: true, reply }
}

fn rejected(rejection: &RejectedReview) -> Answer {
    Answer { decision: Decision::Error, is_dry_run: false, is_counted: true, reply: Reply::rejection(rejection) }
}
