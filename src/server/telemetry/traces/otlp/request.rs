//! The trace of one request, while it is on its way. Keys are those of the log, so that one leads to the other.

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::StatusCode;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use crate::model::review::{Operation, Review};
use crate::policy::evaluate::{ConstraintRun, Decision, Evaluation, ReviewFailure};
use crate::server::telemetry::evaluations::verdict;

/// What is recorded of a request; nothing, if it is not sampled. Clones share it.
#[derive(Clone, Debug)]
pub(in crate::server) struct RequestTrace(Option<Arc<Recorded>>);

#[derive(Debug)]
struct Recorded {
    tracer: SdkTracer,
    /// With the span of the request.
    context: Context,
}

/// A stage of a request, until it is dropped.
pub(in crate::server) struct Stage(Option<(SdkTracer, Context)>);

impl RequestTrace {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn begin(tracer: &SdkTracer, parent: &Context, path: &str) -> Self {
        let attributes = [("http.request.method", "POST".to_owned()), ("url.path", path.to_owned())];
        let span = tracer
            .span_builder(format!("POST {path}"))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes.map(|(key, value)| KeyValue::new(key, value)))
            .start_with_context(tracer, parent);
        if !span.is_recording() {
            return Self::none();
        }
        Self(Some(Arc::new(Recorded { tracer: tracer.clone(), context: Context::new().with_span(span) })))
    }

    pub(in crate::server) fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a stage.
    pub(in crate::server) fn stage(&self, name: &'static str) -> Stage {
        Stage(self.0.as_ref().map(|recorded| {
            let span = recorded.tracer.span_builder(name).start_with_context(&recorded.tracer, &recorded.context);
            (recorded.tracer.clone(), Context::new().with_span(span))
        }))
    }

    /// What the request is about, once it is decoded.
    pub(in crate::server) fn is_about(&self, review: &Review) {
        let Some(recorded) = &self.0 else { return };
        let mut attributes = vec![
            KeyValue::new("request_uid", review.uid.clone()),
            KeyValue::new("request_username", review.username().to_owned()),
            KeyValue::new("resource_group", review.kind.group.clone()),
            KeyValue::new("resource_api_version", review.kind.version.clone()),
            KeyValue::new("resource_kind", review.kind.kind.clone()),
            KeyValue::new("resource_namespace", review.namespace.clone()),
            KeyValue::new("resource_name", review.display_name().to_owned()),
            KeyValue::new("dry_run", review.is_dry_run()),
        ];
        attributes.extend(review.operation.map(|operation| KeyValue::new("operation", Operation::as_str(operation))));
        recorded.context.span().set_attributes(attributes);
    }

    /// What policies say, under the id that log, Event and message have for it.
    pub(in crate::server) fn judged(
        &self,
        decision_id: impl FnOnce() -> String,
        outcome: &Result<Evaluation, ReviewFailure>,
    ) {
        let Some(recorded) = &self.0 else { return };
        let span = recorded.context.span();
        span.set_attribute(KeyValue::new("decision_id", decision_id()));
        match outcome {
            Ok(evaluation) => span.set_attributes([
                KeyValue::new("violations", count(evaluation.violations.len())),
                KeyValue::new("constraints_matched", count(evaluation.matched)),
            ]),
            Err(failure) => span.set_attribute(KeyValue::new("error", failure.to_string())),
        }
    }

    /// Ends it.
    pub(in crate::server) fn answered(&self, decision: Decision, status: StatusCode) {
        let Some(recorded) = &self.0 else { return };
        let span = recorded.context.span();
        span.set_attribute(KeyValue::new("admission_status", decision.as_str()));
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if decision == Decision::Error {
            span.set_status(Status::error("the request could not be judged"));
        }
        span.end();
    }
}

impl Stage {
    /// Ends it, with a span for each constraint that was evaluated.
    pub(in crate::server) fn evaluated(self, outcome: &Result<Evaluation, ReviewFailure>) {
        let Some((tracer, context)) = &self.0 else { return };
        for run in outcome.iter().flat_map(|evaluation| &evaluation.runs) {
            record(tracer, context, run);
        }
    }

    /// Ends it.
    pub(in crate::server) fn end(self) {}
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((_, context)) = &self.0 {
            context.span().end();
        }
    }
}

fn record(tracer: &SdkTracer, context: &Context, run: &ConstraintRun) {
    let constraint = &run.constraint.constraint;
    let begun = SystemTime::now().checked_sub(run.begun.elapsed()).unwrap_or_else(SystemTime::now);
    let mut span = tracer
        .span_builder("evaluate constraint")
        .with_start_time(begun)
        .with_attributes([
            KeyValue::new("constraint_kind", constraint.kind().to_owned()),
            KeyValue::new("constraint_name", constraint.name().to_owned()),
            KeyValue::new("verdict", verdict(run.outcome)),
        ])
        .start_with_context(tracer, context);
    span.end_with_timestamp(begun + run.time);
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
