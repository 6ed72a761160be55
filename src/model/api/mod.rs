//! The resources that configure admit, parsed: Gatekeeper's kinds under Gatekeeper's names.

mod config;
mod constraint;
mod constraint_crd;
mod criteria;
mod enforcement;
mod expansion_template;
mod fields;
pub mod mutator;
mod provider;
pub mod schema;
mod sync_requirements;
mod template;

pub use config::{
    CONFIG_GROUP, CONFIG_NAME, Config, ExcludedNamespaces, Process, SYNC_SET_GROUP, Trace, parse_sync_set,
};
pub use constraint::Constraint;
pub use constraint_crd::{constraint_crd, constraint_schema};
pub use criteria::{KindSelector, Match, Scope};
pub use enforcement::{Enforcement, EnforcementAction, EnforcementPoint};
pub use expansion_template::{ExpansionTemplate, GeneratorKinds, ImpliedAction};
pub use mutator::{Mutator, MutatorId, MutatorKind};
pub use provider::{Provider, Recorded, RecordedAnswers};
pub use sync_requirements::{REQUIRES_SYNC_DATA, SyncRequirement, sync_requirements};
pub use template::{ConstraintTemplate, EngineSource, Module, RegoSource, RegoVersion};

/// The API group of ConstraintTemplates.
pub const TEMPLATES_GROUP: &str = "templates.gatekeeper.sh";
/// The API group of constraints; each kind in it is made by a template.
pub const CONSTRAINTS_GROUP: &str = "constraints.gatekeeper.sh";
/// The API group of mutators.
pub const MUTATIONS_GROUP: &str = "mutations.gatekeeper.sh";
/// The API group of ExpansionTemplates.
pub const EXPANSION_GROUP: &str = "expansion.gatekeeper.sh";
/// The API group of Providers of external data.
pub const PROVIDERS_GROUP: &str = "externaldata.gatekeeper.sh";
/// The only target a template may name.
pub const ADMISSION_TARGET: &str = "admission.k8s.gatekeeper.sh";
