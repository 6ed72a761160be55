//! `/v1/admit`: one request from its body to its verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use kube::Client;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::wire::{Reply, TIMEOUT_MARGIN, read_body, request_timeout};
use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::model::review::{AdmissionResponse, AdmissionReview, RejectedReview, Review, ReviewedObject};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{Decision, EvalContext, Evaluation, LimitBreach, Verdict, validate};
use crate::policy::snapshot::{Snapshot, SnapshotHandle};
use crate::server::ServeOptions;
use crate::server::cluster::fetch_namespace;
use crate::server::telemetry::metrics::Metrics;

/// Where a Namespace is looked up that the snapshot does not have (yet).
#[derive(Clone)]
pub(in crate::server) enum NamespaceSource {
    /// Nowhere: policies come from files.
    None,
    /// The API server.
    Cluster(Client),
}

/// Judges admission requests.
pub(super) struct Admission {
    snapshots: Arc<SnapshotHandle>,
    namespaces: NamespaceSource,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    max_request_bytes: usize,
    evaluation_limit: Duration,
    log_denies: bool,
    own_accounts: [String; 2],
}

struct Answer {
    decision: Decision,
    is_dry_run: bool,
    /// Whether Gatekeeper's metrics count it.
    is_counted: bool,
    reply: Reply,
}

impl Admission {
    pub(super) fn new(
        options: &ServeOptions,
        snapshots: Arc<SnapshotHandle>,
        namespaces: NamespaceSource,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            snapshots,
            namespaces,
            metrics,
            slots: Arc::new(Semaphore::new(options.serving_threads)),
            max_request_bytes: options.max_request_bytes,
            log_denies: options.log_denies,
            evaluation_limit: options.evaluation_limit,
            // Gatekeeper's name for the account counts too: clusters that move over keep theirs.
            own_accounts: ["admit", "gatekeeper-admin"]
                .map(|name| format!("system:serviceaccount:{}:{name}", options.pod_namespace)),
        }
    }

    pub(super) async fn handle(self: Arc<Self>, request: Request) -> Response {
        let started = Instant::now();
        let timeout = request_timeout(request.uri());
        let deadline = Deadline::after(timeout.saturating_sub(TIMEOUT_MARGIN));
        let answer = match read_body(request, self.max_request_bytes).await {
            Ok(body) => Arc::clone(&self).answer(body, deadline, timeout).await,
            Err(error) => rejected(&RejectedReview { api_version: None, uid: String::new(), error }),
        };
        if answer.is_counted {
            self.metrics.request(answer.decision, answer.is_dry_run, started.elapsed().as_secs_f64());
        }
        answer.reply.into_response()
    }

    /// Waits for a free thread no longer than the API server waits for us, then judges on it.
    async fn answer(self: Arc<Self>, body: Vec<u8>, deadline: Deadline, timeout: Duration) -> Answer {
        let slots = Arc::clone(&self.slots);
        let Ok(Ok(slot)) = tokio::time::timeout(timeout, slots.acquire_owned()).await else {
            let text = "serving context canceled, aborting request";
            return failed(None, "", text);
        };
        let judged = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            self.judge(&body, deadline)
        });
        judged.await.unwrap_or_else(|panic| {
            error!(error = %panic, "a request made the server panic; it was refused");
            failed(None, "", "panic: the request could not be judged [recovered]")
        })
    }

    fn judge(&self, body: &[u8], deadline: Deadline) -> Answer {
        let parsed = AdmissionReview::parse(body);
        let AdmissionReview { api_version, mut review } = match parsed {
            Ok(parsed) => parsed,
            Err(rejection) => return rejected(&rejection),
        };
        let version = Some(api_version.as_str());
        if self.own_accounts.iter().any(|account| account == review.username()) {
            let response = AdmissionResponse::allow("Gatekeeper does not self-manage");
            return Answer { is_counted: false, ..answered(version, &review, Decision::Allow, &response) };
        }
        let snapshot = self.snapshots.load();
        if let Err(message) = self.add_namespace(&snapshot, &mut review) {
            let text = format!("failed to create augmentedReview: {message}");
            return failed(version, &review.uid, &text);
        }
        let context =
            EvalContext { point: EnforcementPoint::Webhook, deadline, evaluation_limit: Some(self.evaluation_limit) };
        let verdict = match validate(&snapshot, &review, context) {
            Ok(evaluation) => {
                self.report_breaches(&review, &evaluation);
                self.log_violations(&review, &evaluation);
                Verdict::from_evaluation(&evaluation)
            }
            Err(failure) => {
                error!(name = review.display_name(), error = %failure, "request refused because it could not be judged");
                Verdict::from_failure(&failure, review.display_name())
            }
        };
        answered(version, &review, verdict.decision, &verdict.response)
    }

    /// The cache lags behind the API server: a Namespace that was just made is asked for.
    fn add_namespace(&self, snapshot: &Snapshot, review: &mut Review) -> Result<(), String> {
        if review.namespace.is_empty() {
            return Ok(());
        }
        review.namespace_object = match (snapshot.namespace(&review.namespace), &self.namespaces) {
            (Some(namespace), _) => Some(Arc::clone(namespace)),
            (None, NamespaceSource::None) => None,
            (None, NamespaceSource::Cluster(client)) => Some(Arc::new(self.fetch(client, &review.namespace)?)),
        };
        Ok(())
    }

    fn fetch(&self, client: &Client, name: &str) -> Result<ReviewedObject, String> {
        let found = tokio::runtime::Handle::current().block_on(fetch_namespace(client.clone(), name))?;
        Ok(ReviewedObject::from(&found))
    }

    fn report_breaches(&self, review: &Review, evaluation: &Evaluation) {
        for LimitBreach { constraint, limit, is_last_straw } in &evaluation.breaches {
            let constraint = &constraint.constraint;
            self.metrics.breach(constraint.kind(), constraint.name(), *limit);
            let (kind, name, resource) = (constraint.kind(), constraint.name(), review.display_name());
            warn!(constraint_kind = kind, constraint_name = name, resource, ?limit, "an evaluation was stopped");
            if *is_last_straw {
                error!(
                    constraint_kind = kind,
                    constraint_name = name,
                    "a constraint is set aside: its evaluation was stopped again and again"
                );
            }
        }
    }

    fn log_violations(&self, review: &Review, evaluation: &Evaluation) {
        if !self.log_denies {
            return;
        }
        for violation in &evaluation.violations {
            let constraint = &violation.constraint.constraint;
            let gvk = constraint.object.gvk();
            let actions: Vec<&str> = violation.actions.iter().map(EnforcementAction::as_str).collect();
            info!(
                process = "admission",
                event_type = "violation",
                details = %violation.details.clone().unwrap_or_default(),
                constraint_name = constraint.name(),
                constraint_group = gvk.group,
                constraint_api_version = gvk.version,
                constraint_kind = constraint.kind(),
                constraint_action = constraint.enforcement.as_str(),
                constraint_enforcement_actions = actions.join(","),
                resource_group = review.kind.group,
                resource_api_version = review.kind.version,
                resource_kind = review.kind.kind,
                resource_namespace = review.namespace,
                resource_name = review.display_name(),
                request_username = review.username(),
                "denied admission: {}",
                violation.message
            );
        }
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
