//! The flags of `admit serve` about providers of external data.

use std::time::Duration;

use clap::Args;

use crate::cli::go_flags::parse_bool;
use crate::workbench::bench::parse_duration;

/// What policies may ask providers, and how long an answer serves.
#[derive(Clone, Debug, Args)]
pub(super) struct ExternalDataArguments {
    /// Let policies ask Providers with external_data; without it, templates that call it are refused
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, value_parser = parse_bool, action = clap::ArgAction::Set)]
    pub(super) enable_external_data: bool,
    /// How long the answer of a Provider about a key serves to judge; 0 asks for every request
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = parse_duration)]
    pub(super) external_data_provider_response_cache_ttl: Duration,
}
