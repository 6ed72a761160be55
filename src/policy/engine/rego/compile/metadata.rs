//! `rego.metadata.rule` and `rego.metadata.chain`: what annotations say where they are called.
//!
//! Invariant: afterwards nothing calls them. A body that did starts with a `Unify` of a variable and a constant, and each
//! call has become that variable. Annotations are read when one of the two is called, or when the options ask for it;
//! otherwise a broken one is a comment like any other.

use std::collections::BTreeMap;
use std::mem;

use super::Context;
use super::names::Names;
use super::query::QUERY_PACKAGE;
use super::sink::Sink;
use super::tree::{bodies_mut, closure_body_mut, head_terms_mut, parts_mut, string, terms_mut, unification, variable};
use crate::policy::engine::rego::annotations::{self, Annotation, Scope, Target};
use crate::policy::engine::rego::syntax::ast::{Body, ErrorClass, Expr, ExprKind, Module, Rule, Span, Term, TermKind};
use crate::policy::engine::rego::value::{Number, Value};

/// Where Gatekeeper puts the packages of a template's libraries.
const LIBRARIES: &str = "libs";

/// What a call asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Chain,
    Rule,
}

pub(super) fn rewrite(modules: &mut [Module], context: &Context<'_>, names: &mut Names, sink: &mut Sink) {
    if is_query(modules) || !(context.options.reads_annotations || asks(modules)) {
        return;
    }
    let Some(set) = AnnotationSet::read(modules, context, sink) else { return };
    for (index, module) in modules.iter_mut().enumerate() {
        sink.enter(&module.name);
        let package = package_of(module, context);
        for (position, rule) in module.rules.iter_mut().enumerate() {
            let place = Place { module: index, rule: position, package: &package, path: path_of(&package, rule) };
            Rewriting { context, set: &set, names, sink }.rule(rule, &place);
        }
    }
}

/// A query is no rule: there the functions are called, and have no value.
fn is_query(modules: &[Module]) -> bool {
    modules.iter().any(|module| module.package.path.first().is_some_and(|step| step == QUERY_PACKAGE))
}

fn asks(modules: &mut [Module]) -> bool {
    let mut asks = false;
    for rule in modules.iter_mut().flat_map(|module| &mut module.rules) {
        let visit = &mut |expr: &mut Expr| asks |= question(expr).is_some();
        head_terms_mut(rule).for_each(|term| in_term(term, visit));
        bodies_mut(rule).for_each(|body| in_body(body, visit));
    }
    asks
}

/// Annotations by what they hold for. Those of documents and of packages with what is below them share one tree, so that
/// a package and a rule of the same path are one place in it.
struct AnnotationSet {
    /// By module and rule; the one closest to the rule first.
    rules: BTreeMap<(usize, usize), Vec<Linked>>,
    packages: BTreeMap<Vec<Value>, Linked>,
    tree: BTreeMap<Vec<Value>, Linked>,
}

/// An annotation and the path of what it stands above.
#[derive(Clone)]
struct Linked {
    annotation: Annotation,
    path: Vec<Value>,
}

impl AnnotationSet {
    fn read(modules: &[Module], context: &Context<'_>, sink: &mut Sink) -> Option<Self> {
        let mut set = Self { rules: BTreeMap::new(), packages: BTreeMap::new(), tree: BTreeMap::new() };
        let before = sink.count();
        for (index, module) in modules.iter().enumerate() {
            sink.enter(&module.name);
            match annotations::read(module) {
                Ok(found) => found.into_iter().for_each(|one| set.add(one, (index, module), context, sink)),
                Err(errors) => errors.into_iter().for_each(|one| sink.report(one.class, one.span, one.message)),
            }
        }
        (sink.count() == before).then_some(set)
    }

    fn add(
        &mut self,
        annotation: Annotation,
        (index, module): (usize, &Module),
        context: &Context<'_>,
        sink: &mut Sink,
    ) {
        let package = package_of(module, context);
        let (path, rule) = match annotation.target {
            Target::Package => (package, 0),
            Target::Rule(rule) => {
                (module.rules.get(rule).map(|rule| path_of(&package, rule)).unwrap_or_default(), rule)
            }
        };
        let (scope, span) = (annotation.scope, annotation.span);
        let linked = Linked { annotation, path: path.clone() };
        let is_new = match scope {
            Scope::Rule => {
                self.rules.entry((index, rule)).or_default().insert(0, linked);
                true
            }
            Scope::Package => self.packages.insert(path, linked).is_none(),
            // OPA does not get over a document that is above an annotated one in the tree.
            Scope::Document => {
                let is_new = !self.tree.keys().any(|known| known.starts_with(&path));
                self.tree.insert(path, linked);
                is_new
            }
            Scope::Subpackages => self.tree.insert(path, linked).is_none(),
        };
        if !is_new {
            let message = format!("{} annotation redeclared", scope.as_str());
            sink.report(ErrorClass::Type, span, message);
        }
    }

