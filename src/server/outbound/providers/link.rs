//! What there is between this process and one version of one provider: answers that are known, calls under way, its record.
//!
//! Whoever asks takes from the cache what is there, joins the calls that ask for some of its keys already, and starts one
//! for all the rest. A call is a task of its own, which ends in the provider's time whoever waits for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Surroundings;
use super::breaker::{Breaker, Change};
use super::cache::Cache;
use super::client::Client;
use crate::model::api::Provider;
use crate::policy::external_data::{Answer, Item, Purpose, Question};
use crate::server::telemetry::providers::Outcome;

/// The most calls to one provider at the same time.
const MOST_CALLS: usize = 64;
/// The longest that a call goes on, whatever the provider says.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// Go's words.
const TOO_LATE: &str = "context deadline exceeded";

/// The link to one version of a provider.
pub(super) struct Link {
    pub(super) provider: Arc<Provider>,
    client: Result<Client, String>,
    surroundings: Surroundings,
    state: Mutex<State>,
}

struct State {
    cache: Cache,
    breaker: Breaker,
    /// By the keys that are asked for.
    flights: HashMap<String, Arc<Flight>>,
    calls: usize,
}

/// A call under way, or done.
#[derive(Default)]
struct Flight {
    keys: Vec<String>,
    result: Mutex<FlightState>,
    is_over: Condvar,
}

#[derive(Default)]
struct FlightState {
    answer: Option<Arc<Result<Answer, String>>>,
    /// Somebody could not wait for it.
    is_too_slow: bool,
}

/// A call of others, and which of its keys are asked for here.
type Joined = (Arc<Flight>, Vec<String>);

/// A question on its way.
pub(super) struct Pending {
    link: Arc<Link>,
    cached: Vec<Item>,
    is_idempotent: bool,
    /// Calls of others, and which of their keys are asked for here.
    joined: Vec<Joined>,
    own: Option<Arc<Flight>>,
}

impl Link {
    pub(super) fn new(provider: &Arc<Provider>, surroundings: Surroundings) -> Self {
        let client = Client::new(provider, &surroundings.certificates);
        let state = State {
            cache: Cache::new(surroundings.cache_lifetime),
            breaker: Breaker::default(),
            flights: HashMap::new(),
            calls: 0,
        };
        surroundings.metrics.leave_alone(&provider.name, false);
        Self { provider: Arc::clone(provider), client, surroundings, state: Mutex::new(state) }
    }

    pub(super) fn clean(&self, now: Instant) {
        self.state().cache.clean(now);
    }

    /// Starts what is needed for an answer.
    ///
    /// # Errors
    /// When there will be none.
    pub(super) fn begin(self: Arc<Self>, question: &Question<'_>) -> Result<Pending, String> {
        let (now, metrics) = (Instant::now(), &self.surroundings.metrics);
        let (mut cached, mut is_idempotent) = (Vec::new(), true);
        let (mut joined, mut missing): (Vec<Joined>, Vec<String>) = (Vec::new(), Vec::new());
        let mut state = self.state();
        for key in question.keys {
            let known = state.cache.find(key, now).filter(|_| question.purpose == Purpose::Validation);
            if let Some((item, is_same_again)) = known {
                cached.push(item);
                is_idempotent &= is_same_again;
            } else if let Some(flight) = state.flights.get(key) {
                match joined.iter_mut().find(|(known, _)| Arc::ptr_eq(known, flight)) {
                    Some((_, keys)) => keys.push(key.clone()),
                    None => joined.push((Arc::clone(flight), vec![key.clone()])),
                }
            } else {
                missing.push(key.clone());
            }
        }
        let joins = joined.iter().map(|(_, keys)| keys.len()).sum();
        metrics.keys(&self.provider.name, cached.len(), joins, missing.len());
        let own = match missing.is_empty() {
            true => None,
            false => Some(self.start(&mut state, missing, now)?),
        };
        drop(state);
        Ok(Pending { link: self, cached, is_idempotent, joined, own })
    }

