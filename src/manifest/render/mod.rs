//! Manifests that other tools make: charts through `helm`, overlays through `kustomize` or `kubectl`.
//!
//! ```text
//! chart   ─ helm template ──────────────────────────────┐
//! overlay ─ a throw-away overlay that asks for origins ─┴─ text ─ parse ─ origins ─► documents
//! ```
//!
//! Promises: every document knows the file that it was made from ([`Document::origin`]); a tool that is missing, fails,
//! does not end or does not stop talking is an error that says so; nothing is written beside a chart or an overlay.
//! Deliberately absent: the tools' own work. What they render is what they render for `helm install` and `kubectl apply -k`.

mod helm;
mod kustomize;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::document::Document;
use super::error::ManifestError;
use super::list::flatten;
use super::source::Source;

/// A chart and what it is rendered with.
#[derive(Clone, Debug, Default)]
pub struct HelmChart {
    /// A directory or an archive.
    pub chart: PathBuf,
    /// Files of values, the later before the earlier.
    pub values: Vec<PathBuf>,
    /// The release's name; helm's own example when `None`.
    pub release: Option<String>,
    /// The release's namespace; the one of the kubeconfig when `None`.
    pub namespace: Option<String>,
    /// Whatever else to tell `helm template`, such as `--set` or `--kube-version`.
    pub arguments: Vec<OsString>,
}

/// An overlay.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// A directory with a kustomization, or the kustomization.
    pub path: PathBuf,
    /// Whatever else to tell kustomize, such as `--load-restrictor`.
    pub arguments: Vec<OsString>,
}

/// The programs that render, and how far they are trusted.
#[derive(Clone, Debug)]
pub struct Renderer {
    /// Looked for on `PATH` unless it is a path.
    pub helm: PathBuf,
    /// The same; asked first.
    pub kustomize: PathBuf,
    /// The same; asked for overlays when there is no kustomize.
    pub kubectl: PathBuf,
    /// How long one rendering may take.
    pub time: Duration,
    /// How many bytes it may come to.
    pub largest: usize,
}

impl Default for Renderer {
    fn default() -> Self {
        Self {
            helm: "helm".into(),
            kustomize: "kustomize".into(),
            kubectl: "kubectl".into(),
            // Charts of charts take seconds; overlays that take remote bases wait for the network.
            time: Duration::from_secs(120),
            // What no API server would take in one piece, many times over.
            largest: 64 << 20,
        }
    }
}

impl Renderer {
    /// The documents of a chart, `List`s taken apart, and everything that is wrong with them.
    pub fn helm(&self, chart: &HelmChart) -> (Vec<Document>, Vec<ManifestError>) {
        helm::render(self, chart).unwrap_or_else(|error| (Vec::new(), vec![*error]))
    }

    /// The documents of an overlay, `List`s taken apart, and everything that is wrong with them.
    pub fn kustomize(&self, overlay: &Overlay) -> (Vec<Document>, Vec<ManifestError>) {
        kustomize::render(self, overlay).unwrap_or_else(|error| (Vec::new(), vec![*error]))
    }
}

/// Parses what a tool wrote; `complete` gives each document its origin.
fn parse(source: &Arc<Source>, mut complete: impl FnMut(Document) -> Document) -> (Vec<Document>, Vec<ManifestError>) {
    let (parsed, mut errors) = super::parse::parse(source);
    let mut documents = Vec::new();
    for document in parsed {
        let (mut parts, mut problems) = flatten(complete(document));
        documents.append(&mut parts);
        errors.append(&mut problems);
    }
    (documents, errors)
}
