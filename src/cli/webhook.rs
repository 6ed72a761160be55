//! The flags of `admit serve` that are about single endpoints of the webhook.

use clap::Args;

use crate::server::ExemptNamespaces;

/// What the webhook's endpoints let through.
#[derive(Clone, Debug, Args)]
pub(super) struct WebhookArguments {
    /// Let this namespace carry the label admission.gatekeeper.sh/ignore; may be given several times. Nothing else:
    /// the label counts where a webhook configuration's namespaceSelector says so
    #[arg(long, value_name = "NAMESPACE")]
    exempt_namespace: Vec<String>,
    /// Let namespaces whose name begins so carry the label; may be given several times
    #[arg(long, value_name = "PREFIX")]
    exempt_namespace_prefix: Vec<String>,
    /// Let namespaces whose name ends so carry the label; may be given several times
    #[arg(long, value_name = "SUFFIX")]
    exempt_namespace_suffix: Vec<String>,
}

impl WebhookArguments {
    /// The namespaces that may carry the label.
    pub(super) fn exempt_namespaces(&self) -> ExemptNamespaces {
        ExemptNamespaces {
            names: self.exempt_namespace.clone(),
            prefixes: self.exempt_namespace_prefix.clone(),
            suffixes: self.exempt_namespace_suffix.clone(),
        }
    }
}
