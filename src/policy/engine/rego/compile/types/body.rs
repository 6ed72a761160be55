//! Checks bodies expression by expression.
//!
//! Invariant: variables are typed in the order of evaluation; a closure sees the variables around it and keeps its own; a
//! closure is checked once.

use std::collections::HashMap;
use std::sync::Arc;

use super::documents::Documents;
use super::relations::unifies;
use super::{Kind, Type, TypeRef};
use crate::policy::engine::rego::compile::Context;
use crate::policy::engine::rego::compile::names::Names;
use crate::policy::engine::rego::compile::signatures::Signature;
use crate::policy::engine::rego::compile::sink::Sink;
use crate::policy::engine::rego::compile::tree::terms;
use crate::policy::engine::rego::syntax::ast::{ErrorClass, Expr, ExprKind, FunctionName, Span, Term, TermKind, With};

/// The state of checking one rule.
pub(super) struct BodyChecker<'p> {
    pub(super) context: &'p Context<'p>,
    pub(super) documents: &'p Documents,
    pub(super) names: &'p Names,
    pub(super) sink: &'p mut Sink,
    /// Types of variables, innermost closure last.
    layers: Vec<HashMap<String, TypeRef>>,
}

impl<'p> BodyChecker<'p> {
    pub(super) fn new(
        context: &'p Context<'p>,
        documents: &'p Documents,
        names: &'p Names,
        sink: &'p mut Sink,
    ) -> Self {
        Self { context, documents, names, sink, layers: vec![HashMap::new()] }
    }

    pub(super) fn body(&mut self, body: &[Expr]) {
        for expr in body {
            self.expr(expr);
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<TypeRef> {
        self.layers.iter().rev().find_map(|layer| layer.get(name)).cloned()
    }

    pub(super) fn set_variable(&mut self, name: &str, known: TypeRef) {
        if let Some(layer) = self.layers.last_mut() {
            layer.insert(name.to_owned(), known);
        }
    }

    pub(super) fn report(&mut self, span: Span, message: String, help: String) {
        self.sink.report_with_help(ErrorClass::Type, span, message, help);
    }

    pub(super) fn shown_reference(&self, head: &Term, path: &[Term]) -> String {
        let mut shown = match &head.kind {
            TermKind::Variable(name) => self.names.shown(name).to_owned(),
            _ => String::new(),
        };
        for step in path {
            match &step.kind {
                TermKind::String(text) => {
                    shown.push('.');
                    shown.push_str(text);
                }
                TermKind::Number(text) => shown = format!("{shown}[{text}]"),
                TermKind::Variable(name) => shown = format!("{shown}[{}]", self.names.shown(name)),
                _ => shown.push_str("[…]"),
            }
        }
        shown
    }

    fn expr(&mut self, expr: &Expr) {
        let before = self.sink.count();
        if let ExprKind::Unify(left, right) = &expr.kind
            && let Some(found) = self.closure(right)
        {
            self.check_references(left);
            if self.sink.count() == before && !self.fit_closure(left, &found) {
                self.report_mismatch(expr.span, left, &found);
            }
            return;
        }
        let stated = terms(expr).len().saturating_sub(expr.with.len() * 2);
        for term in terms(expr).into_iter().take(stated) {
            self.references_outside_calls(term);
        }
        expr.with.iter().for_each(|with| self.replacement(with));
        if self.sink.count() > before {
            return;
        }
        match &expr.kind {
            ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, .. }) => {
                self.call(function, &arguments.iter().collect::<Vec<_>>(), expr.span);
            }
            ExprKind::Unify(result, Term { kind: TermKind::Call { function, arguments, .. }, .. }) => {
                self.call(function, &arguments.iter().chain([result]).collect::<Vec<_>>(), expr.span);
            }
            ExprKind::Unify(left, right) if !self.fit_sides(left, right) => {
                let found = self.type_of(right);
                self.report_mismatch(expr.span, left, &found);
            }
            // As in OPA, only references are checked inside; what variables hold there is not known.
            ExprKind::Every { body, .. } => self.references_in(body),
            _ => {}
        }
    }

