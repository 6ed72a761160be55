//! The time as the API server has it, read from the `Date` of its answers.
//!
//! It is the API server that judges whether a certificate is valid yet and still, so that certificates go by its clock; and
//! replicas that date their Leases by it agree. The clock of this machine may be wrong by any amount; it counts only while no
//! answer has told the time.
//!
//! Assumption: an answer arrives soon after it was dated. Replicas of an API server whose clocks differ somewhat are what
//! certificates are backdated for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper::Response;
use hyper::header::{DATE, HeaderMap};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::fmt::rfc2822::DateTimeParser;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tower::util::MapResponseLayer;

/// A difference that no network makes.
const NOTEWORTHY: Duration = Duration::from_secs(60);

/// Clones share what was read last.
#[derive(Clone, Debug, Default)]
pub(super) struct ApiClock(Arc<Mutex<Option<Reading>>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    second: i64,
    at: Instant,
}

impl ApiClock {
    /// A client whose answers set the clock.
    pub(super) fn client(&self, config: Config) -> Result<Client, kube::Error> {
        let clock = self.clone();
        let note = move |response: Response<Box<kube::client::DynBody>>| {
            clock.note(response.headers(), Instant::now());
            response
        };
        Ok(ClientBuilder::try_from(config)?.with_layer(&MapResponseLayer::new(note)).build())
    }

    /// Seconds since 1970, by the API server's clock if it is known.
    pub(super) fn now(&self) -> i64 {
        self.at(Instant::now()).unwrap_or_else(own)
    }

    /// The same, for objects of Kubernetes.
    pub(super) fn timestamp(&self) -> Timestamp {
        Timestamp::from_second(self.now()).unwrap_or_else(|_| Timestamp::now())
    }

    /// By how much the clock of this machine is ahead of the API server's (behind, when negative): only if that is more
    /// than requests take.
    pub(super) fn ahead(&self) -> Option<i64> {
        let ahead = own() - self.at(Instant::now())?;
        (ahead.unsigned_abs() > NOTEWORTHY.as_secs()).then_some(ahead)
    }

    fn note(&self, headers: &HeaderMap, at: Instant) {
        let written = headers.get(DATE).and_then(|value| value.to_str().ok());
        let Some(time) = written.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok()) else { return };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading { second: time.as_second(), at });
    }

    fn at(&self, instant: Instant) -> Option<i64> {
        let reading = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let passed = instant.saturating_duration_since(reading.at).as_secs();
        Some(reading.second.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)))
    }
}

/// By the clock of this machine.
fn own() -> i64 {
    let own = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(own.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, text.parse().unwrap())])
    }

    #[test]
    fn the_last_answer_sets_the_clock() {
        let clock = ApiClock::default();
        let read = Instant::now();
        assert!((own() - clock.now()).abs() <= 1 && clock.ahead().is_none(), "nothing was told yet");
        clock.note(&dated("Wed, 18 May 2033 03:33:20 GMT"), read);
        assert_eq!(clock.at(read), Some(2_000_000_000));
        assert_eq!(clock.clone().at(read + Duration::from_secs(90)), Some(2_000_000_090));
        for unreadable in ["", "soon", "Wed, 18 May 2033"] {
            clock.note(&dated(unreadable), read + Duration::from_secs(5));
        }
        clock.note(&HeaderMap::new(), read);
        assert_eq!(clock.at(read), Some(2_000_000_000));
        clock.note(&dated("Sun, 09 Sep 2001 01:46:40 GMT"), read);
        assert_eq!(clock.at(read), Some(1_000_000_000), "it may be set back");
        assert!(clock.ahead().is_some_and(|ahead| ahead > 0), "{:?}", clock.ahead());
    }
}
