//! From modules as written to the form that the evaluator runs: the passes of OPA's compiler, one file each.
//!
//! Invariant: what comes out fulfils the contract in `compiled`; what OPA 1.10 accepts is accepted, with the same meaning,
//! except for what admit does not let policies do. Passes stop after a group that found mistakes, so that one mistake is
//! reported once and not again as its consequences. No pass takes more than quadratic time or recurses without bound.

mod conflicts;
mod context;
mod deprecated;
mod depth;
mod equality;
mod finish;
mod flatten;
mod functions;
mod gatekeeper;
mod graph;
mod hoist;
mod inventory;
mod locals;
mod metadata;
mod names;
mod prints;
mod query;
mod reads;
mod resolve;
mod rules;
mod safety;
pub mod signatures;
mod sink;
mod statements;
mod tidy;
pub(super) mod tree;
pub mod types;
mod unique;
mod verify;
mod with;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::policy::engine::rego::builtin_access::BuiltinAccess;
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Module, RegoError, Span};
use context::Context;
pub use gatekeeper::TEMPLATE_PACKAGE;
use graph::Graph;
pub use inventory::inventory_reads;
use names::Names;
pub use query::{QUERY_PACKAGE, QUERY_RULE, QueryScope, compile_query};
pub use reads::reads_data;
use rules::RuleTree;
use signatures::Signature;
use sink::Sink;
pub use statements::{Statement, statements};
pub use tree::{bodies, closure_body, head_terms, parts, terms};
pub use verify::verify_invariants;

/// What may differ between policies.
#[derive(Clone)]
pub struct CompileOptions<'o> {
    /// The builtins that there are, by dotted name.
    pub builtins: &'o dyn Fn(&str) -> Option<Arc<Signature>>,
    /// First steps below `data` that a policy may refer to; absent: any.
    pub allowed_data_roots: Option<Vec<String>>,
    /// The modules are a Gatekeeper template, the first one, and its libraries.
    pub is_gatekeeper_template: bool,
    /// Keep calls of `print`.
    pub keeps_prints: bool,
    /// Which of the builtins policies may call.
    pub access: BuiltinAccess,
    /// Read annotations, and refuse broken ones, also where no policy asks for them.
    pub reads_annotations: bool,
}

impl Default for CompileOptions<'_> {
    /// As OPA, but without reaching out.
    fn default() -> Self {
        Self {
            builtins: &signatures::lookup,
            allowed_data_roots: None,
            is_gatekeeper_template: false,
            keeps_prints: false,
            access: BuiltinAccess::default(),
            reads_annotations: false,
        }
    }
}

impl CompileOptions<'_> {
    /// For a template with libraries, as in Gatekeeper's default configuration.
    pub fn gatekeeper() -> Self {
        let roots = ["lib", "inventory"].map(str::to_owned).to_vec();
        Self { allowed_data_roots: Some(roots), is_gatekeeper_template: true, ..Self::default() }
    }
}

impl fmt::Debug for CompileOptions<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CompileOptions")
            .field("allowed_data_roots", &self.allowed_data_roots)
            .field("is_gatekeeper_template", &self.is_gatekeeper_template)
            .field("keeps_prints", &self.keeps_prints)
            .field("access", &self.access)
            .field("reads_annotations", &self.reads_annotations)
            .finish_non_exhaustive()
    }
}

/// Compiles modules. The errors are those of the first group of passes that found any, by module and place.
pub fn compile(mut modules: Vec<Module>, options: &CompileOptions<'_>) -> Result<Compiled, Vec<RegoError>> {
    let mut sink = Sink::default();
    depth::check(&modules, &mut sink);
    if !sink.is_empty() {
        return Err(sink.sorted());
    }
    let first = modules.first().map(|module| module.name.clone()).unwrap_or_default();
    let mut names = Names::new(&modules, "");
    prepare(&mut modules, options, &mut names, &mut sink);
    if !sink.is_empty() {
        return Err(sink.sorted());
    }
    let tree = RuleTree::new(&modules);
    let order = passes(&mut modules, &Context { options, tree: &tree }, &mut names, &mut sink);
    if !sink.is_empty() {
        return Err(sink.sorted());
    }
    let mut compiled = Compiled { order, ..Compiled::default() };
    finish::add(modules, &mut compiled);
    refuse_broken(&compiled, first)?;
    Ok(compiled)
}

/// What breaks the contract of `compiled` would be evaluated to anything: it is refused. OPA's rules for what is bound let
/// a few such policies through, for example `[x.a] = x`.
fn refuse_broken(compiled: &Compiled, module: String) -> Result<(), Vec<RegoError>> {
    let broken = verify_invariants(compiled);
    if broken.is_empty() {
        return Ok(());
    }
    let message = format!("admit cannot run this policy: {}", broken.join("; "));
    Err(vec![RegoError { class: ErrorClass::Compile, module, span: Span::default(), message, help: None }])
}

/// The passes that look at modules as written, up to names.
fn prepare(modules: &mut [Module], options: &CompileOptions<'_>, names: &mut Names, sink: &mut Sink) {
    if options.is_gatekeeper_template {
        gatekeeper::check_template(modules, sink);
    }
    if let Some(roots) = &options.allowed_data_roots {
        gatekeeper::check_data_roots(modules, roots, sink);
    }
    deprecated::check_overrides(modules, sink);
    equality::unify_calls(modules);
    resolve::resolve(modules, sink);
    flatten::settle_names(modules, names);
    locals::localize(modules, names, sink);
}

/// The passes that look at modules with all names resolved. Gives the order of the rules.
fn passes(modules: &mut [Module], context: &Context<'_>, names: &mut Names, sink: &mut Sink) -> Vec<Vec<String>> {
    if !sink.is_empty() {
        return Vec::new();
    }
    functions::check_void(modules, context, sink);
    prints::rewrite(modules, context.options.keeps_prints, names);
    conflicts::check(modules, context.tree, sink);
    flatten::flatten(modules, context, names, sink);
    metadata::rewrite(modules, context, names, sink);
    functions::check(modules, context, names, sink);
    safety::check(modules, names, sink);
    if !sink.is_empty() {
        return Vec::new();
    }
    equality::unify_comparisons(modules);
    hoist::hoist(modules, names);
    let graph = Graph::new(modules, context.tree);
    graph.check(modules, sink);
    let order = graph.order();
    if !sink.is_empty() {
        return Vec::new();
    }
    types::check(modules, &order, context, names, sink);
    deprecated::check(modules, context, sink);
    tidy::tidy(modules, names);
    unique::rename(modules, names);
    order
}
