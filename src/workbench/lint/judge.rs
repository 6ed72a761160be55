//! One object judged by all policies, what it would create included: violations to findings.
//!
//! A policy on Pods finds in a Deployment what it would find in the Deployment's Pods, and the place is the Deployment's. Which
//! Pods these are, an ExpansionTemplate says if one applies, and else what is known of workloads: never both. What several
//! policies' kinds or several copies say about one place is said once.

use std::collections::HashMap;
use std::sync::Arc;

use super::finding::{Finding, Place, Precision, Rule, Severity};
use super::fix::{self, Broken};
use super::manifest::Manifest;
use super::rules_of_policies::Rules;
use crate::manifest::Document;
use crate::model::api::EnforcementAction;
use crate::model::object::{FieldPath, Object, ObjectKey};
use crate::model::review::{Operation, Review};
use crate::policy::blame::{Basis, Blame, blame};
use crate::policy::engine::Deadline;
use crate::policy::evaluate::{EvalContext, Evaluation, Expands, Violation, validate};
use crate::policy::expansion::{Holder, Referents, Unexpandable};
use crate::policy::snapshot::Snapshot;
use crate::workbench::bundle::BundledObject;
use crate::workbench::diagnostic::Diagnostic;

/// What an object that cannot be expanded breaks. Nobody is stopped by it.
const NOT_EXPANDABLE: &str = "not-expandable";

/// All that judging needs beside the object.
pub(super) struct Judge<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The mutators that propose fixes.
    pub(super) mutations: &'a Snapshot,
    pub(super) rules: &'a Rules,
    /// What generators may refer to; absent when nothing is expanded.
    pub(super) referents: Option<&'a Referents>,
    pub(super) by_key: &'a HashMap<ObjectKey, &'a BundledObject>,
}

