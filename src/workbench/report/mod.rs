//! Results in the formats people and programs read; one file a format. Shapes are those of Gatekeeper's `gator test`.

mod json;
mod text;
mod yaml;

use serde_json::{Map, Value, json};

pub(super) use json::go_json;

use super::judge::Judgement;
use crate::model::api::{ADMISSION_TARGET, EnforcementAction, EnforcementPoint};

/// A format of `admit test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line a violation.
    Text,
    /// A list of results.
    Json,
    /// The same in YAML, with the other key names that Gatekeeper's readers of YAML expect.
    Yaml,
}

/// Renders all judgements.
pub fn render(format: Format, judgements: &[Judgement]) -> String {
    match format {
        Format::Text => text::render(judgements),
        Format::Json => json::render(judgements),
        Format::Yaml => yaml::render(judgements),
    }
}

/// The fields of one result under their JSON names, those without content left out.
fn result_fields(judgement: &Judgement) -> Map<String, Value> {
    let constraint = &judgement.violation.constraint.constraint;
    let mut fields = Map::new();
    fields.insert("target".to_owned(), ADMISSION_TARGET.into());
    fields.insert("msg".to_owned(), judgement.violation.message.as_str().into());
    if let Some(details) = &judgement.violation.details {
        fields.insert("metadata".to_owned(), json!({"details": details}));
    }
    fields.insert("constraint".to_owned(), constraint.object.value().clone());
    fields.insert("enforcementAction".to_owned(), judgement.violation.enforcement_action().into());
    // What an ExpansionTemplate says takes the place of the one, and leaves the other as it is.
    if constraint.enforcement.as_str() == "scoped" {
        let actions = constraint.enforcement.actions_at(EnforcementPoint::CommandLine);
        let actions: Vec<&str> = actions.into_iter().map(EnforcementAction::as_str).collect();
        fields.insert("scopedActions".to_owned(), actions.into());
    }
    fields
}
