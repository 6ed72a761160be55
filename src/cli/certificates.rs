//! Flags about certificates, with Gatekeeper's names and defaults.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::go_flags::parse_bool;
use crate::server::{ClientCertificates, Operation, RotationOptions, WebhookRules};

/// How the webhook gets its certificate, and whose calls it takes.
#[derive(Debug, Args)]
pub(super) struct CertificateArguments {
    /// Directory with tls.crt and tls.key, served with --disable-cert-rotation or --policies; changed files are taken up
    /// without a restart. Without either flag the Secret gatekeeper-webhook-server-cert counts, read through the API, and
    /// tls.crt and tls.key here are not looked at, even if that Secret is mounted here
    #[arg(long, value_name = "DIR", default_value = "/certs")]
    cert_dir: PathBuf,
    /// Serve tls.crt and tls.key from --cert-dir, and leave the Secret and every caBundle alone
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = clap::ArgAction::Set)]
    disable_cert_rotation: bool,
    /// Service that the API server calls: certificates are made for NAME.NAMESPACE.svc
    #[arg(long, value_name = "NAME", default_value = "gatekeeper-webhook-service")]
    cert_service_name: String,
    /// How long a new authority is in every caBundle before what it signed is served: API servers need to take notice
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    cert_rotation_pause: u64,
    /// ValidatingWebhookConfiguration to keep the caBundle of, and the rules with --narrow-webhook-rules
    #[arg(long, value_name = "NAME", default_value = "gatekeeper-validating-webhook-configuration")]
    validating_webhook_configuration_name: String,
    /// More ValidatingWebhookConfigurations to keep the caBundle of, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    additional_validating_webhook_configs_to_rotate_certs: Vec<String>,
    /// MutatingWebhookConfiguration to keep the caBundle of
    #[arg(long, value_name = "NAME", default_value = "gatekeeper-mutating-webhook-configuration")]
    mutating_webhook_configuration_name: String,
    /// More MutatingWebhookConfigurations to keep the caBundle of, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    additional_mutating_webhook_configs_to_rotate_certs: Vec<String>,
    /// Keep the rules of the webhook validation.gatekeeper.sh to what constraints are about, so that the API server does not
    /// ask about anything else. Never beyond the rules as they were applied, to which a process without this flag returns
    #[arg(long, help_heading = "Webhook", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = clap::ArgAction::Set)]
    narrow_webhook_rules: bool,
    /// How long constraints stay as they are before rules get narrower; wider they get at once
    #[arg(long, help_heading = "Webhook", value_name = "SECONDS", default_value_t = 30)]
    narrow_webhook_rules_pause: u64,
    /// File in --cert-dir with the authority of clients; only clients with a certificate of it may call
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    client_ca_name: String,
    /// Common name that the certificate of a client must have, with --client-ca-name
    #[arg(long, value_name = "NAME", default_value = "kube-apiserver")]
    client_cn_name: String,
}

impl CertificateArguments {
    pub(super) fn directory(&self) -> PathBuf {
        self.cert_dir.clone()
    }

    /// `None` when anybody may call.
    pub(super) fn clients(&self) -> Option<ClientCertificates> {
        (!self.client_ca_name.is_empty()).then(|| ClientCertificates {
            authority_file: self.client_ca_name.clone().into(),
            common_name: self.client_cn_name.clone(),
        })
    }

    /// What becomes of the rules of the webhook.
    pub(super) fn webhook_rules(&self) -> WebhookRules {
        WebhookRules {
            are_narrowed: self.narrow_webhook_rules,
            pause: Duration::from_secs(self.narrow_webhook_rules_pause),
            configuration: self.validating_webhook_configuration_name.clone(),
        }
    }

    /// `None` when files are served. A process keeps the bundles of what it serves.
    pub(super) fn rotation(&self, namespace: &str, operations: &[Operation]) -> Option<RotationOptions> {
        // As in Gatekeeper: without any, there are all.
        let has = |operation| operations.is_empty() || operations.contains(&operation);
        (!self.disable_cert_rotation).then(|| RotationOptions {
            namespace: namespace.to_owned(),
            service: self.cert_service_name.clone(),
            pause: Duration::from_secs(self.cert_rotation_pause),
            validating: names(
                &self.validating_webhook_configuration_name,
                &self.additional_validating_webhook_configs_to_rotate_certs,
                has(Operation::Webhook),
            ),
            mutating: names(
                &self.mutating_webhook_configuration_name,
                &self.additional_mutating_webhook_configs_to_rotate_certs,
                has(Operation::MutationWebhook),
            ),
        })
    }
}

/// Each name once; an empty one is none. None at all, unless the process serves what they configure.
fn names(first: &str, more: &[String], is_served: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in std::iter::once(first).chain(more.iter().map(String::as_str)).map(str::trim).filter(|_| is_served) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}
