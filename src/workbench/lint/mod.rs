//! Manifests judged by policies, each violation at the line that caused it: `admit lint`.
//!
//! ```text
//! documents ─► objects ─┬─ policies ──► snapshot
//!                       └─ manifests ─► validate ─► Violation ─ blame ─► field ─ spans ─► Finding
//! ```
//!
//! The verdict is the webhook's, because it is the same call. Deliberately absent: reading files (`manifest`), printing
//! (`report`), and what follows from findings (`cli`).

pub mod finding;
mod fingerprint;
pub mod report;
mod rules_of_policies;

use std::sync::Arc;

use rayon::prelude::*;

use super::bundle::{self, Bundle, BundledObject};
use super::diagnostic::Diagnostic;
use crate::model::api::EnforcementAction;
use crate::model::object::ObjectKey;
use crate::model::review::Review;
use crate::policy::blame::{Basis, Blame, blame};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{EvalContext, ReviewFailure, Violation, validate};
use crate::policy::snapshot::{BuildOptions, Snapshot};

use finding::{Finding, Place, Precision, Rule, Severity};
use rules_of_policies::Rules;

/// What lint works on.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Templates, constraints and what else says how to judge.
    pub policies: Vec<BundledObject>,
    /// What is judged. All of it is inventory, too.
    pub manifests: Vec<BundledObject>,
}

/// How lint works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How policies are built.
    pub build: BuildOptions,
    /// Whether the field is looked for that a violation is about.
    pub finds_fields: bool,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of places.
    pub findings: Vec<Finding>,
    /// Inputs that could not be used. The rest was judged all the same.
    pub problems: Vec<Diagnostic>,
    /// Rules that were in force.
    pub rules: Vec<Arc<Rule>>,
    /// How many objects were judged.
    pub objects: usize,
    /// They themselves, for reports that show what passed, too.
    pub judged: Vec<Judged>,
}

/// An object that was judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Which one.
    pub object: ObjectKey,
    /// Where it starts.
    pub place: Place,
}

impl Report {
    /// How many findings there are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

impl Judged {
    fn of(bundled: &BundledObject) -> Self {
        let document = &bundled.document;
        Self { object: bundled.object.key(), place: Place::of(document, document.location()) }
    }
}

/// Judges all manifests by all policies. `judged` is called once for each object.
pub fn lint(inputs: Inputs, options: Options, judged: &(dyn Fn() + Sync)) -> Report {
    let Inputs { policies, manifests } = inputs;
    let all: Vec<BundledObject> = policies.into_iter().chain(manifests.iter().cloned()).collect();
    let (bundle, mut problems) = bundle::assemble(all, options.build);
    let Bundle { snapshot, .. } = bundle;
    let rules = Rules::of(&snapshot);
    let manifests: Vec<&BundledObject> = manifests.iter().filter(|one| !bundle::is_policy(one.object.gvk())).collect();
    let results: Vec<Result<Vec<Finding>, Diagnostic>> = manifests
        .par_iter()
        .map(|object| {
            let found = judge(&snapshot, object, &rules, options);
            judged();
            found.map_err(|failure| Diagnostic::at(&object.document, &object.document.location(), failure.to_string()))
        })
        .collect();
    let mut findings = Vec::new();
    for result in results {
        match result {
            Ok(mut found) => findings.append(&mut found),
            Err(problem) => problems.push(problem),
        }
    }
    findings.sort_by(|one, other| one.order().cmp(&other.order()));
    fingerprint::assign(&mut findings);
    let judged = manifests.iter().map(|one| Judged::of(one)).collect();
    Report { findings, problems, rules: rules.all(), objects: manifests.len(), judged }
}

fn judge(
    snapshot: &Snapshot,
    bundled: &BundledObject,
    rules: &Rules,
    options: Options,
) -> Result<Vec<Finding>, ReviewFailure> {
    let namespace = snapshot.namespace(bundled.object.namespace()).cloned();
    let review = Review::of_object(&bundled.object, namespace);
    let evaluation = validate(snapshot, &review, EvalContext::offline())?;
    let find = |violation: &Violation| match options.finds_fields {
        true => blame(snapshot, &review, violation, Deadline::none()),
        false => Blame::object(),
    };
    Ok(evaluation.violations.iter().map(|one| finding(bundled, one, &find(one), rules)).collect())
}

fn finding(bundled: &BundledObject, violation: &Violation, blame: &Blame, rules: &Rules) -> Finding {
    let document = &bundled.document;
    let (location, precision) = match (&blame.missing, blame.basis) {
        (_, Basis::Object) => (document.location(), Precision::Object),
        (Some(_), _) => (document.locate_key(&blame.path).location, Precision::Enclosing),
        (None, _) => (document.locate(&blame.path).location, Precision::Value),
    };
    let related = blame.related.iter().map(|path| Place::of(document, document.locate(path).location));
    Finding {
        rule: rules.of_constraint(&violation.constraint),
        severity: severity(&violation.actions),
        message: violation.message.clone(),
        object: bundled.object.key(),
        place: Place::of(document, location),
        precision,
        field: blame.path.clone(),
        missing: blame.missing.clone(),
        passing: blame.passing.clone(),
        related: related.collect(),
        implied: None,
        fingerprint: String::new(),
    }
}

/// The strictest of its actions.
fn severity(actions: &[EnforcementAction]) -> Severity {
    if actions.contains(&EnforcementAction::Deny) {
        Severity::Error
    } else if actions.contains(&EnforcementAction::Warn) {
        Severity::Warning
    } else {
        Severity::Note
    }
}
