//! Names of images: `registry.example.com:5000/team/policies:v1`, or with `@sha256:…` in place of the tag.

use super::OciError;

/// A name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// Host, and port if there is one.
    pub(super) host: String,
    pub(super) repository: String,
    /// Tag or digest.
    pub(super) version: String,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Result<Self, OciError> {
        let wrong = |why| OciError::Reference { found: text.to_owned(), why };
        let name = text.strip_prefix("oci://").unwrap_or(text);
        let (host, rest) = name.split_once('/').ok_or_else(|| wrong("it names no registry"))?;
        if host != "localhost" && !host.contains(['.', ':']) {
            return Err(wrong("it does not begin with the host of a registry"));
        }
        let (repository, version) = match (rest.split_once('@'), rest.rsplit_once(':')) {
            (Some((repository, digest)), _) => {
                // A tag beside a digest says nothing more.
                (repository.split_once(':').map_or(repository, |(repository, _)| repository), digest)
            }
            (None, Some((repository, tag))) => (repository, tag),
            (None, None) => (rest, "latest"),
        };
        let is_plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|one| one.is_ascii_alphanumeric() || more.contains(one))
        };
        if !is_plain(repository, "._-/") || repository.contains("..") {
            return Err(wrong("its repository has other characters than letters, digits, and ._-/"));
        }
        if !is_plain(version, "._-:+") {
            return Err(wrong("its tag or digest has other characters than letters, digits, and ._-"));
        }
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), version: version.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str, &str)>) {
        let found = Reference::parse(text).ok();
        let found = found.as_ref().map(|one| (one.host.as_str(), one.repository.as_str(), one.version.as_str()));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn takes_names_apart() {
        check("registry.example.com/policies", Some(("registry.example.com", "policies", "latest")));
        check("oci://localhost:5000/a/b:v1", Some(("localhost:5000", "a/b", "v1")));
        check("r.example.com/a:v1@sha256:00ff", Some(("r.example.com", "a", "sha256:00ff")));
        check("policies", None);
        check("team/policies:v1", None);
        check("r.example.com/a/../b", None);
        check("r.example.com/a b", None);
        check("r.example.com/a:", None);
    }
}
