//! One resource that is not in the store yet: what a build would find wrong with it.

use std::sync::Arc;

use super::build::{compile_constraint, compile_template, missing_template, read_template};
use super::{BuildOptions, CompiledTemplate, ResourceError, Snapshot};
use crate::model::api::ConstraintTemplate;
use crate::model::object::Object;

/// Reads all of a template but its code.
///
/// # Errors
/// At least one, when no constraint could be made of it.
pub fn check_template(object: &Object) -> Result<ConstraintTemplate, Vec<ResourceError>> {
    read_template(object).map(|(template, _)| template)
}

/// Compiles a template.
///
/// # Errors
/// At least one, when it could not be put in force.
pub fn compile_check(object: &Object, options: BuildOptions) -> Result<(), Vec<ResourceError>> {
    compile_template(object, options).map(drop)
}

impl Snapshot {
    /// The template that makes a kind of constraint: the one in force, else one that only waits for the inventory.
    pub fn template(&self, kind: &str) -> Option<&Arc<CompiledTemplate>> {
        let waiting = || self.policies.waiting.values().find(|one| one.template.kind == kind);
        self.policies.templates.get(kind).or_else(waiting)
    }

    /// Reads a constraint by the schema of its template.
    ///
    /// # Errors
    /// At least one, when it could not be enforced.
    pub fn check_constraint(&self, object: &Object) -> Result<(), Vec<ResourceError>> {
        let kind = &object.gvk().kind;
        let Some(template) = self.template(kind) else {
            let help = format!("apply the template that makes kind {kind}, and look at its status");
            return Err(vec![missing_template(object, kind, &help)]);
        };
        compile_constraint(&Arc::new(object.clone()), template, Arc::default()).map(drop)
    }
}
