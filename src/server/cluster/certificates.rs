//! Rotation's hands: the Secret and the `caBundle`s of webhook configurations, watched and written.
//!
//! Every replica runs this. The API server's resource versions decide whose write counts; who loses looks again.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{BoxStream, SelectAll, StreamExt, select_all};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};

use super::clock::ApiClock;
use super::troubles::{Rests, Trouble, Troubles};
use super::watches::resource;
use super::{Clients, FIELD_MANAGER};
use crate::server::certificates::{Certificates, Rotation, RotationOptions, SECRET, SecretData, View};

/// Whoever issues certificates with it writes the Secret, whatever is in it.
const ISSUED_BY_CERT_MANAGER: &str = "cert-manager.io/certificate-name";
/// First rest after a write that failed, or after one too many; doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Writes in good order are months apart. Many within such a time are a quarrel with somebody.
const CALM: Duration = Duration::from_secs(5 * 60);

/// What a watch has seen.
enum Seen {
    Secret(Option<Box<Secret>>),
    Configuration(usize, Option<Box<DynamicObject>>),
}

/// A webhook configuration by name.
struct Configuration {
    api: Api<DynamicObject>,
    name: String,
    /// `None` until it was looked for.
    found: Option<Option<DynamicObject>>,
}

/// Keeps certificates for ever. `ready` says whether there is one that the API server trusts.
pub(super) async fn run(
    clients: Clients,
    options: RotationOptions,
    certificates: Certificates,
    ready: watch::Sender<bool>,
) {
    let mut keeper = Keeper::new(clients, &options, certificates);
    let mut seen = keeper.watches();
    loop {
        let wake = keeper.act(&ready).await;
        tokio::select! {
            Some(one) = seen.next() => keeper.take(one),
            () = tokio::time::sleep(wake) => {}
        }
    }
}

struct Keeper {
    secrets: Api<Secret>,
    /// `None` until it was looked for.
    secret: Option<Option<Secret>>,
    configurations: Vec<Configuration>,
    rotation: Rotation,
    secret_pace: Pace,
    bundle_pace: Pace,
    troubles: Arc<Troubles>,
    clock: ApiClock,
    /// Whether it has been said that the clock of this machine is wrong.
    is_clock_doubted: bool,
}

impl Keeper {
    fn new(clients: Clients, options: &RotationOptions, certificates: Certificates) -> Self {
        let client = clients.patient;
        let configuration = |kind: &str, plural: &str, name: &String| Configuration {
            api: Api::all_with(client.clone(), &resource("admissionregistration.k8s.io", "v1", kind, plural)),
            name: name.clone(),
            found: None,
        };
        let validating = options
            .validating
            .iter()
            .map(|name| configuration("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", name));
        let mutating = options
            .mutating
            .iter()
            .map(|name| configuration("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", name));
        Self {
            configurations: validating.chain(mutating).collect(),
            secrets: Api::namespaced(client.clone(), &options.namespace),
            secret: None,
            rotation: Rotation::new(options, certificates),
            secret_pace: Pace::default(),
            bundle_pace: Pace::default(),
            troubles: clients.troubles,
            clock: clients.clock,
            is_clock_doubted: false,
        }
    }

