//! Tests of mutators: an object before, and what it must be after, or why it must be refused.

use std::time::Instant;

use serde_json::Value;

use super::definition::{ErrorPattern, FileReference, MutationCase, MutationTest};
use super::filter::Filter;
use super::outcome::{CaseOutcome, Failure, Status, TestOutcome};
use super::subject::{self, documents, object, required};
use crate::manifest::Document;
use crate::manifest::edit::edit;
use crate::model::api::MUTATIONS_GROUP;
use crate::model::object::{FieldPath, Object};
use crate::model::review::{Operation, Review, Source};
use crate::policy::evaluate::{MutationContext, mutate};
use crate::policy::snapshot::{BuildOptions, Change, ResourceError, Snapshot, Store, build};
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::text_diff;

/// The mutators of one test.
struct Mutators {
    objects: Vec<Object>,
    compiled: Snapshot,
    options: BuildOptions,
}

pub(super) fn run(test: &MutationTest, filter: &Filter, options: BuildOptions) -> TestOutcome {
    let started = Instant::now();
    let mut cases = Vec::new();
    let is_included = filter.includes_test(&test.name, test.cases.iter().map(|case| case.name.as_str()));
    let status = if test.skip || !is_included {
        Status::Skipped
    } else {
        match load(test, options) {
            Ok(mutators) => {
                let run = |case: &MutationCase| run_case(&mutators, case, filter.includes_case(&test.name, &case.name));
                cases = test.cases.iter().map(run).collect();
                Status::Passed
            }
            Err(failure) => Status::Failed(failure),
        }
    };
    TestOutcome { name: test.name.clone(), status, cases, covered: None, duration: started.elapsed() }
}

fn run_case(mutators: &Mutators, case: &MutationCase, is_included: bool) -> CaseOutcome {
    let started = Instant::now();
    let status = match case.skip || !is_included {
        true => Status::Skipped,
        false => try_case(mutators, case).map_or_else(Status::Failed, |()| Status::Passed),
    };
    let (messages, prints, trace, coverage) = (Vec::new(), Vec::new(), None, None);
    CaseOutcome { name: case.name.clone(), status, messages, prints, trace, coverage, duration: started.elapsed() }
}

fn try_case(mutators: &Mutators, case: &MutationCase) -> Result<(), Failure> {
    let help = "name the file of the object before mutation: `object: pod.yaml`";
    let file = required(case.object.as_ref(), &case.place, "invalid Case: must define object", help)?;
    let snapshot = mutators.with_inventory(&subject::inventory_of(&case.inventory)?);
    let (document, review) = subject(file, case, &snapshot)?;
    let is_admission_review = document.value().get("request").is_some() && review.operation.is_some();
    let path = if is_admission_review { FieldPath::from(["request", "object"]) } else { FieldPath::root() };
    let before = document.value_at(&path).or_else(|| Some(document.value())).cloned().unwrap_or_default();
    let review = with_circumstances(review, case);
    let found = mutate(&snapshot, &review, &before, MutationContext::offline());
    match (&case.error, found) {
        (None, Ok(mutation)) => {
            let help = "name the file of the object after mutation: `expected: mutated.yaml`; the same file when nothing is to \
                        change";
            let file =
                required(case.expected.as_ref(), &case.place, "invalid Case: must define expected, or error", help)?;
            compare(file, &mutation.object)
        }
        (Some(error), _) if case.expected.is_some() => {
            let help = "an object that must be refused is nothing afterwards; leave out one of the two";
            Err(error.place.problem_with_help("invalid Case: has both expected and error", help).into())
        }
        (Some(error), Ok(_)) => {
            let message = format!("mutation should have failed with an error like {:?}, and did not", error.text);
            Err(Failure::Assertion(error.place.problem(message)))
        }
        (Some(error), Err(failure)) => error.check(&failure.to_string()),
        (None, Err(failure)) => Err(Failure::Assertion(case.place.problem(format!("mutation failed: {failure}")))),
    }
}

/// What expands has no operation; everything else is created, unless the case or its request says otherwise.
fn with_circumstances(review: Review, case: &MutationCase) -> Review {
    let operation = match case.source {
        Source::Generated => case.operation,
        Source::Original => case.operation.or(review.operation).or(Some(Operation::Create)),
    };
    Review { operation, source: case.source, ..review }
}

