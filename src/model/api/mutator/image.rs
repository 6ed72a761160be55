//! The parts of an image's name that an AssignImage sets, and what they may be.
//!
//! They must not contain what would be read as the border to another part, or applying them twice would change it again.

use crate::model::object::quote;

/// The parts; empty is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageParts {
    /// `assignDomain`: `registry.example.com:5000`.
    pub domain: String,
    /// `assignPath`: `team/app`.
    pub path: String,
    /// `assignTag`: `:v1`, or `@sha256:…`.
    pub tag: String,
}

impl ImageParts {
    /// What is wrong with them, each with the field that it is about.
    pub(super) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let Self { domain, path, tag } = self;
        if [domain, path, tag].iter().all(|part| part.is_empty()) {
            return vec![("", "at least one of [assignDomain, assignPath, assignTag] must be set".to_owned())];
        }
        let mut mistakes = Vec::new();
        if !domain.is_empty() && !is_domain(domain) {
            let text = format!("assignDomain {} must be a fully-qualified domain name or localhost", quote(domain));
            mistakes.push(("assignDomain", text));
        }
        if !path.is_empty() && !is_path(path) {
            mistakes.push(("assignPath", format!("assignPath {} must be a valid docker image path", quote(path))));
        }
        if !tag.is_empty() && !is_tag(tag) && !is_digest(tag) {
            let expected = "a valid docker image tag or digest starting with ':' or '@'";
            mistakes.push(("assignTag", format!("assignTag {} must be {expected}", quote(tag))));
        }
        if domain.is_empty() && split_domain(path).0.is_some() {
            let path = quote(path);
            let text = format!(
                "assignDomain must be set if the first part of assignPath {path} can be interpretted as part of a domain"
            );
            mistakes.push(("assignPath", text));
        }
        mistakes
    }
}

/// The domain of an image's name, and the rest. What stands before the first slash is one if it looks like one.
pub fn split_domain(image: &str) -> (Option<&str>, &str) {
    match image.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, image),
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn is_domain(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_port = |port: &str| !port.is_empty() && port.chars().all(|character| character.is_ascii_digit());
    let is_qualified = host.contains('.')
        && host.starts_with(is_word)
        && host.ends_with(is_word)
        && host.chars().all(|character| is_word(character) || matches!(character, '-' | '.'));
    (is_qualified || host == "localhost") && port.is_none_or(is_port)
}

/// Runs of lower-case letters and digits with `.`, `/`, `_`, `__` or any number of `-` between them.
fn is_path(text: &str) -> bool {
    let is_of_run = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let is_between = |text: &str| matches!(text, "." | "/" | "_" | "__") || text.chars().all(|one| one == '-');
    let borders = text.split(is_of_run).filter(|between| !between.is_empty());
    text.starts_with(is_of_run) && text.ends_with(is_of_run) && borders.into_iter().all(is_between)
}

fn is_tag(text: &str) -> bool {
    let Some(tag) = text.strip_prefix(':') else { return false };
    let is_of_tag = |character: char| is_word(character) || matches!(character, '.' | '-');
    tag.starts_with(is_word) && tag.chars().all(is_of_tag) && tag.len() <= 128
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, digest)) = text.strip_prefix('@').and_then(|rest| rest.split_once(':')) else { return false };
    let is_component = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.chars().all(|one| one.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_component)
        && digest.len() >= 32
        && digest.chars().all(|character| character.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_domains_paths_tags_and_digests() {
        for (text, expected) in [
            ("registry.example.com", true),
            ("a_b.c-d.e:5000", true),
            ("localhost", true),
            ("localhost:80", true),
            ("registry", false),
            ("-a.b", false),
            ("a.b-", false),
            ("a.b:", false),
            ("a.b:x", false),
            ("a.b/c", false),
            ("localhosts", false),
            (".b", false),
            ("a.", false),
        ] {
            assert_eq!(is_domain(text), expected, "{text}");
        }
        for (text, expected) in [
            ("a", true),
            ("library/nginx", true),
            ("a__b-c---d.e", true),
            ("a..b", false),
            ("a___b", false),
            ("A", false),
            ("a/", false),
            ("/a", false),
            ("a:b", false),
            ("a-_b", false),
        ] {
            assert_eq!(is_path(text), expected, "{text}");
        }
        let sha = format!("@sha256:{}", "0aF".repeat(11));
        let long = format!(":{}", "a".repeat(128));
        for (text, expected) in [
            (":v1.2-rc_3", true),
            (&long, true),
            (&format!("{long}a"), false),
            (":", false),
            (":.v", false),
            ("v1", false),
            (&sha, true),
            ("@sha256:00", false),
            (&sha.replace("sha256", "a+b.c"), true),
            (&sha.replace("sha256", "2sha"), false),
            (&sha.replace("sha256", "a--b"), false),
        ] {
            assert_eq!(is_tag(text) || is_digest(text), expected, "{text}");
        }
    }
}
