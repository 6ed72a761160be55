//! One replica's part in rotation: decides steps, watches what the API server trusts, takes certificates up.
//!
//! Assumptions: an API server has taken notice of a changed `caBundle` after the pause. Replicas share nothing but the
//! Secret and the webhook configurations, and their clocks may differ: how long something has been trusted is measured
//! by each replica for itself, by a clock that nobody sets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tracing::{error, info, warn};

use super::Certificates;
use super::bundle::{self, Authority};
use super::decide::{Decision, Situation, Step, decide};
use super::identity::{Identity, Second, SecretData, ends, parse};

/// How long an authority stays in the bundles that nothing wants any more: far longer than any replica needs to take up
/// what came after it.
const GOING: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest rest while something is waited for.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
/// The longest time between two looks: certificates come due without anything happening.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// How certificates are kept by this process itself.
#[derive(Clone, Debug)]
pub struct RotationOptions {
    /// Namespace of the Secret and of the Service.
    pub namespace: String,
    /// `--cert-service-name`.
    pub service: String,
    /// `--cert-rotation-pause`.
    pub pause: Duration,
    /// ValidatingWebhookConfigurations whose bundles are kept.
    pub validating: Vec<String>,
    /// MutatingWebhookConfigurations whose bundles are kept.
    pub mutating: Vec<String>,
}

/// What is known of the cluster at one moment.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct View<'a> {
    /// `data` of the Secret, if there is one.
    pub(in crate::server) data: Option<&'a SecretData>,
    /// Somebody else writes this Secret and says so.
    pub(in crate::server) is_managed_elsewhere: bool,
    /// Every `caBundle` of every configuration; `None` until all of them are known.
    pub(in crate::server) bundles: Option<&'a [Vec<u8>]>,
    /// Seconds since 1970.
    pub(in crate::server) now: i64,
    /// The same moment by a clock that nobody sets.
    pub(in crate::server) instant: Instant,
}

/// What is to be done outside.
#[derive(Debug)]
pub(in crate::server) struct Outcome {
    /// What the Secret should hold instead.
    pub(in crate::server) write: Option<SecretData>,
    /// Whether what is served is trusted wherever it is asked for.
    pub(in crate::server) is_ready: bool,
    /// When to look again at the latest.
    pub(in crate::server) wake: Duration,
}

/// The state of one replica; all of it can be lost.
#[derive(Debug)]
pub(in crate::server) struct Rotation {
    name: String,
    pause: Duration,
    certificates: Certificates,
    served: Option<Identity>,
    /// What the bundles should hold.
    wanted: Vec<Authority>,
    trust: Trust,
    reported: String,
}

impl Rotation {
    pub(in crate::server) fn new(options: &RotationOptions, certificates: Certificates) -> Self {
        Self {
            name: format!("{}.{}.svc", options.service, options.namespace),
            pause: options.pause,
            certificates,
            served: None,
            wanted: Vec::new(),
            trust: Trust::default(),
            reported: String::new(),
        }
    }

    /// Takes up what can be, and says what else is to be done.
    pub(in crate::server) fn look(&mut self, view: &View<'_>) -> Outcome {
        let bundles = view.bundles.map(bundled);
        self.trust.note(bundles.as_deref(), view.instant);
        let now = Second(view.now);
        let mut situation = Situation {
            data: view.data,
            is_managed_elsewhere: view.is_managed_elsewhere,
            name: &self.name,
            now,
            next_trusted: None,
            pause: self.pause,
        };
        let mut decision = decide(&situation);
        if let Some(next) = &decision.next {
            situation.next_trusted = self.trust.of(&next.authorities, view.instant);
            decision = decide(&situation);
        }
        let write = match decision.step.apply(view.data, &self.name, now) {
            Ok(write) => write,
            Err(error) => {
                error!(%error, "failed to make a certificate");
                None
            }
        };
        self.report(&decision.step);
        let is_held = self.take_up(decision.in_service.as_ref(), now, view.instant);
        self.want(&decision);
        self.trust.note_unwanted(bundles.as_deref().unwrap_or_default(), &self.wanted, view.instant);
        let is_ready =
            self.served.as_ref().is_some_and(|served| self.trust.of(&served.authorities, view.instant).is_some());
        let is_waiting = is_held || decision.next.is_some();
        Outcome { write, is_ready, wake: if is_waiting { self.pause.clamp(SHORTEST_LOOK, LOOK) } else { LOOK } }
    }

    /// What a `caBundle` should be in place of `found`; `None` when it is well as it is.
    pub(in crate::server) fn improved_bundle(&self, found: &[u8], now: i64, instant: Instant) -> Option<Vec<u8>> {
        bundle::improved(found, &self.wanted, |one| {
            has_expired(one, Second(now)) || self.trust.unwanted_for(one, instant) > GOING
        })
    }

