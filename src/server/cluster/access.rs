//! The way to a cluster for somebody at a terminal: as kubectl finds it, without patience.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use thiserror::Error;

/// The longest that the API server is waited for, request by request.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why a cluster cannot be looked at.
#[derive(Debug, Error)]
pub enum AccessError {
    /// No cluster is configured.
    #[error("failed to configure the Kubernetes client: {0}")]
    Client(String),
    /// It does not answer.
    #[error(
        "the API server at {server} cannot be reached: {cause}; give another cluster with --kubeconfig or --context"
    )]
    Unreachable {
        /// Its URL.
        server: String,
        /// What went wrong.
        cause: String,
    },
    /// It shows no webhook configuration.
    #[error("the API server at {server} shows no webhook configurations, so that nothing can be checked: {cause}")]
    Forbidden {
        /// Its URL.
        server: String,
        /// What it said.
        cause: String,
    },
    /// It does not show its templates.
    #[error("the API server at {server} does not show its ConstraintTemplates: {cause}")]
    NoPolicies {
        /// Its URL.
        server: String,
        /// What it said.
        cause: String,
    },
    /// It does not know who asks.
    #[error("the API server at {server} does not accept the credentials: {cause}; log in again")]
    Unauthorized {
        /// Its URL.
        server: String,
        /// What it said.
        cause: String,
    },
}

/// As kubectl finds it, and the configuration of the Pod after that.
pub(super) async fn configure(kubeconfig: Option<&PathBuf>, context: Option<&String>) -> Result<Config, AccessError> {
    let failed = |error: &dyn Error| AccessError::Client(explain(error));
    let kubeconfig = match kubeconfig {
        Some(path) => {
            let failed = |error| AccessError::Client(format!("--kubeconfig {}: {}", path.display(), explain(&error)));
            Some(Kubeconfig::read_from(path).map_err(failed)?)
        }
        None => Kubeconfig::read().ok(),
    };
    let config = match kubeconfig {
        Some(kubeconfig) => {
            let context = KubeConfigOptions { context: context.cloned(), ..KubeConfigOptions::default() };
            Config::from_custom_kubeconfig(kubeconfig, &context).await.map_err(|error| failed(&error))
        }
        None => Config::incluster().map_err(|error| {
            let help = "give --kubeconfig FILE, or set KUBECONFIG";
            AccessError::Client(format!("found no kubeconfig, and no configuration of a Pod: {error}; {help}"))
        }),
    };
    let mut config = config?;
    config.connect_timeout = Some(PATIENCE);
    config.default_retry = false;
    Ok(config)
}

/// An error with its causes, none of them twice.
pub(super) fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
