//! What to do with the Secret: a pure function of what it holds, of the clock, and of what the API server trusts.
//!
//! ```text
//!   no Secret, or nothing usable in it ───────────────► Make      an authority and a certificate, served at once
//!   certificate due, or unusable under a good authority► Sign      a certificate by the authority in service
//!   authority due ────────────────────────────────────► Prepare   next-*, which is in the bundle but not served
//!   next-* trusted for the whole pause ───────────────► Promote   next-* takes the place of what was in service
//! ```
//!
//! Each step is one write of the Secret, and a process that dies before or after it leaves a state that any other
//! process goes on from.

use std::time::Duration;

use super::identity::{Fault, Identity, Second, SecretData, Slot};
use super::issue::{self, Authority};

/// Renewed so long before the end.
const LOOK_AHEAD: i64 = 90 * 24 * 60 * 60;
/// The four keys of a slot.
const KEYS: [&str; 4] = ["ca.crt", "ca.key", "tls.crt", "tls.key"];

/// What a decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    /// What the Secret holds; `None` when there is no Secret.
    pub(super) data: Option<&'a SecretData>,
    /// Somebody else writes this Secret and says so.
    pub(super) is_managed_elsewhere: bool,
    /// The name that the API server calls.
    pub(super) name: &'a str,
    pub(super) now: Second,
    /// How long what is prepared has been in all bundles without a break, as this process has seen it.
    pub(super) next_trusted: Option<Duration>,
    /// How long it has to be.
    pub(super) pause: Duration,
}

/// One change of the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to do.
    Keep,
    /// Nothing to do, but somebody else has to.
    Complain(String),
    Make(String),
    Sign(String),
    Prepare(String),
    Promote,
    /// What is prepared cannot be used.
    Discard(String),
}

/// What there is, and what to do.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) in_service: Option<Identity>,
    pub(super) next: Option<Identity>,
    pub(super) step: Step,
}

/// Decides.
pub(super) fn decide(situation: &Situation<'_>) -> Decision {
    let Some(data) = situation.data else {
        return Decision { in_service: None, next: None, step: Step::Make("there is no Secret".to_owned()) };
    };
    let read = |slot| Identity::read(data, slot, situation.name, situation.now);
    let (in_service, next) = (read(Slot::InService), read(Slot::Next));
    let step = match &in_service {
        Err(fault) => repair(situation, data, fault, next.is_ok()),
        Ok(identity) => maintain(situation, data, identity, &next),
    };
    Decision { in_service: in_service.ok(), next: next.ok(), step }
}

fn repair(situation: &Situation<'_>, data: &SecretData, fault: &Fault, has_next: bool) -> Step {
    if situation.is_managed_elsewhere {
        return Step::Complain(format!("{fault}, and this Secret is not admit's to repair"));
    }
    // First choice: the authority that the API server trusts already.
    let authority = Authority::read(data, Slot::InService);
    if authority.is_some_and(|authority| authority.is_valid(situation.now)) && is_of_leaf(fault) {
        return Step::Sign(fault.to_string());
    }
    // Else there is nothing to lose any more by not waiting.
    if has_next { Step::Promote } else { Step::Make(fault.to_string()) }
}

/// Whether a new certificate would do, under the same authority.
fn is_of_leaf(fault: &Fault) -> bool {
    match fault {
        Fault::Missing(key) | Fault::Pem(key) => key.starts_with("tls."),
        Fault::Expired { what, .. } | Fault::NotYetValid { what, .. } => *what == "tls.crt",
        Fault::Mismatch | Fault::Name(_) | Fault::Chain(_) => true,
    }
}

fn maintain(situation: &Situation<'_>, data: &SecretData, identity: &Identity, next: &Result<Identity, Fault>) -> Step {
    let (now, ends) = (situation.now, identity.leaf_ends.min(identity.authority_ends));
    // An authority whose key is kept elsewhere is somebody's who also sees to its certificates.
    if situation.is_managed_elsewhere || Slot::InService.find(data, "ca.key").is_none() {
        return if is_due_soon(ends, now) {
            Step::Complain(format!("the certificate ends at {ends}, and whoever made it has not renewed it"))
        } else {
            Step::Keep
        };
    }
    match next {
        Ok(_) if situation.next_trusted.is_some_and(|trusted| trusted >= situation.pause) => return Step::Promote,
        Ok(_) => return Step::Keep,
        Err(_) if KEYS.iter().all(|name| Slot::Next.find(data, name).is_none()) => {}
        Err(fault) => return Step::Discard(fault.to_string()),
    }
    if is_due(identity.authority_ends, now) {
        return Step::Prepare(format!("the authority ends at {}", identity.authority_ends));
    }
    match (is_due(identity.leaf_ends, now), Authority::read(data, Slot::InService)) {
        (false, _) => Step::Keep,
        (true, Some(_)) => Step::Sign(format!("the certificate ends at {}", identity.leaf_ends)),
        (true, None) => Step::Prepare(format!(
            "the certificate ends at {}, and ca.key cannot sign another one for ca.crt",
            identity.leaf_ends
        )),
    }
}

fn is_due(end: Second, now: Second) -> bool {
    end.0 - now.0 < LOOK_AHEAD
}

/// Two weeks: what others renew is seldom renewed as early as ours.
fn is_due_soon(end: Second, now: Second) -> bool {
    end.0 - now.0 < 14 * 24 * 60 * 60
}

impl Step {
    /// What the Secret is to hold after the step; `None` when it stays as it is. Keys that are not ours stay.
    pub(super) fn apply(
        &self,
        data: Option<&SecretData>,
        name: &str,
        now: Second,
    ) -> Result<Option<SecretData>, rcgen::Error> {
        let mut data = data.cloned().unwrap_or_default();
        match self {
            Self::Keep | Self::Complain(_) => return Ok(None),
            Self::Make(_) => {
                put(&mut data, Slot::InService, &issue::make(name, now)?);
                remove_next(&mut data);
            }
            Self::Sign(why) => {
                let Some(authority) = Authority::read(&data, Slot::InService) else { return Ok(None) };
                put(&mut data, Slot::InService, &authority.sign(name, now)?);
                // An authority of somebody else may be unfit in ways that only its certificates show.
                if Identity::read(&data, Slot::InService, name, now).is_err() {
                    return Self::Make(why.clone()).apply(Some(&data), name, now);
                }
            }
            Self::Prepare(_) => put(&mut data, Slot::Next, &issue::make(name, now)?),
            Self::Promote => {
                for key in KEYS {
                    match data.remove(&Slot::Next.key(key)) {
                        Some(value) => data.insert(key.to_owned(), value),
                        None => data.remove(key),
                    };
                }
            }
            Self::Discard(_) => remove_next(&mut data),
        }
        Ok(Some(data))
    }
}

fn put(data: &mut SecretData, slot: Slot, made: &[(&str, String)]) {
    for (key, text) in made {
        data.insert(slot.key(key), text.clone().into_bytes());
    }
}

fn remove_next(data: &mut SecretData) {
    for key in KEYS {
        data.remove(&Slot::Next.key(key));
    }
}

#[cfg(test)]
mod tests;