    /// Starts a call for keys that nobody asks for yet.
    fn start(self: &Arc<Self>, state: &mut State, keys: Vec<String>, now: Instant) -> Result<Arc<Flight>, String> {
        let client = self.client.as_ref().map_err(|error| format!("failed to get HTTP client: {error}"))?;
        let patience = self.patience();
        if patience.is_zero() {
            return Err(client.not_sent(&format!("{TOO_LATE}: spec.timeout of the provider is 0 seconds")));
        }
        if let Some(refusal) = state.breaker.refusal(now) {
            self.surroundings.metrics.call(&self.provider.name, Outcome::Refused, None);
            return Err(client.not_sent(&refusal));
        }
        if state.calls >= MOST_CALLS {
            self.surroundings.metrics.call(&self.provider.name, Outcome::Refused, None);
            return Err(client.not_sent(&format!("{MOST_CALLS} calls to the provider are under way already")));
        }
        state.breaker.begin(now, patience);
        state.calls += 1;
        let flight = Arc::new(Flight { keys, ..Flight::default() });
        for key in &flight.keys {
            state.flights.insert(key.clone(), Arc::clone(&flight));
        }
        let (link, own) = (Arc::clone(self), Arc::clone(&flight));
        self.surroundings.runtime.spawn(async move { link.call(&own).await });
        Ok(flight)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.provider.timeout_seconds).min(LONGEST_CALL)
    }

    async fn call(self: Arc<Self>, flight: &Arc<Flight>) {
        // However it ends, nobody waits for ever.
        let landing = Landing { link: &self, flight };
        let begun = Instant::now();
        let (answer, outcome) = match &self.client {
            Ok(client) => match tokio::time::timeout(self.patience(), client.ask(&flight.keys)).await {
                Ok(Ok(answer)) if answer.system_error.trim().is_empty() => (Ok(answer), Outcome::Answered),
                Ok(Ok(answer)) => (Ok(answer), Outcome::SystemError),
                Ok(Err(text)) => (Err(text), Outcome::Failed),
                Err(_) => (Err(client.not_sent(TOO_LATE)), Outcome::TimedOut),
            },
            Err(text) => (Err(text.clone()), Outcome::Failed),
        };
        self.surroundings.metrics.call(&self.provider.name, outcome, Some(begun.elapsed()));
        landing.land(answer);
    }

    /// Takes note of how a call ended, before those who wait hear of it.
    fn settle(&self, flight: &Arc<Flight>, answer: &Result<Answer, String>, was_too_slow: bool) {
        let now = Instant::now();
        let mut state = self.state();
        state.calls = state.calls.saturating_sub(1);
        for key in &flight.keys {
            if state.flights.get(key).is_some_and(|known| Arc::ptr_eq(known, flight)) {
                state.flights.remove(key);
            }
        }
        let change = match answer {
            Ok(answer) => {
                let asked: BTreeSet<&str> = flight.keys.iter().map(String::as_str).collect();
                // What was not asked for is no answer for others.
                for item in answer.items.iter().filter(|item| asked.contains(item.key.as_str())) {
                    state.cache.keep(item, answer.is_idempotent, now);
                }
                state.breaker.succeed()
            }
            // It counted already when somebody could not wait.
            Err(_) if was_too_slow => Change::None,
            Err(text) => state.breaker.fail(text, now),
        };
        drop(state);
        self.tell(answer, flight, change);
    }

    fn tell(&self, answer: &Result<Answer, String>, flight: &Flight, change: Change) {
        let provider = &self.provider.name;
        match answer {
            Err(error) => warn!(provider, error, "an external data provider gave no answer"),
            Ok(answer) => {
                let answered: BTreeSet<&str> = answer.items.iter().map(|item| item.key.as_str()).collect();
                let asked: BTreeSet<&str> = flight.keys.iter().map(String::as_str).collect();
                let (foreign, silent) = (answered.difference(&asked).count(), asked.difference(&answered).count());
                if foreign > 0 {
                    warn!(provider, foreign, silent, "an external data provider spoke of keys it was not asked for");
                }
            }
        }
        self.tell_change(change);
    }

    fn tell_change(&self, change: Change) {
        let provider = &self.provider.name;
        match change {
            Change::None => return,
            Change::Opened => warn!(provider, "an external data provider keeps failing; it is left alone for a while"),
            Change::Closed => info!(provider, "an external data provider answers again"),
        }
        self.surroundings.metrics.leave_alone(provider, change == Change::Opened);
    }

    /// Somebody could not wait: that is a failure, too, however the call ends.
    fn count_slowness(&self, flight: &Flight) {
        let mut result = flight.result();
        if result.answer.is_some() || std::mem::replace(&mut result.is_too_slow, true) {
            return;
        }
        drop(result);
        let change = self.state().breaker.fail("it did not answer before the requests had to be", Instant::now());
        self.tell_change(change);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, also when its task is dropped.
struct Landing<'l> {
    link: &'l Link,
    flight: &'l Arc<Flight>,
}

