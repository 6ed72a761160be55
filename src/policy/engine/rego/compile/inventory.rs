//! What compiled rules read of the objects in `data.inventory`.
//!
//! Follows an object, and every part of it, through variables and into functions. What is done with it otherwise, being
//! compared, printed, collected, walked, returned, given to a builtin, counts as reading all of it. Simplifying assumption:
//! every rule runs, and a variable that was named before is bound, so that naming it again compares.
//!
//! Deliberately absent: what rules put back together. Values of rules, elements of collections and replaced documents have
//! been read whole by then.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::tree::{bodies, closure_body, is_constant, parts};
use crate::model::value::Step;
use crate::policy::engine::reads::{InventoryReads, KindPattern};
use crate::policy::engine::rego::compiled::{Compiled, RuleGroup};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, ExprKind, Rule, RuleKind, Term, TermKind};

/// Calls of functions within each other that are followed.
const DEEPEST_CALL: usize = 32;
/// Calls that are followed at all; a policy of more reads everything.
const MOST_CALLS: usize = 2_000;
/// Steps below `data.inventory` that are told apart.
const LONGEST_PATH: usize = 64;
/// Builtins that look at no more of a value than its type.
const OF_TYPE: [&str; 8] =
    ["is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name"];

/// Steps below `data.inventory` to an object that is in no namespace: `cluster`, group and version, kind, name.
const CLUSTER_DEPTH: usize = 4;
/// The same for one that is.
const NAMESPACED_DEPTH: usize = 5;

/// A path below `data.inventory`.
type Place = Vec<Step>;
/// Where a value may come from; nowhere when it is no part of the inventory, or has been read whole.
type Origins = BTreeSet<Place>;

/// What the rules read, or may.
pub fn inventory_reads(compiled: &Compiled) -> InventoryReads {
    let mut reader = Reader { compiled, reads: InventoryReads::default(), seen: HashSet::new(), is_lost: false };
    for group in compiled.groups.values() {
        reader.is_lost |= group.path.first().is_some_and(|name| name == "inventory");
        if group.kind != RuleKind::Function {
            reader.group(group, &[], 0);
        }
    }
    if reader.is_lost { InventoryReads::everything() } else { reader.reads }
}

struct Reader<'c> {
    compiled: &'c Compiled,
    reads: InventoryReads,
    /// Calls that have been followed, with what is known of their arguments.
    seen: HashSet<(&'c [String], Vec<Origins>)>,
    /// Something was met that cannot be followed.
    is_lost: bool,
}

/// The variables of one rule: those that were named, and where they come from.
type Variables<'c> = HashMap<&'c str, Origins>;

impl<'c> Reader<'c> {
    fn group(&mut self, group: &'c RuleGroup, arguments: &[Origins], depth: usize) {
        if depth > DEEPEST_CALL || self.seen.len() > MOST_CALLS {
            self.is_lost = true;
        }
        if self.is_lost || !self.seen.insert((&group.path, arguments.to_vec())) {
            return;
        }
        for rule in group.rules.iter().chain(&group.default) {
            let mut scope = Scope { reader: self, variables: Variables::new(), depth };
            scope.rule(rule, arguments);
        }
    }

    /// All of what is at these places is read, or only that it is there.
    fn read(&mut self, places: &Origins, is_whole: bool) {
        for place in places {
            let is_scope = |name: &str| match place.first() {
                Some(Step::Key(key)) => &**key == name,
                Some(Step::Any) | None => true,
            };
            for (name, depth) in [("cluster", CLUSTER_DEPTH), ("namespace", NAMESPACED_DEPTH)] {
                let (above, below) = place.split_at_checked(depth).unwrap_or((place, &[]));
                // Mappings above the objects are always there.
                if is_scope(name) && (is_whole || place.len() > depth) {
                    let key = |position: usize| match above.get(position) {
                        Some(Step::Key(key)) => Some(Arc::clone(key)),
                        _ => None,
                    };
                    let kinds = KindPattern { api_version: key(depth - 3), kind: key(depth - 2) };
                    self.reads.add(kinds, below, is_whole);
                }
            }
        }
    }
}

