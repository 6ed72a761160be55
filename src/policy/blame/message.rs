//! What a violation's message says of fields and values: policies put into it what they looked at, and their authors its names.

/// Shorter names are only found as words of their own: `os` stands in `hosts`.
const LEAST_SQUASHED: usize = 6;

/// How authors say that something should be there and is not.
const DEMANDS: [&str; 19] = [
    "are required",
    "does not have",
    "doesn't have",
    "ensure",
    "has missing",
    "has no ",
    "have no ",
    "is required",
    "missing",
    "must be ",
    "must have",
    "must provide",
    "must set",
    "needs",
    "not defined",
    "not set",
    "not specif",
    "should have",
    "without",
];

/// Whether a text stands in a message, as a word of its own. Less than two letters say nothing.
pub(super) fn mentions(message: &str, text: &str) -> bool {
    text.len() >= 2 && shows(message, text)
}

/// Whether a text of any length stands in a message. `web` does not stand in `web-1`.
pub(super) fn shows(message: &str, text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    message.match_indices(text).any(|(start, found)| {
        let is_border =
            |character: Option<char>| !character.is_some_and(|one| one.is_alphanumeric() || "-_".contains(one));
        let before = message.get(..start).and_then(|before| before.chars().next_back());
        let behind = message.get(start + found.len()..).and_then(|behind| behind.chars().next());
        is_border(before) && is_border(behind)
    })
}

/// Whether a field is named, as people write it: `podAntiAffinity` may be a pod anti-affinity.
pub(super) fn names(message: &str, field: &str) -> bool {
    if mentions(message, field) {
        return true;
    }
    let field = squashed(field);
    if field.len() < LEAST_SQUASHED || !squashed(message).contains(&field) {
        return false;
    }
    let words: Vec<String> = message.split(|one: char| !one.is_alphanumeric()).map(squashed).collect();
    // Whole words only: a protocol version is no protocol.
    words.iter().enumerate().any(|(start, _)| {
        let mut rest = Some(field.as_str());
        words.iter().skip(start).any(|word| {
            rest = rest.and_then(|rest| rest.strip_prefix(word.as_str()));
            rest == Some("")
        })
    })
}

/// Whether another message differs from this one only in that it shows a value, or a part of it.
pub(super) fn only_shows(message: &str, other: &str, value: &str) -> bool {
    let ahead = message.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let (message, other): (String, String) =
        (message.chars().skip(ahead).collect(), other.chars().skip(ahead).collect());
    let behind = message.chars().rev().zip(other.chars().rev()).take_while(|(one, other)| one == other).count();
    let differing: String = other.chars().take(other.chars().count().saturating_sub(behind)).collect();
    !differing.is_empty() && value.contains(&differing)
}

/// Whether it says that something should be there.
pub(super) fn demands(message: &str) -> bool {
    let message = message.to_lowercase();
    DEMANDS.iter().any(|demand| message.contains(demand))
}

fn squashed(text: &str) -> String {
    text.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_only_show_a_value() {
        assert!(only_shows("team none: no image", "team admit: no image", "\"admit\""));
        assert!(!only_shows("missing: [a, b]", "missing: [b]", "\"admit\""));
        assert!(!only_shows("no label", "label admit is none of [a, b]", "\"admit\""));
    }

    #[test]
    fn fields_are_named_as_people_write_them() {
        assert!(names("3 replicas should have pod anti-affinity rules", "podAntiAffinity"));
        assert!(names("has a disallowed runAsUsername", "runAsUserName"));
        assert!(!names("the hosts are wrong", "os"));
        assert!(!names("resource limits", "resources"));
        assert!(!names("the minProtocolVersion is low", "protocol") && names("no liveness probe", "livenessProbe"));
        assert!(demands("container <web> has no <readinessProbe>"));
        assert!(!demands("container <web> has a privileged process"));
    }
}
