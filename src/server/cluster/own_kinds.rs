//! Kinds that change, expand or look up what is judged. A cluster need not have their CRDs: what has none is not waited for,
//! and is watched from when it has.

use kube::api::ApiResource;

use super::watches::resource;
use crate::model::api::{EXPANSION_GROUP, MUTATIONS_GROUP, PROVIDERS_GROUP};
use crate::policy::snapshot::ReplacedKind;
use crate::server::operations::Operations;

/// One of these kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OwnKind {
    Assign,
    AssignMetadata,
    ModifySet,
    AssignImage,
    ExpansionTemplate,
    Provider,
}

impl OwnKind {
    pub(super) const ALL: [Self; 6] = [
        Self::Assign,
        Self::AssignMetadata,
        Self::ModifySet,
        Self::AssignImage,
        Self::ExpansionTemplate,
        Self::Provider,
    ];

    /// Those that a process watches: as in Gatekeeper, mutators only if it has to do with mutation.
    pub(super) fn of(operations: &Operations) -> impl Iterator<Item = Self> {
        let mutates = operations.load_mutators();
        Self::ALL.into_iter().filter(move |kind| mutates || !kind.is_mutator())
    }

    fn is_mutator(self) -> bool {
        match self {
            Self::Assign | Self::AssignMetadata | Self::ModifySet | Self::AssignImage => true,
            Self::ExpansionTemplate | Self::Provider => false,
        }
    }

    /// Group, version, kind and plural. The version is one that CRDs of every Gatekeeper have, as far as there is one.
    fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Assign => (MUTATIONS_GROUP, "v1", "Assign", "assign"),
            Self::AssignMetadata => (MUTATIONS_GROUP, "v1", "AssignMetadata", "assignmetadata"),
            Self::ModifySet => (MUTATIONS_GROUP, "v1", "ModifySet", "modifyset"),
            Self::AssignImage => (MUTATIONS_GROUP, "v1alpha1", "AssignImage", "assignimage"),
            Self::ExpansionTemplate => (EXPANSION_GROUP, "v1alpha1", "ExpansionTemplate", "expansiontemplate"),
            Self::Provider => (PROVIDERS_GROUP, "v1beta1", "Provider", "providers"),
        }
    }

    pub(super) fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        resource(group, version, kind, plural)
    }

    /// What a list of all of them takes the place of.
    pub(super) fn replaced(self) -> ReplacedKind {
        match self {
            Self::ExpansionTemplate => ReplacedKind::ExpansionTemplates,
            Self::Provider => ReplacedKind::Providers,
            mutator => ReplacedKind::Mutators(mutator.names().2.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::operations::Operation;

    #[test]
    fn mutators_are_for_those_who_mutate() {
        let count = |given: &[Operation]| OwnKind::of(&Operations::new(given)).count();
        assert_eq!(count(&[]), 6);
        assert_eq!(count(&[Operation::Webhook, Operation::Status]), 2);
        for one in [Operation::MutationWebhook, Operation::MutationStatus, Operation::MutationController] {
            assert_eq!(count(&[one]), 6, "{one}");
        }
    }
}
