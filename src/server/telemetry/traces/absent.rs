//! A build without traces: asking for them is an error, and nothing is recorded.

use axum::http::{HeaderMap, StatusCode};

use super::{TraceError, TraceOptions};
use crate::model::review::Review;
use crate::policy::evaluate::{Decision, Evaluation, ReviewFailure};

/// Nobody to send traces to.
#[derive(Clone, Debug)]
pub(in crate::server) struct Traces;

/// Nothing of a request.
#[derive(Clone, Debug)]
pub(in crate::server) struct RequestTrace;

/// Nothing of a stage.
pub(in crate::server) struct Stage;

impl Traces {
    pub(in crate::server) fn start(options: &TraceOptions) -> Result<Self, TraceError> {
        if *options == TraceOptions::default() { Ok(Self) } else { Err(TraceError::NotBuilt) }
    }

    pub(in crate::server) fn begin(&self, _: &str, _: &HeaderMap) -> RequestTrace {
        RequestTrace
    }

    #[expect(clippy::unused_async, reason = "the same interface as with traces")]
    pub(in crate::server) async fn flush(self) {}
}

impl RequestTrace {
    pub(in crate::server) fn is_recorded(&self) -> bool {
        false
    }

    pub(in crate::server) fn stage(&self, _: &'static str) -> Stage {
        Stage
    }

    pub(in crate::server) fn is_about(&self, _: &Review) {}

    pub(in crate::server) fn judged(&self, _: impl FnOnce() -> String, _: &Result<Evaluation, ReviewFailure>) {}

    pub(in crate::server) fn answered(&self, _: Decision, _: StatusCode) {}
}

impl Stage {
    pub(in crate::server) fn evaluated(self, _: &Result<Evaluation, ReviewFailure>) {}

    pub(in crate::server) fn end(self) {}
}
