//! What a case expects: how many violations, of all or of those whose message matches.

use regex::Regex;

use super::definition::Place;
use super::outcome::Failure;

/// One entry of `assertions`.
#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) place: Place,
    /// `None` when what is written is neither a number nor `yes` nor `no`.
    pub(super) expected: Option<Expected>,
    /// Only messages that match count; as written and compiled, or why it cannot be.
    pub(super) message: Option<(String, Result<Regex, String>)>,
}

/// The value of `violations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// So many.
    Exactly(u64),
    /// `yes`, and what is meant when nothing is written.
    Some,
    /// `no`.
    None,
}

impl Assertion {
    /// Compares with the messages of all violations; the texts are Gatekeeper's.
    pub(super) fn check(&self, messages: &[String]) -> Result<(), Failure> {
        let got = format!("got messages [{}]", messages.join(" "));
        let Some(expected) = self.expected else {
            let message = format!(
                "invalid yaml: assertion.violation, if set, must be a nonnegative integer, \"yes\", or \"no\": {got}"
            );
            return Err(self.place.problem(message).into());
        };
        let (count, containing) = match &self.message {
            None => (messages.len(), String::new()),
            Some((text, Ok(pattern))) => {
                let count = messages.iter().filter(|message| pattern.is_match(message)).count();
                (count, format!(" containing {}", crate::model::object::quote(text)))
            }
            Some((_, Err(reason))) => {
                let message = format!("message contains invalid regular expression: {reason}");
                return Err(self.place.problem(message).into());
            }
        };
        let (holds, want) = match expected {
            Expected::Exactly(number) => (u64::try_from(count) == Ok(number), format!("exactly {number}")),
            Expected::Some => (count > 0, "at least 1".to_owned()),
            Expected::None => (count == 0, "none".to_owned()),
        };
        if holds {
            return Ok(());
        }
        let message =
            format!("unexpected number of violations: got {count} violations{containing} but want {want}: {got}");
        Err(Failure::Assertion(self.place.problem(message)))
    }
}
