//! Would the tests notice? Small changes to a template's code, each judged by all cases that use the template.
//!
//! A change is killed when a case comes out otherwise than the suite says, or when it makes the policy run beyond its
//! limits. The choice among many changes, and what is said about them, is the same every time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::Suites;
use super::assertion::Assertion;
use super::coverage::{percent, shown_path};
use super::definition::Test;
use super::filter::Filter;
use super::policy::{Policy, compiled_template};
use super::subject::{self, Subject};
use crate::manifest::Document;
use crate::model::api::{EngineSource, Module, RegoSource};
use crate::model::object::{FieldPath, Object, Segment};
use crate::policy::engine::Deadline;
use crate::policy::engine::rego::mutants::{Mutant, mutants};
use crate::policy::evaluate::{EvalContext, validate};
use crate::policy::snapshot::{BuildOptions, Snapshot};

/// The longest that a case may take with a changed policy; policies take milliseconds.
const CASE_LIMIT: Duration = Duration::from_secs(5);

/// What came of changing one template.
#[derive(Clone, Debug)]
pub struct TemplateMutants {
    /// The template's name.
    pub name: String,
    /// Its file, relative to the working directory if it is below that.
    pub file: String,
    /// Changes that a test noticed, those that were stopped included.
    pub killed: usize,
    /// Changes that ran beyond a limit.
    pub stopped: usize,
    /// Changes that do not compile: they say nothing.
    pub refused: usize,
    /// Changes that were not tried, because there are so many.
    pub left_out: usize,
    /// Changes that no test noticed, in the order of the text.
    pub survivors: Vec<Survivor>,
}

/// A change that no test noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// `file:line:column`
    pub place: String,
    /// Line of the file.
    pub line: u32,
    /// Column of the file.
    pub column: u32,
    /// What was done, as it follows an "if".
    pub change: String,
    /// The line with the change in it; empty where only a gap would be seen.
    pub text: String,
}

impl TemplateMutants {
    /// Percent of the changes that were noticed.
    pub fn score(&self) -> f64 {
        percent(self.killed, self.killed + self.survivors.len())
    }
}

/// A test with all that it needs but the template.
struct Prepared<'s> {
    policy: Policy,
    cases: Vec<PreparedCase<'s>>,
}

struct PreparedCase<'s> {
    inventory: Vec<Object>,
    subject: Subject,
    assertions: &'s [Assertion],
}

enum Fate {
    Killed,
    Stopped,
    Refused,
    Survived,
}

/// Changes the templates of suites whose tests all pass; at most so many changes to each. Ordered by file.
pub(super) fn run(suites: &Suites, filter: &Filter, options: BuildOptions, most: usize) -> Vec<TemplateMutants> {
    let tests = suites.suites.iter().filter(|suite| !suite.skip).flat_map(|suite| &suite.tests);
    let mut by_file: BTreeMap<String, Vec<Prepared<'_>>> = BTreeMap::new();
    for test in tests.filter(|test| !test.skip && !test.invalid) {
        if let Some(prepared) = prepare(test, filter, options) {
            by_file.entry(shown_path(prepared.policy.document())).or_default().push(prepared);
        }
    }
    by_file.into_iter().filter_map(|(file, tests)| run_template(file, &tests, options, most)).collect()
}

/// What cannot be prepared did not pass.
fn prepare<'s>(test: &'s Test, filter: &Filter, options: BuildOptions) -> Option<Prepared<'s>> {
    if !filter.includes_test(&test.name, test.cases.iter().map(|case| case.name.as_str())) {
        return None;
    }
    let policy = Policy::load(test, options).ok()?;
    let mut cases = Vec::new();
    for case in test.cases.iter().filter(|case| !case.skip && filter.includes_case(&test.name, &case.name)) {
        let inventory = subject::inventory(case).ok()?;
        let subject = subject::read(case.object.as_ref()?, &policy.with_inventory(&inventory)).ok()?;
        cases.push(PreparedCase { inventory, subject, assertions: &case.assertions });
    }
    (!cases.is_empty()).then_some(Prepared { policy, cases })
}

