//! `graph.*`: what can be reached along the edges of an object of nodes.
//!
//! Edges are the elements of an array or a set; a node with anything else has none. Walks keep their own stack: graphs
//! come from users and may be as deep as they are large.

use std::collections::{BTreeSet, VecDeque};

use super::operands::{elements, object};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Object, Value};

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "graph.reachable", arity: 2, call: reachable },
    Builtin { name: "graph.reachable_paths", arity: 2, call: reachable_paths },
];

fn reachable(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let graph = object(operands, 0)?;
    let mut queue: VecDeque<&Value> = elements(operands, 1)?.iter().collect();
    let mut reached = BTreeSet::new();
    while let Some(node) = queue.pop_front() {
        context.budget.charge(1)?;
        let Some(edges) = graph.get(node) else { continue };
        if reached.insert(node) {
            queue.extend(targets(edges).iter().filter(|target| !reached.contains(target)));
        }
    }
    Ok(Value::set(reached.into_iter().cloned().collect()))
}

fn reachable_paths(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let graph = object(operands, 0)?;
    let mut paths = Vec::new();
    for start in elements(operands, 1)? {
        let Some(edges) = graph.get(start) else { continue };
        if targets(edges).is_empty() {
            paths.push(Value::array(vec![start.clone()]));
        }
        // Each neighbour of the start is walked with a fresh memory of where the walk has been.
        for neighbour in targets(edges) {
            let reached = BTreeSet::from([start]);
            Walk { graph, reached, path: vec![start], paths: &mut paths }.run(neighbour, context)?;
        }
    }
    Ok(Value::set(paths))
}

/// One depth-first walk. OPA marks a node as reached only once the walk leaves it for a node not yet reached.
struct Walk<'a, 'p> {
    graph: &'a Object,
    reached: BTreeSet<&'a Value>,
    path: Vec<&'a Value>,
    paths: &'p mut Vec<Value>,
}

/// A node on the way.
struct Step<'a> {
    node: &'a Value,
    targets: std::slice::Iter<'a, Value>,
    /// What was put out from here: OPA repeats it in front of each further path that ends here.
    ended: Vec<Value>,
}

impl<'a> Walk<'a, '_> {
    fn run(mut self, first: &'a Value, context: &mut CallContext<'_>) -> Result<(), BuiltinError> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        steps.extend(self.enter(first, context)?);
        while let Some(step) = steps.last_mut() {
            let Some(target) = step.targets.next() else {
                steps.pop();
                self.path.pop();
                continue;
            };
            if self.reached.contains(target) {
                context.budget.charge((self.path.len() + step.ended.len()) as u64)?;
                step.ended.extend(self.path.iter().copied().cloned());
                self.paths.push(Value::array(step.ended.clone()));
            } else {
                self.reached.insert(step.node);
                let next = self.enter(target, context)?;
                steps.extend(next);
            }
        }
        Ok(())
    }

    /// Goes on to `node`, unless the path ends there: for want of edges, or before it when it is no node of the graph.
    fn enter(&mut self, node: &'a Value, context: &mut CallContext<'_>) -> Result<Option<Step<'a>>, BuiltinError> {
        context.budget.charge(1 + self.path.len() as u64)?;
        let edges = self.graph.get(node);
        let targets = edges.map(targets).unwrap_or_default();
        if edges.is_some() && !targets.is_empty() {
            self.path.push(node);
            return Ok(Some(Step { node, targets: targets.iter(), ended: Vec::new() }));
        }
        let last = edges.map(|_| node);
        self.paths.push(Value::array(self.path.iter().copied().chain(last).cloned().collect()));
        Ok(None)
    }
}

fn targets(edges: &Value) -> &[Value] {
    match edges {
        Value::Array(items) => items,
        Value::Set(set) => set.items(),
        _ => &[],
    }
}
