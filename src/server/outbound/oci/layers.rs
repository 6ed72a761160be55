//! What a layer is, by its title and media type, so that no other is pulled; and what packs it.

use std::io::{Error, Read, Result as IoResult};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::MAX_FILES_BYTES;

const TITLE: &str = "org.opencontainers.image.title";
/// ORAS packs directories.
const UNPACK: &str = "io.deis.oras.content.unpack";
const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];
const ARCHIVES: [&str; 4] = [".tar", ".tar.gz", ".tgz", ".tar.zst"];
/// Media types of packed archives end so. That of a plain one says nothing: ORAS gives it to any file.
const ARCHIVE_TYPES: [&str; 3] = ["tar+gzip", "tar.gzip", "tar+zstd"];
/// What is said about an image, beside it.
const ABOUT: [&str; 6] = [
    "application/vnd.oci.empty.v1+json",
    "application/vnd.in-toto+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/spdx+json",
    "application/vnd.cyclonedx+json",
];
/// How archives begin that nothing here unpacks.
const OTHER_PACKERS: [(&[u8], &str); 3] =
    [(&[0x28, 0xb5, 0x2f, 0xfd], "zstd"), (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"), (b"BZh", "bzip2")];
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a layer has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A policy.
    File(String),
    /// Files, under a title.
    Archive(String),
    /// Files, over those of the layers before.
    Part,
    /// Nothing of use, shown so.
    Other(String),
}

impl Layer {
    /// By its descriptor.
    pub(super) fn of(descriptor: &Value) -> Self {
        let annotation = |key: &str| descriptor.get("annotations")?.get(key)?.as_str();
        let media_type = media_type(descriptor);
        match annotation(TITLE) {
            Some(title) if annotation(UNPACK) == Some("true") => Self::Archive(title.to_owned()),
            Some(title) if is_wanted(title) => Self::File(title.to_owned()),
            Some(title) if ends(title, &ARCHIVES) || ends(media_type, &ARCHIVE_TYPES) => {
                Self::Archive(title.to_owned())
            }
            Some(title) => Self::Other(title.to_owned()),
            None if ABOUT.contains(&media_type) => Self::Other(media_type.to_owned()),
            None => Self::Part,
        }
    }
}

pub(super) fn media_type(descriptor: &Value) -> &str {
    descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_wanted(path: &str) -> bool {
    ends(path, &EXTENSIONS)
}

fn ends(text: &str, with: &[&str]) -> bool {
    with.iter().any(|end| text.ends_with(end))
}

/// The archive within its packing.
pub(super) fn unpack(bytes: &[u8]) -> Result<Box<dyn Read + '_>, String> {
    if let Some((_, name)) = OTHER_PACKERS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(format!("is packed: found {name}, expected tar or gzip"));
    }
    // A small archive may hold much of the same.
    let left = 2 * MAX_FILES_BYTES as u64;
    if bytes.starts_with(&GZIP) {
        return Ok(Box::new(Bounded { inner: MultiGzDecoder::new(bytes), left }));
    }
    Ok(Box::new(Bounded { inner: bytes, left }))
}

/// An error at its end, where `take` would feign the end of the archive.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let read = self.inner.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            return Err(Error::other(format!("it unpacks to more than {} MiB", MAX_FILES_BYTES >> 19)));
        };
        self.left = left;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(title: Option<&str>, media_type: &str, expected: Layer) {
        let annotations = title.map(|title| json!({ TITLE: title }));
        let descriptor = json!({"mediaType": media_type, "annotations": annotations});
        assert_eq!(Layer::of(&descriptor), expected, "{descriptor}");
    }

    #[test]
    fn layers_are_known_before_they_are_pulled() {
        let plain = "application/vnd.oci.image.layer.v1.tar";
        check(Some("a.yaml"), plain, Layer::File("a.yaml".to_owned()));
        check(Some("README.md"), plain, Layer::Other("README.md".to_owned()));
        check(Some("p.tar.gz"), plain, Layer::Archive("p.tar.gz".to_owned()));
        check(Some("p"), "application/vnd.oci.image.layer.v1.tar+gzip", Layer::Archive("p".to_owned()));
        check(None, plain, Layer::Part);
        check(None, "application/vnd.in-toto+json", Layer::Other("application/vnd.in-toto+json".to_owned()));
        let directory = json!({"annotations": {TITLE: "p", UNPACK: "true"}});
        assert_eq!(Layer::of(&directory), Layer::Archive("p".to_owned()));
    }

    #[test]
    fn what_is_too_much_is_an_error() {
        let mut bounded = Bounded { inner: std::io::repeat(0), left: 10 };
        let mut found = Vec::new();
        assert!(bounded.read_to_end(&mut found).unwrap_err().to_string().contains("unpacks to more than 512 MiB"));
        let mut exact = Bounded { inner: [0; 10].as_slice(), left: 10 };
        assert_eq!(exact.read_to_end(&mut Vec::new()).unwrap(), 10);
        assert!(unpack(&[0x28, 0xb5, 0x2f, 0xfd, 0]).is_err_and(|why| why.contains("found zstd")));
    }
}
