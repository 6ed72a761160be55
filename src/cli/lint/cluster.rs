//! The policies of a cluster, for commands that judge files: what they say is what the cluster will do.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;

use crate::manifest::{self, Source};
use crate::model::object::Object;
use crate::server::{ClusterPolicies, read_policies};
use crate::workbench::bundle;
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::lint::{Cluster, Manifest};

/// What the names of a cluster's objects begin with, where others have a file.
const PREFIX: &str = "<cluster>/";

/// Whose policies.
#[derive(Clone, Debug, Args)]
pub(super) struct ClusterArguments {
    /// Judge by the policies of the cluster that kubectl talks to, with its Namespaces and the objects that its policies look at
    #[arg(long)]
    cluster: bool,
    /// Kubeconfig of the cluster
    #[arg(long, value_name = "FILE", requires = "cluster")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,
    /// Namespace in the cluster whose Config counts
    #[arg(long, value_name = "NAMESPACE", default_value = "gatekeeper-system", requires = "cluster")]
    config_namespace: String,
}

impl ClusterArguments {
    pub(super) fn is_asked(&self) -> bool {
        self.cluster
    }

    /// Whether a problem is one with an object of the cluster.
    pub(super) fn is_of_cluster(problem: &Diagnostic) -> bool {
        problem.place.starts_with(PREFIX)
    }

    /// Reads the cluster, if it is asked for. What could not be read is told.
    pub(super) fn read(&self) -> Result<Option<Cluster>> {
        if !self.cluster {
            return Ok(None);
        }
        let runtime = crate::cli::serve::runtime().context("failed to start the async runtime")?;
        let ClusterPolicies { objects, unread } =
            runtime.block_on(read_policies(self.kubeconfig.as_ref(), self.context.as_ref()))?;
        for what in unread {
            anstream::eprintln!("warning: not read from the cluster: {what}; a verdict may be another one there");
        }
        let objects = objects.into_iter().map(manifest_of).collect::<Result<_>>()?;
        Ok(Some(Cluster { objects, namespace: self.config_namespace.clone() }))
    }
}

/// An object of the cluster, as if it stood in a file of its name. One that got lost would change verdicts.
fn manifest_of(object: Object) -> Result<Manifest> {
    let name = format!("{PREFIX}{}", object.key());
    let text = serde_json::to_string_pretty(object.value())?;
    let (documents, _) = manifest::parse(&Arc::new(Source::new(name.as_str(), text)));
    let object = bundle::read_objects(documents).0.into_iter().next();
    object.map(Manifest::new).with_context(|| format!("{name}: what the API server sent cannot be read"))
}
