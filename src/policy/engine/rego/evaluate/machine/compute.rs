//! Making values, taking them apart, comparing and calculating.

use crate::policy::engine::rego::builtins::Builtin;
use crate::policy::engine::rego::evaluate::InputDocument;
use crate::policy::engine::rego::evaluate::plan::{Arithmetic, Comparison, Operand, Pattern, Target, Template};
use crate::policy::engine::rego::value::{Number, Value};

use super::memory::Memory;
use super::{Evaluator, FALSE, Outcome, TRUE, VALUE_BYTES};

impl<'a> Evaluator<'a> {
    /// What a step's result means for it: whether it holds.
    #[inline]
    pub(super) fn settle(&mut self, target: &'a Target, value: &'a Value, base: usize) -> Outcome<bool> {
        match target {
            Target::Bind(slot) => {
                self.bind(*slot, value, base);
                Ok(true)
            }
            Target::Truthy => {
                self.observe_holds(value);
                Ok(!matches!(value, Value::Bool(false)))
            }
            Target::Ignore => {
                self.observe_holds(value);
                Ok(true)
            }
            Target::Equal(operand) => {
                let other = self.operand(*operand, base);
                self.observe_comparison(value, other, Comparison::Equal);
                Ok(is_same(value, other))
            }
            Target::Match(pattern) => self.matches(pattern, value, base),
        }
    }

    pub(super) fn settle_maybe(&mut self, target: &'a Target, value: Option<&'a Value>, base: usize) -> Outcome<bool> {
        match value {
            Some(value) => self.settle(target, value, base),
            None => Ok(false),
        }
    }

    #[inline]
    pub(super) fn settle_bool(&mut self, target: &'a Target, value: bool, base: usize) -> Outcome<bool> {
        match target {
            Target::Truthy => Ok(value),
            target => self.settle(target, if value { &TRUE } else { &FALSE }, base),
        }
    }

    /// The same for a value that was just made; it is kept only if something can read it later.
    pub(super) fn settle_made(&mut self, target: &'a Target, value: Value, base: usize) -> Outcome<bool> {
        match target {
            Target::Truthy => Ok(!matches!(value, Value::Bool(false))),
            Target::Ignore => Ok(true),
            Target::Equal(operand) => {
                let other = self.operand(*operand, base);
                self.observe_comparison(&value, other, Comparison::Equal);
                Ok(value == *other)
            }
            Target::Bind(_) | Target::Match(_) => {
                let value = self.keep(value)?;
                self.settle(target, value, base)
            }
        }
    }

