//! Refuses templates with rules whose names overlap in a way that the evaluator does not join as OPA does:
//! `p[x].r contains y` beside `p.b.r contains z`. Such a policy would lose elements, and a lost violation lets through
//! what the policy forbids.
//!
//! Invariant: below the path of a rule whose name goes on with a variable there is no other rule.

use super::sink::Sink;
use crate::policy::engine::rego::compiled::{Compiled, RuleGroup};
use crate::policy::engine::rego::syntax::ast::ErrorClass;

pub(super) fn check(compiled: &Compiled, sink: &mut Sink) {
    for open in compiled.groups.values().filter(|group| group.rules.iter().any(|rule| !rule.head.dynamic.is_empty())) {
        let is_below = |other: &&RuleGroup| other.path.len() > open.path.len() && other.path.starts_with(&open.path);
        for below in compiled.groups.values().filter(is_below) {
            let Some(rule) = below.rules.first().or(below.default.as_ref()) else { continue };
            sink.enter(below.modules.first().map_or("template", String::as_str));
            let message = format!(
                "rule data.{} overlaps with data.{}[…], which admit does not support",
                below.path.join("."),
                open.path.join(".")
            );
            let help = "give the two rules names of their own";
            sink.report_with_help(ErrorClass::Compile, rule.span, &message, help);
        }
    }
}