impl Landing<'_> {
    fn land(self, answer: Result<Answer, String>) {
        self.settle(answer);
        std::mem::forget(self);
    }

    fn settle(&self, answer: Result<Answer, String>) {
        let was_too_slow = self.flight.result().is_too_slow;
        self.link.settle(self.flight, &answer, was_too_slow);
        self.flight.result().answer = Some(Arc::new(answer));
        self.flight.is_over.notify_all();
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.settle(Err("failed to send external data request: the call broke off".to_owned()));
    }
}

impl Flight {
    fn result(&self) -> MutexGuard<'_, FlightState> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self) -> Option<Arc<Result<Answer, String>>> {
        self.result().answer.clone()
    }

    fn wait(&self, until: Option<Instant>) {
        let mut result = self.result();
        while result.answer.is_none() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            result = match left {
                Some(Duration::ZERO) => return,
                Some(left) => self.is_over.wait_timeout(result, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.is_over.wait(result).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Pending {
    pub(super) fn is_done(&self) -> bool {
        self.flights().all(|flight| flight.answer().is_some())
    }

    /// Waits until all is there, or until then.
    pub(super) fn wait(&self, until: Option<Instant>) {
        self.flights().for_each(|flight| flight.wait(until));
    }

    /// What is there by now: what was known first, then what came.
    ///
    /// # Errors
    /// When a part of it is missing.
    pub(super) fn finish(self) -> Result<Answer, String> {
        let (mut items, mut is_idempotent) = (Vec::new(), self.is_idempotent);
        let (mut system_error, mut status_code) = (String::new(), 0);
        for (flight, keys) in self.flights_with_keys() {
            let result = flight.answer();
            let Some(result) = result else { return Err(self.too_late(flight)) };
            let answer = result.as_ref().as_ref().map_err(String::clone)?;
            let is_asked = |item: &&Item| keys.is_none_or(|keys| keys.contains(&item.key));
            items.extend(answer.items.iter().filter(is_asked).cloned());
            is_idempotent &= answer.is_idempotent;
            status_code = answer.status_code;
            if system_error.is_empty() {
                system_error.clone_from(&answer.system_error);
            }
        }
        let mut all = self.cached;
        all.extend(items);
        Ok(Answer { items: all, system_error, is_idempotent, status_code })
    }

    fn too_late(&self, flight: &Flight) -> String {
        self.link.count_slowness(flight);
        match &self.link.client {
            Ok(client) => client.not_sent(TOO_LATE),
            Err(error) => error.clone(),
        }
    }

    fn flights(&self) -> impl Iterator<Item = &Arc<Flight>> {
        self.flights_with_keys().map(|(flight, _)| flight)
    }

    /// Of an own call all counts that the provider says, as with Gatekeeper.
    fn flights_with_keys(&self) -> impl Iterator<Item = (&Arc<Flight>, Option<&Vec<String>>)> {
        let joined = self.joined.iter().map(|(flight, keys)| (flight, Some(keys)));
        joined.chain(self.own.iter().map(|flight| (flight, None)))
    }
}
