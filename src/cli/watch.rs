//! The flags that show how policies come to their answers, and one that Gatekeeper's tools have.

use anyhow::Result;
use clap::{ArgAction, Args};

use crate::policy::engine::RegoEngine;
use crate::policy::snapshot::BuildOptions;

/// What to show of evaluations.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct WatchArguments {
    /// Show what policies `print`, each line with its place in the template
    #[arg(long)]
    print: bool,
    /// Show how each rule was evaluated: what held, what did not and why, and the values
    #[arg(short, long)]
    trace: bool,
    /// Accepted as Gatekeeper's tools have it. CEL is not offered yet: of a template with Rego and CEL the Rego is run, and
    /// one with CEL alone is refused
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true"
    )]
    enable_k8s_native_validation: bool,
}

impl WatchArguments {
    /// Adds to how policies are built. `wants_prints` is another flag that implies `--print` where prints can be had.
    pub(super) fn apply(self, mut options: BuildOptions, wants_prints: bool) -> Result<BuildOptions> {
        let is_foreign = options.compile.engine == RegoEngine::Regorus;
        if is_foreign && (self.print || self.trace) {
            let flag = if self.trace { "--trace" } else { "--print" };
            anyhow::bail!("{flag} works with admit's own evaluator only; leave out `--rego-engine regorus`");
        }
        options.compile.keeps_prints = !is_foreign && (self.print || wants_prints);
        options.compile.is_traced = self.trace;
        Ok(options)
    }
}
