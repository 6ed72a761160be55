//! What the key and the value of a label may look like. A selector that asks for anything else could never select, so
//! Kubernetes refuses it.

const LONGEST: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// What is wrong with a label's key: a name, or `prefix/name` with a DNS subdomain as prefix.
pub(super) fn key_mistake(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.contains('/') {
        return Some("a label key has one '/' at most, between a DNS subdomain and a name (e.g. 'example.com/MyName')");
    }
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty");
        }
        if prefix.len() > LONGEST_PREFIX || !prefix.split('.').all(is_dns_label) {
            return Some(
                "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
                 or '.', and must start and end with an alphanumeric character",
            );
        }
    }
    match name {
        "" => Some("name part must be non-empty"),
        name if name.len() > LONGEST => Some("name part must be no more than 63 bytes"),
        name if !is_label_text(name) => Some(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
             alphanumeric character",
        ),
        _ => None,
    }
}

/// What is wrong with a label's value. It may be empty.
pub(super) fn value_mistake(value: &str) -> Option<&'static str> {
    match value {
        "" => None,
        value if value.len() > LONGEST => Some("must be no more than 63 bytes"),
        value if !is_label_text(value) => Some(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
        ),
        _ => None,
    }
}

fn is_label_text(text: &str) -> bool {
    let is_end = |end: Option<char>| end.is_some_and(|character| character.is_ascii_alphanumeric());
    let is_inner = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    is_end(text.chars().next()) && is_end(text.chars().next_back()) && text.chars().all(is_inner)
}

fn is_dns_label(text: &str) -> bool {
    let is_alphanumeric = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.chars().all(|character| is_alphanumeric(character) || character == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_with_or_without_a_domain() {
        let long = "a".repeat(64);
        for (key, expected) in [
            ("app", None),
            ("app.kubernetes.io/Name_1", None),
            ("0", None),
            ("", Some("name part must be non-empty")),
            ("example.com/", Some("name part must be non-empty")),
            ("/app", Some("prefix part must be non-empty")),
            ("Example.com/app", Some("prefix part a lowercase")),
            ("example..com/app", Some("prefix part a lowercase")),
            ("a/b/c", Some("one '/' at most")),
            ("-app", Some("name part must consist")),
            ("app ", Some("name part must consist")),
            ("ä", Some("name part must consist")),
            (&long, Some("no more than 63")),
        ] {
            let found = key_mistake(key);
            assert_eq!(found.is_some(), expected.is_some(), "{key}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{key}: {found:?}");
        }
    }

    #[test]
    fn values_may_be_empty() {
        for (value, is_good) in
            [("", true), ("web", true), ("1.2_a-B", true), ("a b", false), ("web-", false), (".", false)]
        {
            assert_eq!(value_mistake(value).is_none(), is_good, "{value}");
        }
        assert!(value_mistake(&"a".repeat(63)).is_none() && value_mistake(&"a".repeat(64)).is_some());
    }
}
