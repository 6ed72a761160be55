//! Manifests that helm and kustomize make: the flags of `admit lint`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::images::Documents;
use crate::manifest::render::{HelmChart, Overlay, Renderer};

/// Charts and overlays.
#[derive(Clone, Debug, Args)]
pub(super) struct RenderArguments {
    /// Chart, a directory or an archive, to render with the program `helm`. May be given several times
    #[arg(long, value_name = "CHART")]
    helm: Vec<PathBuf>,
    /// File of values for charts. May be given several times, the last one counts first
    #[arg(long, value_name = "FILE", requires = "helm")]
    values: Vec<PathBuf>,
    /// Directory with a kustomization, to render with the program `kustomize` or `kubectl`. May be given several times
    #[arg(long, value_name = "DIR")]
    kustomize: Vec<PathBuf>,
}

impl RenderArguments {
    pub(super) fn is_asked(&self) -> bool {
        !self.helm.is_empty() || !self.kustomize.is_empty()
    }

    /// Renders them.
    pub(super) fn read(&self) -> Documents {
        let renderer = Renderer::default();
        let charts = self.helm.iter().map(|chart| {
            let values = self.values.clone();
            renderer.helm(&HelmChart { chart: chart.clone(), values, ..HelmChart::default() })
        });
        let overlays =
            self.kustomize.iter().map(|path| renderer.kustomize(&Overlay { path: path.clone(), ..Overlay::default() }));
        let (mut documents, mut errors) = (Vec::new(), Vec::new());
        for (mut found, mut wrong) in charts.chain(overlays) {
            documents.append(&mut found);
            errors.append(&mut wrong);
        }
        (documents, errors)
    }
}
