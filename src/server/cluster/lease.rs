//! Work that one replica does at a time: it holds a Lease, renews it, and gives it back when it ends.
//!
//! ```text
//! hold ──► held: watch::Receiver<bool> ──► while_held(held, work)
//! ```
//!
//! Promises: a Lease that nobody holds is had at the first try; one whose holder died, within [`DURATION`] and one more
//! look; one whose holder was stopped, at the next look. Who cannot renew it stops working before another may begin.
//! Assumption: the work may be done twice without harm, as Gatekeeper does it on every replica. So a Lease that cannot be
//! had for lack of rights or of the namespace is done without, and a clock that is wrong does no harm.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::clock::ApiClock;
use super::troubles::{Rests, Trouble, Troubles};
use super::{Clients, ClusterOptions};

/// A holder that has not renewed for so long is taken for dead.
const DURATION: Duration = Duration::from_secs(12);
/// How often the holder renews.
const RENEWAL: Duration = Duration::from_secs(3);
/// How often the others look.
const LOOK: Duration = Duration::from_secs(2);
/// The longest that the API server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Holds the Lease of that name for ever, whenever nobody else does; until `shutdown`, when it is given back. The sender
/// of `released` is dropped then.
pub(super) async fn hold(
    Clients { hasty, troubles, clock, .. }: Clients,
    options: ClusterOptions,
    name: &'static str,
    held: watch::Sender<bool>,
    mut shutdown: watch::Receiver<bool>,
    released: mpsc::Sender<()>,
) {
    let mut candidate = Candidate {
        api: Api::namespaced(hasty, &options.pod_namespace),
        name,
        holder: options.pod_name,
        seen: None,
        renewed: None,
        is_without: false,
        clock,
        troubles,
        rests: Rests::default(),
        rest: None,
    };
    loop {
        let is_held = candidate.try_once().await;
        if held.send_replace(is_held) != is_held {
            info!(lease = name, held = is_held, "lease");
        }
        tokio::select! {
            () = tokio::time::sleep(candidate.rest.take().unwrap_or(if is_held { RENEWAL } else { LOOK })) => {}
            // What it gives must not be held while waiting.
            () = async { let _ = shutdown.wait_for(|stop| *stop).await; } => break,
        }
    }
    held.send_replace(false);
    candidate.release().await;
    drop(released);
    std::future::pending::<()>().await;
}

/// Works while the Lease is held; begins anew each time that it is.
pub(super) async fn while_held<F: Future<Output = ()>>(mut held: watch::Receiver<bool>, work: impl Fn() -> F) {
    loop {
        if held.wait_for(|held| *held).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = work() => return,
            _ = held.wait_for(|held| !*held) => {}
        }
    }
}

struct Candidate {
    api: Api<Lease>,
    name: &'static str,
    holder: String,
    /// The Lease as last seen, and since when.
    seen: Option<(Lease, Instant)>,
    /// When it was last renewed by this process.
    renewed: Option<Instant>,
    /// There can be no Lease.
    is_without: bool,
    /// Leases are dated by it: one that is ahead would take what is held by others, again and again.
    clock: ApiClock,
    troubles: Arc<Troubles>,
    rests: Rests,
    /// After a failure, before the next attempt.
    rest: Option<Duration>,
}

impl Candidate {
    /// Whether the Lease is held after one more attempt to hold it.
    async fn try_once(&mut self) -> bool {
        let began = Instant::now();
        match tokio::time::timeout(PATIENCE, self.attempt()).await {
            Ok(Ok(is_held)) => {
                self.renewed = is_held.then_some(began);
                self.is_without = false;
                return is_held;
            }
            Ok(Err(kube::Error::Api(error))) if matches!(error.code, 403 | 404) => {
                if !std::mem::replace(&mut self.is_without, true) {
                    warn!(lease = self.name, error = error.message, "there can be no lease; working without");
                }
                return true;
            }
            Ok(Err(error)) => self.failed(Trouble::of_request(&error), &error),
            Err(elapsed) => self.failed(Trouble::Unreachable, &elapsed),
        }
        self.seen = None;
        self.renewed.is_some_and(|at| at.elapsed() + RENEWAL + PATIENCE < DURATION)
    }