    fn watches(&self) -> SelectAll<BoxStream<'static, Seen>> {
        let secret = watch_one(self.secrets.clone(), SECRET, &self.troubles)
            .map(|found| Seen::Secret(found.map(Box::new)))
            .boxed();
        let configurations = self.configurations.iter().enumerate().map(|(index, one)| {
            let found = watch_one(one.api.clone(), &one.name, &self.troubles);
            found.map(move |found| Seen::Configuration(index, found.map(Box::new))).boxed()
        });
        select_all(std::iter::once(secret).chain(configurations))
    }

    fn take(&mut self, seen: Seen) {
        match seen {
            Seen::Secret(found) => self.secret = Some(found.map(|found| *found)),
            Seen::Configuration(index, found) => {
                if let Some(one) = self.configurations.get_mut(index) {
                    one.found = Some(found.map(|found| *found));
                }
            }
        }
    }

    /// Does what is to be done now; how long there is nothing to do.
    async fn act(&mut self, ready: &watch::Sender<bool>) -> Duration {
        self.compare_clocks();
        let Some(secret) = &self.secret else { return LONGEST_PAUSE };
        let data = secret.as_ref().map(data_of);
        let bundles = self.bundles();
        let (now, instant) = (now(self.clock.now(), secret.as_ref()), Instant::now());
        let is_managed_elsewhere =
            secret.as_ref().is_some_and(|secret| secret.annotations().contains_key(ISSUED_BY_CERT_MANAGER));
        let view = View { data: data.as_ref(), is_managed_elsewhere, bundles: bundles.as_deref(), now, instant };
        let outcome = self.rotation.look(&view);
        // Ready once, ready for good: a webhook that is taken out of service because a bundle was wiped helps nobody.
        ready.send_if_modified(|ready| !std::mem::replace(ready, *ready || outcome.is_ready) && *ready);
        let mut wake = outcome.wake;
        // Bundles first: whatever is served next, it is trusted earlier.
        let patches = self.patches(now, instant);
        if !patches.is_empty() {
            if self.bundle_pace.rest(instant).is_zero() {
                self.bundle_pace.note_write(instant);
                if self.write_bundles(patches).await {
                    wake = Duration::ZERO;
                }
            }
            wake = wake.min(self.bundle_pace.rest(instant).max(SHORTEST_PAUSE));
        }
        if let Some(data) = outcome.write {
            if self.secret_pace.rest(instant).is_zero() {
                self.secret_pace.note_write(instant);
                if self.write_secret(data).await {
                    return Duration::ZERO;
                }
            }
            wake = wake.min(self.secret_pace.rest(instant).max(SHORTEST_PAUSE));
        }
        wake
    }

    /// Says that the clock of this machine is wrong, once each time that it becomes so.
    fn compare_clocks(&mut self) {
        let ahead = self.clock.ahead();
        if let Some(seconds_ahead) = ahead.filter(|_| !self.is_clock_doubted) {
            warn!(
                seconds_ahead,
                "the clock of this machine is not the API server's; certificates go by the API server's, put this one right"
            );
        }
        self.is_clock_doubted = ahead.is_some();
    }

    /// Every `caBundle`, when every configuration is known.
    fn bundles(&self) -> Option<Vec<Vec<u8>>> {
        let found: Option<Vec<_>> = self.configurations.iter().map(|one| one.found.as_ref()).collect();
        Some(found?.into_iter().flatten().flat_map(entries).map(|(_, bundle)| bundle).collect())
    }

    /// What is to be changed, by the positions of configurations. Merged by the names of webhooks, and refused when the
    /// object is not the one that we have seen.
    fn patches(&self, now: i64, instant: Instant) -> Vec<(usize, Value)> {
        let patch = |(index, one): (usize, &Configuration)| {
            let object = one.found.as_ref()?.as_ref()?;
            let improved = |(name, bundle): (String, Vec<u8>)| {
                let bundle = self.rotation.improved_bundle(&bundle, now, instant)?;
                Some(json!({"name": name, "clientConfig": {"caBundle": ByteString(bundle)}}))
            };
            let webhooks: Vec<Value> = entries(object).filter_map(improved).collect();
            let metadata = json!({"resourceVersion": object.resource_version()});
            (!webhooks.is_empty()).then(|| (index, json!({"metadata": metadata, "webhooks": webhooks})))
        };
        self.configurations.iter().enumerate().filter_map(patch).collect()
    }

    /// Whether a bundle was changed.
    async fn write_bundles(&mut self, patches: Vec<(usize, Value)>) -> bool {
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let mut has_changed = false;
        for (index, patch) in patches {
            let Some(one) = self.configurations.get_mut(index) else { continue };
            match one.api.patch(&one.name, &parameters, &Patch::Strategic(&patch)).await {
                Ok(object) => {
                    info!(name = one.name, "caBundle of webhooks written");
                    one.found = Some(Some(object));
                    has_changed = true;
                }
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    info!(name = one.name, "somebody else has changed the webhooks; looking again");
                }
                Err(error) => {
                    self.troubles.failed("writing the caBundle", &one.name, Trouble::of_request(&error), &error);
                }
            }
        }
        has_changed
    }

    async fn write_secret(&mut self, data: SecretData) -> bool {
        let data: BTreeMap<_, _> = data.into_iter().map(|(key, value)| (key, ByteString(value))).collect();
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = match self.secret.clone().flatten() {
            Some(secret) => {
                let secret = Secret { data: Some(data), ..secret };
                self.secrets.replace(SECRET, &parameters, &secret).await
            }
            None => {
                let metadata = ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() };
                let secret = Secret { metadata, data: Some(data), ..Secret::default() };
                self.secrets.create(&parameters, &secret).await
            }
        };
        match written {
            Ok(secret) => {
                info!(secret = SECRET, "certificates written");
                self.secret = Some(Some(secret));
                true
            }
            // Another replica was first; the watch brings what it wrote.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                info!(secret = SECRET, "somebody else has written the certificates; looking again");
                false
            }
            Err(error) => {
                self.troubles.failed("writing certificates", SECRET, Trouble::of_request(&error), &error);
                false
            }
        }
    }
}

fn data_of(secret: &Secret) -> SecretData {
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect()
}