    /// Checks a comprehension and gives its type, unknown where it has mistakes.
    fn closure(&mut self, term: &Term) -> Option<TypeRef> {
        let (parts, body) = match &term.kind {
            TermKind::ArrayComprehension { head, body } | TermKind::SetComprehension { head, body } => {
                (vec![head.as_ref()], body)
            }
            TermKind::ObjectComprehension { key, value, body } => (vec![key.as_ref(), value.as_ref()], body),
            _ => return None,
        };
        let before = self.sink.count();
        self.layers.push(HashMap::new());
        self.body(body);
        let mut types: Vec<TypeRef> = parts.into_iter().map(|part| self.type_of(part)).collect();
        self.layers.pop();
        if self.sink.count() > before {
            return Some(Type::unknown());
        }
        let last = types.pop().unwrap_or_else(Type::unknown);
        Some(match &term.kind {
            TermKind::ArrayComprehension { .. } => Type::array_of(last),
            TermKind::SetComprehension { .. } => Type::of(Kind::Set(last)),
            _ => Type::object_of(types.pop().unwrap_or_else(Type::unknown), last),
        })
    }

    fn fit_closure(&mut self, pattern: &Term, found: &TypeRef) -> bool {
        self.fit(pattern, found, false)
    }

    fn report_mismatch(&mut self, span: Span, left: &Term, right: &TypeRef) {
        let left = self.type_of(left);
        self.report(span, "match error".to_owned(), format!("left is {left}, right is {right}"));
    }

    fn references_outside_calls(&mut self, term: &Term) {
        match &term.kind {
            TermKind::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| self.check_references(argument));
            }
            _ => self.check_references(term),
        }
    }

    fn references_in(&mut self, body: &[Expr]) {
        for expr in body {
            match &expr.kind {
                ExprKind::Unify(left, right) => {
                    if self.closure(right).is_none() {
                        self.references_outside_calls(right);
                    }
                    self.check_references(left);
                }
                ExprKind::Every { domain, body, .. } => {
                    self.check_references(domain);
                    self.references_in(body);
                }
                ExprKind::Term(term) => self.references_outside_calls(term),
                _ => {}
            }
        }
    }

    fn call(&mut self, function: &FunctionName, operands: &[&Term], span: Span) {
        let name = function.path.join(".");
        let signature = match self.signature(function, &name) {
            Ok(Some(signature)) => signature,
            Ok(None) => return,
            Err(()) => {
                self.report(span, format!("undefined function {name}"), "it is a rule, not a function".to_owned());
                return;
            }
        };
        if signature.is_variadic {
            return;
        }
        let wanted: Vec<&TypeRef> = signature.arguments.iter().chain(&signature.result).collect();
        let fits = operands.iter().zip(&wanted).all(|(operand, wanted)| self.fit(operand, wanted, false));
        if !fits {
            let have: Vec<String> = operands.iter().map(|operand| self.type_of(operand).to_string()).collect();
            let want: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let help = format!("have ({}), want ({})", have.join(", "), want.join(", "));
            self.report(span, format!("{name}: invalid argument(s)"), help);
        }
    }

    /// A function may be replaced by one that takes the same arguments.
    fn replacement(&mut self, with: &With) {
        let (Some(target), Some(value)) = (function_name(&with.target), function_name(&with.value)) else {
            return;
        };
        let signature =
            |checker: &Self, name: &FunctionName| checker.signature(name, &name.path.join(".")).ok().flatten();
        let (Some(old), Some(new)) = (signature(self, &target), signature(self, &value)) else {
            return;
        };
        let fits = old.arguments.len() == new.arguments.len()
            && old.arguments.iter().zip(&new.arguments).all(|(old, new)| unifies(old, new));
        if !fits {
            let shown = |signature: &Signature| {
                signature.arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let help = format!("have ({}), want ({})", shown(&new), shown(&old));
            self.report(with.span, format!("{}: arity mismatch", target.path.join(".")), help);
        }
    }

    /// `Ok(None)` where anything goes.
    fn signature(&self, function: &FunctionName, name: &str) -> Result<Option<Arc<Signature>>, ()> {
        let Some((_, path)) = function.path.split_first().filter(|(root, _)| *root == "data") else {
            return Ok(self.context.signature(name));
        };
        let Some(node) = self.documents.find(path.iter().map(String::as_str)) else {
            return Ok(None);
        };
        match (&node.function, &node.value) {
            (Some(signature), _) => Ok(Some(signature.clone())),
            (None, Some(value)) if !matches!(value.kind, Kind::Any(_) | Kind::Unknown) => Err(()),
            _ => Ok(None),
        }
    }
}

/// The function that a reference may name.
fn function_name(term: &Term) -> Option<FunctionName> {
    let TermKind::Reference { head, path } = &term.kind else {
        return None;
    };
    let TermKind::Variable(root) = &head.kind else {
        return None;
    };
    let steps = path.iter().map(|step| match &step.kind {
        TermKind::String(text) => Some(text.clone()),
        _ => None,
    });
    let path = std::iter::once(Some(root.clone())).chain(steps).collect::<Option<Vec<String>>>()?;
    Some(FunctionName { path, span: term.span })
}
