//! How it stands with each kind that Config or a SyncSet wants to have in the inventory, and looking for those that are not
//! known.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::ApiResource;
use tokio::time::timeout;

use super::troubles::{Rests, Trouble, Troubles};
use super::watches::Failure;
use crate::model::object::GroupVersionKind;

/// All kinds that are asked for.
pub(super) type SyncedKinds = BTreeMap<GroupVersionKind, SyncState>;

/// So many failures in a row are taken for a passing trouble, about two seconds long.
const PASSING_FAILURES: u32 = 5;
/// The longest that an API server is waited for that does not say what it has: everything else waits meanwhile.
const LIMIT: Duration = Duration::from_secs(2);

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

/// Looks for kinds that the API server does not (yet) have, or does not tell of.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<GroupVersionKind, Look>);

#[derive(Debug, Default)]
struct Look {
    /// How often in vain.
    count: u32,
    rests: Rests,
    due: Option<Instant>,
}

impl Looks {
    pub(super) fn have_begun(&self, gvk: &GroupVersionKind) -> bool {
        self.0.contains_key(gvk)
    }

    /// Whether the rest after the last look is over.
    pub(super) fn are_due(&self, gvk: &GroupVersionKind, now: Instant) -> bool {
        self.0.get(gvk).and_then(|look| look.due).is_none_or(|due| due <= now)
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, is_wished: impl Fn(&GroupVersionKind) -> bool) {
        self.0.retain(|gvk, _| is_wished(gvk));
    }

    /// Asks the API server; without an answer, the code of the failure is `None`.
    pub(super) async fn find(
        &mut self,
        client: &Client,
        troubles: &Troubles,
        gvk: &GroupVersionKind,
    ) -> Result<ApiResource, Failure> {
        let pinned = kube::core::GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind);
        let mut failed = |trouble, error: &(dyn Error + 'static)| {
            troubles.failed("looking for a kind to sync", &gvk.to_string(), trouble, error);
            let look = self.0.entry(gvk.clone()).or_default();
            look.count = look.count.saturating_add(1);
            let now = Instant::now();
            look.due = Some(now + look.rests.next(trouble, now));
            let failure = Failure::of(error, look.count);
            if trouble == Trouble::Absent { Failure { code: Some(404), ..failure } } else { failure }
        };
        match timeout(LIMIT, kube::discovery::pinned_kind(client, &pinned)).await {
            Ok(Ok((found, _))) => {
                self.0.remove(gvk);
                Ok(found)
            }
            Ok(Err(error)) => Err(failed(Trouble::of_request(&error), &error)),
            Err(elapsed) => Err(failed(Trouble::Unreachable, &elapsed)),
        }
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