/// Names and bundles of webhooks.
fn entries(object: &DynamicObject) -> impl Iterator<Item = (String, Vec<u8>)> {
    let webhooks = object.data.get("webhooks").and_then(Value::as_array).cloned().unwrap_or_default();
    webhooks.into_iter().filter_map(|webhook| {
        let name = webhook.get("name")?.as_str()?.to_owned();
        let bundle = webhook.pointer("/clientConfig/caBundle").cloned();
        let bundle = bundle.and_then(|bundle| serde_json::from_value::<ByteString>(bundle).ok());
        Some((name, bundle.map(|bundle| bundle.0).unwrap_or_default()))
    })
}

/// Not before the Secret was written, as the API server says: one of its replicas had that time already.
fn now(told: i64, secret: Option<&Secret>) -> i64 {
    let metadata = secret.map(|secret| &secret.metadata);
    let created = metadata.and_then(|metadata| metadata.creation_timestamp.as_ref());
    let fields = metadata.and_then(|metadata| metadata.managed_fields.as_ref()).into_iter().flatten();
    let times = created.into_iter().chain(fields.filter_map(|field| field.time.as_ref()));
    times.map(|time| time.0.as_second()).max().map_or(told, |written| told.max(written))
}

/// One object by name, as it is now, for ever; `None` while there is none. Failures are told of and tried again.
pub(super) fn watch_one<K>(api: Api<K>, name: &str, troubles: &Arc<Troubles>) -> BoxStream<'static, Option<K>>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let events = watcher::watcher(api, watcher::Config::default().fields(&format!("metadata.name={name}")));
    let (name, troubles, mut rests) = (name.to_owned(), Arc::clone(troubles), Rests::default());
    let events = events.then(move |event| {
        let rest = event.as_ref().err().map(|error| {
            let trouble = Trouble::of(error);
            troubles.failed("watch", &name, trouble, error);
            rests.next(trouble, Instant::now())
        });
        async move {
            tokio::time::sleep(rest.unwrap_or_default()).await;
            event
        }
    });
    let mut listed = None;
    let found = move |event| {
        let found = match event {
            Ok(Event::Init) => {
                listed = None;
                None
            }
            Ok(Event::InitApply(object)) => {
                listed = Some(object);
                None
            }
            Ok(Event::InitDone) => Some(listed.take()),
            Ok(Event::Apply(object)) => Some(Some(object)),
            Ok(Event::Delete(_)) => Some(None),
            Err(_) => None,
        };
        std::future::ready(found)
    };
    events.filter_map(found).boxed()
}

/// Rests between writes: longer and longer, and not the same in every replica.
#[derive(Debug, Default)]
struct Pace {
    rests: u32,
    until: Option<Instant>,
    last: Option<Instant>,
}

impl Pace {
    /// How long to rest still.
    fn rest(&self, instant: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(instant))
    }

    fn slow_down(&mut self, instant: Instant) {
        let pause = (SHORTEST_PAUSE * 2_u32.saturating_pow(self.rests.min(16))).min(LONGEST_PAUSE);
        let random = std::hash::RandomState::new().build_hasher().finish() % 1_000;
        let jitter = pause.mul_f64(random as f64 / 1_000.0);
        self.rests += 1;
        self.until = Some(instant + pause / 2 + jitter);
    }

    /// After each write, whatever became of it, the next one waits; after calm times, hardly.
    fn note_write(&mut self, instant: Instant) {
        if self.last.is_none_or(|last| instant.saturating_duration_since(last) > CALM) {
            self.rests = 0;
        }
        self.last = Some(instant);
        self.slow_down(instant);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn it_is_not_earlier_than_the_secret_was_written() {
        let at = |second| Some(Time(Timestamp::from_second(second).unwrap()));
        let (long_ago, told, to_come) = (1_000_000_000, 2_000_000_000, 4_000_000_000);
        let mut secret = Secret::default();
        secret.metadata.creation_timestamp = at(long_ago);
        assert_eq!((now(told, None), now(told, Some(&secret))), (told, told));
        secret.metadata.managed_fields = Some(vec![
            ManagedFieldsEntry { time: at(to_come), ..ManagedFieldsEntry::default() },
            ManagedFieldsEntry::default(),
        ]);
        assert_eq!(now(told, Some(&secret)), to_come);
    }

    #[test]
    fn quarrels_are_slow() {
        let mut pace = Pace::default();
        let begun = Instant::now();
        assert!(pace.rest(begun).is_zero());
        let mut instant = begun;
        for _ in 0..20 {
            pace.note_write(instant);
            instant += pace.rest(instant);
        }
        assert!(instant - begun > Duration::from_secs(5 * 60), "{:?}", instant - begun);
        instant += CALM * 2;
        pace.note_write(instant);
        assert!(pace.rest(instant) <= Duration::from_millis(300));
    }
}
