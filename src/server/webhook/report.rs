//! What is told of a request that was judged: log lines, metrics, Events and its trace. None of it changes the verdict,
//! and none of it makes the request wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::{error, info, warn};

use crate::model::api::{EnforcementAction, EnforcementPoint};
use crate::model::review::Review;
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{Decision, Evaluation, LimitBreach, ReviewFailure, TemplateRun, Verdict, Violation};
use crate::policy::snapshot::Snapshot;
use crate::server::admission_events::{AdmissionEvent, Events};
use crate::server::telemetry::metrics::Metrics;
use crate::server::telemetry::traces::RequestTrace;

use super::places;

/// What is told of requests; one field a flag.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportOptions {
    /// `--log-denies`.
    pub logs_denies: bool,
    /// `--log-stats-admission`.
    pub logs_stats: bool,
    /// `--emit-admission-events`.
    pub emits_events: bool,
    /// `--admission-events-involved-namespace`.
    pub events_beside_objects: bool,
    /// `--show-decision-id`.
    pub shows_decision_id: bool,
    /// `--blame`.
    pub blames: bool,
}

/// Names one decision of one process: where log, Event and message meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DecisionId(u64, u64);

/// Tells of requests.
pub(in crate::server) struct Reporter {
    options: ReportOptions,
    metrics: Arc<Metrics>,
    events: Option<Events>,
    /// Of this process; two that run at once have different ones.
    process: u64,
    decisions: AtomicU64,
}

impl fmt::Display for DecisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:010x}-{:x}", self.0, self.1)
    }
}

impl Reporter {
    /// Without `events`, nobody is there to write them.
    pub(in crate::server) fn new(options: ReportOptions, metrics: Arc<Metrics>, events: Option<Events>) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let low = u64::try_from(started & u128::from(u64::MAX)).unwrap_or_default();
        let process = (low ^ (u64::from(std::process::id()) << 28)) & 0xff_ffff_ffff;
        let events = events.filter(|_| options.emits_events);
        Self { options, metrics, events, process, decisions: AtomicU64::new(1) }
    }

    /// Where violations are, as far as somebody wants to be told and there is time.
    pub(super) fn places(
        &self,
        snapshot: &Snapshot,
        review: &Review,
        outcome: &Result<Evaluation, ReviewFailure>,
        deadline: Deadline,
    ) -> Vec<Option<String>> {
        match outcome {
            Ok(evaluation) if self.options.blames => places::find(snapshot, review, evaluation, deadline),
            _ => Vec::new(),
        }
    }

    /// Tells what came of a request, and gives the verdict as the client is to see it.
    pub(super) fn judged(
        &self,
        review: &Review,
        outcome: Result<Evaluation, ReviewFailure>,
        places: &[Option<String>],
        trace: &RequestTrace,
    ) -> Verdict {
        let id = DecisionId(self.process, self.decisions.fetch_add(1, Ordering::Relaxed));
        trace.judged(|| id.to_string(), &outcome);
        let mut verdict = match outcome {
            Ok(evaluation) => {
                self.report_breaches(id, review, &evaluation);
                self.report_violations(id, review, &evaluation);
                self.log_stats(id, review, &evaluation);
                Verdict::with_places(&evaluation, places)
            }
            Err(failure) => {
                let (name, decision_id) = (review.display_name(), id.to_string());
                error!(name, decision_id, error = %failure, "request refused because it could not be judged");
                Verdict::from_failure(&failure, review.display_name())
            }
        };
        if self.options.shows_decision_id && verdict.decision != Decision::Allow {
            self.show(id, review, &mut verdict);
        }
        verdict
    }

    fn show(&self, id: DecisionId, review: &Review, verdict: &mut Verdict) {
        info!(
            process = "admission",
            decision_id = id.to_string(),
            request_uid = review.uid,
            resource_group = review.kind.group,
            resource_api_version = review.kind.version,
            resource_kind = review.kind.kind,
            resource_namespace = review.namespace,
            resource_name = review.display_name(),
            request_username = review.username(),
            "request refused"
        );
        verdict.response.message.push_str(&format!("\n(decision {id})"));
    }

    fn report_breaches(&self, id: DecisionId, review: &Review, evaluation: &Evaluation) {
        for LimitBreach { constraint, limit, is_last_straw } in &evaluation.breaches {
            let constraint = &constraint.constraint;
            self.metrics.breach(constraint.kind(), constraint.name(), *limit);
            let (kind, name, resource) = (constraint.kind(), constraint.name(), review.display_name());
            let decision_id = id.to_string();
            warn!(
                constraint_kind = kind,
                constraint_name = name,
                resource,
                decision_id,
                ?limit,
                "an evaluation was stopped"
            );
            if *is_last_straw {
                error!(
                    constraint_kind = kind,
                    constraint_name = name,
                    "a constraint is set aside: its evaluation was stopped again and again"
                );
            }
        }
    }

    fn report_violations(&self, id: DecisionId, review: &Review, evaluation: &Evaluation) {
        if !self.options.logs_denies && self.events.is_none() {
            return;
        }
        for violation in &evaluation.violations {
            if self.options.logs_denies {
                log_violation(id, review, violation);
            }
            let Some(events) = &self.events else { continue };
            for action in &violation.actions {
                let event = self.event(id, review, violation, action);
                if !events.tell(event) {
                    self.metrics.event_dropped();
                }
            }
        }
    }

    fn event(
        &self,
        id: DecisionId,
        review: &Review,
        violation: &Violation,
        action: &EnforcementAction,
    ) -> AdmissionEvent {
        let (reason, text) = match action {
            EnforcementAction::Dryrun => ("DryrunViolation", "Dryrun violation"),
            EnforcementAction::Warn => {
                ("WarningAdmission", "Admission webhook \"validation.gatekeeper.sh\" raised a warning for this request")
            }
            EnforcementAction::Deny | EnforcementAction::Unrecognized(_) => {
                ("FailedAdmission", "Admission webhook \"validation.gatekeeper.sh\" denied request")
            }
        };
        let constraint = violation.constraint.constraint.name();
        let is_beside = self.options.events_beside_objects;
        let namespace = if is_beside { String::new() } else { format!(", Resource Namespace: {}", review.namespace) };
        let message = format!("{text}{namespace}, Constraint: {constraint}, Message: {}", violation.message);
        AdmissionEvent::new(review, violation, is_beside, reason, message, annotations(id, review, violation))
    }

    fn log_stats(&self, id: DecisionId, review: &Review, evaluation: &Evaluation) {
        if !self.options.logs_stats {
            return;
        }
        let stats: Value = evaluation.templates.iter().map(stats_entry).collect();
        info!(
            semantic = true,
            process = "admission",
            event_type = "review_response_stats",
            decision_id = id.to_string(),
            resource_group = review.kind.group,
            resource_api_version = review.kind.version,
            resource_kind = review.kind.kind,
            resource_namespace = review.namespace,
            request_username = review.username(),
            execution_stats = %stats,
            "admission review request stats"
        );
    }
}

