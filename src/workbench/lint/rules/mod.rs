//! Policy lint: templates, constraints and suites that do nothing, too much, or something else than they say.
//!
//! One rule a file, each with the page that `admit explain` shows. A rule tells what it is sure of and is silent otherwise;
//! what is likely but not sure is a note.

mod actions;
mod comparisons;
mod constant;
mod containers;
mod duplicates;
mod everything;
mod fields;
mod input;
mod inventory;
mod kinds;
mod matches;
mod pairs;
mod parameters;
mod prefixes;
mod pruned;
mod quantities;
mod regexes;
mod repeated_keys;
mod skips;
mod suites;
mod synced;
#[cfg(test)]
mod tests;
mod unread;
mod unused;
mod unused_parameters;

use std::sync::Arc;

use super::finding::{Finding, Place, Precision, Rule, Severity};
use super::policies::flow::At;
use super::policies::{Policies, Template};
use crate::manifest::{Location, RepeatedKey};
use crate::model::object::FieldPath;
use crate::policy::engine::BuiltinAccess;
use crate::workbench::bundle::BundledObject;

/// A rule of policy lint.
#[derive(Debug)]
pub struct PolicyRule {
    /// Short, and the same for ever.
    pub code: &'static str,
    /// A name to remember.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence.
    pub summary: &'static str,
    /// What it looks for, why, and what to do: Markdown.
    pub page: &'static str,
    check: fn(&Policies<'_>, &mut Findings<'_>),
}

/// All of them, by code.
pub const RULES: [&PolicyRule; 24] = [
    &input::RULE,
    &fields::RULE,
    &parameters::RULE,
    &unused_parameters::RULE,
    &pruned::RULE,
    &kinds::RULE,
    &matches::RULE,
    &synced::RULE,
    &inventory::RULE,
    &unread::RULE,
    &containers::RULE,
    &prefixes::RULE,
    &everything::RULE,
    &pairs::RULE,
    &duplicates::RULE,
    &suites::RULE,
    &skips::RULE,
    &constant::RULE,
    &unused::RULE,
    &comparisons::RULE,
    &quantities::RULE,
    &regexes::RULE,
    &actions::RULE,
    &repeated_keys::RULE,
];

/// The rule of a code or a name, in any case.
pub fn find(text: &str) -> Option<&'static PolicyRule> {
    RULES.into_iter().find(|rule| rule.code.eq_ignore_ascii_case(text) || rule.name.eq_ignore_ascii_case(text))
}

/// The code that is most like a text.
pub fn nearest(text: &str) -> &'static PolicyRule {
    let text = text.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&text, &name.to_lowercase());
    let near = |rule: &&PolicyRule| distance(rule.code).min(distance(rule.name));
    RULES.into_iter().min_by_key(near).unwrap_or(&input::RULE)
}

/// What all rules find. Of policies that are not subjects, only what is sure and about themselves.
pub(super) fn check(policies: &[&BundledObject], subjects: &[&BundledObject], access: BuiltinAccess) -> Vec<Finding> {
    let read = Policies::read(policies, subjects, access);
    let mut all = Vec::new();
    for rule in RULES {
        let shared = Rule { id: rule.code.to_owned(), title: Some(rule.summary.to_owned()), ..Rule::default() };
        let mut findings = Findings { severity: rule.severity, rule: Arc::new(shared), all: &mut all };
        (rule.check)(&read, &mut findings);
    }
    let is_other =
        |finding: &Finding| policies.iter().any(|one| Arc::ptr_eq(one.document.source(), &finding.place.source));
    all.retain(|finding| finding.severity > Severity::Note || !is_other(finding));
    all
}

/// Where a rule puts what it finds.
struct Findings<'a> {
    rule: Arc<Rule>,
    severity: Severity,
    all: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    /// The value of a field.
    fn value(&mut self, bundled: &BundledObject, path: &FieldPath, message: impl Into<String>) {
        self.push(bundled, bundled.document.locate(path).location, path.clone(), message.into());
    }

    /// The key of a field.
    fn key(&mut self, bundled: &BundledObject, path: &FieldPath, message: impl Into<String>) {
        self.push(bundled, bundled.document.locate_key(path).location, path.clone(), message.into());
    }

    /// A place in a template's code.
    fn code(&mut self, template: &Template<'_>, at: &At, message: impl Into<String>) {
        let crate::model::api::EngineSource::Rego(source) = &template.parsed.source;
        self.push(template.bundled, template.locate(at), source.main.path.clone(), message.into());
    }

    /// A key that stands at two places.
    fn repeated(&mut self, bundled: &BundledObject, key: &RepeatedKey, message: impl Into<String>) {
        let before = self.all.len();
        self.push(bundled, key.again.clone(), key.path.clone(), message.into());
        let first = Place::of(&bundled.document, key.first.clone());
        self.all.iter_mut().skip(before).for_each(|finding| finding.related.push(first.clone()));
    }

    /// What stands in a message behind the end of its line is what to do.
    fn push(&mut self, bundled: &BundledObject, location: Location, field: FieldPath, message: String) {
        let (message, advice) = match message.split_once('\n') {
            Some((message, advice)) => (message.to_owned(), Some(advice.to_owned())),
            None => (message, None),
        };
        let place = Place::of(&bundled.document, location);
        let is_same = |one: &Finding| {
            one.message == message
                && one.advice == advice
                && one.place.location == place.location
                && one.rule.id == self.rule.id
        };
        if self.all.iter().any(is_same) {
            return;
        }
        self.all.push(Finding {
            rule: Arc::clone(&self.rule),
            severity: self.severity,
            message,
            object: bundled.object.key(),
            place,
            precision: Precision::Value,
            field,
            missing: None,
            passing: None,
            advice,
            fix: None,
            related: Vec::new(),
            implied: None,
            rendered_from: None,
            fingerprint: String::new(),
        });
    }
}

/// `did you mean x?`, as what to do, when there is an x.
fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("\ndid you mean {name}?")).unwrap_or_default()
}

/// `a, b and c`
fn list(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
