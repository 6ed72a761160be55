//! The flag that every command has which evaluates Rego.

use clap::{Args, ValueEnum};

use crate::policy::engine::{CompileOptions, RegoEngine};
use crate::policy::snapshot::BuildOptions;

/// Which evaluator runs Rego.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct EngineArguments {
    /// Evaluator of Rego: admit's own, or regorus on the same compiled policy as a second opinion
    #[arg(long, value_name = "ENGINE", value_enum, default_value = "admit", hide_possible_values = false)]
    rego_engine: Engine,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Admit,
    Regorus,
}

impl EngineArguments {
    /// How to build policies.
    pub(super) fn build_options(self) -> BuildOptions {
        let engine = match self.rego_engine {
            Engine::Admit => RegoEngine::Own,
            Engine::Regorus => RegoEngine::Regorus,
        };
        BuildOptions { compile: CompileOptions { engine, ..CompileOptions::default() } }
    }
}
