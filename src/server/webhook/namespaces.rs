//! Namespaces that the snapshot does not have (yet), asked for while an API server waits for its answer.
//!
//! ```text
//! request ──┐
//! request ──┼─► one lookup a name ──► fetch (so many at once) ──► kept for a moment, while the watch catches up
//! request ──┘
//! ```
//!
//! Guarantees: nobody waits longer than the request may take; a lookup that nobody waits for any more is given up; a
//! failure is never told to a request that came after the question was asked, so that a Namespace which is made meanwhile
//! is found.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::model::object::Object;
use crate::model::review::{Review, ReviewedObject};
use crate::policy::snapshot::Snapshot;

/// Lookups at once. API servers share out what one client may ask; a request for a Namespace is the rare case.
const MOST_AT_ONCE: usize = 16;
/// How long what was found answers other requests, too.
const KEPT: Duration = Duration::from_secs(1);

/// Asks an API server for a Namespace. Bounded in time by itself.
pub(in crate::server) type Fetch = Box<dyn Fn(String) -> BoxFuture<'static, Result<Object, String>> + Send + Sync>;

/// What an API server said about a Namespace.
pub(super) type Found = Result<Arc<ReviewedObject>, String>;

/// The name of a Namespace that a review needs, and that has to be looked up first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownNamespace(pub(super) String);

/// Where a Namespace is looked up that the snapshot does not have (yet).
#[derive(Clone)]
pub(in crate::server) struct Namespaces {
    /// None when policies come from files: then there is nobody to ask.
    lookups: Option<Arc<Lookups>>,
}

impl Namespaces {
    /// No lookups: policies come from files.
    pub(in crate::server) fn of_files() -> Self {
        Self { lookups: None }
    }

    /// Lookups at an API server.
    pub(in crate::server) fn of_cluster(fetch: Fetch) -> Self {
        let lookups = Lookups { fetch, running: Mutex::default(), permits: Semaphore::new(MOST_AT_ONCE) };
        Self { lookups: Some(Arc::new(lookups)) }
    }

    /// Puts its Namespace into a review: the snapshot's, else what was looked up.
    pub(super) fn add_to(
        &self,
        review: &mut Review,
        snapshot: &Snapshot,
        found: Option<&Arc<ReviewedObject>>,
    ) -> Result<(), UnknownNamespace> {
        if review.namespace.is_empty() {
            return Ok(());
        }
        review.namespace_object = match (snapshot.namespace(&review.namespace), found) {
            (Some(namespace), _) | (None, Some(namespace)) => Some(Arc::clone(namespace)),
            (None, None) if self.lookups.is_some() => return Err(UnknownNamespace(review.namespace.clone())),
            (None, None) => None,
        };
        Ok(())
    }

    /// Looks a Namespace up.
    pub(super) async fn look_up(&self, name: &str, until: Instant) -> Found {
        let Some(lookups) = &self.lookups else { return Err(format!("namespaces {name:?} not found")) };
        let answer = tokio::time::timeout_at(until.into(), lookups.ask(name)).await;
        answer.unwrap_or_else(|_| Err(format!("namespaces {name:?}: the API server did not answer in time")))
    }
}

struct Lookups {
    fetch: Fetch,
    running: Mutex<HashMap<String, Lookup>>,
    permits: Semaphore,
}

struct Lookup {
    started: Instant,
    answer: Arc<watch::Sender<Option<Found>>>,
}

impl Lookups {
    async fn ask(self: &Arc<Self>, name: &str) -> Found {
        let arrived = Instant::now();
        loop {
            let (started, mut answer) = self.join(name);
            let found = answer.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
            match found {
                Some(Ok(namespace)) => return Ok(namespace),
                // What failed before we came, or was given up by those who asked, says nothing to us. The next lookup
                // is younger than we are, so this is not taken twice.
                Some(Err(_)) | None if started < arrived => {}
                Some(Err(message)) => return Err(message),
                None => return Err(format!("namespaces {name:?}: the lookup broke off")),
            }
        }
    }

    /// The lookup that runs for this name, or a new one.
    fn join(self: &Arc<Self>, name: &str) -> (Instant, watch::Receiver<Option<Found>>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = running.get(name) {
            return (lookup.started, lookup.answer.subscribe());
        }
        let (started, answer) = (Instant::now(), Arc::new(watch::Sender::new(None)));
        let receiver = answer.subscribe();
        running.insert(name.to_owned(), Lookup { started, answer: Arc::clone(&answer) });
        let place = Place { lookups: Arc::clone(self), name: name.to_owned() };
        tokio::spawn(place.look_up(answer));
        (started, receiver)
    }
}

/// The place of a lookup among those that run; left when this is dropped, whatever happens.
struct Place {
    lookups: Arc<Lookups>,
    name: String,
}

