//! What outlives one call of a builtin: compiled patterns, remembered results, and the limits of an evaluation.
//!
//! A [`Budget`] counts work and bytes in rough units and looks at the clock now and then; whoever loops or allocates in
//! proportion to a value charges it *before* doing so. Nothing here is shared between evaluations.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

use super::BuiltinError;
use crate::model::go_regex;
use crate::policy::engine::rego::value::Value;

pub use crate::policy::engine::rego::evaluate::budget::Budget;

/// Patterns kept per evaluation; one more and all are forgotten. Policies have a handful, data may bring any number.
const MAX_PATTERNS: usize = 256;

/// What builtins remember within one evaluation.
#[derive(Debug, Default)]
pub struct Caches {
    /// By Go's syntax; the error is the message for a pattern that does not compile.
    regexes: HashMap<String, Result<Arc<Regex>, String>>,
    /// By the owner's own key (pattern and delimiters of a glob, a template), compiled to Rust's syntax.
    patterns: HashMap<String, Arc<Regex>>,
    /// Results that must not change within an evaluation, by builtin and argument.
    results: HashMap<(&'static str, Value), Value>,
    /// State of the generator behind `rand.intn`.
    pub(super) random: Option<u64>,
}

impl Caches {
    /// The regular expression that Go's syntax `pattern` means, compiled once.
    pub fn regex(&mut self, pattern: &str) -> Result<Arc<Regex>, BuiltinError> {
        if let Some(found) = self.regexes.get(pattern) {
            return found.clone().map_err(BuiltinError::Undefined);
        }
        if self.regexes.len() >= MAX_PATTERNS {
            self.regexes.clear();
        }
        let compiled = go_regex::compile(pattern).map(Arc::new);
        self.regexes.insert(pattern.to_owned(), compiled.clone());
        compiled.map_err(BuiltinError::Undefined)
    }

    /// Puts a pattern that was compiled before the evaluation where [`Caches::regex`] finds it.
    pub fn preload_regex(&mut self, pattern: &str, compiled: Arc<Regex>) {
        self.regexes.insert(pattern.to_owned(), Ok(compiled));
    }

    /// A pattern under the caller's own `key`, compiled by `compile` the first time.
    pub fn pattern(
        &mut self,
        key: &str,
        compile: impl FnOnce() -> Result<Regex, BuiltinError>,
    ) -> Result<Arc<Regex>, BuiltinError> {
        if let Some(found) = self.patterns.get(key) {
            return Ok(found.clone());
        }
        if self.patterns.len() >= MAX_PATTERNS {
            self.patterns.clear();
        }
        let compiled = Arc::new(compile()?);
        self.patterns.insert(key.to_owned(), compiled.clone());
        Ok(compiled)
    }

    /// Forgets what belongs to one evaluation; compiled patterns stay.
    pub fn begin_evaluation(&mut self) {
        self.results.clear();
    }

    /// What `remember` was told for this builtin and argument.
    pub fn recall(&self, builtin: &'static str, argument: &Value) -> Option<Value> {
        self.results.get(&(builtin, argument.clone())).cloned()
    }

    /// Keeps a result for the rest of the evaluation.
    pub fn remember(&mut self, builtin: &'static str, argument: &Value, result: Value) {
        self.results.insert((builtin, argument.clone()), result);
    }
}
