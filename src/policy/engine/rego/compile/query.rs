//! Compiles a query against compiled modules.
//!
//! Invariant: the result is the modules plus one rule, `data.__query__.result`: an array with an object for each
//! solution, `{"bindings": {name: value}, "expressions": [value]}`. Bindings are the variables that the query names outside
//! of closures; the value of an expression is that of its term, and `true` for all others. As in OPA, a query of one
//! expression that does not iterate may have the value `false`; in others a `false` ends the solution.

use super::context::Context;
use super::locals;
use super::names::Names;
use super::rules::RuleTree;
use super::sink::Sink;
use super::tree::{is_comprehension, is_root, parts, string, terms, unification, variable};
use super::{CompileOptions, depth, equality, finish, passes, resolve};
use crate::model::api::RegoVersion;
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{
    Body, Expr, ExprKind, Head, Import, Module, Package, RegoError, Rule, RuleKind, Span, Term, TermKind,
};

/// The package of the rule that stands for a query.
pub const QUERY_PACKAGE: &str = "__query__";
/// The name of that rule.
pub const QUERY_RULE: &str = "result";

/// What a query sees by short names.
#[derive(Clone, Debug, Default)]
pub struct QueryScope {
    /// The package whose rules it can name without `data`; empty for none.
    pub package: Vec<String>,
    pub imports: Vec<Import>,
}

/// Compiles a query. `against` is compiled already and comes back with the rule for the query, without that of another.
pub fn compile_query(
    body: Body,
    scope: &QueryScope,
    against: &Compiled,
    options: &CompileOptions<'_>,
) -> Result<Compiled, Vec<RegoError>> {
    let mut sink = Sink::default();
    let mut modules = [module_of(body)];
    sink.enter("query");
    depth::check(&modules, &mut sink);
    if !sink.is_empty() {
        return Err(sink.sorted());
    }
    let mut compiled = against.clone();
    let is_query = |path: &[String]| path.first().is_some_and(|step| step == QUERY_PACKAGE);
    compiled.groups.retain(|path, _| !is_query(path));
    compiled.order.retain(|path| !is_query(path));
    let rules: Vec<String> = names_in(&scope.package, &compiled);
    let globals = resolve::globals(&scope.package, rules.iter(), &scope.imports);
    let mut names = Names::new(&modules, "q");
    equality::unify_calls(&mut modules);
    let tree = RuleTree::new(&modules).with_groups(&compiled);
    let context = Context { options, tree: &tree };
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        resolve::resolve_query(&mut rule.body, &globals);
        let must_hold = rule.body.len() > 1 || iterates(&rule.body, &context);
        let values = value_positions(&rule.body, &context);
        let bindings = locals::localize_query(&mut rule.body, &mut names, &mut sink);
        capture(rule, &values, must_hold, bindings, &mut names);
    }
    passes(&mut modules, &context, &mut names, &mut sink);
    if !sink.is_empty() {
        return Err(sink.sorted());
    }
    finish::add(modules.into(), &mut compiled);
    compiled.order.push(vec![QUERY_PACKAGE.to_owned(), QUERY_RULE.to_owned()]);
    Ok(compiled)
}

/// First steps of the rules of a package.
fn names_in(package: &[String], against: &Compiled) -> Vec<String> {
    if package.is_empty() {
        return Vec::new();
    }
    let paths = against.groups.keys().filter_map(|path| path.strip_prefix(package));
    paths.filter_map(|rest| rest.first().cloned()).collect()
}

fn module_of(body: Body) -> Module {
    let span = body.first().map(|expr| expr.span).unwrap_or_default();
    let head = Head {
        span,
        path: vec![QUERY_RULE.to_owned()],
        dynamic: Vec::new(),
        kind: RuleKind::Complete,
        arguments: Vec::new(),
        key: None,
        value: None,
        is_assigned: false,
    };
    Module {
        name: "query".to_owned(),
        version: RegoVersion::V0,
        package: Package { path: vec![QUERY_PACKAGE.to_owned()], span },
        imports: Vec::new(),
        rules: vec![Rule { span, is_default: false, head, body, otherwise: Vec::new() }],
        comments: Vec::new(),
    }
}

/// Which expressions are there when declarations are gone: for each whether its value is its term's.
fn value_positions(body: &[Expr], context: &Context<'_>) -> Vec<bool> {
    let stays = body.iter().filter(|expr| !matches!(expr.kind, ExprKind::Some(_)));
    let has_value = |expr: &Expr| match &expr.kind {
        ExprKind::Term(Term { kind: TermKind::Call { function, arguments, .. }, .. }) => {
            !context.is_void(function) && context.arity(function) == Some(arguments.len())
        }
        ExprKind::Term(_) => true,
        _ => false,
    };
    stays.map(|expr| !expr.is_negated && has_value(expr)).collect()
}

/// Whether a body has a reference with a variable among its steps, or a call with several results, outside of closures.
fn iterates(body: &[Expr], context: &Context<'_>) -> bool {
    body.iter().any(|expr| {
        let inside = match &expr.kind {
            ExprKind::Every { body, .. } => iterates(body, context),
            _ => false,
        };
        inside || terms(expr).into_iter().any(|term| term_iterates(term, context))
    })
}

fn term_iterates(term: &Term, context: &Context<'_>) -> bool {
    let is_variable = |step: &Term| matches!(&step.kind, TermKind::Variable(name) if !is_root(name));
    let iterates = match &term.kind {
        TermKind::Reference { path, .. } => path.iter().any(is_variable),
        TermKind::Call { function, .. } => {
            context.signature(&function.path.join(".")).is_some_and(|signature| signature.is_relation)
        }
        _ if is_comprehension(term) => return false,
        _ => false,
    };
    iterates || parts(term).into_iter().any(|part| term_iterates(part, context))
}

/// Moves the body of the query into a comprehension that collects its solutions.
fn capture(rule: &mut Rule, values: &[bool], must_hold: bool, bindings: Vec<(String, String)>, names: &mut Names) {
    let span = rule.span;
    let (mut expressions, mut checks) = (Vec::new(), Vec::new());
    for (expr, has_value) in rule.body.iter_mut().zip(values) {
        let place = expr.span;
        let shown = match &mut expr.kind {
            ExprKind::Term(term) if *has_value => {
                let name = names.fresh();
                let value = super::tree::take(term);
                expr.kind = unification(variable(&name, place), value, place).kind;
                if must_hold {
                    checks.push(holds(&name, place));
                }
                variable(name, place)
            }
            _ => Term { span: place, kind: TermKind::Bool(true) },
        };
        expressions.push(shown);
    }
    let bindings = bindings
        .into_iter()
        .filter(|(_, name)| !super::names::is_wildcard(name) && !super::names::is_given(name))
        .map(|(current, name)| (string(name, span), variable(current, span)));
    let entries = vec![
        (string("bindings", span), Term { span, kind: TermKind::Object(bindings.collect()) }),
        (string("expressions", span), Term { span, kind: TermKind::Array(expressions) }),
    ];
    let head = Box::new(term_at(span, TermKind::Object(entries)));
    let mut body = std::mem::take(&mut rule.body);
    body.extend(checks);
    rule.head.value = Some(term_at(span, TermKind::ArrayComprehension { head, body }));
}

/// A variable as an expression: it must not be `false`.
fn holds(name: &str, span: Span) -> Expr {
    let kind = ExprKind::Term(variable(name, span));
    Expr { span, is_negated: false, kind, with: Vec::new() }
}

fn term_at(span: Span, kind: TermKind) -> Term {
    Term { span, kind }
}
