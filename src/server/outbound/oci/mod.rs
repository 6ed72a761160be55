//! Policies out of OCI registries, as `oras push` and container builds put them there.
//!
//! ```text
//! reference ─► manifest (of an index, the first) ─► layers, each checked against its digest ─► files
//! ```
//!
//! Nothing is written to disk: files are names and bytes, so a name in an archive can do no harm. Only YAML and JSON is kept.
//! Bounds: see the constants; a registry that sends more, or is silent, is an error.

mod credentials;
mod layers;
mod reference;
mod registry;

use serde_json::Value;
use thiserror::Error;

use reference::Reference;
use registry::Registry;

/// So many bytes of one layer are read.
const MAX_LAYER_BYTES: u64 = 64 << 20;
/// So many bytes of files there may be.
const MAX_FILES_BYTES: usize = 256 << 20;

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledFile {
    /// The image and the file's path in it, for people.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why an image cannot be used.
#[derive(Debug, Error)]
pub enum OciError {
    /// It is not the name of an image.
    #[error("found {found:?}, expected the name of an image such as registry.example.com/team/policies:v1: {why}")]
    Reference {
        /// What was given.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The registry cannot be reached, or says no.
    #[error("{url}: {why}")]
    Registry {
        /// What was asked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// What came is not what it should be.
    #[error("{image}: {why}")]
    Content {
        /// The image.
        image: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The YAML and JSON files of an image. `is_plain` is for registries without TLS.
///
/// # Errors
/// When there is no such image, it cannot be had, or it has no such file.
pub fn pull(image: &str, is_plain: bool) -> Result<Vec<PulledFile>, OciError> {
    let reference = Reference::parse(image)?;
    let mut registry = Registry::new(&reference, is_plain);
    let content = |why: String| OciError::Content { image: image.to_owned(), why };
    let mut manifest = registry.manifest(&reference.version)?;
    if let Some(first) = manifest.pointer("/manifests/0/digest").and_then(Value::as_str).map(str::to_owned) {
        manifest = registry.manifest(&first)?;
    }
    let layers = manifest.get("layers").and_then(Value::as_array);
    let layers = layers.ok_or_else(|| content("its manifest lists no layers".to_owned()))?;
    let (mut files, mut total) = (Vec::new(), 0);
    for layer in layers {
        let digest = layer.get("digest").and_then(Value::as_str).unwrap_or_default();
        let bytes = registry.blob(digest)?;
        for (path, bytes) in layers::files(layer, bytes).map_err(content)? {
            total += bytes.len();
            if total > MAX_FILES_BYTES {
                return Err(content(format!("its files are more than {} MiB", MAX_FILES_BYTES >> 20)));
            }
            files.push(PulledFile { name: format!("{image}/{path}"), bytes });
        }
    }
    if files.is_empty() {
        return Err(content("found no .yaml, .yml or .json file in it".to_owned()));
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}
