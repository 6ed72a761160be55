//! How it stands with each kind that Config or a SyncSet wants to have in the inventory.

use std::collections::BTreeMap;

use super::watches::Failure;
use crate::model::object::GroupVersionKind;

/// All kinds that are asked for.
pub(super) type SyncedKinds = BTreeMap<GroupVersionKind, SyncState>;

/// So many failures in a row are taken for a passing trouble, about three seconds long.
const PASSING_FAILURES: u32 = 5;

/// How it stands with one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyncState {
    /// It has been asked for; its first list has not come yet.
    Awaited,
    /// Its objects are in the inventory.
    Listed,
    /// The API server does not know it.
    Unknown,
    /// The API server does not let us list it, and says why.
    Refused(String),
    /// Listing it fails for another reason.
    Failed(String),
}

impl SyncState {
    /// What a failed list makes of it. Once listed, its objects stay in the inventory through a passing trouble.
    pub(super) fn after(&self, failure: &Failure) -> Self {
        match failure.code {
            Some(404) => Self::Unknown,
            Some(401 | 403 | 405) => Self::Refused(failure.message.clone()),
            _ if *self == Self::Listed || failure.count <= PASSING_FAILURES => self.clone(),
            _ => Self::Failed(failure.message.clone()),
        }
    }

    /// Whether there is nothing to do but wait.
    pub(super) fn is_passing(&self) -> bool {
        *self == Self::Awaited
    }

    /// Why its objects are not in the inventory, and what to do; `None` when they are.
    pub(super) fn problem(&self, gvk: &GroupVersionKind) -> Option<String> {
        Some(match self {
            Self::Listed => return None,
            Self::Awaited => format!("the first list of {gvk} has not come yet"),
            Self::Unknown => format!(
                "the API server does not know kind {gvk}, which Config or a SyncSet names: install its CRD, or mend \
                 group, version and kind there"
            ),
            Self::Refused(why) => {
                format!("{gvk} may not be read: {why}; let admit's ServiceAccount get, list and watch it")
            }
            Self::Failed(why) => format!("listing {gvk} fails: {why}; it is tried again"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_makes_of_a_kind() {
        let failure = |code, count| Failure { code, message: "no".to_owned(), count };
        for (before, failure, expected) in [
            (SyncState::Awaited, failure(Some(404), 1), SyncState::Unknown),
            (SyncState::Listed, failure(Some(403), 1), SyncState::Refused("no".to_owned())),
            (SyncState::Awaited, failure(Some(500), 5), SyncState::Awaited),
            (SyncState::Awaited, failure(None, 6), SyncState::Failed("no".to_owned())),
            (SyncState::Listed, failure(None, 60), SyncState::Listed),
        ] {
            assert_eq!(before.after(&failure), expected, "{before:?} {failure:?}");
        }
    }
}
