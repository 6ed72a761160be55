//! What objects in files would create, as policies get to see it: `admit expand`.
//!
//! The same call makes it that judges it. Formats are those of Gatekeeper's `gator expand`.

use std::cmp::Reverse;
use std::io::Read;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::bundle::{self, Bundle, BundledObject, assemble, is_policy, read_objects};
use super::diagnostic::Diagnostic;
use super::report::go_json;
use crate::manifest::{Document, ReadOptions};
use crate::model::object::Object;
use crate::model::review::Review;
use crate::model::value::{NumberMode, Value};
use crate::policy::engine::rego::builtins::go_yaml;
use crate::policy::evaluate::{EvalContext, Expands, ReviewFailure, created};
use crate::policy::expansion::Referents;
use crate::policy::snapshot::BuildOptions;

/// A format of resultants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Documents that are separated by `---`.
    Yaml,
    /// Objects that are separated by `---`, too.
    Json,
}

/// What the objects of a bundle would create, in the order in which they are shown.
#[derive(Debug, Default)]
pub struct Expanded {
    /// All resultants.
    pub resultants: Vec<Object>,
    /// What would be created, and nobody knows what it is.
    pub warnings: Vec<Diagnostic>,
}

/// Reads files, directories and the input, beside documents that are known already. Policies among them judge nothing here, so
/// that nothing is asked of them.
pub fn load(known: Vec<Document>, paths: &[PathBuf], stdin: Option<&mut dyn Read>) -> (Bundle, Vec<Diagnostic>) {
    let (mut objects, mut diagnostics) = read_objects(known);
    let (mut read, mut problems) = bundle::read(paths, stdin, &ReadOptions::default(), |object| object);
    objects.append(&mut read);
    diagnostics.append(&mut problems);
    let others = objects.iter().filter(|one| !is_policy(one.object.gvk())).cloned().collect();
    let (bundle, mut problems) = assemble(others, "", BuildOptions::default());
    diagnostics.append(&mut problems);
    (Bundle { objects, ..bundle }, diagnostics)
}

/// Expands all objects by the ExpansionTemplates among them; if `workloads`, those that none applies to as far as they are
/// known here.
///
/// # Errors
/// At the first object that an ExpansionTemplate or a mutator cannot be applied to.
pub fn expand(bundle: &Bundle, workloads: bool) -> Result<Expanded, Diagnostic> {
    let referents: Referents = bundle.objects.iter().filter(|_| workloads).map(|one| &one.object).collect();
    let expands = if workloads { Expands::WithWorkloads(&referents) } else { Expands::ByTemplates };
    let context = EvalContext { expands, ..EvalContext::offline() };
    let mut expanded = Expanded::default();
    for one in &bundle.objects {
        let namespace = bundle.snapshot.namespace(one.object.namespace()).cloned();
        let expansion = created(&bundle.snapshot, &Review::of_object(&one.object, namespace), &context);
        let expansion = expansion.map_err(|failure| {
            let message = match failure {
                ReviewFailure::Expansion(cause) => format!("error expanding resource {}: {cause}", one.object.name()),
                other => other.to_string(),
            };
            Diagnostic::at(&one.document, &one.document.location(), message)
        })?;
        expanded.resultants.extend(expansion.resultants.into_iter().map(|resultant| resultant.object));
        expanded.warnings.extend(expansion.unexpandable.iter().map(|why| warning(one, &why.reason)));
    }
    let key = |one: &Object| format!("{}{}{}", one.name(), one.gvk().api_version(), one.gvk().kind);
    expanded.resultants.sort_by_cached_key(|one| Reverse(key(one)));
    Ok(expanded)
}

fn warning(one: &BundledObject, reason: &str) -> Diagnostic {
    let message = format!("what this creates is not known: {reason}");
    Diagnostic::at(&one.document, &one.document.location(), message)
}

/// All resultants as one text.
///
/// # Errors
/// When one is too large or nested too deeply.
pub fn render(format: Format, resultants: &[Object]) -> Result<String, String> {
    let texts: Result<Vec<String>, String> = resultants.iter().map(|one| text(format, one.value())).collect();
    Ok(texts?.join("---\n"))
}

fn text(format: Format, value: &Json) -> Result<String, String> {
    match format {
        Format::Yaml => go_yaml(&Value::from_json(value, NumberMode::Float)),
        Format::Json => Ok(go_json(value)),
    }
}
