//! What to do while the API server does not answer as it should: how long to rest, and what to say of it in the log.
//!
//! An API server that is gone or too busy is one trouble of all that ask together: said when it begins, now and then while
//! it lasts, and when it is over. What is wrong with one resource (no such kind, no right to it) is said of that resource.
//! Attempts never end. Meanwhile, what was known stays in force; a process that has never known anything is not ready, so
//! that nothing is let through for want of policies.

use std::collections::BTreeMap;
use std::error::Error;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::core::Status;
use kube::runtime::watcher;
use tracing::{debug, info, warn};

/// First rest; doubles while the trouble is the same.
const SHORTEST: Duration = Duration::from_millis(100);
/// Longest rest when nobody answers, or the kind is not there (yet): asking costs next to nothing, and what comes back
/// has to count soon.
const LONGEST_OF_ABSENCE: Duration = Duration::from_secs(2);
/// Longest rest when somebody answers, and does not want to be asked.
const LONGEST: Duration = Duration::from_secs(10);
/// First and longest rest when what is written does not stay: neither side of a quarrel may be worn down by it.
const SHORTEST_OF_QUARRELS: Duration = Duration::from_secs(1);
const LONGEST_OF_QUARRELS: Duration = Duration::from_secs(3_600);
/// After so long without a failure, it is over. More than the longest rest and the longest wait for a connection.
const QUIET: Duration = Duration::from_secs(20);
/// How often to say that an outage lasts.
const REMINDER: Duration = Duration::from_secs(60);
/// A refusal that lasts so long is meant. An API server that has just started refuses everything for a moment.
const PERSISTENCE: Duration = Duration::from_secs(1);
/// A refusal that has not come again for so long is over. More than the rests of whoever asks rarely.
const REFUSAL_QUIET: Duration = Duration::from_secs(90);
/// How often to say the same of a resource.
const REPEAT: Duration = Duration::from_secs(5 * 60);

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A watch broke off, or was too old to go on. The next attempt will tell.
    Broken,
    /// No answer.
    Unreachable,
    /// 429 or 5xx.
    Busy,
    /// 404: no such kind.
    Absent,
    /// Another answer that is no success.
    Refused,
    /// It was done, and does not stay done: somebody else does something else, or the API server leaves it out.
    Undone,
}

impl Trouble {
    pub(super) fn of(error: &watcher::Error) -> Self {
        use watcher::Error as E;
        match error {
            E::WatchFailed(_) => Self::Broken,
            E::WatchError(status) => Self::of_code(status.code),
            E::InitialListFailed(error) | E::WatchStartFailed(error) => Self::of_request(error),
            E::NoResourceVersion => Self::Refused,
        }
    }

    pub(super) fn of_request(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_code(status.code),
            // The group and version are there, the kind is not.
            kube::Error::Discovery(_) => Self::Absent,
            // An answer that cannot be read.
            kube::Error::SerdeError(_) => Self::Refused,
            _ => Self::Unreachable,
        }
    }

    fn of_code(code: u16) -> Self {
        match code {
            404 => Self::Absent,
            410 => Self::Broken,
            429 | 500..=599 => Self::Busy,
            _ => Self::Refused,
        }
    }

    /// Whether it is one of everything that is asked for, not of one thing.
    pub(super) fn is_of_all(self) -> bool {
        matches!(self, Self::Unreachable | Self::Busy)
    }

    fn shortest_rest(self) -> Duration {
        if self == Self::Undone { SHORTEST_OF_QUARRELS } else { SHORTEST }
    }

    fn longest_rest(self) -> Duration {
        match self {
            Self::Broken | Self::Unreachable | Self::Absent => LONGEST_OF_ABSENCE,
            Self::Busy | Self::Refused => LONGEST,
            Self::Undone => LONGEST_OF_QUARRELS,
        }
    }
}

/// The rests of whoever tries one thing again and again.
#[derive(Debug, Default)]
pub(super) struct Rests {
    last: Option<(Trouble, Duration, Instant)>,
}