    /// From the closest annotation to the farthest, the first being about the rule itself.
    fn chain(&self, place: &Place<'_>) -> Result<Value, String> {
        let rule = self.rules.get(&(place.module, place.rule)).map_or([].as_slice(), Vec::as_slice);
        let mut links = Vec::new();
        if rule.is_empty() {
            links.push(object([("path", shown(&place.path))]));
        }
        let above = (1..=place.package.len()).rev().filter_map(|length| self.tree.get(place.package.get(..length)?));
        let others = self.tree.get(&place.path).into_iter().chain(self.packages.get(place.package)).chain(above);
        for linked in rule.iter().chain(others) {
            let value = linked.annotation.to_value()?;
            links.push(object([("path", shown(&linked.path)), ("annotations", value)]));
        }
        Ok(Value::array(links))
    }

    fn of_rule(&self, place: &Place<'_>) -> Result<Value, String> {
        let closest = self.rules.get(&(place.module, place.rule)).and_then(|all| all.first());
        closest.map_or_else(|| Ok(Value::object(Vec::new())), |linked| linked.annotation.to_value())
    }
}

/// The rule that is being rewritten.
struct Place<'p> {
    module: usize,
    rule: usize,
    package: &'p [Value],
    path: Vec<Value>,
}

struct Rewriting<'p, 'c> {
    context: &'p Context<'c>,
    set: &'p AnnotationSet,
    names: &'p mut Names,
    sink: &'p mut Sink,
}

impl Rewriting<'_, '_> {
    fn rule(&mut self, rule: &mut Rule, place: &Place<'_>) {
        let mut in_head = None;
        let visit = &mut |expr: &mut Expr| in_head = in_head.or(question(expr).map(|_| expr.span));
        head_terms_mut(rule).for_each(|term| in_term(term, visit));
        if let Some(span) = in_head {
            let message = "annotations cannot be asked for in the value of a default rule";
            self.sink.report(ErrorClass::Compile, span, message);
        }
        self.body(&mut rule.body, place);
        for branch in &mut rule.otherwise {
            // No annotation stands above a branch.
            self.body(&mut branch.body, &Place { rule: usize::MAX, path: place.path.clone(), ..*place });
        }
    }

    fn body(&mut self, body: &mut Body, place: &Place<'_>) {
        let mut made = Vec::new();
        for asked in [Question::Chain, Question::Rule] {
            if self.context.signature(asked.name()).is_none() {
                continue;
            }
            let mut first = None;
            in_body(body, &mut |expr| first = first.or((question(expr) == Some(asked)).then_some(expr.span)));
            let Some(span) = first else { continue };
            let answer = match asked {
                Question::Chain => self.set.chain(place),
                Question::Rule => self.set.of_rule(place),
            };
            match answer {
                Ok(answer) => {
                    let name = self.names.fresh();
                    in_body(body, &mut |expr| replace(expr, asked, &name));
                    made.push(unification(variable(name, span), constant(&answer, span), span));
                }
                Err(message) => self.sink.report(ErrorClass::Compile, span, message),
            }
        }
        body.splice(0..0, made);
    }
}

impl Question {
    const fn name(self) -> &'static str {
        match self {
            Self::Chain => "rego.metadata.chain",
            Self::Rule => "rego.metadata.rule",
        }
    }
}

/// What an expression asks for, as a whole or for its left side.
fn question(expr: &Expr) -> Option<Question> {
    let (ExprKind::Term(term) | ExprKind::Unify(_, term)) = &expr.kind else { return None };
    let TermKind::Call { function, arguments, .. } = &term.kind else { return None };
    if matches!(expr.kind, ExprKind::Unify(..)) && !arguments.is_empty() {
        return None;
    }
    match function.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["rego", "metadata", "chain"] => Some(Question::Chain),
        ["rego", "metadata", "rule"] => Some(Question::Rule),
        _ => None,
    }
}

