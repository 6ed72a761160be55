//! What a generator would create, so that it can be reviewed before it exists.
//!
//! ```text
//!           ┌─ ExpansionTemplates that apply ─ generate: source → copy ───────────┐
//! generator ┤ else, where that is wanted:                                         ├─► resultant + path map
//!     ▲     └─ recipes: where are its templates ─ create: as its controller does ─┘            │
//!     └──────────────────── a resultant may be a generator itself (CronJob → Job → Pod) ───────┘
//! ```
//!
//! What the cluster's ExpansionTemplates say ([`Expansions`]) is what counts at admission. Beside them, tools know the
//! workloads of Kubernetes, Argo's Rollout, and every custom resource that holds a pod template: where no ExpansionTemplate
//! applies to an object, so that nothing is said twice. Each field of a resultant can be traced to the field that somebody
//! wrote: [`Resultant::origin`].
//!
//! Guarantees: a generator that is known here and cannot be expanded fails nothing, but says why ([`Unexpandable`]); what
//! an ExpansionTemplate cannot be applied to fails as a whole ([`ExpansionFailure`]), as nobody knows what would come of it.
//! Results are bounded in depth and number. Deliberately absent, where no ExpansionTemplate asks for it: the ReplicaSet
//! between a Deployment and its Pods, as its policies would say the same twice; what depends on a node or on a number
//! (tolerations of a DaemonSet, host names of a StatefulSet, the index of a Job); defaults of the API server.

mod create;
mod generate;
mod path_map;
mod pod_templates;
mod recipe;
mod referents;
mod templates;

use std::sync::Arc;

use thiserror::Error;

use crate::model::api::ImpliedAction;
use crate::model::object::{FieldPath, GroupVersionKind, Object, quote};
use crate::model::review::{Review, ReviewedObject, Source};

use path_map::PathMap;
pub use path_map::{Holder, Origin};
pub use referents::Referents;
pub use templates::{ExpansionError, Expansions};

/// Resultants of resultants; Gatekeeper's limit, which no generator known here comes near.
const MAX_DEPTH: usize = 30;
/// The most that one generator may come to. ExpansionTemplates in a row multiply.
const MAX_RESULTANTS: usize = 1000;

/// What makes resultants.
#[derive(Clone, Copy, Debug)]
pub struct Generators<'a> {
    /// ExpansionTemplates.
    pub templates: &'a Expansions,
    /// Generators that are known here are expanded, too, and these may have templates for them.
    pub workloads: Option<&'a Referents>,
}

/// Changes a resultant as mutators do.
pub type Mutate<'m> = dyn FnMut(&Object) -> Result<Option<Object>, String> + 'm;

/// Why ExpansionTemplates cannot be applied to an object.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpansionFailure {
    /// There is nothing where the template should be.
    #[error("could not find source field {} in resource {resource}", quote(way))]
    NoSource {
        /// The way to it.
        way: String,
        /// Name of the generator.
        resource: String,
    },
    /// There is something else than a mapping.
    #[error("could not extract source field from unstructured: {0}")]
    NoMapping(String),
    /// What is there makes no object.
    #[error("the resultant is no object: {0}")]
    NoObject(String),
    /// A mutator failed.
    #[error("failed to mutate resultant resource {resource}: {cause}")]
    NotMutated {
        /// Name of the resultant.
        resource: String,
        /// What happened.
        cause: String,
    },
    /// Generators of generators without end.
    #[error("maximum recursion depth of {MAX_DEPTH} reached")]
    TooDeep,
    /// More than anybody can mean.
    #[error(
        "more than {MAX_RESULTANTS} resultants: several ExpansionTemplates apply to each of several kinds in a row"
    )]
    TooMany,
}

/// Everything that one generator would create.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// What can be reviewed; deeper ones come before those that create them, as in Gatekeeper.
    pub resultants: Vec<Resultant>,
    /// What cannot.
    pub unexpandable: Vec<Unexpandable>,
}

/// An object that a generator would create.
#[derive(Clone, Debug)]
pub struct Resultant {
    /// The object. Its name is not the one that it will have, which nobody knows yet.
    pub object: Object,
    /// Who says that it will be created: an ExpansionTemplate; for generators known here, the kind of its parent.
    pub implied_by: String,
    /// What follows from its violations, when that is not what constraints say.
    pub action: Option<ImpliedAction>,
    /// From this object to its parent, from there to the next, up to the generator.
    levels: Vec<Arc<PathMap>>,
}

/// Why something that looks like a generator has no resultant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexpandable {
    /// The field that is to blame.
    pub origin: Origin,
    /// What was found there and what was expected.
    pub reason: String,
}

