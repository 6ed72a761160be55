//! The flags of `admit serve` that are about single endpoints of the webhook.

use clap::Args;

use super::go_flags::parse_bool;
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
    /// Take ConstraintTemplates whose policy code does not compile, as Gatekeeper does: what is wrong is then said in
    /// their status only, and the version before stays in force
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = clap::ArgAction::Set)]
    pub(super) admit_uncompilable_templates: bool,
    /// Take constraints whose enforcementAction or scopedEnforcementActions is none that there is, with a warning: they
    /// are not enforced, and their status says why
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = clap::ArgAction::Set)]
    pub(super) disable_enforcementaction_validation: bool,
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
