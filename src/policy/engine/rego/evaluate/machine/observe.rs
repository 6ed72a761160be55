//! What an evaluation tells its observer. All of this does nothing, at the price of one look, when there is none.

use crate::policy::engine::rego::builtins::Builtin;
use crate::policy::engine::rego::evaluate::observe::{Test, Within};
use crate::policy::engine::rego::evaluate::plan::{Comparison, Operand};
use crate::policy::engine::rego::value::Value;

use super::Evaluator;

/// Builtins that make messages: nothing depends on what they show.
const SHOWING: [&str; 2] = ["sprintf", "print"];

impl<'a> Evaluator<'a> {
    #[inline]
    pub(super) fn observe_test(&mut self, value: &Value) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.test(value, Test::Other);
        }
    }

    /// A statement that is just a value: it must be there, and not be false.
    #[inline]
    pub(super) fn observe_holds(&mut self, value: &Value) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.test(value, Test::Equal);
        }
    }

    #[inline]
    pub(super) fn observe_comparison(&mut self, left: &Value, right: &Value, comparison: Comparison) {
        if let Some(observer) = self.observer.as_deref_mut() {
            let test = match comparison {
                Comparison::Equal => Test::Equal,
                Comparison::Unequal => Test::Unequal,
                _ => Test::Other,
            };
            observer.compare(left, right, test);
        }
    }

    #[inline]
    pub(super) fn observe_member(&mut self, item: &Value, collection: &Value) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.member(item, collection);
        }
    }

    /// What is evaluated from here on, or up to here, is within a negation or makes a collection.
    #[inline]
    pub(super) fn observe_within(&mut self, within: Within, is_begin: bool) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.within(within, is_begin);
        }
    }

    #[inline]
    pub(super) fn observe_iteration(&mut self, domain: &Value) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.iterate(domain);
        }
    }

    #[inline]
    pub(super) fn observe_step(&mut self, from: &Value, key: &Value) {
        if let Some(observer) = self.observer.as_deref_mut() {
            observer.step(from, key);
        }
    }

    #[inline]
    pub(super) fn observe_way(&mut self, head: Operand, path: &[Operand], base: usize) {
        if self.observer.is_some() {
            let mut at = Some(self.operand(head, base));
            for key in path {
                let key = self.operand(*key, base);
                // Where the way leads depends on all of its keys, on those behind its end, too.
                match at {
                    Some(from) => self.observe_step(from, key),
                    None => self.observe_test(key),
                }
                at = at.and_then(|from| from.get(key));
            }
        }
    }

    #[inline]
    pub(super) fn observe_call(&mut self, builtin: &Builtin, arguments: &[Operand], base: usize) {
        if self.observer.is_none() || SHOWING.contains(&builtin.name) {
            return;
        }
        let values: Vec<&'a Value> = arguments.iter().map(|operand| self.operand(*operand, base)).collect();
        let Some(observer) = self.observer.as_deref_mut() else { return };
        match values.as_slice() {
            [from, path, default] if builtin.name == "object.get" => observer.look_up(from, path, default),
            values => values.iter().for_each(|value| observer.test(value, Test::Other)),
        }
    }
}