impl Rests {
    /// How long to rest after a failure. Not the same for everybody in every replica, so that they do not all come back at
    /// once.
    pub(super) fn next(&mut self, trouble: Trouble, now: Instant) -> Duration {
        let is_the_same = |(kind, pause, at): &(Trouble, Duration, Instant)| {
            *kind == trouble && now.duration_since(*at) < (*pause).max(QUIET) * 2
        };
        let before = self.last.filter(is_the_same);
        let pause = before.map_or(trouble.shortest_rest(), |(_, pause, _)| (pause * 2).min(trouble.longest_rest()));
        self.last = Some((trouble, pause, now));
        let random = std::hash::RandomState::new().build_hasher().finish() % 1_000;
        pause / 2 + (pause / 2).mul_f64(random as f64 / 1_000.0)
    }
}

/// What is wrong, as far as the log has it.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outage: Option<Outage>,
    /// By what was refused.
    refusals: BTreeMap<String, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    sort: String,
    began: Instant,
    last: Instant,
    said: Option<Instant>,
}

#[derive(Debug)]
struct Outage {
    trouble: Trouble,
    began: Instant,
    last: Instant,
    said: Instant,
    failures: u64,
}

/// What to say of a failure.
#[derive(Debug, PartialEq, Eq)]
enum Say {
    Nothing,
    Failed,
    Began,
    Lasts { seconds: u64, failures: u64 },
}

