//! Builtins that new policies must not use.
//!
//! Invariant: afterwards modules in Rego v1, by version or by `import rego.v1`, call no deprecated builtin.

use super::Context;
use super::sink::Sink;
use super::tree::{bodies, closure_body, head_terms, is_root, parts, terms};
use crate::model::api::RegoVersion;
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Expr, ExprKind, Import, Module, Span, Term, TermKind};

pub(super) fn check(modules: &[Module], context: &Context<'_>, sink: &mut Sink) {
    for module in modules.iter().filter(|module| is_v1(module)) {
        sink.enter(&module.name);
        for rule in &module.rules {
            bodies(rule).for_each(|body| in_body(body, context, sink));
        }
    }
}

/// What v1 refuses that v0 lets pass: hiding the documents, and two imports of one name.
pub(super) fn check_overrides(modules: &[Module], sink: &mut Sink) {
    for module in modules.iter().filter(|module| is_v1(module)) {
        sink.enter(&module.name);
        for rule in &module.rules {
            if let Some(root) = rule.head.path.first().filter(|name| is_root(name)) {
                let message = format!("rules must not shadow {root} (use a different rule name)");
                sink.report(ErrorClass::Compile, rule.span, message);
            }
            head_terms(rule).for_each(|term| overrides_in_term(term, sink));
            bodies(rule).for_each(|body| overrides_in_body(body, sink));
        }
        let mut seen: Vec<&Import> = Vec::new();
        for import in &module.imports {
            if let Some(first) = seen.iter().find(|other| bound_name(other) == bound_name(import)) {
                let message = format!("import must not shadow import {}", first.path.join("."));
                sink.report(ErrorClass::Compile, import.span, message);
            } else {
                seen.push(import);
            }
        }
    }
}

/// Whether a module is held to the rules of v1.
pub(super) fn is_v1(module: &Module) -> bool {
    let imports_v1 = |import: &Import| matches!(import.path.as_slice(), [root, name] if root == "rego" && name == "v1");
    module.version == RegoVersion::V1 || module.imports.iter().any(imports_v1)
}

fn bound_name(import: &Import) -> Option<&String> {
    import.alias.as_ref().or(import.path.last())
}

fn in_body(body: &[Expr], context: &Context<'_>, sink: &mut Sink) {
    for expr in body {
        terms(expr).into_iter().for_each(|term| in_term(term, expr.span, context, sink));
        if let ExprKind::Every { body, .. } = &expr.kind {
            in_body(body, context, sink);
        }
    }
}

fn in_term(term: &Term, span: Span, context: &Context<'_>, sink: &mut Sink) {
    if let TermKind::Call { function, .. } = &term.kind {
        let name = function.path.join(".");
        if context.signature(&name).is_some_and(|signature| signature.is_deprecated) {
            let message = format!("deprecated built-in function calls in expression: {name}");
            sink.report(ErrorClass::Type, span, message);
        }
    }
    parts(term).into_iter().for_each(|part| in_term(part, span, context, sink));
    if let Some(body) = closure_body(term) {
        in_body(body, context, sink);
    }
}

fn overrides_in_body(body: &[Expr], sink: &mut Sink) {
    for expr in body {
        if let ExprKind::Assign(Term { kind: TermKind::Variable(name), .. }, _) = &expr.kind
            && is_root(name)
        {
            let message = format!("variables must not shadow {name} (use a different variable name)");
            sink.report(ErrorClass::Compile, expr.span, message);
        }
        if let ExprKind::Every { body, .. } = &expr.kind {
            overrides_in_body(body, sink);
        }
        terms(expr).into_iter().for_each(|term| overrides_in_term(term, sink));
    }
}

fn overrides_in_term(term: &Term, sink: &mut Sink) {
    parts(term).into_iter().for_each(|part| overrides_in_term(part, sink));
    if let Some(body) = closure_body(term) {
        overrides_in_body(body, sink);
    }
}
