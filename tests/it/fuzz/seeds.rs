//! Policies that somebody wrote: `tests/rego-cases` and the templates below `policies/` with their samples.

use std::path::Path;

use admit::model::api::RegoVersion;
use serde_json::{Value, json};

use super::judge::Subject;

pub(super) fn all() -> Vec<Subject> {
    let cases: Value = serde_json::from_str(include_str!("../../rego-cases/opa-1.10.json")).unwrap();
    let cases = cases.as_array().into_iter().flatten().map(|case| Subject {
        text: case["module"].as_str().unwrap().to_owned(),
        version: if case["rego_version"] == "v1" { RegoVersion::V1 } else { RegoVersion::V0 },
        inputs: case.get("input").filter(|input| input.is_object()).cloned().into_iter().collect(),
        each: true,
    });
    // What the time says differs between two looks at it.
    let is_stable = |subject: &Subject| {
        !["now_ns", "rand", "uuid", "http", "opa.runtime"].iter().any(|word| subject.text.contains(word))
    };
    cases.filter(is_stable).chain(library()).collect()
}

fn library() -> Vec<Subject> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/general");
    let folders = std::fs::read_dir(policies).unwrap().map(|folder| folder.unwrap().path());
    folders.flat_map(|folder| template(&folder)).collect()
}

/// A template, several times, so that it is met as often as short cases.
fn template(folder: &Path) -> Vec<Subject> {
    let (documents, _) = admit::manifest::read(&[folder.join("...")], None);
    let values: Vec<&Value> = documents.iter().map(admit::manifest::Document::value).collect();
    let of_kind = |kind: &str| values.iter().filter(|value| value["kind"] == kind).copied().collect::<Vec<_>>();
    let parameters: Vec<&Value> =
        values.iter().map(|value| &value["spec"]["parameters"]).filter(|it| !it.is_null()).collect();
    let mut inputs: Vec<Value> = Vec::new();
    for object in values.iter().filter(|value| value["metadata"].is_object() && value["spec"]["parameters"].is_null()) {
        let given = parameters.get(inputs.len() % parameters.len().max(1)).copied().unwrap_or(&Value::Null);
        inputs.push(json!({"parameters": given, "review": {"object": object, "kind": {"kind": object["kind"]}}}));
    }
    let mut found = Vec::new();
    for template in of_kind("ConstraintTemplate") {
        let Some(text) = template["spec"]["targets"][0]["rego"].as_str() else { continue };
        for inputs in inputs.chunks(3) {
            let (text, inputs) = (text.to_owned(), inputs.to_vec());
            found.push(Subject { text, version: RegoVersion::V0, inputs, each: false });
        }
    }
    found
}
