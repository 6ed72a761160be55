//! The flags that every command has which compiles or evaluates Rego.

use clap::{Args, ValueEnum};

use crate::policy::engine::{BuiltinAccess, CompileOptions, RegoEngine, UnknownBuiltin};
use crate::policy::snapshot::BuildOptions;

/// How Rego is evaluated.
#[derive(Clone, Debug, Args)]
pub(super) struct EngineArguments {
    /// Evaluator of Rego: admit's own, or regorus on the same compiled policy as a second opinion
    #[arg(long, value_name = "ENGINE", value_enum, default_value = "admit", hide_possible_values = false)]
    rego_engine: Engine,
    #[command(flatten)]
    builtins: BuiltinArguments,
}

/// What policies may call.
#[derive(Clone, Debug, Args)]
pub(super) struct BuiltinArguments {
    /// Let policies call a builtin that reaches out, http.send or net.lookup_ip_addr; may be given several times
    #[arg(long, value_name = "NAME", value_parser = known_builtin)]
    enable_opa_builtin: Vec<String>,
    /// Refuse policies that call this builtin of OPA; may be given several times, and wins over enabling it
    #[arg(long, value_name = "NAME", value_parser = removable_builtin)]
    disable_opa_builtin: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Admit,
    Regorus,
}

impl EngineArguments {
    /// How to build policies.
    pub(super) fn build_options(&self) -> BuildOptions {
        let (engine, access) = (self.engine(), self.access());
        let compile = CompileOptions { engine, access, ..CompileOptions::default() };
        BuildOptions { compile, ..BuildOptions::default() }
    }

    pub(super) fn engine(&self) -> RegoEngine {
        match self.rego_engine {
            Engine::Admit => RegoEngine::Own,
            Engine::Regorus => RegoEngine::Regorus,
        }
    }

    pub(super) fn access(&self) -> BuiltinAccess {
        self.builtins.access()
    }
}

impl BuiltinArguments {
    pub(super) fn access(&self) -> BuiltinAccess {
        let mut access = BuiltinAccess::default();
        // The names were looked at when the command line was read.
        let enabled = self.enable_opa_builtin.iter().map(|name| access.enable(name)).all(|taken| taken.is_ok());
        let disabled = self.disable_opa_builtin.iter().map(|name| access.disable(name)).all(|taken| taken.is_ok());
        debug_assert!(enabled && disabled, "a name was not looked at");
        access
    }
}

/// The name of a builtin. Gatekeeper's own manifests give `{http.send}`, which is taken as it was meant.
fn known_builtin(text: &str) -> Result<String, UnknownBuiltin> {
    let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    BuiltinAccess::default().disable(name).map(|()| name.to_owned())
}

/// `=` is part of the language here, and no call: it could not be taken away.
fn removable_builtin(text: &str) -> Result<String, String> {
    match known_builtin(text).map_err(|error| error.to_string())?.as_str() {
        "eq" => Err("`=` cannot be taken away from policies".to_owned()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_gatekeepers_manifests_write_them() {
        assert_eq!(known_builtin("{http.send}").as_deref(), Ok("http.send"));
        assert_eq!(known_builtin("count").as_deref(), Ok("count"));
        assert_eq!(known_builtin("json.unmarshall").unwrap_err().nearest, "json.unmarshal");
        assert!(known_builtin("").is_err());
        assert!(removable_builtin("eq").is_err());
    }
}
