//! A test's template and constraint, compiled; a case adds its inventory.

use std::sync::Arc;

use super::definition::{FileReference, Test};
use super::expansions;
use super::outcome::Failure;
use super::subject::{documents, object, required};
use crate::manifest::Document;
use crate::model::api::{CONSTRAINTS_GROUP, TEMPLATES_GROUP};
use crate::model::object::{GroupVersionKind, Object};
use crate::policy::snapshot::{BuildOptions, Change, CompiledTemplate, ResourceError, Snapshot, Store, build};
use crate::workbench::diagnostic::Diagnostic;

/// The policy of one test.
pub(super) struct Policy {
    template: Object,
    document: Arc<Document>,
    constraint: Object,
    /// ExpansionTemplates.
    expansions: Vec<Object>,
    /// Built without an inventory; what is compiled in it is reused by every case.
    compiled: Snapshot,
    options: BuildOptions,
}

impl Policy {
    /// Reads and compiles; both must be valid.
    pub(super) fn load(test: &Test, options: BuildOptions) -> Result<Self, Failure> {
        let (template_document, template) = load_template(test)?;
        let (_, errors) = snapshot([&template], options);
        if !errors.is_empty() {
            return Err(refusals(&errors, &template_document, "adding template: "));
        }
        let (constraint_document, constraint) = load_constraint(test)?;
        let (compiled, errors) = snapshot([&template, &constraint], options);
        if !errors.is_empty() {
            return Err(refusals(&errors, &constraint_document, ""));
        }
        let expansions = expansions::load(test)?;
        let policy =
            Self { template, document: Arc::new(template_document), constraint, expansions, compiled, options };
        // Once with them, so that cases need not compile what the policy is made of.
        let (compiled, _) = build(&mut policy.store(), &policy.compiled, options);
        Ok(Self { compiled, ..policy })
    }

    fn store(&self) -> Store {
        let mut store = store([&self.template, &self.constraint]);
        self.expansions.iter().for_each(|object| store.apply(Change::Apply(object.clone())));
        store
    }

    /// The same constraint on other code, which is compiled already; nothing when the constraint is refused.
    pub(super) fn with_template(&self, template: &Object, compiled: &Snapshot) -> Option<Self> {
        let (document, constraint) = (Arc::clone(&self.document), self.constraint.clone());
        let (template, expansions) = (template.clone(), self.expansions.clone());
        let policy = Self { template, document, constraint, expansions, compiled: Snapshot::default(), ..*self };
        let (compiled, errors) = build(&mut policy.store(), compiled, self.options);
        errors.is_empty().then_some(Self { compiled, ..policy })
    }

    /// The world of one case: the policy, and the case's inventory.
    pub(super) fn with_inventory(&self, inventory: &[Object]) -> Snapshot {
        let mut store = self.store();
        for object in inventory {
            if object.is_namespace() {
                store.apply(Change::Apply(object.clone()));
            }
            store.apply(Change::Sync(object.clone()));
        }
        // The policy is what it was when it compiled without errors.
        build(&mut store, &self.compiled, self.options).0
    }

    /// The template as it is in force.
    pub(super) fn template(&self) -> Option<&Arc<CompiledTemplate>> {
        self.compiled.templates().next()
    }

    /// The document that the template was read from.
    pub(super) fn document(&self) -> &Arc<Document> {
        &self.document
    }
}

/// A template alone, compiled; nothing when it is refused.
pub(super) fn compiled_template(template: &Object, options: BuildOptions) -> Option<Snapshot> {
    let (compiled, errors) = snapshot([template], options);
    errors.is_empty().then_some(compiled)
}

/// A test's template without its constraint; nothing when it cannot be used.
pub(super) fn tested_template(test: &Test, options: BuildOptions) -> Option<(Document, Arc<CompiledTemplate>)> {
    let (document, template) = load_template(test).ok()?;
    let compiled = compiled_template(&template, options)?;
    let template = compiled.templates().next().map(Arc::clone)?;
    Some((document, template))
}

/// For tests that say `invalid`: the constraint must break its template's schema, and nothing else may be wrong.
pub(super) fn check_invalid(test: &Test, options: BuildOptions) -> Result<(), Failure> {
    let want = |got: &str| {
        format!("constraint should have failed schema validation: got error {got} but want schema validation failed")
    };
    let refusal = match schema_refuses(test, options) {
        Ok(true) => return Ok(()),
        Ok(false) => Policy::load(test, options).err(),
        Err(failure) => Some(failure),
    };
    match refusal {
        None => Err(test.place.problem(want("<nil>")).into()),
        Some(failure) => {
            let reword = |problem: &Diagnostic| Diagnostic { message: want(&problem.message), ..problem.clone() };
            Err(Failure::Input(failure.problems().iter().map(reword).collect()))
        }
    }
}

fn schema_refuses(test: &Test, options: BuildOptions) -> Result<bool, Failure> {
    let (template_document, template) = load_template(test)?;
    let (compiled, errors) = snapshot([&template], options);
    if !errors.is_empty() {
        return Err(refusals(&errors, &template_document, "adding template: "));
    }
    let (_, constraint) = load_constraint(test)?;
    let template = compiled.templates().find(|one| one.template.kind == constraint.gvk().kind);
    Ok(template.is_some_and(|template| !template.schema_errors(&constraint).is_empty()))
}

fn load_template(test: &Test) -> Result<(Document, Object), Failure> {
    let help = "name the template's file: `template: template.yaml`";
    let file = required(test.template.as_ref(), &test.place, "invalid Suite: missing template", help)?;
    let is_template = |gvk: &GroupVersionKind| gvk.group == TEMPLATES_GROUP && gvk.kind == "ConstraintTemplate";
    let message = format!("path {:?}: not a ConstraintTemplate", file.shown());
    load(file, "ConstraintTemplate", is_template, &message)
}

fn load_constraint(test: &Test) -> Result<(Document, Object), Failure> {
    let help = "name the constraint's file: `constraint: constraint.yaml`";
    let file = required(test.constraint.as_ref(), &test.place, "invalid Suite: missing constraint", help)?;
    load(file, "Constraint", |gvk| gvk.group == CONSTRAINTS_GROUP, "not a Constraint")
}

/// Only the first document counts, as in Gatekeeper.
fn load(
    file: &FileReference,
    role: &str,
    is_wanted: impl Fn(&GroupVersionKind) -> bool,
    message: &str,
) -> Result<(Document, Object), Failure> {
    let Some(document) = documents(file, role)?.into_iter().next() else {
        return Err(file.place.problem(message).into());
    };
    let object = object(&document)?;
    if !is_wanted(object.gvk()) {
        return Err(Diagnostic::at(&document, &document.location(), message).into());
    }
    Ok((document, object))
}

fn snapshot<const N: usize>(policies: [&Object; N], options: BuildOptions) -> (Snapshot, Vec<ResourceError>) {
    build(&mut store(policies), &Snapshot::default(), options)
}

fn store<const N: usize>(policies: [&Object; N]) -> Store {
    let mut store = Store::default();
    policies.into_iter().for_each(|object| store.apply(Change::Apply(object.clone())));
    store
}

fn refusals(errors: &[ResourceError], document: &Document, prefix: &str) -> Failure {
    let to_problem = |error: &ResourceError| {
        let problem = Diagnostic::of_resource(error, document);
        Diagnostic { message: format!("{prefix}{}", error.message), ..problem }
    };
    Failure::Input(errors.iter().map(to_problem).collect())
}
