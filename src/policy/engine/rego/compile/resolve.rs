//! Turns names of rules and imports into whole references.
//!
//! Invariant: afterwards every use of a rule of the own package or of an import starts with `data` or `input`, calls
//! included; what is still a variable is one, or the name of a builtin. A name that a body declares hides a rule's.

use std::collections::{HashMap, HashSet};

use super::sink::Sink;
use super::tree::{Skip, closure_body_mut, is_root, parts_mut, reference, string, take, terms_mut, walk_term};
use crate::policy::engine::rego::syntax::ast::{
    Body, ErrorClass, Expr, ExprKind, Import, Module, Rule, Term, TermKind,
};

/// Names and what they stand for, root first.
pub(super) type Globals = HashMap<String, Vec<String>>;

pub(super) fn resolve(modules: &mut [Module], sink: &mut Sink) {
    let mut exports: HashMap<Vec<String>, HashSet<String>> = HashMap::new();
    for module in modules.iter() {
        let names = module.rules.iter().filter_map(|rule| rule.head.path.first().cloned());
        exports.entry(module.package.path.clone()).or_default().extend(names);
    }
    for module in modules {
        sink.enter(&module.name);
        let names = exports.get(&module.package.path);
        let globals = globals(&module.package.path, names.into_iter().flatten(), &module.imports);
        for rule in &mut module.rules {
            resolve_rule(rule, &globals, sink);
        }
    }
}

/// What the names in a package stand for. An import wins over a rule of the same name.
pub(super) fn globals<'a>(package: &[String], rules: impl Iterator<Item = &'a String>, imports: &[Import]) -> Globals {
    let mut globals = Globals::new();
    for name in rules {
        let mut path = vec!["data".to_owned()];
        path.extend_from_slice(package);
        path.push(name.clone());
        globals.insert(name.clone(), path);
    }
    for import in imports {
        if is_keyword_import(import) {
            continue;
        }
        if let Some(name) = import.alias.as_ref().or(import.path.last()) {
            globals.insert(name.clone(), import.path.clone());
        }
    }
    globals
}

/// `import future.keywords…` and `import rego.v1` change the syntax only.
pub(super) fn is_keyword_import(import: &Import) -> bool {
    import.path.first().is_some_and(|root| root == "future" || root == "rego")
}

/// As [`resolve`], for a query.
pub(super) fn resolve_query(body: &mut Body, globals: &Globals) {
    let mut resolver = Resolver { globals, hidden: vec![declared(body)] };
    resolver.body(body);
}

fn resolve_rule(rule: &mut Rule, globals: &Globals, sink: &mut Sink) {
    let mut arguments = HashSet::new();
    for argument in &rule.head.arguments {
        if let Some(root) = shadowed_root(argument) {
            let message = format!("args must not shadow {root} (use a different variable name)");
            sink.report(ErrorClass::Compile, rule.span, message);
            return;
        }
        walk_term(argument, Skip { closures: true, sets: true, ..Skip::default() }, &mut |name| {
            arguments.insert(name.to_owned());
        });
    }
    let mut resolver = Resolver { globals, hidden: vec![arguments, declared(&rule.body)] };
    let head = &mut rule.head;
    head.dynamic.iter_mut().chain(&mut head.key).chain(&mut head.value).for_each(|term| resolver.term(term));
    resolver.body(&mut rule.body);
    for branch in &mut rule.otherwise {
        resolver.hidden.truncate(1);
        resolver.hidden.push(declared(&branch.body));
        branch.value.iter_mut().for_each(|value| resolver.term(value));
        resolver.body(&mut branch.body);
    }
}

/// `input` or `data` as an argument, also inside a pattern.
fn shadowed_root(argument: &Term) -> Option<&str> {
    match &argument.kind {
        TermKind::Variable(name) => is_root(name).then_some(name.as_str()),
        TermKind::Array(items) => items.iter().find_map(shadowed_root),
        TermKind::Object(entries) => entries.iter().find_map(|(_, value)| shadowed_root(value)),
        _ => None,
    }
}

