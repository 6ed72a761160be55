//! Policies out of OCI registries, as `oras push` and container builds put them there.
//!
//! ```text
//! name ─► manifest (of an index, one) ─► layers that may hold policies, each checked against its digest ─► files
//! ```
//!
//! Nothing is written to disk: files are names and bytes, so a name in an archive can do no harm. Only YAML and JSON is kept.
//! What would make a policy go missing without a word is an error. Bounds: see the constants; a registry that sends more, or is
//! silent, is an error.

mod challenge;
mod credentials;
mod helper;
mod index;
mod layers;
mod reference;
mod registry;
mod token;
mod transport;
mod tree;

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use layers::{Layer, media_type, unpack};
use reference::{Digest, Version};
use registry::Registry;
use tree::Tree;

pub use reference::{ImageName, ImageNameError};

/// So many bytes of one layer are read.
const MAX_LAYER_BYTES: u64 = 64 << 20;
/// So many bytes of files there may be.
const MAX_FILES_BYTES: usize = 256 << 20;
/// Indexes may be of indexes.
const MAX_INDEXES: usize = 3;
/// So much is shown of what others say.
const LONGEST_WORDS: usize = 300;

/// Path and content.
type PulledBytes = (String, Vec<u8>);

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
pub fn pull(image: &ImageName, is_plain: bool) -> Result<Vec<PulledFile>, OciError> {
    let content = |why: String| OciError::Content { image: image.to_string(), why };
    let mut registry = Registry::new(image, is_plain);
    let manifest = manifest(&mut registry, image)?;
    let layers = manifest.get("layers").and_then(Value::as_array).ok_or_else(|| content(no_layers(&manifest)))?;
    let (mut files, mut parts, mut others) = (Files::default(), Tree::default(), Vec::new());
    for descriptor in layers {
        let mut blob = || {
            let digest = usable(descriptor).map_err(content)?;
            registry.blob(&digest)
        };
        let named = |why: String| content(format!("its layer {} {why}", shown(descriptor)));
        match Layer::of(descriptor) {
            Layer::Other(name) => others.push(name),
            Layer::File(title) => files.add((title, blob()?)).map_err(content)?,
            Layer::Part => parts.lay(unpack(&blob()?).map_err(named)?, true).map_err(named)?,
            Layer::Archive(_) => {
                let (bytes, mut tree) = (blob()?, Tree::default());
                tree.lay(unpack(&bytes).map_err(named)?, false).map_err(named)?;
                tree.files().map_err(named)?.into_iter().try_for_each(|file| files.add(file)).map_err(content)?;
            }
        }
    }
    let of_parts = parts.files().map_err(|why| content(format!("it {why}")))?;
    of_parts.into_iter().try_for_each(|file| files.add(file)).map_err(content)?;
    if files.by_path.is_empty() {
        return Err(content(nothing(&others)));
    }
    let files = files.by_path.into_iter();
    Ok(files.map(|(path, bytes)| PulledFile { name: format!("{image}/{path}"), bytes }).collect())
}

/// What was found so far.
#[derive(Default)]
struct Files {
    by_path: BTreeMap<String, Vec<u8>>,
    total: usize,
}

impl Files {
    fn add(&mut self, (path, bytes): PulledBytes) -> Result<(), String> {
        self.total += bytes.len();
        if self.total > MAX_FILES_BYTES {
            return Err(format!("its files are more than {} MiB", MAX_FILES_BYTES >> 20));
        }
        if self.by_path.get(&path).is_some_and(|known| *known != bytes) {
            return Err(format!("found two files with the name {path} in it"));
        }
        self.by_path.insert(path, bytes);
        Ok(())
    }
}

fn manifest(registry: &mut Registry, image: &ImageName) -> Result<Value, OciError> {
    let content = |why: String| OciError::Content { image: image.to_string(), why };
    let mut manifest = registry.manifest(&image.version)?;
    for _ in 0..MAX_INDEXES {
        let Some(entries) = manifest.get("manifests").and_then(Value::as_array) else { return Ok(manifest) };
        let chosen = index::choose(entries).map_err(content)?;
        manifest = registry.manifest(&Version::Digest(chosen))?;
    }
    if manifest.get("manifests").is_some() {
        return Err(content(format!("found indexes within indexes, more than {MAX_INDEXES} deep")));
    }
    Ok(manifest)
}

/// The digest of a layer that may be pulled.
fn usable(descriptor: &Value) -> Result<Digest, String> {
    let size = descriptor.get("size").and_then(Value::as_u64).unwrap_or_default();
    if size > MAX_LAYER_BYTES {
        let (name, found, most) = (shown(descriptor), size >> 20, MAX_LAYER_BYTES >> 20);
        return Err(format!("its layer {name} has {found} MiB, expected at most {most}"));
    }
    let digest = descriptor.get("digest").and_then(Value::as_str).unwrap_or_default();
    let wrong = || format!("its layer {} has digest {digest:?}, expected sha256: with 64 digits", shown(descriptor));
    Digest::parse(digest).ok_or_else(wrong)
}

fn shown(descriptor: &Value) -> String {
    match Layer::of(descriptor) {
        Layer::File(name) | Layer::Archive(name) | Layer::Other(name) => name,
        Layer::Part => format!("without a title, of type {:?},", media_type(descriptor)),
    }
}

fn no_layers(manifest: &Value) -> String {
    if manifest.get("fsLayers").is_some() {
        return "found a manifest of Docker's first format, which has no digests to check; push the image again"
            .to_owned();
    }
    "its manifest lists no layers".to_owned()
}

fn nothing(others: &[String]) -> String {
    let found = "found no .yaml, .yml or .json file in it";
    if others.is_empty() { found.to_owned() } else { format!("{found}, but {}", others.join(", ")) }
}

/// What others say, fit to be shown on a terminal: one line, not too long.
fn words(text: &str) -> String {
    let text: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(LONGEST_WORDS).collect()
}