impl Generators<'_> {
    /// Whether objects of a type may create others: [`Generators::expand`] finds nothing in those of all other types.
    pub fn may_expand(&self, gvk: &GroupVersionKind) -> bool {
        self.templates.apply_to(gvk) || (self.workloads.is_some() && recipe::may_create(gvk))
    }

    /// What an object would create, directly and through what it creates. Most objects create nothing. Resultants of
    /// ExpansionTemplates are in the namespace, and mutated.
    ///
    /// # Errors
    /// When an ExpansionTemplate cannot be applied.
    pub fn expand(
        &self,
        object: &Object,
        namespace: &str,
        mutate: &mut Mutate<'_>,
    ) -> Result<Expansion, ExpansionFailure> {
        let mut expansion = Expansion::default();
        Expander { generators: *self, namespace, mutate }.expand_below(object, &[], &mut expansion)?;
        Ok(expansion)
    }
}

/// What an object of a kind that is known here would create, directly and through what it creates.
pub fn expand(object: &Object, referents: &Referents) -> Expansion {
    let templates = Expansions::default();
    let generators = Generators { templates: &templates, workloads: Some(referents) };
    // Only ExpansionTemplates fail.
    generators.expand(object, "", &mut |_| Ok(None)).unwrap_or_default()
}

struct Expander<'a> {
    generators: Generators<'a>,
    namespace: &'a str,
    mutate: &'a mut Mutate<'a>,
}

impl Expander<'_> {
    /// Deeper resultants first.
    fn expand_below(
        &mut self,
        object: &Object,
        levels: &[Arc<PathMap>],
        expansion: &mut Expansion,
    ) -> Result<(), ExpansionFailure> {
        if levels.len() >= MAX_DEPTH {
            return Err(ExpansionFailure::TooDeep);
        }
        let has_templates = self.generators.templates.apply_to(object.gvk());
        let mut created = match (has_templates, self.generators.workloads) {
            (true, _) => self.apply_templates(object, levels)?,
            (false, Some(referents)) => create_known(object, referents, levels, expansion),
            (false, None) => return Ok(()),
        };
        if has_templates && expansion.resultants.len() + created.len() > MAX_RESULTANTS {
            return Err(ExpansionFailure::TooMany);
        }
        for resultant in &created {
            self.expand_below(&resultant.object, &resultant.levels, expansion)?;
        }
        expansion.resultants.append(&mut created);
        Ok(())
    }

    fn apply_templates(
        &mut self,
        object: &Object,
        levels: &[Arc<PathMap>],
    ) -> Result<Vec<Resultant>, ExpansionFailure> {
        let mut created = Vec::new();
        for template in self.generators.templates.for_type(object.gvk()) {
            let (mut resultant, mut map) = generate::generate(object, template, self.namespace)?;
            let not_mutated = |cause| ExpansionFailure::NotMutated { resource: resultant.name().to_owned(), cause };
            if let Some(mutated) = (self.mutate)(&resultant).map_err(not_mutated)? {
                map.changed(resultant.value(), mutated.value());
                resultant = mutated;
            }
            created.push(Resultant {
                object: resultant,
                implied_by: template.name.clone(),
                action: template.action.clone(),
                levels: below(map, levels),
            });
        }
        Ok(created)
    }
}

fn create_known(
    object: &Object,
    referents: &Referents,
    levels: &[Arc<PathMap>],
    expansion: &mut Expansion,
) -> Vec<Resultant> {
    let mut created = Vec::new();
    for recipe in recipe::recipes(object, referents) {
        match recipe.and_then(|recipe| create::create(object, &recipe)) {
            Ok((resultant, map)) => {
                let implied_by = object.gvk().kind.clone();
                created.push(Resultant { object: resultant, implied_by, action: None, levels: below(map, levels) });
            }
            Err(Unexpandable { origin, reason }) => {
                expansion.unexpandable.push(Unexpandable { origin: path_map::follow(levels, origin), reason });
            }
        }
    }
    created
}

fn below(map: PathMap, levels: &[Arc<PathMap>]) -> Vec<Arc<PathMap>> {
    std::iter::once(Arc::new(map)).chain(levels.iter().cloned()).collect()
}

impl Resultant {
    /// Where somebody wrote what stands at a path of this object.
    pub fn origin(&self, path: &FieldPath) -> Origin {
        path_map::follow(&self.levels, Origin { holder: Holder::Generator, path: path.clone(), is_made_up: false })
    }

    /// The review of this object. The namespace is that of the generator.
    pub fn review(&self, namespace_object: Option<Arc<ReviewedObject>>) -> Review {
        Review { source: Source::Generated, ..Review::of_object(&self.object, namespace_object) }
    }

    /// A message about this object as a message about the generator.
    pub fn implied(&self, message: &str) -> String {
        format!("[Implied by {}] {message}", self.implied_by)
    }
}
