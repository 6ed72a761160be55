//! One consistent world: everything a request is judged by, immutable, swapped as a whole.

mod build;
mod check;
mod configs;
mod expansions;
mod handle;
mod mutators;
mod providers;
mod store;
mod traced;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::api::{Constraint, ConstraintTemplate, Trace};
use crate::model::object::{FieldError, FieldPath, Object};
use crate::model::review::{Review, ReviewedObject};
use crate::policy::engine::external_data::Providers;
use crate::policy::engine::{Breaker, Indexes, Meter, Parameters, Program};
use crate::policy::exclusion::Exclusions;
use crate::policy::expansion::Expansions;
use crate::policy::inventory::Inventory;
use crate::policy::matching::MatchIndex;
use crate::policy::mutation::Mutators;

pub use build::{BuildOptions, ErrorPlace, ResourceError, build};
pub use check::{check_template, compile_check};
pub use handle::SnapshotHandle;
pub use mutators::{CONFLICTING, check_mutator};
pub use providers::check_provider;
use store::Revision;
pub use store::{Change, ReplacedKind, Store};

/// Templates, constraints and what they are matched against. Complete, and never changed once built.
#[derive(Debug, Default)]
pub struct Snapshot {
    policies: Arc<Policies>,
    namespaces: Arc<BTreeMap<String, Arc<ReviewedObject>>>,
    inventory: Inventory,
    /// By kind of constraint.
    indexes: BTreeMap<String, Arc<Indexes>>,
}

/// What templates and constraints alone make. Snapshots that differ in other resources share it.
#[derive(Debug, Default)]
struct Policies {
    /// The state of the store that it was built of.
    revision: Revision,
    templates: BTreeMap<String, Arc<CompiledTemplate>>,
    /// Templates by name that compile and wait for fields of the inventory.
    waiting: BTreeMap<String, Arc<CompiledTemplate>>,
    constraints: Vec<Arc<CompiledConstraint>>,
    index: MatchIndex,
    /// Programs of constraints, by their kind, that have a use for indexes of the inventory.
    indexed: Vec<(String, Arc<Program>)>,
    exclusions: Exclusions,
    expansions: Arc<Expansions>,
    mutators: Arc<Mutators>,
    providers: Providers,
    traces: Vec<Trace>,
    errors: Vec<ResourceError>,
}

/// A template that is in force.
#[derive(Debug)]
pub struct CompiledTemplate {
    /// The template as it was when it was compiled: not the newest one, when that did not compile.
    pub template: ConstraintTemplate,
    /// Its code.
    pub program: Arc<Program>,
    /// Schema of its constraints.
    pub(crate) schema: crate::model::api::schema::Schema,
}

/// A constraint that is in force, with all that evaluating it needs.
#[derive(Debug)]
pub struct CompiledConstraint {
    /// The constraint, defaults included.
    pub constraint: Constraint,
    /// Its template's code.
    pub program: Arc<Program>,
    /// The document `input.parameters`.
    pub parameters: Parameters,
    /// Whether it is set aside, because it keeps going beyond its limits.
    pub breaker: Breaker,
    /// What its evaluations cost and come to.
    pub meter: Arc<Meter>,
    /// Operations that its template is for at admission; empty is all.
    pub operations: Vec<String>,
    /// The object that it was read from, for reuse while that is the same.
    source: Arc<Object>,
}

impl CompiledTemplate {
    /// What the schema finds wrong with a constraint once its defaults are in. Fields that the schema does not have are
    /// not among it: an API server would have dropped them.
    pub fn schema_errors(&self, constraint: &Object) -> Vec<FieldError> {
        let mut value = constraint.value().clone();
        self.schema.default(&mut value);
        self.schema.validate(&value, &FieldPath::root())
    }
}

impl Snapshot {
    /// Whether the templates and constraints of both are one and the same, and what is wrong with them.
    pub fn has_policies_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policies, &other.policies)
    }

    /// Namespaces that are left alone.
    pub fn exclusions(&self) -> &Exclusions {
        &self.policies.exclusions
    }

    /// Mutators in force, and those that are in conflict.
    pub fn mutators(&self) -> &Mutators {
        &self.policies.mutators
    }

    /// Providers of external data in force.
    pub fn providers(&self) -> &Providers {
        &self.policies.providers
    }

    /// Requests whose evaluation is to be logged.
    pub fn traces(&self) -> &[Trace] {
        &self.policies.traces
    }

    /// Templates in force, by kind of constraint.
    pub fn templates(&self) -> impl Iterator<Item = &Arc<CompiledTemplate>> {
        self.policies.templates.values()
    }

    /// Constraints in force, ordered by kind and name.
    pub fn constraints(&self) -> &[Arc<CompiledConstraint>] {
        &self.policies.constraints
    }

    /// Constraints that are set aside now, and why; ordered by kind and name.
    pub fn set_aside(&self) -> impl Iterator<Item = (&Arc<CompiledConstraint>, String)> {
        self.constraints().iter().filter_map(|one| Some((one, one.breaker.explanation()?)))
    }

    /// Constraints that can apply to the review, ordered by kind and name.
    pub fn candidates(&self, review: &Review) -> impl Iterator<Item = &Arc<CompiledConstraint>> {
        let Policies { index, constraints, .. } = &*self.policies;
        index.candidates(review).into_iter().filter_map(|position| constraints.get(position))
    }

    /// A Namespace by its name.
    pub fn namespace(&self, name: &str) -> Option<&Arc<ReviewedObject>> {
        self.namespaces.get(name)
    }

    /// What the code of a kind's template made of the inventory.
    pub fn indexes(&self, kind: &str) -> Option<&Indexes> {
        self.indexes.get(kind).map(Arc::as_ref)
    }

    /// Objects that referential policies may read.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }
}