/// Names that a body declares with `:=` or `some`, bodies of `every` included, comprehensions not.
pub(super) fn declared(body: &[Expr]) -> HashSet<String> {
    let mut names = HashSet::new();
    collect_declared(body, &mut names);
    names
}

fn collect_declared(body: &[Expr], names: &mut HashSet<String>) {
    for expr in body {
        let patterns: Vec<&Term> = match &expr.kind {
            ExprKind::Assign(left, _) => vec![left],
            ExprKind::SomeIn { key, value, .. } => key.iter().chain([value]).collect(),
            ExprKind::Some(variables) => {
                names.extend(variables.iter().map(|variable| variable.name.clone()));
                continue;
            }
            ExprKind::Every { body, .. } => {
                collect_declared(body, names);
                continue;
            }
            ExprKind::Term(_) | ExprKind::Unify(..) => continue,
        };
        for pattern in patterns {
            if let TermKind::Variable(name) = &pattern.kind {
                names.insert(name.clone());
            }
            walk_term(pattern, Skip::default(), &mut |name| {
                names.insert(name.to_owned());
            });
        }
    }
}

struct Resolver<'g> {
    globals: &'g Globals,
    hidden: Vec<HashSet<String>>,
}

impl<'g> Resolver<'g> {
    fn global(&self, name: &str) -> Option<&'g Vec<String>> {
        let path = self.globals.get(name)?;
        let is_hidden = self.hidden.iter().any(|names| names.contains(name));
        (!is_hidden).then_some(path)
    }

    fn body(&mut self, body: &mut Body) {
        for expr in body {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: &mut Expr) {
        let mut locals = HashSet::new();
        if let ExprKind::Every { key, value, .. } = &expr.kind {
            locals.extend(key.iter().chain([value]).map(|variable| variable.name.clone()));
        }
        self.hidden.push(locals);
        if let ExprKind::Every { domain, body, .. } = &mut expr.kind {
            self.term(domain);
            self.body(body);
        } else {
            terms_mut(expr).into_iter().for_each(|term| self.term(term));
        }
        self.hidden.pop();
        if matches!(expr.kind, ExprKind::Every { .. }) {
            for with in &mut expr.with {
                self.term(&mut with.target);
                self.term(&mut with.value);
            }
        }
    }

    fn term(&mut self, term: &mut Term) {
        let span = term.span;
        match &mut term.kind {
            TermKind::Variable(name) => {
                if let Some(path) = self.global(name) {
                    *term = reference(path, span);
                }
            }
            TermKind::Reference { head, path } => {
                path.iter_mut().for_each(|step| self.term(step));
                self.reference_head(head, path);
            }
            TermKind::Call { function, arguments, .. } => {
                if let Some(prefix) = function.path.first().and_then(|name| self.global(name)) {
                    function.path.splice(..1, prefix.iter().cloned());
                }
                arguments.iter_mut().for_each(|argument| self.term(argument));
            }
            _ => {
                if let Some(body) = closure_body_mut(term) {
                    self.hidden.push(declared(body));
                    self.body(body);
                    parts_mut(term).into_iter().for_each(|part| self.term(part));
                    self.hidden.pop();
                } else {
                    parts_mut(term).into_iter().for_each(|part| self.term(part));
                }
            }
        }
    }

    fn reference_head(&mut self, head: &mut Term, path: &mut Vec<Term>) {
        let span = head.span;
        let TermKind::Variable(name) = &head.kind else {
            return self.term(head);
        };
        let Some((root, prefix)) = self.global(name).and_then(|whole| whole.split_first()) else {
            return;
        };
        head.kind = TermKind::Variable(root.clone());
        let rest = path.iter_mut().map(take);
        *path = prefix.iter().map(|step| string(step, span)).chain(rest).collect();
    }
}
