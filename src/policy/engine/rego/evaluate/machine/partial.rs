//! All members of partial rules.

use std::collections::BTreeMap;

use crate::policy::engine::rego::evaluate::error::{Conflict, EvalError};
use crate::policy::engine::rego::evaluate::plan::{Clause, Group, Operand, Template};
use crate::policy::engine::rego::syntax::ast::RuleKind;
use crate::policy::engine::rego::value::Value;

use super::compute::is_same;
use super::memory::{CallKey, Memory};
use super::{Evaluator, Flow, Outcome, VALUE_BYTES};

/// One member: keys, then the element or value.
type Member<'a> = (Vec<Value>, &'a Clause);

impl<'a> Evaluator<'a> {
    /// The set or object that the clauses make together.
    pub(super) fn collect(&mut self, group: &'a Group) -> Outcome<&'a Value> {
        let is_nested = |clause: &Clause| {
            let depth = if group.kind == RuleKind::PartialSet { 1 } else { 2 };
            is_set(clause) != (group.kind == RuleKind::PartialSet)
                || clause.branches.iter().any(|branch| branch.outputs.len() != depth)
        };
        let value = if group.clauses.iter().any(is_nested) {
            self.collect_nested(group, &[])?
        } else if group.kind == RuleKind::PartialSet {
            self.collect_set(group)?
        } else {
            self.collect_object(group)?
        };
        self.keep(value)
    }

    /// The same, as far as members' names have the keys where they are known; remembered.
    pub(super) fn part(&mut self, number: u32, keys: &[Option<Operand>], base: usize) -> Outcome<Option<&'a Value>> {
        let Some(group) = self.plan.groups.get(number as usize) else { return Ok(None) };
        let is_whole_known = matches!(self.world.rules.get(number as usize), Some(Memory::Known(_)));
        if is_whole_known || self.is_replaced(number) {
            return self.rule(number);
        }
        let keys: Vec<Option<&'a Value>> =
            keys.iter().map(|key| key.map(|operand| self.operand(operand, base))).collect();
        let key = CallKey::of_some(number, &keys);
        if let Some(known) = key.as_ref().and_then(|key| self.world.calls.get(key)) {
            return Ok(*known);
        }
        self.descend()?;
        let value = self.collect_nested(group, &keys)?;
        self.depth += 1;
        let value = self.keep(value)?;
        if let Some(key) = key {
            self.budget.reserve(size_of::<CallKey>())?;
            self.world.calls.insert(key, Some(value));
        }
        Ok(Some(value))
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
                    this.cover_member(group, clause, &item);
                    items.push(item);
                    Ok(if branch.is_single { Flow::Stop } else { Flow::Continue })
                })?;
            }
        }
        self.slots.truncate(base);
        Ok(Value::set(items))
    }

    fn collect_object(&mut self, group: &'a Group) -> Outcome<Value> {
        let mut members = self.members(group, &[])?;
        // Stable: of members with the same key the later clause is the one in conflict.
        members.sort_by(|(one, _), (other, _)| one.first().cmp(&other.first()));
        let mut entries: Vec<(Value, Value)> = Vec::with_capacity(members.len());
        for (parts, clause) in members {
            let Ok([key, value]) = <[Value; 2]>::try_from(parts) else { continue };
            match entries.last() {
                Some((known, earlier)) if *known == key => {
                    if *earlier != value {
                        return Err(EvalError::conflict(&clause.place, Conflict::ObjectKey));
                    }
                }
                _ => entries.push((key, value)),
            }
        }
        Ok(Value::object(entries))
    }

    /// `p[x].q[y] := z`, `p[x] contains y`: objects within objects.
    fn collect_nested(&mut self, group: &'a Group, keys: &[Option<&'a Value>]) -> Outcome<Value> {
        let mut root = Nested::Object(BTreeMap::new());
        for (mut parts, clause) in self.members(group, keys)? {
            let Some(last) = parts.pop() else { continue };
            root.insert(parts, last, is_set(clause))
                .map_err(|Clash| EvalError::conflict(&clause.place, Conflict::ObjectKey))?;
        }
        Ok(root.into_value())
    }

    fn members(&mut self, group: &'a Group, keys: &[Option<&'a Value>]) -> Outcome<Vec<Member<'a>>> {
        let base = self.slots.len();
        let mut members: Vec<Member<'a>> = Vec::new();
        for clause in &group.clauses {
            self.open_frame(clause, base);
            for branch in &clause.branches {
                if !self.can_have(named(&branch.outputs, clause), keys) {
                    continue;
                }
                self.run(&branch.body, base, &mut |this| {
                    this.budget.reserve(VALUE_BYTES * (branch.outputs.len() + 2))?;
                    this.cover_head(clause, 0);
                    let mut parts = Vec::with_capacity(branch.outputs.len());
                    for output in &branch.outputs {
                        parts.push(this.build(output, base)?);
                    }
                    let mut names = named(&parts, clause).iter().zip(keys);
                    if names.all(|(name, key)| key.is_none_or(|key| is_same(name, key))) {
                        members.push((parts, clause));
                    }
                    Ok(if branch.is_single { Flow::Stop } else { Flow::Continue })
                })?;
            }
        }
        self.slots.truncate(base);
        Ok(members)
    }

    /// A member may have the keys, as far as can be said before the body runs.
    fn can_have(&self, names: &[Template], keys: &[Option<&Value>]) -> bool {
        names.iter().zip(keys).all(|(name, key)| match (name, key) {
            (Template::Operand(Operand::Constant(number)), Some(key)) => {
                self.plan.constants.get(*number as usize).is_none_or(|name| is_same(name, key))
            }
            _ => true,
        })
    }
}

/// What of a member can be asked for: its name, and the element of a set.
fn named<'p, T>(parts: &'p [T], clause: &Clause) -> &'p [T] {
    let value = usize::from(!is_set(clause));
    parts.get(..parts.len().saturating_sub(value)).unwrap_or_default()
}

fn is_set(clause: &Clause) -> bool {
    clause.kind == RuleKind::PartialSet
}

/// Two members say different things about the same place.
struct Clash;

impl Default for Nested {
    fn default() -> Self {
        Self::Object(BTreeMap::new())
    }
}

/// A document in the making.
enum Nested {
    Object(BTreeMap<Value, Nested>),
    Set(Vec<Value>),
    Value(Value),
}

impl Nested {
    fn insert(&mut self, names: Vec<Value>, last: Value, is_element: bool) -> Result<(), Clash> {
        let mut at = self;
        for name in names {
            let Self::Object(entries) = at else { return Err(Clash) };
            at = entries.entry(name).or_insert_with(|| Self::Object(BTreeMap::new()));
        }
        let is_new = matches!(at, Self::Object(entries) if entries.is_empty());
        if is_new {
            *at = if is_element { Self::Set(vec![last]) } else { Self::Value(last) };
            return Ok(());
        }
        match at {
            Self::Set(items) if is_element => items.push(last),
            // A set that a rule gives as its value is a set like any other.
            Self::Value(Value::Set(set)) if is_element => {
                *at = Self::Set(set.items().iter().cloned().chain([last]).collect());
            }
            // The same again; nothing may come below any more.
            place if !is_element => {
                if std::mem::take(place).into_value() != last {
                    return Err(Clash);
                }
                *place = Self::Value(last);
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