    /// Serves what the Secret holds, unless the API server may not trust it yet and something else can be served until
    /// then. Whether something is held back.
    fn take_up(&mut self, found: Option<&Identity>, now: Second, instant: Instant) -> bool {
        let Some(found) = found else { return false };
        if let Some(served) = &self.served {
            if served.key.cert == found.key.cert {
                return false;
            }
            let is_known = found.authorities.iter().all(|one| served.authorities.contains(one));
            let is_trusted = self.trust.of(&found.authorities, instant).is_some_and(|trusted| trusted >= self.pause);
            let is_over = served.leaf_ends.min(served.authority_ends) <= now;
            if !(is_known || is_trusted || is_over) {
                return true;
            }
        }
        self.certificates.put_in_force(found.key.clone(), Some(found.authority_ends));
        info!(name = self.name, ends = %found.leaf_ends, authority_ends = %found.authority_ends,
            "serving certificate taken up from the Secret");
        self.served = Some(found.clone());
        false
    }

    fn want(&mut self, decision: &Decision) {
        self.wanted.clear();
        for identity in [&decision.in_service, &decision.next, &self.served].into_iter().flatten() {
            for authority in &identity.authorities {
                if !self.wanted.contains(authority) {
                    self.wanted.push(authority.clone());
                }
            }
        }
    }

    /// Once for each reason.
    fn report(&mut self, step: &Step) {
        let text = format!("{step:?}");
        if text == self.reported {
            return;
        }
        self.reported = text;
        match step {
            Step::Keep => {}
            Step::Complain(why) => error!(why, "certificate in the Secret needs attention"),
            Step::Make(why) => warn!(why, "making a new authority and certificate"),
            Step::Sign(why) => warn!(why, "signing a new certificate by the authority in service"),
            Step::Prepare(why) => {
                info!(why, "preparing a new authority; it is served when every API server trusts it");
            }
            Step::Promote => info!("the new authority is trusted; putting its certificate in service"),
            Step::Discard(why) => warn!(why, "what was prepared cannot be used; discarding it"),
        }
    }
}

fn bundled(bundles: &[Vec<u8>]) -> Vec<Vec<Authority>> {
    bundles.iter().map(|bundle| bundle::authorities(bundle).unwrap_or_default()).collect()
}

fn has_expired(authority: &Authority, now: Second) -> bool {
    parse(authority).is_none_or(|parsed| ends(&parsed) <= now)
}

/// Since when authorities are in all bundles, and since when some are in bundles that nothing wants.
#[derive(Debug, Default)]
struct Trust {
    /// Nobody calls us: whatever we serve, nobody mistrusts it.
    is_uncalled: bool,
    since: BTreeMap<Vec<u8>, Instant>,
    unwanted_since: BTreeMap<Vec<u8>, Instant>,
}

impl Trust {
    fn note(&mut self, bundles: Option<&[Vec<Authority>]>, instant: Instant) {
        let Some(bundles) = bundles else {
            *self = Self::default();
            return;
        };
        self.is_uncalled = bundles.is_empty();
        let in_all: Vec<_> = match bundles.split_first() {
            Some((first, others)) => {
                first.iter().filter(|one| others.iter().all(|other| other.contains(one))).collect()
            }
            None => Vec::new(),
        };
        self.since = since(&self.since, in_all.into_iter(), instant);
    }

    fn note_unwanted(&mut self, bundles: &[Vec<Authority>], wanted: &[Authority], instant: Instant) {
        let unwanted = bundles.iter().flatten().filter(|one| !wanted.contains(one));
        self.unwanted_since = since(&self.unwanted_since, unwanted, instant);
    }

    /// How long all of them have been trusted; `None` when one is not.
    fn of(&self, authorities: &[CertificateDer<'_>], instant: Instant) -> Option<Duration> {
        if self.is_uncalled {
            return Some(Duration::MAX);
        }
        let age = |one: &CertificateDer<'_>| {
            self.since.get(one.as_ref()).map(|since| instant.saturating_duration_since(*since))
        };
        authorities.iter().map(age).min().flatten()
    }

    fn unwanted_for(&self, authority: &Authority, instant: Instant) -> Duration {
        let since = self.unwanted_since.get(authority.as_ref());
        since.map_or(Duration::ZERO, |since| instant.saturating_duration_since(*since))
    }
}

/// Keeps the times of those that are still there.
fn since<'a>(
    before: &BTreeMap<Vec<u8>, Instant>,
    there: impl Iterator<Item = &'a Authority>,
    instant: Instant,
) -> BTreeMap<Vec<u8>, Instant> {
    there.map(|one| (one.to_vec(), before.get(one.as_ref()).copied().unwrap_or(instant))).collect()
}

#[cfg(test)]
mod tests;
