//! Checks what `with` replaces.
//!
//! Invariant: afterwards a target is a reference below `input` or `data` or the name of a function as a reference (a
//! builtin's has its first step as its head); a value is a variable, a constant or a collection of these, except that a
//! reference names the function that replaces a function.

use super::Context;
use super::sink::Sink;
use super::tree::{requires_evaluation, take};
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Span, Term, TermKind, With};

/// Checks one `with`; whether its value has to be evaluated before.
pub(super) fn must_be_hoisted(with: &mut With, context: &Context<'_>, sink: &mut Sink) -> bool {
    let span = with.target.span;
    let Some((root, path)) = steps_of(&with.target) else {
        refuse_target(span, sink);
        return false;
    };
    match root.as_str() {
        "input" => requires_evaluation(&with.value),
        "data" => check_document(&path, with, context, sink),
        _ => check_builtin(&root, &path, with, context, sink),
    }
}

fn check_document(path: &[Option<String>], with: &mut With, context: &Context<'_>, sink: &mut Sink) -> bool {
    let mut node = context.tree;
    for (index, step) in path.iter().enumerate() {
        let Some(child) = step.as_ref().and_then(|step| node.children.get(step)) else {
            return hoists_data_value(&with.value, context);
        };
        let is_last = index + 1 == path.len();
        if !is_last && !child.rules.is_empty() {
            let message = "with keyword cannot partially replace virtual document(s)";
            sink.report_with_help(ErrorClass::Compile, with.target.span, message, "replace the whole rule");
            return false;
        }
        node = child;
    }
    if node.is_function() && names_function(&mut with.value, context, sink) {
        return false;
    }
    hoists_data_value(&with.value, context)
}

/// A function cannot be evaluated, so it stays as it is.
fn hoists_data_value(value: &Term, context: &Context<'_>) -> bool {
    let names_function = ground_rule(value, context).is_some_and(super::rules::RuleTree::is_function);
    !names_function && requires_evaluation(value)
}

fn check_builtin(root: &str, path: &[Option<String>], with: &mut With, context: &Context<'_>, sink: &mut Sink) -> bool {
    let span = with.target.span;
    let Some(name) = dotted(root, path) else {
        refuse_target(span, sink);
        return false;
    };
    let Some(signature) = context.signature(&name) else {
        refuse_target(span, sink);
        return false;
    };
    let complaint = if matches!(name.as_str(), "eq" | "rego.metadata.chain" | "rego.metadata.rule") {
        Some(format!("replacement of {name:?} invalid"))
    } else if root == "internal" {
        Some(format!("replacement of internal function {name:?} invalid"))
    } else if signature.is_relation {
        Some("target must not be a relation".to_owned())
    } else if signature.result.is_none() {
        Some("target must not be a void function".to_owned())
    } else {
        None
    };
    if let Some(complaint) = complaint {
        let message = format!("with keyword replacing built-in function: {complaint}");
        sink.report(ErrorClass::Compile, span, message);
        return false;
    }
    as_function_reference(&mut with.target);
    if names_function(&mut with.value, context, sink) {
        return false;
    }
    requires_evaluation(&with.value)
}

fn refuse_target(span: Span, sink: &mut Sink) {
    let message = "with keyword target must reference existing input, data, or a function";
    sink.report(ErrorClass::Type, span, message);
}

/// Whether a value is the name of a rule's or a builtin's function rather than something to evaluate.
fn names_function(value: &mut Term, context: &Context<'_>, sink: &mut Sink) -> bool {
    if let Some(node) = ground_rule(value, context) {
        // Anything else than a function is a value, which the evaluator may know beforehand.
        return node.is_function();
    }
    let Some((root, path)) = steps_of(value) else {
        return false;
    };
    let is_builtin = root != "input" && dotted(&root, &path).is_some_and(|name| context.signature(&name).is_some());
    if is_builtin {
        if dotted(&root, &path).is_some_and(|name| context.is_refused(&name)) {
            let message = format!("with keyword replacing built-in function: target must not be unsafe: {root:?}");
            sink.report(ErrorClass::Compile, value.span, message);
        }
        as_function_reference(value);
    }
    is_builtin
}

fn ground_rule<'c>(value: &Term, context: &Context<'c>) -> Option<&'c super::rules::RuleTree> {
    let (root, path) = steps_of(value)?;
    if root != "data" {
        return None;
    }
    let ground: Option<Vec<&str>> = path.iter().map(Option::as_deref).collect();
    context.tree.find(ground?)
}

/// `count` alone is a variable to the parser; as a function it is a reference without steps.
fn as_function_reference(term: &mut Term) {
    if matches!(term.kind, TermKind::Variable(_)) {
        let head = Box::new(take(term));
        term.kind = TermKind::Reference { head, path: Vec::new() };
    }
}

/// The root and the steps of a reference, or a variable as its own root. A step that is no string is `None`.
fn steps_of(term: &Term) -> Option<(String, Vec<Option<String>>)> {
    match &term.kind {
        TermKind::Variable(name) => Some((name.clone(), Vec::new())),
        TermKind::Reference { head, path } => {
            let TermKind::Variable(root) = &head.kind else {
                return None;
            };
            let steps = path.iter().map(|step| match &step.kind {
                TermKind::String(text) => Some(text.clone()),
                _ => None,
            });
            Some((root.clone(), steps.collect()))
        }
        _ => None,
    }
}

fn dotted(root: &str, path: &[Option<String>]) -> Option<String> {
    let mut name = root.to_owned();
    for step in path {
        name.push('.');
        name.push_str(step.as_deref()?);
    }
    Some(name)
}
