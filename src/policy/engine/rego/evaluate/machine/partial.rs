//! All members of partial rules.

use std::collections::BTreeMap;

use crate::policy::engine::rego::evaluate::error::{Conflict, EvalError};
use crate::policy::engine::rego::evaluate::plan::{Clause, Group, Place};
use crate::policy::engine::rego::syntax::ast::RuleKind;
use crate::policy::engine::rego::value::Value;

use super::{Evaluator, Flow, Outcome, VALUE_BYTES};

/// One member: keys, then the element or value.
type Member<'a> = (Vec<Value>, &'a Place);

impl<'a> Evaluator<'a> {
    /// The set or object that the clauses make together.
    pub(super) fn collect(&mut self, group: &'a Group) -> Outcome<&'a Value> {
        let is_nested = |clause: &Clause| {
            let depth = if group.kind == RuleKind::PartialSet { 1 } else { 2 };
            clause.branches.iter().any(|branch| branch.outputs.len() != depth)
        };
        let value = if group.clauses.iter().any(is_nested) {
            self.collect_nested(group)?
        } else if group.kind == RuleKind::PartialSet {
            self.collect_set(group)?
        } else {
            self.collect_object(group)?
        };
        self.keep(value)
    }

    fn collect_set(&mut self, group: &'a Group) -> Outcome<Value> {
        let base = self.slots.len();
        let mut items = Vec::new();
        for clause in &group.clauses {
            self.open_frame(clause, base);
            for branch in &clause.branches {
                let Some(output) = branch.outputs.first() else { continue };
                self.run(&branch.body, base, &mut |this| {
                    this.budget.reserve(VALUE_BYTES)?;
                    let item = this.build(output, base)?;
                    items.push(item);
                    Ok(if branch.is_single { Flow::Stop } else { Flow::Continue })
                })?;
            }
        }
        self.slots.truncate(base);
        Ok(Value::set(items))
    }

    fn collect_object(&mut self, group: &'a Group) -> Outcome<Value> {
        let mut members = self.members(group)?;
        // Stable: of members with the same key the later clause is the one in conflict.
        members.sort_by(|(one, _), (other, _)| one.first().cmp(&other.first()));
        let mut entries: Vec<(Value, Value)> = Vec::with_capacity(members.len());
        for (parts, place) in members {
            let Ok([key, value]) = <[Value; 2]>::try_from(parts) else { continue };
            match entries.last() {
                Some((known, earlier)) if *known == key => {
                    if *earlier != value {
                        return Err(EvalError::conflict(place, Conflict::ObjectKey));
                    }
                }
                _ => entries.push((key, value)),
            }
        }
        Ok(Value::object(entries))
    }

    /// `p[x].q[y] := z`, `p[x] contains y`: objects within objects.
    fn collect_nested(&mut self, group: &'a Group) -> Outcome<Value> {
        let mut root = Nested::Object(BTreeMap::new());
        for (mut parts, place) in self.members(group)? {
            let Some(last) = parts.pop() else { continue };
            root.insert(parts, last, group.kind).map_err(|Clash| EvalError::conflict(place, Conflict::ObjectKey))?;
        }
        Ok(root.into_value())
    }

    fn members(&mut self, group: &'a Group) -> Outcome<Vec<Member<'a>>> {
        let base = self.slots.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        for clause in &group.clauses {
            self.open_frame(clause, base);
            for branch in &clause.branches {
                self.run(&branch.body, base, &mut |this| {
                    this.budget.reserve(VALUE_BYTES * (branch.outputs.len() + 2))?;
                    let mut parts = Vec::with_capacity(branch.outputs.len());
                    for output in &branch.outputs {
                        parts.push(this.build(output, base)?);
                    }
                    members.push((parts, &clause.place));
                    Ok(if branch.is_single { Flow::Stop } else { Flow::Continue })
                })?;
            }
        }
        self.slots.truncate(base);
        Ok(members)
    }
}

/// Two members say different things about the same place.
struct Clash;

/// A document in the making.
enum Nested {
    Object(BTreeMap<Value, Nested>),
    Set(Vec<Value>),
    Value(Value),
}

impl Nested {
    fn insert(&mut self, keys: Vec<Value>, last: Value, kind: RuleKind) -> Result<(), Clash> {
        let mut at = self;
        for key in keys {
            let Self::Object(entries) = at else { return Err(Clash) };
            at = entries.entry(key).or_insert_with(|| Self::Object(BTreeMap::new()));
        }
        let is_new = matches!(at, Self::Object(entries) if entries.is_empty());
        match at {
            Self::Set(items) if kind == RuleKind::PartialSet => items.push(last),
            Self::Value(value) if *value == last => {}
            place if is_new => {
                *place = if kind == RuleKind::PartialSet { Self::Set(vec![last]) } else { Self::Value(last) };
            }
            _ => return Err(Clash),
        }
        Ok(())
    }

    /// As deep as heads are long in the source.
    fn into_value(self) -> Value {
        match self {
            Self::Object(entries) => {
                Value::object(entries.into_iter().map(|(key, value)| (key, value.into_value())).collect())
            }
            Self::Set(items) => Value::set(items),
            Self::Value(value) => value,
        }
    }
}
