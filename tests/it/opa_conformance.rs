//! OPA's own conformance cases, from a copy of its repository: `OPA_CASES=…/v1/test/cases/testdata cargo test -- --ignored`.
//!
//! Prints every case whose answer differs, by what kind of difference it is; fails unless these are exactly those that
//! `divergence::OPA_CASES` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::query::{Answer, Policies, QueryError, SourceFile};
use admit::policy::engine::rego::value::{NumberMode, Value};
use serde_json::Value as Json;

use crate::divergence::OPA_CASES;

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Same,
    /// OPA's error is one of a builtin in strict mode, which Gatekeeper does not ask for; without it there is none.
    NotStrict,
    /// Needs what this engine refuses or does not have: a function.
    NotOffered,
    /// An error where OPA has an answer, or another error.
    Refused,
    /// An answer where OPA has an error.
    NotRefused,
    Different,
}

fn ask(case: &Json, version: RegoVersion) -> Result<Answer, String> {
    let modules = case["modules"].as_array().into_iter().flatten().enumerate();
    let files: Vec<SourceFile> = modules
        .map(|(index, text)| SourceFile { name: format!("test-{index}.rego"), text: text.as_str().unwrap().to_owned() })
        .collect();
    let show = |errors: Vec<_>| format!("{errors:?}");
    let policies = Policies::compile(&files, version).map_err(show)?;
    // Some inputs are written in Rego, because they hold sets, which JSON cannot say.
    let term =
        case["input_term"].as_str().map(|term| format!("{} with input as {term}", case["query"].as_str().unwrap()));
    let input = case.get("input").filter(|input| !input.is_null());
    let query = term.as_deref().unwrap_or_else(|| case["query"].as_str().unwrap());
    policies.ask(query, input, case.get("data")).map_err(|error| match error {
        QueryError::Compile(errors) => show(errors),
        QueryError::Evaluate(error) => error.to_string(),
        QueryError::Second(text) | QueryError::Internal(text) => text,
    })
}

fn judge(case: &Json, version: RegoVersion) -> (Outcome, String) {
    let wanted_error: Vec<&str> =
        ["want_error_code", "want_error"].iter().filter_map(|key| case[*key].as_str()).collect();
    let is_strict = case["strict_error"] == true;
    match ask(case, version) {
        Err(text) if text.contains("undefined function") => (Outcome::NotOffered, text),
        Err(text) if !is_strict && !wanted_error.is_empty() && wanted_error.iter().all(|part| text.contains(part)) => {
            (Outcome::Same, text)
        }
        Err(text) => (Outcome::Refused, text),
        Ok(answer) if is_strict && !wanted_error.is_empty() => {
            let is_nothing = answer.solutions.iter().all(|one| is_nothing(&one.bindings));
            (if is_nothing { Outcome::NotStrict } else { Outcome::Different }, format!("{:?}", answer.solutions))
        }
        Ok(answer) if !wanted_error.is_empty() => (Outcome::NotRefused, format!("{:?}", answer.solutions)),
        Ok(answer) => {
            let found = answer.solutions.iter().map(|one| value(&one.bindings, case)).collect();
            let is_same = match (case["want_result"].as_array(), case["want_defined"].as_bool()) {
                (Some(wanted), _) => {
                    Value::set(found) == Value::set(wanted.iter().map(|one| value(one, case)).collect())
                }
                (None, Some(defined)) => found.is_empty() != defined,
                (None, None) => true,
            };
            (if is_same { Outcome::Same } else { Outcome::Different }, format!("{:?}", answer.solutions))
        }
    }
}

/// Nothing follows from an expression that is undefined: every variable has an empty collection, or one of such.
fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.iter().all(is_nothing),
        Json::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

/// Bindings as OPA's own tests compare them: numbers by their exact value, lists in order unless the case says that its
/// variables are sets. The solutions of a query are one.
fn value(bindings: &Json, case: &Json) -> Value {
    let exact = |value: &Json| Value::from_json(value, NumberMode::AsWritten);
    let Some(fields) = bindings.as_object() else { return exact(bindings) };
    let is_sorted = case["sort_bindings"] == true;
    let sorted = |value: &Json| match (exact(value), is_sorted) {
        (Value::Array(items), true) => {
            let mut items = items.to_vec();
            items.sort();
            Value::array(items)
        }
        (value, _) => value,
    };
    Value::object(fields.iter().map(|(name, value)| (Value::string(name), sorted(value))).collect())
}

#[test]
#[ignore = "needs OPA's cases, which are not ours to keep: OPA_CASES=DIR"]
fn opas_own_cases() {
    let root = std::env::var("OPA_CASES").expect("OPA_CASES names the directory testdata of OPA's cases");
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut differ: BTreeSet<String> = BTreeSet::new();
    for (folder, version) in [("v0", RegoVersion::V0), ("v1", RegoVersion::V1)] {
        let (documents, _) = admit::manifest::read(&[Path::new(&root).join(folder)], None);
        for document in documents {
            for case in document.value()["cases"].as_array().into_iter().flatten() {
                let case = case.clone();
                // Deep cases need the stack that every evaluating thread has.
                let judged = std::thread::Builder::new().stack_size(64 << 20);
                let (outcome, found) = judged
                    .spawn({
                        let case = case.clone();
                        move || judge(&case, version)
                    })
                    .unwrap()
                    .join()
                    .unwrap();
                *counts.entry(outcome).or_default() += 1;
                if outcome >= Outcome::Refused {
                    let found: String = found.chars().take(300).collect();
                    let note = case["note"].as_str().unwrap_or_default();
                    println!("{outcome:?} {folder} {note}: {found}");
                    differ.insert(note.to_owned());
                }
            }
        }
    }
    println!("{counts:?}");
    let known = OPA_CASES.iter().map(|(note, ..)| (*note).to_owned()).collect();
    assert_eq!(differ, known, "left: the cases that differ; right: those of divergence.rs");
}
