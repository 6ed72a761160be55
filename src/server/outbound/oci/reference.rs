//! Names of images: `registry.example.com:5000/team/policies:v1`, or with `@sha256:…` in place of the tag.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use thiserror::Error;

/// As many characters a tag may have.
const LONGEST_TAG: usize = 128;
/// Docker's registry goes by another name than its images.
const DOCKER: &str = "docker.io";
const DOCKER_REGISTRY: &str = "registry-1.docker.io";

/// The name of an image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    text: String,
    /// Host, and port if there is one, as people write it.
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) version: Version,
}

/// Which image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Tag(String),
    /// None was named.
    Latest,
    Digest(Digest),
}

/// `sha256:` and 64 digits in lower case; nothing else is a digest here, so whoever has one can check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest(String);

/// Why a text is not the name of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected the name of an image such as registry.example.com/team/policies:v1: {0}")]
pub struct ImageNameError(&'static str);

impl ImageName {
    /// Where its registry listens.
    pub(super) fn registry(&self) -> &str {
        if self.host == DOCKER { DOCKER_REGISTRY } else { &self.host }
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let wrong = |why| Err(ImageNameError(why));
        if text.starts_with("https://") {
            return wrong("leave out https://");
        }
        if text.starts_with("http://") {
            return wrong("leave out http://, and give --plain-http for a registry without TLS");
        }
        let name = text.strip_prefix("oci://").unwrap_or(text);
        let Some((host, rest)) = name.split_once('/') else { return wrong("it names no registry") };
        let is_host = host.chars().all(|one| one.is_ascii_alphanumeric() || ".-:[]".contains(one));
        if !is_host || host != "localhost" && !host.contains(['.', ':']) {
            return wrong("it does not begin with the host of a registry");
        }
        let (rest, digest) = rest.split_once('@').map_or((rest, None), |(rest, digest)| (rest, Some(digest)));
        let (repository, tag) = rest.split_once(':').map_or((rest, None), |(rest, tag)| (rest, Some(tag)));
        check_repository(repository)?;
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return wrong("its tag has other characters than letters, digits, and ._-, or more than 128");
        }
        let version = match (digest, tag) {
            // A tag beside a digest says nothing more.
            (Some(digest), _) => match Digest::parse(digest) {
                Some(digest) => Version::Digest(digest),
                None => {
                    return wrong("what follows @ is no sha256: with 64 digits in lower case; a tag follows a colon");
                }
            },
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => Version::Latest,
        };
        let host = if host == "index.docker.io" { DOCKER } else { host };
        let is_official = host == DOCKER && !repository.contains('/');
        let repository = if is_official { format!("library/{repository}") } else { repository.to_owned() };
        Ok(Self { text: text.to_owned(), host: host.to_owned(), repository, version })
    }
}

fn check_repository(repository: &str) -> Result<(), ImageNameError> {
    if repository.chars().any(|one| one.is_ascii_uppercase()) {
        return Err(ImageNameError("its repository has upper-case letters, expected lower case"));
    }
    let is_letter = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(is_letter)
            && part.ends_with(is_letter)
            && !part.contains("..")
            && part.chars().all(|one| is_letter(one) || "._-".contains(one))
    };
    if repository.split('/').all(is_part) {
        return Ok(());
    }
    Err(ImageNameError(
        "its repository is not made of lower-case letters and digits, with ._- between them and / between parts",
    ))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |one: char| one.is_ascii_alphanumeric() || one == '_';
    tag.len() <= LONGEST_TAG && tag.starts_with(is_word) && tag.chars().all(|one| is_word(one) || ".-".contains(one))
}

impl Digest {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_hex = |one: char| one.is_ascii_digit() || ('a'..='f').contains(&one);
        (hex.len() == 64 && hex.chars().all(is_hex)).then(|| Self(text.to_owned()))
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => formatter.write_str(tag),
            Self::Latest => formatter.write_str("latest"),
            Self::Digest(digest) => digest.fmt(formatter),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str, &str)>) {
        let found = text.parse::<ImageName>().ok();
        let found = found.map(|one| (one.registry().to_owned(), one.repository.clone(), one.version.to_string()));
        let expected = expected.map(|(host, name, version)| (host.to_owned(), name.to_owned(), version.to_owned()));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn takes_names_apart() {
        check("registry.example.com/policies", Some(("registry.example.com", "policies", "latest")));
        check("oci://localhost:5000/a/b:v1", Some(("localhost:5000", "a/b", "v1")));
        check("localhost/a_b-c.d:_V1", Some(("localhost", "a_b-c.d", "_V1")));
        check(&format!("r.example.com/a:v1@{DIGEST}"), Some(("r.example.com", "a", DIGEST)));
        check("docker.io/policies:v1", Some(("registry-1.docker.io", "library/policies", "v1")));
        check("index.docker.io/team/policies", Some(("registry-1.docker.io", "team/policies", "latest")));
        for text in ["policies", "team/policies:v1", "r.example.com/a/../b", "r.example.com/a b", "r.example.com/a:"] {
            check(text, None);
        }
        for text in
            ["r.example.com/", "r.example.com//a", "r.example.com/A", "https://r.example.com/a", "u@r.example.com/a"]
        {
            check(text, None);
        }
    }

    #[test]
    fn digests_can_be_checked() {
        assert_eq!(Digest::of(b"").to_string(), DIGEST);
        let wrong = [
            "r.example.com/a@v1".to_owned(),
            "r.example.com/a@sha256:00".to_owned(),
            format!("r.example.com/a@{}", DIGEST.replace("sha256", "SHA256")),
            format!("r.example.com/a@{}", DIGEST.replace('e', "E")),
            format!("r.example.com/a@sha512:{}", "0".repeat(128)),
            "r.example.com/a@md5:00".to_owned(),
            format!("r.example.com/a@{DIGEST}@{DIGEST}"),
        ];
        for text in wrong {
            check(&text, None);
        }
    }
}
