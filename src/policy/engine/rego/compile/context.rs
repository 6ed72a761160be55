//! What passes know besides the modules.
//!
//! Invariant: a function exists exactly when `arity` says so; a builtin that the options refuse does not exist.

use std::sync::Arc;

use super::CompileOptions;
use super::rules::RuleTree;
use super::signatures::Signature;
use crate::policy::engine::rego::syntax::ast::FunctionName;

#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) options: &'c CompileOptions<'c>,
    pub(super) tree: &'c RuleTree,
}

impl Context<'_> {
    /// The signature of a builtin by its dotted name.
    pub(super) fn signature(&self, name: &str) -> Option<Arc<Signature>> {
        if self.is_refused(name) { None } else { (self.options.builtins)(name) }
    }

    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.refusal(name).is_some()
    }

    fn refusal(&self, name: &str) -> Option<String> {
        let found = (self.options.builtins)(name)?;
        self.options.access.refusal(name, found.reaches_out)
    }

    /// Why a builtin that OPA has does not exist here.
    pub(super) fn why_refused(&self, name: &str) -> Option<String> {
        if let Some(refusal) = self.refusal(name) {
            return Some(refusal);
        }
        super::signatures::lookup(name).map(|_| format!("{name} is a builtin of OPA that is not available here"))
    }

    /// How many arguments a function takes; a rule that is no function takes none. Builtins come first, as in OPA.
    pub(super) fn arity(&self, function: &FunctionName) -> Option<usize> {
        let builtin = self.signature(&function.path.join(".")).map(|signature| signature.arguments.len());
        builtin.or_else(|| {
            let (_, path) = function.path.split_first().filter(|(root, _)| *root == "data")?;
            self.tree.rule_at(path.iter().map(String::as_str)).map(|rule| rule.arity)
        })
    }

    pub(super) fn is_variadic(&self, function: &FunctionName) -> bool {
        self.signature(&function.path.join(".")).is_some_and(|signature| signature.is_variadic)
    }

    /// Whether a function has no result.
    pub(super) fn is_void(&self, function: &FunctionName) -> bool {
        self.signature(&function.path.join(".")).is_some_and(|signature| signature.result.is_none())
    }
}
