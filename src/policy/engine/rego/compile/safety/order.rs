//! The order of one body.
//!
//! Invariant: the same order as going over the body again and again and taking each expression that is safe by then, as
//! OPA does; but an expression is looked at again only after a variable that it mentions was bound, so a body of n
//! expressions costs n log n looks.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::outputs::{outputs, variables_of_closures};
use crate::policy::engine::rego::compile::tree::{Skip, walk_expr};
use crate::policy::engine::rego::syntax::ast::{Body, Expr, Span};

/// What came out.
pub(super) struct Verdict {
    /// Indexes of the expressions that can be evaluated, in order.
    pub(super) order: Vec<usize>,
    /// What the others lack.
    pub(super) unsafe_variables: Vec<(Span, String)>,
}

pub(super) fn order(body: &Body, known: &HashSet<String>) -> Verdict {
    let mut orderer = Orderer::new(body, known);
    orderer.run();
    let lacking = orderer.expressions.iter().filter(|candidate| !candidate.is_placed).flat_map(|candidate| {
        let lacking = candidate.lacking(&orderer.safe);
        lacking.into_iter().map(|name| (candidate.expr.span, name.to_owned())).collect::<Vec<_>>()
    });
    let unsafe_variables = lacking.collect();
    Verdict { order: orderer.order, unsafe_variables }
}

struct Orderer<'b> {
    expressions: Vec<Candidate<'b>>,
    mentions: HashMap<&'b str, Vec<usize>>,
    safe: HashSet<&'b str>,
    order: Vec<usize>,
}

struct Candidate<'b> {
    expr: &'b Expr,
    own: HashSet<&'b str>,
    /// Variables of the body that a closure in it uses.
    closed_over: HashSet<&'b str>,
    is_placed: bool,
}

impl<'b> Orderer<'b> {
    fn new(body: &'b Body, known: &HashSet<String>) -> Self {
        let mut variables: HashSet<&str> = HashSet::new();
        let mut expressions: Vec<Candidate<'b>> = Vec::with_capacity(body.len());
        for expr in body {
            let mut own = HashSet::new();
            walk_expr(expr, Skip::CLOSURES, &mut |name| {
                own.insert(name);
            });
            variables.extend(&own);
            expressions.push(Candidate { expr, own, closed_over: variables_of_closures(expr), is_placed: false });
        }
        let safe: HashSet<&str> = variables.iter().copied().filter(|name| known.contains(*name)).collect();
        let mut mentions: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, candidate) in expressions.iter_mut().enumerate() {
            candidate.closed_over.retain(|name| variables.contains(name) && !known.contains(*name));
            for name in candidate.own.union(&candidate.closed_over) {
                mentions.entry(name).or_default().push(index);
            }
        }
        Self { expressions, mentions, safe, order: Vec::new() }
    }

    fn run(&mut self) {
        let mut open: BTreeSet<usize> = (0..self.expressions.len()).collect();
        let mut from = 0;
        loop {
            let Some(index) = open.range(from..).next().copied() else {
                if open.is_empty() {
                    return;
                }
                from = 0;
                continue;
            };
            open.remove(&index);
            from = index + 1;
            for name in self.place(index) {
                let waiting = self.mentions.get(name).into_iter().flatten().copied();
                open.extend(waiting.filter(|other| self.expressions.get(*other).is_some_and(|it| !it.is_placed)));
            }
        }
    }

    /// Takes an expression if it is safe now. Gives the variables that it binds.
    fn place(&mut self, index: usize) -> Vec<&'b str> {
        let Some(candidate) = self.expressions.get_mut(index) else {
            return Vec::new();
        };
        let safe = &self.safe;
        let bound = outputs(candidate.expr, &|name| safe.contains(name));
        let sees_all = candidate.closed_over.iter().all(|name| safe.contains(name));
        if !sees_all && candidate.closed_over == bound {
            // It would close over what only it itself binds.
            return Vec::new();
        }
        if candidate.lacking(safe).into_iter().any(|name| !bound.contains(name)) {
            return Vec::new();
        }
        candidate.is_placed = true;
        self.order.push(index);
        bound.into_iter().filter(|name| self.safe.insert(name)).collect()
    }
}

impl<'b> Candidate<'b> {
    fn lacking(&self, safe: &HashSet<&str>) -> Vec<&'b str> {
        self.own.union(&self.closed_over).copied().filter(|name| !safe.contains(name)).collect()
    }
}