fn log_violation(id: DecisionId, review: &Review, violation: &Violation) {
    let constraint = &violation.constraint.constraint;
    let gvk = constraint.object.gvk();
    info!(
        semantic = true,
        process = "admission",
        event_type = "violation",
        decision_id = id.to_string(),
        details = %violation.details.clone().unwrap_or_default(),
        constraint_name = constraint.name(),
        constraint_group = gvk.group,
        constraint_api_version = gvk.version,
        constraint_kind = constraint.kind(),
        constraint_action = violation.enforcement_action(),
        constraint_enforcement_actions = %json!(scoped_actions(violation)),
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

/// Gatekeeper lists the actions of scoped constraints only; others have the one that they are written with.
fn scoped_actions(violation: &Violation) -> Vec<&str> {
    let enforcement = &violation.constraint.constraint.enforcement;
    let is_scoped = enforcement.as_str() == "scoped";
    let actions = enforcement.actions_at(EnforcementPoint::Webhook).into_iter().filter(|_| is_scoped);
    actions.map(EnforcementAction::as_str).collect()
}

/// The keys of the log line, but for details.
fn annotations(id: DecisionId, review: &Review, violation: &Violation) -> Vec<(&'static str, String)> {
    let constraint = &violation.constraint.constraint;
    let gvk = constraint.object.gvk();
    vec![
        ("process", "admission".to_owned()),
        ("event_type", "violation".to_owned()),
        ("decision_id", id.to_string()),
        ("constraint_name", constraint.name().to_owned()),
        ("constraint_group", gvk.group.clone()),
        ("constraint_api_version", gvk.version.clone()),
        ("constraint_kind", constraint.kind().to_owned()),
        ("constraint_action", violation.enforcement_action().to_owned()),
        ("constraint_enforcement_actions", scoped_actions(violation).join(",")),
        ("resource_group", review.kind.group.clone()),
        ("resource_api_version", review.kind.version.clone()),
        ("resource_kind", review.kind.kind.clone()),
        ("resource_namespace", review.namespace.clone()),
        ("resource_name", review.display_name().to_owned()),
        ("request_username", review.username().to_owned()),
    ]
}

fn stats_entry(run: &TemplateRun) -> Value {
    let source = json!({"type": "engine", "value": "Rego"});
    let nanoseconds = u64::try_from(run.time.as_nanos()).unwrap_or(u64::MAX);
    json!({"scope": "template", "statsFor": run.constraint.constraint.kind(),
        "stats": [
            {"name": "templateRunTimeNS", "value": nanoseconds, "source": source,
                "description": "time spent on all constraints of the template, in nanoseconds"},
            {"name": "constraintCount", "value": run.constraints, "source": source,
                "description": "constraints of the template that were evaluated"},
        ],
        "labels": [{"name": "TracingEnabled", "value": false}, {"name": "PrintEnabled", "value": false}]})
}
