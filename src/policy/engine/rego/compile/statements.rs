//! What there is to cover in compiled modules: heads of rules and expressions, with their places in the source.

use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Rule, Term};

use super::tree::{bodies, closure_body, head_terms, parts, terms};

/// Something that an evaluation can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// The module's name.
    pub module: String,
    /// From 1.
    pub line: u32,
    /// From 1; 0 for the head of a rule, and for `else`.
    pub column: u32,
    /// The rule that it stands in, below its package.
    pub rule: String,
}

/// All of them, ordered by place; what the compile passes made up is not among them.
pub fn statements(compiled: &Compiled) -> Vec<Statement> {
    let mut found = Vec::new();
    for group in compiled.groups.values() {
        let first = group.modules.first();
        let rules =
            group.rules.iter().enumerate().map(|(position, rule)| (rule, group.modules.get(position).or(first)));
        for (rule, module) in rules.chain(group.default.iter().map(|rule| (rule, first))) {
            let module = module.cloned().unwrap_or_default();
            collect(rule, &mut |line, column| {
                let rule = rule.head.path.join(".");
                found.push(Statement { module: module.clone(), line, column, rule });
            });
        }
    }
    found.retain(|statement| statement.line > 0);
    found.sort();
    found.dedup_by(|one, other| (&one.module, one.line, one.column) == (&other.module, other.line, other.column));
    found
}

fn collect(rule: &Rule, found: &mut dyn FnMut(u32, u32)) {
    found(rule.span.line, 0);
    rule.otherwise.iter().for_each(|branch| found(branch.span.line, 0));
    head_terms(rule).for_each(|term| collect_term(term, found));
    bodies(rule).for_each(|body| collect_body(body, found));
}

fn collect_body(body: &Body, found: &mut dyn FnMut(u32, u32)) {
    body.iter().for_each(|expression| collect_expression(expression, found));
}

fn collect_expression(expression: &Expr, found: &mut dyn FnMut(u32, u32)) {
    found(expression.span.line, expression.span.column);
    terms(expression).into_iter().for_each(|term| collect_term(term, found));
    if let ExprKind::Every { body, .. } = &expression.kind {
        collect_body(body, found);
    }
}

fn collect_term(term: &Term, found: &mut dyn FnMut(u32, u32)) {
    parts(term).into_iter().for_each(|part| collect_term(part, found));
    closure_body(term).into_iter().for_each(|body| collect_body(body, found));
}