impl Judge<'_> {
    /// What policies find in an object, each with its fix if there is one. Where they are not asked which field it is, the
    /// object is the place.
    pub(super) fn judge(&self, manifest: &Manifest, finds_fields: bool) -> Result<Vec<Finding>, Diagnostic> {
        let mut findings = self.find(manifest, finds_fields)?;
        let is_fixable = !self.mutations.mutators().is_empty() || findings.iter().any(|one| one.passing.is_some());
        if is_fixable && !findings.is_empty() {
            fix::offer(self, &manifest.open()?, &mut findings);
        }
        Ok(findings)
    }

    /// The policies that an object, or what it would create, breaks; nothing when that cannot be told.
    pub(super) fn breaks(&self, object: &Object) -> Option<Vec<Broken>> {
        let review = created(Review::of_object(object, self.snapshot.namespace(object.namespace()).cloned()));
        let evaluation = validate(self.snapshot, &review, self.context()).ok()?;
        let broken = evaluation.violations.into_iter().map(|violation| {
            let rule = self.rules.of_constraint(&violation.constraint);
            Broken {
                kind: rule.id.clone(),
                constraint: rule.constraint.clone(),
                implied: implied_kind(&violation),
                message: violation.own_message().to_owned(),
            }
        });
        Some(broken.collect())
    }

    fn context(&self) -> EvalContext<'_> {
        let expands = self.referents.map_or(Expands::Nothing, Expands::WithWorkloads);
        EvalContext { expands, ..EvalContext::offline() }
    }

    fn find(&self, manifest: &Manifest, finds_fields: bool) -> Result<Vec<Finding>, Diagnostic> {
        let namespace = self.snapshot.namespace(manifest.namespace()).cloned();
        let review = created(match manifest.reviewed() {
            Some(reviewed) => Review::of_reviewed(reviewed, namespace),
            None => Review::of_object(&manifest.open()?.object, namespace),
        });
        match validate(self.snapshot, &review, self.context()) {
            // Most objects are fine, and need not be unpacked.
            Ok(found) if found.violations.is_empty() && found.unexpandable.is_empty() => Ok(Vec::new()),
            Ok(found) => Ok(self.findings(&manifest.open()?, &review, &found, finds_fields)),
            Err(failure) => {
                let object = manifest.open()?;
                Err(Diagnostic::at(&object.document, &object.document.location(), failure.to_string()))
            }
        }
    }

    /// The findings of an object and those in what it would create.
    fn findings(
        &self,
        object: &BundledObject,
        review: &Review,
        evaluation: &Evaluation,
        finds_fields: bool,
    ) -> Vec<Finding> {
        let find = |violation: &Violation| match finds_fields {
            true => blame(self.snapshot, review, violation, Deadline::none()),
            false => Blame::object(),
        };
        let finding = |violation: &Violation| self.finding(object, violation, &find(violation));
        let (own, implied): (Vec<&Violation>, Vec<&Violation>) =
            evaluation.violations.iter().partition(|violation| violation.implied.is_none());
        let mut findings: Vec<Finding> = own.into_iter().map(finding).collect();
        for finding in implied.into_iter().map(finding) {
            if !findings.iter().any(|known| is_same_cause(known, &finding)) {
                findings.push(finding);
            }
        }
        findings.extend(evaluation.unexpandable.iter().map(|reason| self.not_expandable(object, reason)));
        findings
    }

    fn finding(&self, object: &BundledObject, violation: &Violation, blame: &Blame) -> Finding {
        let written = |path: &FieldPath| self.written(object, path, violation);
        let (document, field) = written(&blame.path);
        let is_object = blame.basis == Basis::Object;
        let (location, precision) = match &blame.missing {
            _ if is_object && field == FieldPath::root() => (document.location(), Precision::Object),
            _ if is_object => (document.locate_key(&field).location, Precision::Object),
            Some(_) => (document.locate_key(&field).location, Precision::Enclosing),
            None => (document.locate(&field).location, Precision::Value),
        };
        let related = blame.related.iter().map(|path| {
            let (document, path) = written(path);
            Place::of(document, document.locate(&path).location)
        });
        Finding {
            rule: self.rules.of_constraint(&violation.constraint),
            severity: severity(&violation.actions),
            message: violation.own_message().to_owned(),
            object: object.object.key(),
            place: Place::of(document, location),
            precision,
            field: if is_object { FieldPath::root() } else { field },
            missing: blame.missing.as_ref().map(|missing| written(missing).1),
            passing: blame.passing.clone(),
            advice: None,
            fix: None,
            related: related.collect(),
            implied: implied_kind(violation),
            rendered_from: document.origin().map(ToString::to_string),
            fingerprint: String::new(),
        }
    }

    /// Where somebody wrote what stands at a path of what was judged.
    fn written<'d>(
        &'d self,
        object: &'d BundledObject,
        path: &FieldPath,
        violation: &Violation,
    ) -> (&'d Document, FieldPath) {
        let origin = violation.origin_of(path);
        (self.holder(object, &origin.holder), origin.path)
    }

    fn holder<'d>(&'d self, object: &'d BundledObject, holder: &Holder) -> &'d Document {
        match holder {
            Holder::Generator => &object.document,
            Holder::Other(key) => self.by_key.get(key).map_or(&*object.document, |other| &other.document),
        }
    }

    fn not_expandable(&self, object: &BundledObject, unexpandable: &Unexpandable) -> Finding {
        let Unexpandable { origin, reason } = unexpandable;
        let document = self.holder(object, &origin.holder);
        let rule = Rule { id: NOT_EXPANDABLE.to_owned(), ..Rule::default() };
        Finding {
            rule: Arc::new(rule),
            severity: Severity::Note,
            message: format!("what this creates was not judged: {}: {reason}", origin.path),
            object: object.object.key(),
            place: Place::of(document, document.locate_key(&origin.path).location),
            precision: Precision::Value,
            field: origin.path.clone(),
            missing: None,
            passing: None,
            advice: None,
            fix: None,
            related: Vec::new(),
            implied: None,
            rendered_from: document.origin().map(ToString::to_string),
            fingerprint: String::new(),
        }
    }
}

/// What is in files is there to be created: policies that are for some operations are for it then.
fn created(review: Review) -> Review {
    Review { operation: Some(Operation::Create), ..review }
}

/// The kind of what would be created, if the violation is in that.
fn implied_kind(violation: &Violation) -> Option<String> {
    violation.implied.as_ref().map(|implied| implied.resultant.object.gvk().kind.clone())
}

/// Copies of one template, and kinds that stand for each other, have one cause.
fn is_same_cause(one: &Finding, other: &Finding) -> bool {
    one.rule == other.rule
        && one.place.location == other.place.location
        && one.missing == other.missing
        && (one.message == other.message || one.precision != Precision::Object)
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
