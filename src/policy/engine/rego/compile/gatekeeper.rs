//! What Gatekeeper asks of templates beyond Rego.
//!
//! Invariant: the first module is the template and defines `violation`; the others are libraries, strictly below `lib`;
//! imports reach libraries only; references below `data` stay below the allowed roots. The template's package is renamed
//! to `template`, as in Gatekeeper, so that it can never be one with a library's.

use super::sink::Sink;
use super::tree::{bodies, closure_body, head_terms, parts, terms};
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Expr, ExprKind, Import, Module, Term, TermKind};

/// The package of the template after compiling.
pub const TEMPLATE_PACKAGE: &str = "template";

pub(super) fn check_template(modules: &mut [Module], sink: &mut Sink) {
    let Some((template, libraries)) = modules.split_first_mut() else {
        return;
    };
    check_template_module(template, sink);
    libraries.iter().for_each(|library| check_library(library, sink));
    for module in modules {
        sink.enter(&module.name);
        module.imports.iter().for_each(|import| check_import(import, sink));
    }
}

/// References below `data` outside of the roots, as written: imports are not resolved yet.
pub(super) fn check_data_roots(modules: &[Module], roots: &[String], sink: &mut Sink) {
    for module in modules {
        sink.enter(&module.name);
        for rule in &module.rules {
            head_terms(rule).for_each(|term| check_term(term, roots, sink));
            bodies(rule).for_each(|body| check_body(body, roots, sink));
        }
    }
}

fn check_template_module(template: &mut Module, sink: &mut Sink) {
    sink.enter(&template.name);
    let span = template.package.span;
    if !template.rules.iter().any(|rule| rule.head.path.first().is_some_and(|name| name == "violation")) {
        let help = "Gatekeeper evaluates `violation[{\"msg\": msg}]`";
        let message = "invalid rego: invalid module: missing required rules: [violation]";
        sink.report_with_help(ErrorClass::Compile, span, message, help);
    }
    template.package.path = vec![TEMPLATE_PACKAGE.to_owned()];
}

fn check_library(library: &Module, sink: &mut Sink) {
    sink.enter(&library.name);
    let path = &library.package.path;
    if path.len() < 2 || path.first().is_none_or(|root| root != "lib") {
        let shown = path.join(".");
        let message = format!("invalid lib prefix: path data.{shown} not found in lib prefixes");
        let help = "the package of a library is strictly below lib, such as `package lib.images`";
        sink.report_with_help(ErrorClass::Compile, library.package.span, message, help);
    }
}

fn check_import(import: &Import, sink: &mut Sink) {
    let steps: Vec<&str> = import.path.iter().map(String::as_str).collect();
    let shown = steps.join(".");
    let (message, help) = match steps.as_slice() {
        ["data", "lib", ..] | ["future", ..] => return,
        ["input", ..] => (
            format!("invalid import: cannot import input: {shown:?}"),
            "write the whole path, as in input.review.object",
        ),
        ["rego", "v1"] => (
            format!("invalid import: bad import: {shown:?}"),
            "set `version: v1` in the template's code source instead",
        ),
        _ => (format!("invalid import: bad import: {shown:?}"), "templates import data.lib… and future.keywords… only"),
    };
    sink.report_with_help(ErrorClass::Compile, import.span, message, help);
}

fn check_body(body: &[Expr], roots: &[String], sink: &mut Sink) {
    for expr in body {
        terms(expr).into_iter().for_each(|term| check_term(term, roots, sink));
        if let ExprKind::Every { body, .. } = &expr.kind {
            check_body(body, roots, sink);
        }
    }
}

/// As in Gatekeeper, references inside the steps of another are not looked at.
fn check_term(term: &Term, roots: &[String], sink: &mut Sink) {
    match &term.kind {
        TermKind::Variable(name) if name == "data" => refuse(term, "data", sink),
        TermKind::Reference { head, path } => match &head.kind {
            TermKind::Variable(name) if name == "data" => {
                let root = path.first().and_then(|step| match &step.kind {
                    TermKind::String(text) => Some(text.as_str()),
                    _ => None,
                });
                if !root.is_some_and(|root| roots.iter().any(|allowed| allowed == root)) {
                    refuse(term, &shown(path), sink);
                }
            }
            _ => check_term(head, roots, sink),
        },
        _ => {
            if let TermKind::Call { function, .. } = &term.kind
                && let [root, first, ..] = function.path.as_slice()
                && root == "data"
                && !roots.contains(first)
            {
                refuse(term, &function.path.join("."), sink);
            }
            parts(term).into_iter().for_each(|part| check_term(part, roots, sink));
            if let Some(body) = closure_body(term) {
                check_body(body, roots, sink);
            }
        }
    }
}

fn refuse(term: &Term, shown: &str, sink: &mut Sink) {
    let message = format!("invalid data references: disallowed ref {shown}");
    let help = "templates see data.inventory (where allowed) and their own data.lib only";
    sink.report_with_help(ErrorClass::Compile, term.span, message, help);
}

fn shown(path: &[Term]) -> String {
    let mut shown = "data".to_owned();
    for step in path {
        match &step.kind {
            TermKind::String(text) => shown = format!("{shown}.{text}"),
            TermKind::Variable(name) if !super::names::is_wildcard(name) => shown = format!("{shown}[{name}]"),
            TermKind::Variable(_) => shown.push_str("[_]"),
            _ => shown.push_str("[…]"),
        }
    }
    shown
}
