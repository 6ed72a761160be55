//! `rego.*`: modules as data, and annotations.
//!
//! `rego.parse_module` gives OPA's own JSON form of a module: what its parser makes of the text, always as v1, whatever
//! the calling module is. A text that is no module has none. Where our parser refuses what OPA's may accept, evaluation
//! stops: texts beyond its bounds, and what no policy means (see `syntax::parser`).

mod describe;
mod node;

use super::operands::{string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::model::api::RegoVersion;
use crate::policy::engine::rego::syntax::parser::{may_be_fine_by_opa, parse_module};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "rego.metadata.chain", arity: 0, call: outside_of_rules },
    Builtin { name: "rego.metadata.rule", arity: 0, call: outside_of_rules },
    Builtin { name: "rego.parse_module", arity: 2, call: parse },
];

/// How much larger than its text a tree and its value are, about.
const GROWTH: u64 = 100;

fn parse(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (name, text) = (string(operands, 0)?, string(operands, 1)?);
    let length = text.len() as u64;
    context.budget.charge(length.saturating_mul(GROWTH))?;
    context.budget.allocate(length.saturating_mul(GROWTH))?;
    let module = parse_module(name, text, RegoVersion::V1).map_err(|errors| {
        let reason = errors.first().map(|error| error.message.clone()).unwrap_or_default();
        match errors.iter().all(may_be_fine_by_opa) {
            true => BuiltinError::Halt(format!("rego.parse_module: {reason}")),
            false => undefined(reason),
        }
    })?;
    context.budget.check_time()?;
    describe::module(&module).ok_or_else(|| undefined("the module has no JSON form"))
}

/// The compile passes have replaced all calls in rules; a query is none.
fn outside_of_rules(_: &mut CallContext<'_>, _: &[&Value]) -> Result<Value, BuiltinError> {
    Err(undefined("annotations can only be asked for within the scope of a rule"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, part: &str) -> Option<String> {
        let module = parse_module("f.rego", text, RegoVersion::V1).ok()?;
        describe::module(&module).map(|value| value.to_json()[part].to_string())
    }

    #[test]
    fn modules_have_opas_form() {
        let check = |text: &str, part: &str, expected: Option<&str>| {
            assert_eq!(shown(text, part).as_deref(), expected, "{text}");
        };
        let imports = r#"[{"alias":"y","path":{"type":"ref","value":[{"type":"var","value":"input"}]}}]"#;
        check("package a\nimport input as y", "imports", Some(imports));
        let comments = r#"[{"Location":{"col":3,"file":"f.rego","row":2},"Text":null}]"#;
        check("package a\n  #", "comments", Some(comments));
        check("package a\np := .5", "rules", None);
        check("package a\np := \"\\ufeff\"", "rules", None);
        let rules = concat!(
            r#"[{"body":[{"index":0,"terms":{"type":"boolean","value":true}}],"head":{"assign":true,"#,
            r#""key":{"type":"var","value":"x"},"name":"p","ref":[{"type":"var","value":"p"},{"type":"var","value":"x"}],"#,
            r#""value":{"type":"set","value":[{"type":"number","value":1},{"type":"var","value":"$0"}]}}}]"#,
        );
        check("package a\np[x] := {_, 1, 1}", "rules", Some(rules));
    }
}
