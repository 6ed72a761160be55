//! Overlays through `kustomize build` or `kubectl kustomize`, which annotate each object with its file when asked to.
//!
//! They are asked by an overlay around the overlay, in a directory of its own, so that nobody's file changes. The
//! annotation is taken off again: policies see what would be applied. Simplifying assumption: nobody wants that annotation
//! in a cluster.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::run::{RunError, run};
use super::{Overlay, Renderer};
use crate::manifest::discover::{shown, unreadable};
use crate::manifest::document::Document;
use crate::manifest::error::ManifestError;
use crate::manifest::origin::Origin;
use crate::manifest::source::Source;

/// Where kustomize writes the file.
const ANNOTATION: &str = "config.kubernetes.io/origin";
/// What a kustomization may be called.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(super) fn render(
    renderer: &Renderer,
    overlay: &Overlay,
) -> Result<(Vec<Document>, Vec<ManifestError>), Box<ManifestError>> {
    let name = shown(&overlay.path);
    let directory = directory_of(overlay)?;
    let outer = Outer::new(&directory).map_err(|error| {
        let message = format!("a temporary directory for kustomize cannot be made: {error}");
        ManifestError::whole_file(name.as_str(), message)
    })?;
    let text = build(renderer, overlay, &outer).map_err(|error| failure(overlay, &outer, error))?;
    let source = Arc::new(Source::new(format!("<kustomize build {name}>"), text));
    Ok(super::parse(&source, |document| complete(document, &outer)))
}

fn directory_of(overlay: &Overlay) -> Result<PathBuf, Box<ManifestError>> {
    let path = &overlay.path;
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let is_kustomization = path.file_name().is_some_and(|name| NAMES.iter().any(|one| name == *one));
    let directory = match path.parent() {
        Some(parent) if is_kustomization && metadata.is_file() => Path::new(".").join(parent),
        _ => path.clone(),
    };
    if !NAMES.iter().any(|name| directory.join(name).is_file()) {
        let error = ManifestError::whole_file(shown(path), "found no kustomization.yaml in this directory");
        return Err(Box::new(error.with_help("name the directory of an overlay")));
    }
    fs::canonicalize(&directory).map_err(|error| Box::new(unreadable(path, &error)))
}

/// The overlay around the overlay.
struct Outer {
    directory: tempfile::TempDir,
    /// Its real path, which what kustomize says is relative to.
    path: PathBuf,
    overlay: PathBuf,
    /// The overlay as this one refers to it.
    reference: String,
}

impl Outer {
    fn new(overlay: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("admit-kustomize-").tempdir()?;
        let path = fs::canonicalize(directory.path())?;
        let reference = relative(overlay, &path);
        let reference =
            reference.to_str().ok_or(io::Error::new(io::ErrorKind::InvalidData, "a path is not UTF-8 text"))?;
        let reference = reference.to_owned();
        let kustomization = serde_json::json!({"resources": [reference], "buildMetadata": ["originAnnotations"]});
        fs::write(path.join("kustomization.yaml"), kustomization.to_string())?;
        Ok(Self { directory, path, overlay: overlay.to_owned(), reference })
    }

    /// A file as kustomize names it.
    fn origin(&self, file: &str) -> Origin {
        let real = normal(&self.path.join(file));
        let here = std::env::current_dir().and_then(fs::canonicalize);
        let near = here.ok().and_then(|here| real.strip_prefix(here).ok().map(Path::to_path_buf));
        let path = relative(&real, &self.overlay);
        Origin { file: shown(near.as_deref().unwrap_or(&real)).into(), path: shown(&path).into() }
    }
}

fn build(renderer: &Renderer, overlay: &Overlay, outer: &Outer) -> Result<String, RunError> {
    let arguments = |command: &str| -> Vec<OsString> {
        let directory = outer.directory.path().as_os_str().to_owned();
        std::iter::once(command.into()).chain(overlay.arguments.iter().cloned()).chain([directory]).collect()
    };
    match run(&renderer.kustomize, &arguments("build"), renderer.time, renderer.largest) {
        Err(RunError::Missing) => run(&renderer.kubectl, &arguments("kustomize"), renderer.time, renderer.largest),
        result => result,
    }
}

fn failure(overlay: &Overlay, outer: &Outer, error: RunError) -> ManifestError {
    let name = shown(&overlay.path);
    let help = match &error {
        RunError::Missing => format!(
            "install kustomize (https://kubectl.docs.kubernetes.io/installation/kustomize) or kubectl, or render elsewhere \
             and pipe the result into `-`: kustomize build {name} | admit lint -"
        ),
        RunError::Failed { .. } => format!("see whether `kustomize build {name}` works"),
        RunError::Start(_) | RunError::Wait(_) | RunError::TooSlow(_) | RunError::TooMuch(_) | RunError::NotText => {
            "render the overlay elsewhere and pipe the result into `-`".to_owned()
        }
    };
    let message = match error {
        RunError::Missing => "neither kustomize nor kubectl is installed, or they are not on PATH".to_owned(),
        error => format!("kustomize build {error}"),
    };
    // Nobody knows the directory in between.
    let message = message.replace(&outer.reference, &name).replace(&*shown(&outer.path), &name);
    ManifestError::whole_file(name, message).with_help(help)
}

/// Takes the annotation off and the origin out of it.
fn complete(mut document: Document, outer: &Outer) -> Document {
    let annotation = document.value_mut().get_mut("metadata").and_then(Value::as_object_mut).and_then(take_annotation);
    match annotation.and_then(|text| origin(&text, outer)) {
        Some(origin) => document.with_origin(Arc::new(origin)),
        None => document,
    }
}

fn take_annotation(metadata: &mut Map<String, Value>) -> Option<String> {
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let taken = annotations.remove(ANNOTATION)?;
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    taken.as_str().map(str::to_owned)
}

/// The annotation is YAML: a file, or the kustomization that configures what generates the object, and maybe a repository.
fn origin(text: &str, outer: &Outer) -> Option<Origin> {
    let (documents, _) = crate::manifest::parse::parse(&Arc::new(Source::new(ANNOTATION, text.to_owned())));
    let fields = documents.first()?.value();
    let field = |key: &str| fields.get(key).and_then(Value::as_str);
    let file = field("path").or(field("configuredIn"))?;
    let Some(repository) = field("repo") else { return Some(outer.origin(file)) };
    let version = field("ref").map(|version| format!("?ref={version}")).unwrap_or_default();
    let address: Arc<str> = format!("{repository}//{file}{version}").into();
    Some(Origin { file: Arc::clone(&address), path: address })
}

/// A path as seen from a directory; both are real paths.
fn relative(path: &Path, from: &Path) -> PathBuf {
    let shared = path.components().zip(from.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let found: PathBuf = up.chain(path.components().skip(shared)).collect();
    if found.as_os_str().is_empty() { PathBuf::from(".") } else { found }
}

/// A path without `..`, which real paths can do without.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_directories() {
        for (path, from, expected) in
            [("/a/b/c", "/a/d", "../b/c"), ("/a/b", "/a/b", "."), ("/a/b/c", "/a/b", "c"), ("/a", "/b/c", "../../a")]
        {
            assert_eq!(relative(Path::new(path), Path::new(from)), Path::new(expected));
            assert_eq!(normal(&Path::new(from).join(expected)), Path::new(path));
        }
    }
}
