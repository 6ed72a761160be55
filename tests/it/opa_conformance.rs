//! OPA's own conformance cases, from a copy of its repository: `OPA_CASES=…/v1/test/cases/testdata cargo test -- --ignored`.
//!
//! Prints every case whose answer differs, by what kind of difference it is; fails when there are more than are known.

use std::collections::BTreeMap;
use std::path::Path;

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::query::{Answer, Policies, QueryError, SourceFile};
use serde_json::Value;

/// Cases that differ from OPA 1.10, all about what templates do not do: functions replaced by functions that call them
/// (`with f as g`), rules whose names mix constant and variable steps (`p[x].r contains y` beside `p.b.r contains "z"`),
/// rules below base data of the same path, data that is no mapping.
const KNOWN_DIFFERENCES: usize = 45;

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Same,
    /// Needs what this engine refuses or does not have: a function.
    NotOffered,
    /// An error where OPA has an answer.
    Refused,
    /// An answer where OPA has an error.
    NotRefused,
    Different,
}

fn ask(case: &Value, version: RegoVersion) -> Result<Answer, String> {
    let modules = case["modules"].as_array().into_iter().flatten().enumerate();
    let files: Vec<SourceFile> = modules
        .map(|(index, text)| SourceFile { name: format!("module{index}"), text: text.as_str().unwrap().to_owned() })
        .collect();
    let show = |errors: Vec<_>| format!("{errors:?}");
    let policies = Policies::compile(&files, version).map_err(show)?;
    // Some inputs are written in Rego, because they hold sets, which JSON cannot say.
    let term =
        case["input_term"].as_str().map(|term| format!("{} with input as {term}", case["query"].as_str().unwrap()));
    let input = case.get("input").filter(|input| !input.is_null());
    let query = term.as_deref().unwrap_or_else(|| case["query"].as_str().unwrap());
    policies.ask(query, input, case.get("data")).map_err(|error| match error {
        QueryError::Compile(errors) => format!("{errors:?}"),
        other => format!("{other:?}"),
    })
}

fn judge(case: &Value, version: RegoVersion) -> (Outcome, String) {
    let wants_error = case.get("want_error_code").is_some() || case.get("want_error").is_some();
    // Errors of builtins, which Gatekeeper does not ask for: there they make an expression undefined.
    let is_strict = case["strict_error"] == true;
    match ask(case, version) {
        Err(text) if wants_error => (Outcome::Same, text),
        Err(text) if text.contains("undefined function") => (Outcome::NotOffered, text),
        Err(text) => (Outcome::Refused, text),
        Ok(_) if wants_error && is_strict => (Outcome::Same, String::new()),
        Ok(answer) if wants_error => (Outcome::NotRefused, format!("{:?}", answer.solutions)),
        Ok(answer) => {
            let mut found: Vec<String> = answer.solutions.iter().map(|one| normalized(&one.bindings)).collect();
            let is_same = match (case["want_result"].as_array(), case["want_defined"].as_bool()) {
                (Some(wanted), _) => {
                    let mut wanted: Vec<String> = wanted.iter().map(normalized).collect();
                    found.sort();
                    wanted.sort();
                    found == wanted
                }
                (None, Some(defined)) => found.is_empty() != defined,
                (None, None) => true,
            };
            (if is_same { Outcome::Same } else { Outcome::Different }, format!("{found:?}"))
        }
    }
}

/// Numbers by value; lists in the order of their text, because a set is one here and there in another order.
fn normalized(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("{:e}", number.as_f64().unwrap_or_default()),
        Value::Array(items) => {
            let mut items: Vec<String> = items.iter().map(normalized).collect();
            items.sort();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key:?}:{}", normalized(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
        other => other.to_string(),
    }
}

#[test]
#[ignore = "needs OPA's cases, which are not ours to keep: OPA_CASES=DIR"]
fn opas_own_cases() {
    let root = std::env::var("OPA_CASES").expect("OPA_CASES names the directory testdata of OPA's cases");
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
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
                if outcome != Outcome::Same {
                    let found: String = found.chars().take(300).collect();
                    println!("{outcome:?} {folder} {}: {found}", case["note"].as_str().unwrap_or_default());
                }
            }
        }
    }
    println!("{counts:?}");
    let is_known = |outcome: &Outcome| matches!(outcome, Outcome::Same | Outcome::NotOffered);
    let differ: usize = counts.iter().filter(|(outcome, _)| !is_known(outcome)).map(|(_, count)| count).sum();
    assert!(differ <= KNOWN_DIFFERENCES, "{differ} cases differ, {KNOWN_DIFFERENCES} are known: {counts:?}");
}
