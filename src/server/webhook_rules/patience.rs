//! When rules may get narrower: after a pause without changes, and later and later where they do not stay narrow.
//!
//! Whoever makes rules wider again than we made them may know better: another replica that has a constraint in force still,
//! in a version that we never had. Or it is somebody who applies a manifest again and again. Neither is to be worn down, and
//! requests that only the other knows to be needed are not to be missed again and again.

use std::time::{Duration, Instant};

use super::Rules;

/// The longest pause, however often rules did not stay.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What was wanted and done so far.
#[derive(Debug)]
pub(in crate::server) struct Patience {
    pause: Duration,
    /// Rules to narrow to, and since when.
    wanted: Option<(Rules, Instant)>,
    /// What was narrowed to last, when, and the pause before.
    narrowed: Option<(Rules, Instant, Duration)>,
}

impl Patience {
    pub(in crate::server) fn new(pause: Duration) -> Self {
        Self { pause, wanted: None, narrowed: None }
    }

    /// These are needed, and rules are so, or have to be wider yet.
    pub(in crate::server) fn rest(&mut self, rules: &Rules) {
        self.forget_all_but(rules);
        self.wanted = None;
    }

    /// How long to wait still before narrowing to these.
    pub(in crate::server) fn remaining(&mut self, rules: &Rules, now: Instant) -> Duration {
        self.forget_all_but(rules);
        let since = match &self.wanted {
            Some((wanted, since)) if wanted == rules => *since,
            _ => {
                self.wanted = Some((rules.clone(), now));
                now
            }
        };
        self.pause_before(rules, now).saturating_sub(now.saturating_duration_since(since))
    }

    /// They were narrowed to these.
    pub(in crate::server) fn note(&mut self, rules: &Rules, now: Instant) {
        self.narrowed = Some((rules.clone(), now, self.pause_before(rules, now)));
        self.wanted = None;
    }

    /// What is wanted for a reason of our own is wanted anew.
    fn forget_all_but(&mut self, rules: &Rules) {
        self.narrowed.take_if(|(narrowed, ..)| narrowed != rules);
    }

    /// Twice as long as the last time, if they were narrowed to the same then and did not stay so for a good while.
    fn pause_before(&self, rules: &Rules, now: Instant) -> Duration {
        match &self.narrowed {
            Some((narrowed, at, pause)) if narrowed == rules => {
                let next = pause.saturating_mul(2).min(LONGEST.max(self.pause));
                let has_stayed = now.saturating_duration_since(*at) > next.saturating_mul(2);
                if has_stayed { self.pause } else { next }
            }
            _ => self.pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    fn on(resource: &str) -> Rules {
        Rules::read(&json!([{"apiGroups": [""], "apiVersions": ["*"], "operations": ["*"], "resources": [resource]}]))
            .unwrap()
    }

    /// Somebody makes rules wider again at once, each time, for so long: how often they were narrowed.
    fn quarrel(patience: &mut Patience, rules: &Rules, begun: Instant, length: Duration) -> u32 {
        let (mut now, mut count) = (begun, 0);
        loop {
            now += patience.remaining(rules, now);
            if now.duration_since(begun) > length {
                return count;
            }
            patience.note(rules, now);
            count += 1;
        }
    }

    #[test]
    fn quarrels_are_slow_and_never_end() {
        let (mut patience, begun) = (Patience::new(PAUSE), Instant::now());
        assert_eq!(quarrel(&mut patience, &on("pods"), begun, PAUSE * 20), 4, "after 1, 3, 7 and 15 pauses");
        let day = Duration::from_secs(24 * 60 * 60);
        let a_day = quarrel(&mut Patience::new(PAUSE), &on("pods"), begun, day);
        assert!((24..40).contains(&a_day), "{a_day}");
    }

    #[test]
    fn what_is_wanted_anew_is_no_quarrel() {
        let (mut patience, begun) = (Patience::new(PAUSE), Instant::now());
        assert_eq!(patience.remaining(&on("pods"), begun), PAUSE);
        assert_eq!(patience.remaining(&on("pods"), begun + PAUSE / 3), PAUSE / 3 * 2);
        assert_eq!(patience.remaining(&on("services"), begun + PAUSE / 3), PAUSE, "wanted since now");
        patience.note(&on("services"), begun + PAUSE);
        assert_eq!(patience.remaining(&on("services"), begun + PAUSE), PAUSE * 2, "it did not stay");
        // One more constraint came and went, and was there before its rules were: nobody contradicts us.
        patience.rest(&on("pods"));
        assert_eq!(patience.remaining(&on("services"), begun + PAUSE), PAUSE);
        patience.note(&on("services"), begun + PAUSE * 2);
        // They stayed, and somebody applied a manifest.
        let later = begun + PAUSE * 10;
        assert_eq!(patience.remaining(&on("services"), later), PAUSE);
        patience.rest(&on("services"));
        assert_eq!(patience.remaining(&on("services"), later + PAUSE), PAUSE, "not wanted in between");
    }
}