impl Place {
    async fn look_up(self, answer: Arc<watch::Sender<Option<Found>>>) {
        let fetching = async {
            let _permit = self.lookups.permits.acquire().await;
            (self.lookups.fetch)(self.name.clone()).await
        };
        let found = tokio::select! {
            found = fetching => found,
            () = answer.closed() => return,
        };
        match found {
            Ok(object) => {
                answer.send_replace(Some(Ok(Arc::new(ReviewedObject::from(&object)))));
                tokio::time::sleep(KEPT).await;
            }
            Err(message) => {
                // First gone, then told: nobody who comes later hears of it.
                drop(self);
                answer.send_replace(Some(Err(message)));
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lookups.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use serde_json::json;

    use super::*;

    /// What a fetch does, by how many came before it; how many there were, and at most at once.
    struct Fake {
        namespaces: Namespaces,
        asked: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    fn fake(takes: Duration, answer: impl Fn(usize) -> Result<(), String> + Send + Sync + 'static) -> Fake {
        let (asked, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, peak, running) = (Arc::clone(&asked), Arc::clone(&most), Arc::new(AtomicUsize::new(0)));
        let answer = Arc::new(answer);
        let fetch: Fetch = Box::new(move |name| {
            let (number, peak, running) =
                (count.fetch_add(1, Ordering::Relaxed), Arc::clone(&peak), Arc::clone(&running));
            let answer = Arc::clone(&answer);
            Box::pin(async move {
                peak.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(takes).await;
                running.fetch_sub(1, Ordering::Relaxed);
                answer(number)?;
                let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                Ok(Object::from_value(value).unwrap())
            })
        });
        Fake { namespaces: Namespaces::of_cluster(fetch), asked, most }
    }

    impl Fake {
        async fn ask(&self, name: &str, patience: u64) -> Result<String, String> {
            let until = Instant::now() + Duration::from_millis(patience);
            self.namespaces.look_up(name, until).await.map(|found| found.name().to_owned())
        }

        fn running(&self) -> usize {
            self.namespaces.lookups.as_ref().unwrap().running.lock().unwrap().len()
        }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn requests_at_once_make_one_lookup_which_answers_for_a_moment() {
        run(async {
            let fake = fake(Duration::from_millis(30), |_| Ok(()));
            for found in join_all((0..100).map(|_| fake.ask("shop", 1_000))).await {
                assert_eq!(found.as_deref(), Ok("shop"));
            }
            assert_eq!(fake.ask("shop", 1_000).await.as_deref(), Ok("shop"));
            assert_eq!(fake.asked.load(Ordering::Relaxed), 1);
            tokio::time::sleep(KEPT + Duration::from_millis(100)).await;
            assert_eq!(fake.running(), 0);
            assert_eq!(fake.ask("shop", 1_000).await.as_deref(), Ok("shop"));
            assert_eq!(fake.asked.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn a_failure_is_told_only_to_those_who_asked_before_it_was_asked() {
        run(async {
            let fake =
                fake(Duration::from_millis(60), |number| if number == 0 { Err("no".to_owned()) } else { Ok(()) });
            let later = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                join_all((0..10).map(|_| fake.ask("shop", 1_000))).await
            };
            let (first, others) = tokio::join!(fake.ask("shop", 1_000), later);
            assert_eq!(first, Err("no".to_owned()));
            assert!(others.iter().all(|found| found.as_deref() == Ok("shop")), "{others:?}");
            assert_eq!(fake.asked.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn nobody_waits_too_long_and_nothing_goes_on_for_nobody() {
        run(async {
            let fake = fake(Duration::from_secs(60), |_| Ok(()));
            let (short, long) = tokio::join!(fake.ask("shop", 20), fake.ask("shop", 60));
            for found in [short, long] {
                assert_eq!(found, Err("namespaces \"shop\": the API server did not answer in time".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(fake.running(), 0);
        });
    }

    #[test]
    fn lookups_of_many_names_queue() {
        run(async {
            let fake = fake(Duration::from_millis(5), |_| Ok(()));
            let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
            let found = join_all(names.iter().map(|name| fake.ask(name, 5_000))).await;
            assert!(found.iter().zip(&names).all(|(found, name)| found.as_ref() == Ok(name)), "{found:?}");
            assert_eq!(fake.most.load(Ordering::Relaxed), MOST_AT_ONCE);
        });
    }

    #[test]
    fn a_lookup_that_panics_is_a_failure_of_its_own_request() {
        run(async {
            let fetch: Fetch = Box::new(|_| Box::pin(async { Err(std::hint::black_box(None::<String>).unwrap()) }));
            let until = Instant::now() + Duration::from_secs(1);
            let found = Namespaces::of_cluster(fetch).look_up("shop", until).await;
            assert_eq!(found.unwrap_err(), "namespaces \"shop\": the lookup broke off");
        });
    }
}