struct Scope<'r, 'c> {
    reader: &'r mut Reader<'c>,
    variables: Variables<'c>,
    depth: usize,
}

impl<'c> Scope<'_, 'c> {
    fn rule(&mut self, rule: &'c Rule, arguments: &[Origins]) {
        for (pattern, origins) in rule.head.arguments.iter().zip(arguments) {
            self.take_apart(pattern, origins.clone());
        }
        bodies(rule).for_each(|body| self.body(body));
        let head = &rule.head;
        let made = head.dynamic.iter().chain(&head.key).chain(&head.value);
        made.chain(rule.otherwise.iter().filter_map(|branch| branch.value.as_ref()))
            .for_each(|term| self.consume(term));
    }

    fn body(&mut self, body: &'c Body) {
        body.iter().for_each(|expr| self.expression(expr));
    }

    fn expression(&mut self, expr: &'c Expr) {
        for with in &expr.with {
            let target = match &with.target.kind {
                TermKind::Reference { head, .. } => &head.kind,
                other => other,
            };
            // Other data or functions may be put in place of what is followed here.
            self.reader.is_lost |= !matches!(target, TermKind::Variable(name) if name == "input");
            self.consume(&with.target);
            self.consume(&with.value);
        }
        match &expr.kind {
            ExprKind::Term(term) => drop(self.origins(term)),
            ExprKind::Unify(left, right) => self.unify(left, right),
            ExprKind::Every { key, value, domain, body } => {
                let domain = self.origins(domain);
                let items = self.step(domain, Step::Any);
                self.reader.read(&items, false);
                self.variables.extend(key.iter().map(|key| (key.name.as_str(), Origins::new())));
                self.variables.entry(&value.name).or_default().extend(items);
                self.body(body);
            }
            // The compile passes leave no other.
            ExprKind::Assign(..) | ExprKind::Some(_) | ExprKind::SomeIn { .. } => self.reader.is_lost = true,
        }
    }

    /// A new variable stands for the other side; anything else compares, or takes apart.
    fn unify(&mut self, left: &'c Term, right: &'c Term) {
        for (one, other) in [(left, right), (right, left)] {
            if let TermKind::Variable(name) = &one.kind
                && name != "data"
                && name != "input"
                && !self.variables.contains_key(name.as_str())
            {
                let origins = self.origins(other);
                // Named meanwhile: it has a value by the time that both sides meet.
                if self.variables.contains_key(name.as_str()) {
                    self.reader.read(&origins, true);
                }
                self.variables.entry(name).or_insert(origins);
                return;
            }
        }
        for side in [right, left] {
            self.consume(side);
        }
    }

    fn take_apart(&mut self, pattern: &'c Term, origins: Origins) {
        match &pattern.kind {
            TermKind::Variable(name) if !self.variables.contains_key(name.as_str()) => {
                self.variables.insert(name, origins);
            }
            _ => {
                self.reader.read(&origins, true);
                self.consume(pattern);
            }
        }
    }

    /// All of a term's value is read.
    fn consume(&mut self, term: &'c Term) {
        let origins = self.origins(term);
        self.reader.read(&origins, true);
    }

    /// Where a term's value comes from. Whatever else stands in the term is read.
    fn origins(&mut self, term: &'c Term) -> Origins {
        match &term.kind {
            TermKind::Variable(name) if name == "data" => {
                self.reader.is_lost = true;
                Origins::new()
            }
            TermKind::Variable(name) if name == "input" => Origins::new(),
            TermKind::Variable(name) => self.variables.entry(name).or_default().clone(),
            TermKind::Reference { head, path } => self.reference(head, path),
            TermKind::Call { function, arguments, .. } => self.call(&function.path, arguments),
            _ => {
                if let Some(body) = closure_body(term) {
                    self.body(body);
                }
                parts(term).into_iter().for_each(|part| self.consume(part));
                Origins::new()
            }
        }
    }

    fn reference(&mut self, head: &'c Term, path: &'c [Term]) -> Origins {
        let (mut at, mut rest) = match &head.kind {
            TermKind::Variable(name) if name == "data" => match path.split_first() {
                Some((first, rest)) if matches!(&first.kind, TermKind::String(name) if name == "inventory") => {
                    (Origins::from([Place::new()]), rest)
                }
                // Rules and packages: what they give has been read.
                Some((first, _)) if matches!(&first.kind, TermKind::String(_)) => (Origins::new(), path),
                _ => {
                    self.reader.is_lost = true;
                    return Origins::new();
                }
            },
            _ => (self.origins(head), path),
        };
        while let Some((step, behind)) = rest.split_first() {
            // Behind a variable that is looked up, its value is compared with keys.
            self.consume(step);
            at = self.step(at, named(step));
            rest = behind;
        }
        self.reader.read(&at, false);
        at
    }

    fn step(&mut self, origins: Origins, step: Step) -> Origins {
        let mut below = Origins::new();
        for mut place in origins {
            if place.len() >= LONGEST_PATH {
                self.reader.read(&Origins::from([place]), true);
                continue;
            }
            place.push(step.clone());
            below.insert(place);
        }
        below
    }

    fn call(&mut self, function: &'c [String], arguments: &'c [Term]) -> Origins {
        let rules = function.split_first().filter(|(root, _)| *root == "data").map(|(_, path)| path);
        if let Some(group) = rules.and_then(|path| self.reader.compiled.groups.get(path)) {
            let known: Vec<Origins> = arguments.iter().map(|argument| self.origins(argument)).collect();
            // Anything behind the last argument is compared with the result.
            known.iter().skip(group.arity).for_each(|origins| self.reader.read(origins, true));
            self.reader.group(group, known.get(..group.arity).unwrap_or_default(), self.depth + 1);
            self.reader.is_lost |= known.len() < group.arity;
            return Origins::new();
        }
        self.reader.is_lost |= rules.is_some();
        match (function, arguments) {
            ([object, get], [object_of, path, default]) if object == "object" && get == "get" && is_constant(path) => {
                let mut at = self.origins(object_of);
                let default = self.origins(default);
                let whole_path = std::slice::from_ref(path);
                let steps = if let TermKind::Array(steps) = &path.kind { steps } else { whole_path };
                for step in steps {
                    self.reader.read(&at, false);
                    at = self.step(at, named(step));
                }
                self.reader.read(&at, false);
                at.extend(default);
                at
            }
            ([name], [argument]) if OF_TYPE.contains(&name.as_str()) => {
                drop(self.origins(argument));
                Origins::new()
            }
            ([name], [argument]) if name == "count" => {
                let counted = self.origins(argument);
                // How many objects there are is known without what is in them.
                let inside = counted.into_iter().filter(|place| !is_above_objects(place)).collect();
                self.reader.read(&inside, true);
                Origins::new()
            }
            _ => {
                arguments.iter().for_each(|argument| self.consume(argument));
                Origins::new()
            }
        }
    }
}

/// Whether a place is a mapping that holds objects, or such mappings.
fn is_above_objects(place: &Place) -> bool {
    let depth = match place.first() {
        Some(Step::Key(key)) if &**key == "namespace" => NAMESPACED_DEPTH,
        _ => CLUSTER_DEPTH,
    };
    place.len() < depth
}

/// Texts that are numbers may be the index of an element, and numbers the name of a field.
fn named(step: &Term) -> Step {
    match &step.kind {
        TermKind::String(text) if text.parse::<i64>().is_err() => Step::Key(Arc::from(text.as_str())),
        _ => Step::Any,
    }
}