impl Troubles {
    /// Says of a failed attempt at `work` what is new.
    pub(super) fn failed(&self, work: &str, resource: &str, trouble: Trouble, error: &(dyn Error + 'static)) {
        let code = status_of(error).map(|status| status.code);
        let error = describe(error);
        // Of many things of one resource, each is refused in its own words.
        let sort = code.map_or_else(|| error.clone(), |code| code.to_string());
        match self.state().take(&format!("{work} {resource}"), trouble, &sort, Instant::now()) {
            Say::Nothing => debug!(resource, error, "{work} failed; trying again"),
            Say::Failed => warn!(resource, error, "{work} failed; trying again"),
            Say::Began => warn!(
                resource,
                error, "the API server does not answer as it should; what is known stays in force; trying again"
            ),
            Say::Lasts { seconds, failures } => {
                warn!(resource, error, seconds, failures, "the API server still does not answer as it should");
            }
        }
    }

    /// To be called now and then: says when an outage is over.
    pub(super) fn look(&self) {
        if let Some((seconds, failures)) = self.state().end(Instant::now()) {
            info!(seconds, failures, "the API server answers again");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, what: &str, trouble: Trouble, sort: &str, now: Instant) -> Say {
        match trouble {
            Trouble::Broken | Trouble::Undone => Say::Nothing,
            Trouble::Unreachable | Trouble::Busy => self.take_outage(trouble, now),
            Trouble::Absent | Trouble::Refused => self.take_refusal(what, sort, now),
        }
    }

    fn take_refusal(&mut self, what: &str, sort: &str, now: Instant) -> Say {
        let new = || Refusal { sort: sort.to_owned(), began: now, last: now, said: None };
        let refusal = self.refusals.entry(what.to_owned()).or_insert_with(new);
        if refusal.sort != sort || now.duration_since(refusal.last) >= REFUSAL_QUIET {
            *refusal = new();
        }
        refusal.last = now;
        let is_said = refusal.said.is_some_and(|at| now.duration_since(at) < REPEAT);
        if is_said || now.duration_since(refusal.began) < PERSISTENCE {
            return Say::Nothing;
        }
        refusal.said = Some(now);
        Say::Failed
    }

    fn take_outage(&mut self, trouble: Trouble, now: Instant) -> Say {
        let Some(outage) = &mut self.outage else {
            self.outage = Some(Outage { trouble, began: now, last: now, said: now, failures: 1 });
            return Say::Began;
        };
        outage.failures += 1;
        outage.last = now;
        // While it comes back, its answers change from attempt to attempt.
        let pause = if outage.trouble == trouble { REMINDER } else { REMINDER / 10 };
        if now.duration_since(outage.said) < pause {
            return Say::Nothing;
        }
        (outage.said, outage.trouble) = (now, trouble);
        Say::Lasts { seconds: now.duration_since(outage.began).as_secs(), failures: outage.failures }
    }

    /// How long the outage was that is over, and how many attempts failed.
    fn end(&mut self, now: Instant) -> Option<(u64, u64)> {
        let over = self.outage.take_if(|outage| now.duration_since(outage.last) >= QUIET)?;
        Some((over.last.duration_since(over.began).as_secs(), over.failures))
    }
}

/// What the API server has answered, when it has.
pub(super) fn status_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Status> {
    match (error.downcast_ref::<watcher::Error>(), error.downcast_ref::<kube::Error>()) {
        (
            Some(
                watcher::Error::InitialListFailed(kube::Error::Api(status))
                | watcher::Error::WatchStartFailed(kube::Error::Api(status))
                | watcher::Error::WatchError(status),
            ),
            _,
        )
        | (_, Some(kube::Error::Api(status))) => Some(status),
        _ => None,
    }
}

/// What the API server has said, or else what went wrong.
fn describe(error: &(dyn Error + 'static)) -> String {
    match status_of(error) {
        Some(status) => format!("{} (HTTP status {})", status.message, status.code),
        None => chain(error),
    }
}

/// An error with its causes, each once: libraries differ in whether they print the cause themselves.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_up_to_a_bound_and_begin_anew_with_another_trouble() {
        let (mut rests, mut now) = (Rests::default(), Instant::now());
        let mut total = |rests: &mut Rests, trouble, times| {
            let begun = now;
            for _ in 0..times {
                now += rests.next(trouble, now);
            }
            now - begun
        };
        let reaching = total(&mut rests, Trouble::Busy, 7);
        assert!((6..=13).contains(&reaching.as_secs()), "{reaching:?}");
        let steady = total(&mut rests, Trouble::Busy, 20);
        assert!((100..=200).contains(&steady.as_secs()), "{steady:?}");
        assert!(total(&mut rests, Trouble::Unreachable, 1) <= SHORTEST);
        let steady = total(&mut rests, Trouble::Unreachable, 25);
        assert!((20..=50).contains(&steady.as_secs()), "{steady:?}");
        now += QUIET * 2;
        assert!(rests.next(Trouble::Unreachable, now) <= SHORTEST, "it was well meanwhile");
    }

    #[test]
    fn an_outage_is_a_few_lines_whatever_the_number_of_watches() {
        let (mut state, begun) = (State::default(), Instant::now());
        let mut lines = Vec::new();
        for second in 0..600 {
            let now = begun + Duration::from_secs(second);
            for watch in 0..100 {
                lines.push(state.take(&format!("watch{watch}"), Trouble::Unreachable, "refused", now));
            }
            assert_eq!(state.end(now), None);
        }
        lines.retain(|line| *line != Say::Nothing);
        assert_eq!((lines.len(), &lines[0]), (10, &Say::Began));
        assert_eq!(lines[9], Say::Lasts { seconds: 540, failures: 54_001 });
        assert_eq!(state.end(begun + Duration::from_secs(700)), Some((599, 60_000)));
        assert_eq!(state.take("watch1", Trouble::Busy, "slow down", begun), Say::Began, "the next one is another one");
    }

    #[test]
    fn a_refusal_that_lasts_is_said_of_each_resource_and_again_when_it_changes() {
        let (mut state, now) = (State::default(), Instant::now());
        let mut said = |resource: &str, error: &str, seconds: Vec<u64>| -> Vec<u64> {
            let is_said = |second: &u64| {
                let now = now + Duration::from_secs(*second);
                state.take(resource, Trouble::Refused, error, now) == Say::Failed
            };
            seconds.into_iter().filter(is_said).collect()
        };
        assert_eq!(said("pods", "forbidden", (0..=700).collect()), [1, 301, 601]);
        assert_eq!(said("services", "forbidden", vec![0, 100, 200]), [0; 0], "only while an API server starts");
        assert_eq!(said("events", "forbidden", vec![0, 60, 120]), [60], "who asks once a minute");
        assert_eq!(said("pods", "unauthorized", vec![701, 702, 703]), [702]);
        assert_eq!(Trouble::of_code(410), Trouble::Broken);
    }
}