fn run_template(file: String, tests: &[Prepared<'_>], options: BuildOptions, most: usize) -> Option<TemplateMutants> {
    let template = Arc::clone(tests.first()?.policy.template()?);
    let document = tests.first()?.policy.document();
    let EngineSource::Rego(source) = &template.template.source;
    let all = changes(source);
    let chosen = choose(&all, most);
    let fate =
        |(module, mutant): &(&Module, Mutant)| try_mutant(tests, &template.template.object, module, mutant, options);
    let fates: Vec<Fate> = chosen.par_iter().map(fate).collect();
    let mut outcome = TemplateMutants {
        name: template.template.object.name().to_owned(),
        file,
        killed: 0,
        stopped: 0,
        refused: 0,
        left_out: all.len() - chosen.len(),
        survivors: Vec::new(),
    };
    for ((module, mutant), fate) in chosen.into_iter().zip(fates) {
        match fate {
            Fate::Killed => outcome.killed += 1,
            Fate::Stopped => {
                outcome.killed += 1;
                outcome.stopped += 1;
            }
            Fate::Refused => outcome.refused += 1,
            Fate::Survived => outcome.survivors.push(survivor(document, &outcome.file, module, mutant)),
        }
    }
    Some(outcome)
}

fn changes(source: &RegoSource) -> Vec<(&Module, Mutant)> {
    let modules = std::iter::once(&source.main).chain(&source.libraries);
    modules
        .flat_map(|module| mutants(&module.text, source.version).into_iter().map(move |mutant| (module, mutant)))
        .collect()
}

/// So many at most, evenly from all.
fn choose<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    let count = all.len().min(most);
    (0..count).filter_map(|number| all.get(number * all.len() / count)).cloned().collect()
}

fn try_mutant(
    tests: &[Prepared<'_>],
    template: &Object,
    module: &Module,
    mutant: &Mutant,
    options: BuildOptions,
) -> Fate {
    let Some(changed) = with_text(template, &module.path, mutant.apply(&module.text)) else { return Fate::Refused };
    let Some(compiled) = compiled_template(&changed, options) else { return Fate::Refused };
    for test in tests {
        let Some(policy) = test.policy.with_template(&changed, &compiled) else { return Fate::Refused };
        for case in &test.cases {
            match try_case(&policy, case) {
                Fate::Survived => {}
                fate => return fate,
            }
        }
    }
    Fate::Survived
}

fn try_case(policy: &Policy, case: &PreparedCase<'_>) -> Fate {
    let snapshot: Snapshot = policy.with_inventory(&case.inventory);
    let (deadline, Subject { review, expands }) = (Deadline::after(CASE_LIMIT), &case.subject);
    let context = EvalContext { deadline, expands: *expands, ..EvalContext::offline() };
    let Ok(evaluation) = validate(&snapshot, review, context) else {
        return if context.deadline.has_passed() { Fate::Stopped } else { Fate::Killed };
    };
    if !evaluation.breaches.is_empty() {
        return Fate::Stopped;
    }
    let messages: Vec<String> = evaluation.violations.into_iter().map(|violation| violation.message).collect();
    let is_as_expected = case.assertions.iter().all(|assertion| assertion.check(&messages).is_ok());
    if is_as_expected { Fate::Survived } else { Fate::Killed }
}

/// The template with another text in a field.
fn with_text(template: &Object, field: &FieldPath, text: String) -> Option<Object> {
    let mut value = template.value().clone();
    let place = field.segments().iter().try_fold(&mut value, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key.as_str()),
        Segment::Index(index) => value.get_mut(*index),
    });
    *place? = text.into();
    Object::from_value(value).ok()
}

fn survivor(document: &Document, file: &str, module: &Module, mutant: Mutant) -> Survivor {
    let location = document.locate_in_scalar(&module.path, mutant.line, mutant.column);
    let text = mutant.changed_line(&module.text).unwrap_or_default();
    let place = format!("{file}:{}:{}", location.line, location.column);
    Survivor { place, line: location.line, column: location.column, change: mutant.change, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_evenly() {
        assert_eq!(choose(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4), [0, 2, 5, 7]);
        assert_eq!(choose(&[0, 1, 2], 5), [0, 1, 2]);
        assert_eq!(choose(&[0, 1, 2], 0), [0; 0]);
    }

    #[test]
    fn replaces_one_field() {
        let object = serde_json::json!({"apiVersion": "v1", "kind": "A", "spec": {"targets": [{"rego": "old"}]}});
        let object = Object::from_value(object).unwrap();
        let path = FieldPath::from(["spec", "targets"]).index(0).key("rego");
        let changed = with_text(&object, &path, "new".to_owned()).unwrap();
        assert_eq!(changed.value()["spec"]["targets"][0]["rego"], "new");
        assert!(with_text(&object, &path.key("x"), "new".to_owned()).is_none());
    }
}
