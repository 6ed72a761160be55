//! What a generator would create, so that it can be reviewed before it exists.
//!
//! ```text
//! generator ─ recipes: where are its templates ─ create: template → resultant + path map ─┬─► resultant
//!     ▲                                                                                   │
//!     └───────────────── a resultant may be a generator itself (CronJob → Job → Pod) ─────┘
//! ```
//!
//! Known generators are the workloads of Kubernetes, Argo's Rollout, and every custom resource that holds a pod template.
//! Each field of a resultant can be traced to the field that somebody wrote: [`Resultant::origin`].
//!
//! Guarantees: nothing fails, a generator that cannot be expanded says why ([`Unexpandable`]); the size of the result is
//! bounded by that of the generator and of what it refers to. Deliberately absent: the ReplicaSet between a Deployment and
//! its Pods, as its policies would say the same twice; what depends on a node or on a number (tolerations of a DaemonSet,
//! host names of a StatefulSet, the index of a Job); defaults of the API server.

mod create;
mod path_map;
mod pod_templates;
mod recipe;
mod referents;

use std::sync::Arc;

use crate::model::object::{FieldPath, GroupVersionKind, Object};
use crate::model::review::{Review, ReviewedObject, Source};

use path_map::PathMap;
pub use path_map::{Holder, Origin};
pub use referents::Referents;

/// Resultants of resultants; Gatekeeper's limit, which no generator known here comes near.
const MAX_DEPTH: usize = 30;

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
    /// Who says that it will be created: for generators known here, the kind of its parent.
    pub implied_by: String,
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

/// Whether objects of a type may create others: [`expand`] finds nothing in those of all other types.
pub fn may_create(gvk: &GroupVersionKind) -> bool {
    recipe::may_create(gvk)
}

/// What an object would create, directly and through what it creates. Most objects create nothing.
pub fn expand(object: &Object, referents: &Referents) -> Expansion {
    let mut expansion = Expansion::default();
    expand_below(object, referents, &[], &mut expansion);
    expansion
}

fn expand_below(object: &Object, referents: &Referents, levels: &[Arc<PathMap>], expansion: &mut Expansion) {
    if levels.len() >= MAX_DEPTH {
        return;
    }
    let mut created = Vec::new();
    for recipe in recipe::recipes(object, referents) {
        match recipe.and_then(|recipe| create::create(object, &recipe)) {
            Ok((resultant, map)) => {
                let levels = std::iter::once(Arc::new(map)).chain(levels.iter().cloned()).collect();
                let implied_by = object.gvk().kind.clone();
                created.push(Resultant { object: resultant, implied_by, levels });
            }
            Err(Unexpandable { origin, reason }) => {
                expansion.unexpandable.push(Unexpandable { origin: path_map::follow(levels, origin), reason });
            }
        }
    }
    for resultant in &created {
        expand_below(&resultant.object, referents, &resultant.levels, expansion);
    }
    expansion.resultants.append(&mut created);
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
