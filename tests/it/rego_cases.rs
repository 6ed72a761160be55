//! 250 snippets of Rego with the answers that OPA gave: `tests/rego-cases/opa-1.10.json`.

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::query::{Policies, QueryError, SourceFile};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    name: String,
    rego_version: String,
    module: String,
    input: Option<Value>,
    data: Option<Value>,
    opa: Value,
}

/// Cases whose answer differs, each with the reason.
const DIFFERENT: &[(&str, &str)] =
    &[("v0_http_send", "policies that reach out of the cluster are refused at once, not undefined later")];

fn answer(case: &Case) -> Value {
    let version = if case.rego_version == "v1" { RegoVersion::V1 } else { RegoVersion::V0 };
    let file = SourceFile { name: "case.rego".to_owned(), text: case.module.clone() };
    let policies = match Policies::compile(&[file], version) {
        Ok(policies) => policies,
        Err(errors) => return json!({"error": errors.iter().map(|error| error.class.as_str()).collect::<Vec<_>>()}),
    };
    match policies.ask("data.t.out", case.input.as_ref(), case.data.as_ref()) {
        Ok(answer) => match answer.solutions.first() {
            Some(solution) => json!({"result": solution.expressions[0]}),
            None => json!({"undefined": true}),
        },
        Err(QueryError::Evaluate(error)) => json!({"error": error.to_string()}),
        Err(error) => json!({"error": format!("{error:?}")}),
    }
}

/// Numbers by their value: JSON readers do not agree about `1000.0` and `1e3`.
fn is_same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_same_value(value, other)))
        }
        _ => one == other,
    }
}

#[test]
fn answers_are_opas() {
    let text = include_str!("../rego-cases/opa-1.10.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    let mut failures = Vec::new();
    for case in &cases {
        let found = answer(case);
        let is_same = match (&found["error"], &case.opa["error"]) {
            (Value::Null, Value::Null) => is_same_value(&found, &case.opa),
            (Value::Null, _) | (_, Value::Null) => false,
            (found, opa) => {
                let class =
                    |text: &str| text.split([':', ' ']).find(|word| word.ends_with("_error")).map(str::to_owned);
                let opa = opa.to_string();
                found.to_string().contains(&class(opa.trim_matches('"')).unwrap_or(opa))
            }
        };
        if is_same == DIFFERENT.iter().any(|(name, _)| *name == case.name) {
            failures.push(format!("{}:\n{}\n  admit {found}\n  OPA   {}", case.name, case.module, case.opa));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    assert_eq!(cases.len(), 250);
}
