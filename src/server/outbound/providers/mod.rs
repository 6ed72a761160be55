//! Providers of external data, asked over HTTPS: the server's [`ExternalDataSource`].
//!
//! ```text
//! a thread that judges ─► cache ─► flights (one for equal keys) ─► client ─► provider
//!         └───────────── waits, and gives up its turn meanwhile ◄─────┘
//! ```
//!
//! Promises: nobody waits beyond the deadline of the question; a call goes on for the provider's own time, so that what
//! comes late serves whoever asks next; a key that is being asked for is not asked for twice; what is known is not asked
//! for again until its time is over, except to change objects; a provider that keeps failing is left alone for a while,
//! and whoever asks for it hears so at once. Bounds: see the constants of each file.
//! Deliberately absent: retries, redirects, answers beyond their time.

mod breaker;
mod cache;
mod client;
mod link;
mod message;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::model::api::Provider;
use crate::policy::external_data::{Answer, ExternalDataSource, ProviderFailure, Question};
use crate::policy::snapshot::SnapshotHandle;
use crate::server::certificates::Certificates;
use crate::server::telemetry::providers::ProviderMetrics;
use crate::server::turn;
use link::{Link, Pending};

/// How often what is not needed any more is put away.
const CLEANING_INTERVAL: Duration = Duration::from_secs(30);

/// Asks providers.
pub(in crate::server) struct ProviderClient {
    /// By the provider's name.
    links: RwLock<HashMap<String, Arc<Link>>>,
    surroundings: Surroundings,
}

/// What all links share.
#[derive(Clone)]
struct Surroundings {
    runtime: Handle,
    /// Shown to providers that want to know who asks.
    certificates: Certificates,
    /// How long an answer serves to judge.
    cache_lifetime: Duration,
    metrics: ProviderMetrics,
}

impl ProviderClient {
    /// Works on the runtime that it is made in.
    pub(in crate::server) fn new(
        certificates: Certificates,
        cache_lifetime: Duration,
        metrics: ProviderMetrics,
    ) -> Arc<Self> {
        let runtime = Handle::current();
        let surroundings = Surroundings { runtime, certificates, cache_lifetime, metrics };
        Arc::new(Self { links: RwLock::default(), surroundings })
    }

    /// Forgets providers that are gone and answers whose time is over. Never ends.
    pub(in crate::server) async fn clean(self: Arc<Self>, snapshots: Arc<SnapshotHandle>) {
        loop {
            tokio::time::sleep(CLEANING_INTERVAL).await;
            let snapshot = snapshots.load();
            let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
            links.retain(|name, _| {
                let is_there = snapshot.providers().find(name).is_some();
                if !is_there {
                    self.surroundings.metrics.forget(name);
                }
                is_there
            });
            links.values().for_each(|link| link.clean(Instant::now()));
        }
    }

    /// The link to this very version of a provider.
    fn link(&self, provider: &Arc<Provider>) -> Arc<Link> {
        let is_of = |link: &&Arc<Link>| Arc::ptr_eq(&link.provider, provider) || *link.provider == **provider;
        if let Some(link) = self.links.read().unwrap_or_else(PoisonError::into_inner).get(&provider.name).filter(is_of)
        {
            return Arc::clone(link);
        }
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get(&provider.name).filter(is_of) {
            return Arc::clone(link);
        }
        let link = Arc::new(Link::new(provider, self.surroundings.clone()));
        links.insert(provider.name.clone(), Arc::clone(&link));
        link
    }
}

impl ExternalDataSource for ProviderClient {
    fn ask_all(&self, questions: &[Question<'_>]) -> Vec<Result<Answer, ProviderFailure>> {
        let begin = |question: &Question<'_>| (self.link(question.provider).begin(question), question.deadline);
        let begun: Vec<(Result<Pending, String>, _)> = questions.iter().map(begin).collect();
        let pending = || begun.iter().filter_map(|(begun, deadline)| Some((begun.as_ref().ok()?, deadline.instant())));
        if pending().any(|(pending, _)| !pending.is_done()) {
            let last = begun.iter().map(|(_, deadline)| deadline.instant()).max().flatten();
            turn::give_up_while(last, || pending().for_each(|(pending, until)| pending.wait(until)));
        }
        let finish = |(begun, _): (Result<Pending, String>, _)| begun.and_then(Pending::finish);
        begun.into_iter().map(|begun| finish(begun).map_err(ProviderFailure::Failed)).collect()
    }
}

impl fmt::Debug for ProviderClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProviderClient").finish_non_exhaustive()
    }
}