    fn failed(&mut self, trouble: Trouble, error: &(dyn Error + 'static)) {
        self.troubles.failed("asking for the lease", self.name, trouble, error);
        // Whoever rests longer than others look loses what it holds.
        self.rest = Some(self.rests.next(trouble, Instant::now()).min(LOOK));
    }

    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let is_ours = |lease: &Lease| holder(lease) == self.holder;
        // What is ours is renewed as it is; whether it still is, the API server says.
        let known = self.seen.as_ref().map(|(lease, _)| lease).filter(|lease| is_ours(lease)).cloned();
        let found = match known {
            Some(lease) => Some(lease),
            None => self.api.get_opt(self.name).await?,
        };
        let parameters = PostParams::default();
        let written = match found {
            None => self.api.create(&parameters, &self.taken(None)).await,
            Some(lease) if self.is_free(&lease) => {
                self.api.replace(self.name, &parameters, &self.taken(Some(&lease))).await
            }
            Some(lease) => {
                self.see(lease);
                return Ok(false);
            }
        };
        match written {
            Ok(lease) => {
                self.see(lease);
                Ok(true)
            }
            // Somebody else was faster.
            Err(kube::Error::Api(error)) if error.code == 409 => {
                self.seen = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn see(&mut self, lease: Lease) {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|(before, _)| version(before) != version(&lease)) {
            self.seen = Some((lease, Instant::now()));
        }
    }

    /// Whether it may be taken: nobody has it, or we do, or who had it has not renewed in time, by the Lease or by what
    /// was seen of it.
    fn is_free(&self, lease: &Lease) -> bool {
        let by = holder(lease);
        if by.is_empty() || by == self.holder {
            return true;
        }
        let unchanged_since =
            self.seen.as_ref().filter(|(seen, _)| seen.metadata.resource_version == lease.metadata.resource_version);
        unchanged_since.is_some_and(|(_, since)| since.elapsed() > DURATION)
            || has_expired(lease, self.clock.timestamp())
    }

    fn taken(&self, before: Option<&Lease>) -> Lease {
        let now = Some(MicroTime(self.clock.timestamp()));
        let before = before.cloned().unwrap_or_default();
        let spec = before.spec.unwrap_or_default();
        let is_ours = spec.holder_identity.as_deref() == Some(&self.holder);
        let transitions = spec.lease_transitions.unwrap_or_default();
        Lease {
            metadata: ObjectMeta { name: Some(self.name.to_owned()), ..before.metadata },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if is_ours { spec.acquire_time } else { now.clone() },
                renew_time: now,
                lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Gives the Lease back, if it is ours. Who cannot, lets it expire.
    async fn release(&self) {
        let Some((lease, _)) = self.seen.as_ref().filter(|(lease, _)| holder(lease) == self.holder) else { return };
        let mut lease = lease.clone();
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.renew_time = None;
            spec.acquire_time = None;
        }
        let parameters = PostParams::default();
        let replaced = self.api.replace(self.name, &parameters, &lease);
        if !matches!(tokio::time::timeout(PATIENCE, replaced).await, Ok(Ok(_))) {
            warn!(lease = self.name, "failed to give the lease back; it expires");
        }
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn has_expired(lease: &Lease, now: Timestamp) -> bool {
    let spec = lease.spec.as_ref();
    let Some(renewed) = spec.and_then(|spec| spec.renew_time.as_ref()) else { return true };
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
    now.duration_since(renewed.0) > SignedDuration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_when_it_was_not_renewed_in_time() {
        let now = Timestamp::from_second(1_000).unwrap();
        let lease = |renewed: Option<i64>| {
            let renew_time = renewed.map(|at| MicroTime(Timestamp::from_second(at).unwrap()));
            let spec = LeaseSpec { renew_time, lease_duration_seconds: Some(12), ..LeaseSpec::default() };
            Lease { spec: Some(spec), ..Lease::default() }
        };
        for (renewed, expected) in [(Some(1_000), false), (Some(988), false), (Some(987), true), (Some(1_100), false)] {
            assert_eq!(has_expired(&lease(renewed), now), expected, "{renewed:?}");
        }
        assert!(has_expired(&lease(None), now) && has_expired(&Lease::default(), now));
    }
}
