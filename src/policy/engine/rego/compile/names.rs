//! Names that the passes give to variables.
//!
//! Invariant: `fresh` never gives a name twice, nor one that a policy uses; `shown` turns a given name back into the one
//! in the source, so that errors speak the author's language.

use std::collections::{HashMap, HashSet};

use super::tree::{Skip, walk_module};
use crate::policy::engine::rego::syntax::ast::Module;

/// What every given name starts with, as in OPA.
const PREFIX: &str = "__local";

/// The source of fresh names.
#[derive(Debug, Default)]
pub(super) struct Names {
    suffix: &'static str,
    next: u64,
    taken: HashSet<String>,
    originals: HashMap<String, String>,
}

impl Names {
    /// Names that do not occur in the modules; `suffix` keeps those of a query apart from those of its modules.
    pub(super) fn new(modules: &[Module], suffix: &'static str) -> Self {
        let mut taken = HashSet::new();
        for module in modules {
            walk_module(module, Skip::default(), &mut |name| {
                if is_given(name) {
                    taken.insert(name.to_owned());
                }
            });
        }
        Self { suffix, taken, ..Self::default() }
    }

    /// A name for something that has none in the source.
    pub(super) fn fresh(&mut self) -> String {
        loop {
            let name = format!("{PREFIX}{}{}__", self.suffix, self.next);
            self.next = self.next.saturating_add(1);
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }

    /// A name of its own for a variable that the source declares.
    pub(super) fn rename(&mut self, original: &str) -> String {
        let name = self.fresh();
        let shown = self.originals.get(original).map_or(original, String::as_str).to_owned();
        self.originals.insert(name.clone(), shown);
        name
    }

    /// The name in the source; `_` for wildcards.
    pub(super) fn shown<'a>(&'a self, name: &'a str) -> &'a str {
        let original = self.originals.get(name).map_or(name, String::as_str);
        if is_wildcard(original) { "_" } else { original }
    }

    /// Whether the source has no name for it.
    pub(super) fn is_nameless(&self, name: &str) -> bool {
        is_given(self.originals.get(name).map_or(name, String::as_str))
    }
}

/// Whether a pass gave this name.
pub(super) fn is_given(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether it was `_`.
pub(super) fn is_wildcard(name: &str) -> bool {
    name.starts_with('$')
}