fn subject(file: &FileReference, case: &MutationCase, snapshot: &Snapshot) -> Result<(Document, Review), Failure> {
    let review = subject::read(file, snapshot)?.review;
    let document = documents(file, "object")?.into_iter().next();
    let document = document.ok_or_else(|| Failure::from(case.place.problem("the object is gone")))?;
    Ok((document, review))
}

/// The object must be as the file says; else the difference, in terms of that file.
fn compare(file: &FileReference, found: &Value) -> Result<(), Failure> {
    let mut expected = documents(file, "expected")?.into_iter();
    let (Some(document), None) = (expected.next(), expected.next()) else {
        let message = format!("expected file must contain exactly one object: {:?} defines more", file.shown());
        return Err(file.place.problem(message).into());
    };
    if document.value() == found {
        return Ok(());
    }
    let source = document.source();
    let as_found = edit(source, &[(&document, found.clone())]).map(|edited| edited.text);
    let as_found = as_found.unwrap_or_else(|_| format!("{found:#}\n"));
    let diff = text_diff::between(&format!("{} (expected)", source.name()), "after mutation", source.text(), &as_found);
    let place = document.locate(&first_difference(document.value(), found, FieldPath::root())).location;
    let message = format!("the object after mutation is not the one expected at {place}:\n{}", diff.trim_end());
    Err(Failure::Assertion(Diagnostic::at(&document, &place, message)))
}

/// The first field whose values differ, as deep as both have one.
fn first_difference(expected: &Value, found: &Value, path: FieldPath) -> FieldPath {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
            let mut differing = keys.filter(|key| one.get(*key) != other.get(*key));
            match differing.next() {
                Some(key) => match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => first_difference(one, other, path.key(key)),
                    _ => path.key(key),
                },
                None => path,
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            let index = one.iter().zip(other).position(|(one, other)| one != other);
            match index.and_then(|index| Some((index, one.get(index)?, other.get(index)?))) {
                Some((index, one, other)) => first_difference(one, other, path.index(index)),
                None => path,
            }
        }
        _ => path,
    }
}

fn load(test: &MutationTest, options: BuildOptions) -> Result<Mutators, Failure> {
    if test.mutators.is_empty() {
        let help = "name the files of the mutators: `mutators: [mutator.yaml]`";
        return Err(test.place.problem_with_help("invalid Suite: missing mutators", help).into());
    }
    let mut read: Vec<(Document, Object)> = Vec::new();
    for file in &test.mutators {
        for document in documents(file, "mutators")? {
            let object = object(&document)?;
            if object.gvk().group != MUTATIONS_GROUP {
                let message = format!("path {:?}: not a mutator", file.shown());
                return Err(Diagnostic::at(&document, &document.location(), message).into());
            }
            read.push((document, object));
        }
    }
    let mut store = Store::default();
    read.iter().for_each(|(_, object)| store.apply(Change::Apply(object.clone())));
    let (compiled, errors) = build(&mut store, &Snapshot::default(), options);
    if errors.is_empty() {
        let objects = read.into_iter().map(|(_, object)| object).collect();
        return Ok(Mutators { objects, compiled, options });
    }
    let place = |error: &ResourceError| {
        let document = read.iter().find(|(_, object)| object.key() == error.key).map(|(document, _)| document);
        let problem = match document {
            Some(document) => Diagnostic::of_resource(error, document),
            None => test.place.problem(error.to_string()),
        };
        Diagnostic { message: format!("adding mutator: {}", problem.message), ..problem }
    };
    Err(Failure::Input(errors.iter().map(place).collect()))
}

impl Mutators {
    /// The world of one case.
    fn with_inventory(&self, inventory: &[Object]) -> Snapshot {
        let mut store = Store::default();
        let namespaces = inventory.iter().filter(|object| object.is_namespace());
        for object in self.objects.iter().chain(namespaces) {
            store.apply(Change::Apply(object.clone()));
        }
        build(&mut store, &self.compiled, self.options).0
    }
}

impl ErrorPattern {
    fn check(&self, message: &str) -> Result<(), Failure> {
        match &self.compiled {
            Ok(pattern) if pattern.is_match(message) => Ok(()),
            Ok(_) => {
                let message = format!("mutation failed with another error than {:?}: {message}", self.text);
                Err(Failure::Assertion(self.place.problem(message)))
            }
            Err(reason) => {
                Err(self.place.problem(format!("error contains invalid regular expression: {reason}")).into())
            }
        }
    }
}
