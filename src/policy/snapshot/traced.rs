//! The policies that may apply to one review, compiled once more so that they show what they do.

use std::sync::Arc;

use super::store::Store;
use super::{BuildOptions, Snapshot, build};
use crate::model::review::Review;
use crate::policy::engine::CompileOptions;

impl Snapshot {
    /// A snapshot like this one for that review alone, whose policies make traces. Costs the compilation of each.
    #[must_use]
    pub fn traced(&self, review: &Review, options: BuildOptions) -> Self {
        let mut store = Store::default();
        store.namespaces = Arc::clone(&self.namespaces);
        store.inventory = self.inventory.clone();
        // What it would create may be anybody's.
        let expands = self.expansions().apply_to(&review.kind);
        let judging: Vec<_> =
            if expands { self.constraints().iter().collect() } else { self.candidates(review).collect() };
        for one in judging {
            let (kind, name) = (one.constraint.kind().to_owned(), one.constraint.name().to_owned());
            if let Some(template) = self.policies.templates.get(&kind) {
                let object = &template.template.object;
                store.templates.insert(object.name().to_owned(), Arc::new(object.clone()));
            }
            store.constraints.insert((kind, name), Arc::clone(&one.source));
        }
        let compile = CompileOptions { is_traced: true, ..options.compile };
        let (mut traced, _) = build(&mut store, &Self::default(), BuildOptions { compile, ..options });
        if let Some(policies) = Arc::get_mut(&mut traced.policies) {
            policies.providers = self.policies.providers.clone();
            policies.expansions = Arc::clone(&self.policies.expansions);
            policies.mutators = Arc::clone(&self.policies.mutators);
        }
        traced
    }
}
