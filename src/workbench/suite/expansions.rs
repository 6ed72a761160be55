//! The ExpansionTemplates that a test names.

use super::definition::Test;
use super::outcome::Failure;
use super::subject::{documents, object};
use crate::model::api::EXPANSION_GROUP;
use crate::model::object::Object;
use crate::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use crate::workbench::bundle::{BundledObject, resource_diagnostics};
use crate::workbench::diagnostic::Diagnostic;

/// Reads the test's file of ExpansionTemplates, if it has one; all of them must be usable together.
pub(super) fn load(test: &Test) -> Result<Vec<Object>, Failure> {
    let Some(file) = &test.expansion else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for document in documents(file, "expansion")? {
        let object = object(&document)?;
        if object.gvk().group != EXPANSION_GROUP || object.gvk().kind != "ExpansionTemplate" {
            let message = format!("path {:?}: not an ExpansionTemplate: found {}", file.shown(), object.gvk());
            return Err(Diagnostic::at(&document, &document.location(), message).into());
        }
        found.push(BundledObject { object: object.into(), document: document.into() });
    }
    let mut store = Store::default();
    found.iter().for_each(|one| store.apply(Change::Apply(Object::clone(&one.object))));
    let (_, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    let problems = resource_diagnostics(&errors, &found);
    if !problems.is_empty() {
        return Err(Failure::Input(problems));
    }
    Ok(found.iter().map(|one| Object::clone(&one.object)).collect())
}
