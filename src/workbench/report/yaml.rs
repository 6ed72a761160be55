//! The results as `gator test -o yaml` writes them: fields under `result`, with lower-case Go names.

use serde_json::{Map, Value, json};

use super::result_fields;
use crate::workbench::judge::Judgement;

pub(super) fn render(judgements: &[Judgement]) -> String {
    let results: Vec<Value> = judgements.iter().map(entry).collect();
    // Values hold nothing that YAML cannot say.
    serde_saphyr::to_string(&results).unwrap_or_default()
}

fn entry(judgement: &Judgement) -> Value {
    let fields = result_fields(judgement);
    let field = |key: &str| fields.get(key).cloned();
    let result: Map<String, Value> = [
        ("target", field("target")),
        ("msg", field("msg")),
        ("metadata", field("metadata").or_else(|| Some(json!({})))),
        ("constraint", field("constraint").map(|object| json!({"object": object}))),
        ("enforcementaction", field("enforcementAction")),
        ("scopedenforcementactions", field("scopedActions").or_else(|| Some(json!([])))),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    json!({"result": result, "violatingObject": judgement.object.object.value(), "trace": judgement.trace.as_deref()})
}
