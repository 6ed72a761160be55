//! What a registry wants of who is not logged in: the header `WWW-Authenticate`.
//!
//! ```text
//! Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a:pull", Basic realm="x"
//! ```

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// One way to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    pub(super) scheme: String,
    parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// `name` is in lower case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// All ways that a header offers.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header.chars().peekable();
    loop {
        while rest.next_if(|one| one.is_whitespace() || *one == ',').is_some() {}
        let word = word(&mut rest).to_ascii_lowercase();
        if word.is_empty() {
            // What begins otherwise is none that is known.
            if rest.next().is_none() {
                return found;
            }
            continue;
        }
        while rest.next_if(|one| one.is_whitespace()).is_some() {}
        let is_parameter = rest.next_if_eq(&'=').is_some();
        match found.last_mut().filter(|_| is_parameter) {
            Some(challenge) => {
                while rest.next_if(|one| one.is_whitespace()).is_some() {}
                challenge.parameters.insert(word, value(&mut rest));
            }
            None => found.push(Challenge { scheme: word, parameters: BTreeMap::new() }),
        }
    }
}

fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(one) = rest.next_if(|one| !one.is_whitespace() && !",=\"".contains(*one)) {
        word.push(one);
    }
    word
}

fn value(rest: &mut Peekable<Chars<'_>>) -> String {
    if rest.next_if_eq(&'"').is_none() {
        return word(rest);
    }
    let mut value = String::new();
    while let Some(one) = rest.next() {
        match one {
            '"' => break,
            '\\' => value.extend(rest.next()),
            one => value.push(one),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &[(&str, &[(&str, &str)])]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(scheme, parameters)| Challenge {
                scheme: (*scheme).to_owned(),
                parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            })
            .collect();
        assert_eq!(parse(header), expected, "{header}");
    }

    #[test]
    fn reads_what_registries_write() {
        check("Basic realm=\"x, y\"", &[("basic", &[("realm", "x, y")])]);
        check(
            "bearer Realm=\"https://a/t?x=1\" , service=reg,scope=\"repository:a:pull,push\"",
            &[("bearer", &[("realm", "https://a/t?x=1"), ("service", "reg"), ("scope", "repository:a:pull,push")])],
        );
        check("Negotiate, Bearer realm=\"a\\\"b\"", &[("negotiate", &[]), ("bearer", &[("realm", "a\"b")])]);
        check("", &[]);
        check("=\"", &[]);
    }
}