/// As OPA, which takes the first argument for the result, whatever follows, and forgets a `not`.
fn replace(expr: &mut Expr, asked: Question, name: &str) {
    if question(expr) != Some(asked) {
        return;
    }
    let span = expr.span;
    expr.with.clear();
    expr.is_negated = false;
    match &mut expr.kind {
        ExprKind::Term(Term { kind: TermKind::Call { arguments, .. }, .. }) if !arguments.is_empty() => {
            let result = mem::take(arguments).swap_remove(0);
            expr.kind = ExprKind::Unify(result, variable(name, span));
        }
        ExprKind::Term(term) | ExprKind::Unify(_, term) => *term = variable(name, span),
        _ => {}
    }
}

fn in_body(body: &mut [Expr], visit: &mut dyn FnMut(&mut Expr)) {
    for expr in body {
        visit(expr);
        terms_mut(expr).into_iter().for_each(|term| in_term(term, visit));
        if let ExprKind::Every { body, .. } = &mut expr.kind {
            in_body(body, visit);
        }
    }
}

fn in_term(term: &mut Term, visit: &mut dyn FnMut(&mut Expr)) {
    parts_mut(term).into_iter().for_each(|part| in_term(part, visit));
    if let Some(body) = closure_body_mut(term) {
        in_body(body, visit);
    }
}

/// The path of a module's package below `data`.
fn package_of(module: &Module, context: &Context<'_>) -> Vec<Value> {
    let is_library =
        context.options.is_gatekeeper_template && module.package.path.first().is_some_and(|step| step == "lib");
    let steps = is_library.then_some(LIBRARIES).into_iter().chain(module.package.path.iter().map(String::as_str));
    steps.map(Value::string).collect()
}

/// The path of a rule, up to the first step that is no constant.
fn path_of(package: &[Value], rule: &Rule) -> Vec<Value> {
    let constant = rule.head.dynamic.iter().map_while(|step| match &step.kind {
        TermKind::String(text) => Some(Value::string(text)),
        TermKind::Number(text) => Number::parse(text).map(Value::Number),
        TermKind::Bool(boolean) => Some(Value::Bool(*boolean)),
        TermKind::Null => Some(Value::Null),
        _ => None,
    });
    package.iter().cloned().chain(rule.head.path.iter().map(Value::string)).chain(constant).collect()
}

/// A path as policies see it: all steps are text.
fn shown(path: &[Value]) -> Value {
    Value::array(
        path.iter().map(|step| step.as_str().map_or_else(|| Value::string(step.to_string()), Value::string)).collect(),
    )
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::object(fields.into_iter().map(|(name, value)| (Value::string(name), value)).collect())
}

fn constant(value: &Value, span: Span) -> Term {
    let kind = match value {
        Value::Null => TermKind::Null,
        Value::Bool(boolean) => TermKind::Bool(*boolean),
        Value::Number(number) => TermKind::Number(number.text().into_owned()),
        Value::String(text) => return string(text.to_string(), span),
        Value::Array(items) => TermKind::Array(items.iter().map(|item| constant(item, span)).collect()),
        Value::Set(items) => TermKind::Set(items.items().iter().map(|item| constant(item, span)).collect()),
        Value::Object(fields) => {
            let entries = fields.entries().iter();
            TermKind::Object(entries.map(|(key, value)| (constant(key, span), constant(value, span))).collect())
        }
    };
    Term { span, kind }
}

#[cfg(test)]
mod tests {
    use crate::model::api::RegoVersion;
    use crate::policy::engine::rego::query::{Policies, SourceFile};

    const MODULE: &str = "# METADATA\n# scope: subpackages\n# title: s\npackage a.b\n\n# METADATA\n# title: r\n\
        p := rego.metadata.rule()\n\nc := [link.path | some link in rego.metadata.chain()]\n\n\
        e := 1 if false else := rego.metadata.rule()\n\nn if not rego.metadata.rule()\n";

    #[test]
    fn calls_become_what_annotations_say() {
        let file = SourceFile { name: "m".to_owned(), text: MODULE.to_owned() };
        let policies = Policies::compile(&[file], RegoVersion::V1).expect("compiles");
        let check = |query: &str, expected: &str| {
            let answer = policies.ask(query, None, None).expect("runs");
            let found = answer.solutions.first().map(|one| one.expressions[0].to_string());
            assert_eq!(found.as_deref().unwrap_or_default(), expected, "{query}");
        };
        check("data.a.b.p", r#"{"scope":"rule","title":"r"}"#);
        check("data.a.b.c", r#"[["a","b","c"],["a","b"]]"#);
        check("data.a.b.e", "{}");
        check("data.a.b.n", "true");
        check("rego.metadata.rule()", "");
    }
}
