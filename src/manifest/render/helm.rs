//! Charts through `helm template`, which writes the file of each object above it: `# Source: web/templates/service.yaml`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use super::run::{RunError, run};
use super::{HelmChart, Renderer};
use crate::manifest::discover::{shown, unreadable};
use crate::manifest::document::Document;
use crate::manifest::error::ManifestError;
use crate::manifest::origin::Origin;
use crate::manifest::source::Source;

/// What helm writes in front of the file.
const MARK: &str = "# Source: ";

pub(super) fn render(
    renderer: &Renderer,
    chart: &HelmChart,
) -> Result<(Vec<Document>, Vec<ManifestError>), Box<ManifestError>> {
    // Helm takes what is not there for a name in a repository, and talks about repositories.
    for path in std::iter::once(&chart.chart).chain(&chart.values) {
        std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    }
    let text = run(&renderer.helm, &arguments(chart), renderer.time, renderer.largest);
    let text = text.map_err(|error| failure(renderer, chart, error))?;
    let source = Arc::new(Source::new(format!("<helm template {}>", shown(&chart.chart)), text));
    let origins = Origins::new(&chart.chart, source.text());
    let (documents, mut errors) = super::parse(&source, |document| match origins.at(document.position().line) {
        Some(origin) => document.with_origin(origin),
        None => document,
    });
    for error in &mut errors {
        if let Some(origin) = error.span.and_then(|span| origins.at(span.start.line)) {
            error.message = format!("{} (in what {origin} renders)", error.message);
        }
    }
    Ok((documents, errors))
}

fn arguments(chart: &HelmChart) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("template")];
    arguments.extend(chart.release.as_deref().map(OsString::from));
    arguments.push(path_argument(&chart.chart));
    for path in &chart.values {
        arguments.extend([OsString::from("--values"), list_argument(&path_argument(path))]);
    }
    if let Some(namespace) = &chart.namespace {
        arguments.extend(["--namespace".into(), namespace.into()]);
    }
    arguments.extend(chart.arguments.iter().cloned());
    arguments
}

/// A path that cannot be taken for a flag, an address or a name in a repository.
fn path_argument(path: &Path) -> OsString {
    if path.is_absolute() { path.into() } else { Path::new(".").join(path).into() }
}

/// Helm reads the flag's value as a line of comma-separated values.
fn list_argument(argument: &OsStr) -> OsString {
    match argument.to_str() {
        Some(text) if text.contains([',', '"']) => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        _ => argument.to_owned(),
    }
}

fn failure(renderer: &Renderer, chart: &HelmChart, error: RunError) -> ManifestError {
    let program = shown(&renderer.helm);
    let name = shown(&chart.chart);
    let help = match &error {
        RunError::Missing => format!(
            "install helm (https://helm.sh/docs/intro/install), or render elsewhere and pipe the result into `-`: \
             helm template {name} | admit lint -"
        ),
        RunError::Failed { .. } => "see whether `helm template` works with the same chart and values".to_owned(),
        RunError::Start(_) | RunError::Wait(_) | RunError::TooSlow(_) | RunError::TooMuch(_) | RunError::NotText => {
            "render the chart elsewhere and pipe the result into `-`".to_owned()
        }
    };
    let words = if matches!(error, RunError::Missing) { program } else { format!("{program} template") };
    ManifestError::whole_file(name, format!("{words} {error}")).with_help(help)
}

/// The files of a rendered text, by the lines below which they count.
struct Origins(Vec<(u32, Arc<Origin>)>);

impl Origins {
    /// Only directly under a `---` does helm speak; elsewhere it is the chart's author.
    fn new(chart: &Path, text: &str) -> Self {
        let mut is_start = true;
        let mut origins = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            if let Some(file) = line.strip_prefix(MARK).filter(|_| is_start) {
                origins.push((number, Arc::new(origin(chart, file.trim_end()))));
            }
            is_start = line.trim_end() == "---";
        }
        Self(origins)
    }

    /// Documents without a file of their own come from the file of the one before, as in a file of several CRDs.
    fn at(&self, line: u32) -> Option<Arc<Origin>> {
        let before = self.0.iter().take_while(|(start, _)| *start <= line);
        before.last().map(|(_, origin)| Arc::clone(origin))
    }
}

fn origin(chart: &Path, file: &str) -> Origin {
    // The chart's own name comes first, whatever its directory is called.
    let path = file.split_once('/').map_or(file, |(_, path)| path);
    Origin { file: shown(&chart.join(path)).into(), path: path.into() }
}
