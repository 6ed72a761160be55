//! Gatekeeper's wildcard: a `*` counts only as the first or last character.

use std::fmt;

/// A pattern for names and namespaces. `*x*` contains, `*x` ends with, `x*` starts with, `x` equals; `*` matches all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wildcard(String);

impl Wildcard {
    /// Any text is a pattern: an interior `*` is literal.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let pattern = self.0.as_str();
        match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
            (Some(suffix), None) => text.ends_with(suffix),
            (None, Some(prefix)) => text.starts_with(prefix),
            (None, None) => text == pattern,
        }
    }

    /// Whether a name that the API server will make from `prefix` (a `metadata.generateName`) is known to match.
    /// Only patterns that end in `*` can tell: what follows the prefix is not known yet.
    pub fn matches_generate_name(&self, prefix: &str) -> bool {
        self.0.ends_with('*') && self.matches(prefix)
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_at_its_ends_only() {
        for (pattern, text, expected) in [
            ("kube-*", "kube-system", true),
            ("kube-*", "my-kube-system", false),
            ("*-system", "kube-system", true),
            ("*-system", "system", false),
            ("*kube*", "my-kube-system", true),
            ("kube", "kube", true),
            ("kube", "kube-system", false),
            ("*", "anything", true),
            ("**", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("a*b", "axb", false),
            ("a*b", "a*b", true),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn generated_names_match_open_ended_patterns_only() {
        assert!(Wildcard::new("web-*").matches_generate_name("web-7d4-"));
        assert!(Wildcard::new("*web*").matches_generate_name("my-web-"));
        assert!(!Wildcard::new("*-").matches_generate_name("web-"));
        assert!(!Wildcard::new("web-").matches_generate_name("web-"));
    }
}