    pub(super) fn matches(&mut self, pattern: &'a Pattern, value: &'a Value, base: usize) -> Outcome<bool> {
        match (pattern, value) {
            (Pattern::Any, _) => Ok(true),
            (Pattern::Bind(slot), value) => {
                self.bind(*slot, value, base);
                Ok(true)
            }
            (Pattern::Equal(operand), value) => {
                let other = self.operand(*operand, base);
                self.observe_comparison(value, other, Comparison::Equal);
                Ok(is_same(value, other))
            }
            (Pattern::Array(patterns), Value::Array(items)) => {
                if patterns.len() != items.len() {
                    return Ok(false);
                }
                for (pattern, item) in patterns.iter().zip(items.iter()) {
                    if !self.matches(pattern, item, base)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Pattern::Object(patterns), Value::Object(object)) => {
                if patterns.len() != object.len() {
                    return Ok(false);
                }
                for (key, pattern) in patterns {
                    let key = self.make(key, base)?;
                    match object.get(key) {
                        Some(item) if self.matches(pattern, item, base)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            (Pattern::Built(template), value) => {
                let built = self.build(template, base)?;
                self.observe_comparison(&built, value, Comparison::Equal);
                Ok(built == *value)
            }
            (Pattern::Array(_) | Pattern::Object(_), _) => Ok(false),
        }
    }

    /// The template's value, borrowed where it exists already.
    pub(super) fn make(&mut self, template: &'a Template, base: usize) -> Outcome<&'a Value> {
        match template {
            Template::Operand(operand) => Ok(self.operand(*operand, base)),
            template => {
                let value = self.build(template, base)?;
                self.keep(value)
            }
        }
    }

    pub(super) fn build(&mut self, template: &'a Template, base: usize) -> Outcome<Value> {
        Ok(match template {
            Template::Operand(operand) => self.operand(*operand, base).clone(),
            Template::Array(items) => Value::array(self.build_all(items, base)?),
            Template::Set(items) => Value::set(self.build_all(items, base)?),
            Template::Object(entries) => {
                self.budget.reserve(2 * VALUE_BYTES * entries.len())?;
                let mut values = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    values.push((self.build(key, base)?, self.build(value, base)?));
                }
                Value::object(values)
            }
        })
    }

    fn build_all(&mut self, items: &'a [Template], base: usize) -> Outcome<Vec<Value>> {
        self.budget.reserve(VALUE_BYTES * items.len())?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.build(item, base)?);
        }
        Ok(values)
    }

    /// All of an input document.
    pub(super) fn whole(&self, input: InputDocument<'a>) -> Option<&'a Value> {
        match input {
            InputDocument::Absent => None,
            InputDocument::Whole(value) => Some(value),
            InputDocument::Parts { review, parameters } => {
                let parts = [("parameters", parameters), ("review", review)];
                let entries = parts.map(|(key, value)| (Value::string(key), value.clone()));
                Some(self.arena.alloc(Value::object(entries.to_vec())))
            }
        }
    }

    /// The value at a ground path below `input`, looked up once.
    pub(super) fn input(&mut self, path: u32) -> Option<&'a Value> {
        if let Some(Memory::Known(value)) = self.world.inputs.get(path as usize) {
            return *value;
        }
        let node = self.plan.inputs.get(path as usize)?;
        // As deep as the path is long in the source.
        let value = match (path, node.parent, self.world.input) {
            (0, ..) => self.whole(self.world.input),
            (_, 0, InputDocument::Parts { review, parameters }) => match node.key.as_str() {
                Some("review") => Some(review),
                Some("parameters") => Some(parameters),
                _ => None,
            },
            _ => self.input(node.parent).and_then(|at| {
                self.observe_step(at, &node.key);
                at.get(&node.key)
            }),
        };
        if let Some(memory) = self.world.inputs.get_mut(path as usize) {
            *memory = Memory::Known(value);
        }
        value
    }

    #[inline]
    pub(super) fn navigate(&mut self, head: Operand, path: &[Operand], base: usize) -> Option<&'a Value> {
        self.observe_way(head, path, base);
        path.iter().try_fold(self.operand(head, base), |at, key| at.get(self.operand(*key, base)))
    }

    pub(super) fn calculate(
        &mut self,
        arithmetic: Arithmetic,
        builtin: &'static Builtin,
        operands: &[Operand; 2],
        target: &'a Target,
        base: usize,
    ) -> Outcome<bool> {
        let [left, right] = operands.map(|operand| self.operand(operand, base));
        self.observe_test(left);
        self.observe_test(right);
        let quick = match (left, right) {
            (Value::Number(Number::Int(left)), Value::Number(Number::Int(right))) => match arithmetic {
                Arithmetic::Plus => left.checked_add(*right),
                Arithmetic::Minus => left.checked_sub(*right),
                Arithmetic::Times => left.checked_mul(*right),
            },
            _ => None,
        };
        let value = match quick {
            Some(int) => Some(Value::Number(Number::Int(int))),
            None => self.builtin(builtin.call, &[left, right])?,
        };
        match value {
            Some(value) => self.settle_made(target, value, base),
            None => Ok(false),
        }
    }

    pub(super) fn count(
        &mut self,
        value: Operand,
        builtin: &'static Builtin,
        target: &'a Target,
        base: usize,
    ) -> Outcome<bool> {
        let value = self.operand(value, base);
        self.observe_test(value);
        let count = match value {
            Value::Array(items) => items.len(),
            Value::Object(object) => object.len(),
            Value::Set(items) => items.len(),
            other => {
                return match self.builtin(builtin.call, &[other])? {
                    Some(value) => self.settle_made(target, value, base),
                    None => Ok(false),
                };
            }
        };
        let count = self.index(count)?;
        self.settle(target, count, base)
    }
}

impl Comparison {
    #[inline]
    pub(super) fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Self::Equal => is_same(left, right),
            Self::Unequal => !is_same(left, right),
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// Equal; often the very same.
#[inline]
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        // No ordering needed, and lengths differ more often than not.
        (Value::String(one), Value::String(other)) => one == other,
        _ => std::ptr::eq(one, other) || one == other,
    }
}
