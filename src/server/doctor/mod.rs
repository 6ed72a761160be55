//! `admit doctor`: what makes the admission webhooks of a cluster dangerous, and what mends it.
//!
//! ```text
//! cluster/doctor.rs ──► Facts ──► one file a theme ──► Finding* ──► report ──► table │ JSON
//! ```
//!
//! Promises: a check is a pure function of [`Facts`]; what could not be read is told as "not checked", never taken for
//! fine. Deliberately absent: any change of the cluster. The canary is a dry run.

mod availability;
mod canary;
mod certificates;
mod definition;
mod dial;
mod facts;
mod platform;
mod policies;
mod reach;
mod report;
mod scope;
mod timeouts;
mod webhooks;

pub(super) use dial::dial;
pub use facts::DoctorNames;
pub(super) use facts::{Asked, Canary, Facts, Served, ServiceFacts, ServiceName, Unread};
pub(super) use webhooks::{Target, Webhook, webhooks};

/// How bad a finding is. Ordered from the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The cluster can lock itself out, or policies are not enforced.
    Error,
    /// It works until something else goes wrong.
    Warning,
    /// Could not be read, so nothing is known.
    NotChecked,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::NotChecked => "not checked",
            Self::Info => "info",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A short name of what was checked; the same for findings of one sort.
    pub check: &'static str,
    /// The object that it is about: `Kind namespace/name`.
    pub object: String,
    /// The field that it is about; empty when it is about no single one.
    pub field: String,
    /// What was found.
    pub found: String,
    /// Why that matters.
    pub why: String,
    /// The command or the field that mends it.
    pub help: String,
}

/// All that was found, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Ordered by severity, check, object and field.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Whether something is wrong that must be mended.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// For people: a paragraph a finding.
    pub fn to_table(&self) -> String {
        report::table(&self.findings)
    }

    /// For programs.
    pub fn to_json(&self) -> String {
        report::json(&self.findings)
    }
}

/// Runs every check.
pub(super) fn diagnose(facts: &Facts) -> Diagnosis {
    let all = webhooks(facts);
    let mut findings: Vec<Finding> = facts.unread().map(Unread::finding).collect();
    let checks = [
        availability::check,
        canary::check,
        certificates::check,
        definition::check,
        policies::check,
        platform::check,
        reach::check,
        scope::check,
        timeouts::check,
    ];
    findings.extend(checks.iter().flat_map(|check| check(facts, &all)));
    let key = |one: &Finding| (one.severity, one.check, one.object.clone(), one.field.clone(), one.found.clone());
    findings.sort_by_key(key);
    findings.dedup();
    Diagnosis { findings }
}

#[cfg(test)]
mod fixtures;
