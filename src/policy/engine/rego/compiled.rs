//! What the compile passes hand to the evaluator and to the canonical printer.
//!
//! Invariants of every rule in here (the contract between `compile` and `evaluate`):
//! 1. `input` and `data` are the only global variables. Every reference to a rule or an import is a `Reference` whose
//!    head is the variable `data` (or `input`) with the whole path from the root, ground steps as string terms.
//! 2. All other variables are local to their rule and unique in it (OPA's `__localN__` scheme or the source's name when
//!    that is unambiguous); arguments of functions are variables or patterns in `Head::arguments`.
//! 3. `ExprKind::Assign`, `Some` and `SomeIn` are gone; what is left: `Term`, `Unify`, `Every`.
//! 4. Calls appear in two places only: as the whole of an `ExprKind::Term` (its result must be defined and not false), and
//!    as the whole right side of an `ExprKind::Unify` (`x = f(y)`). Their arguments contain no call and no reference
//!    (references in arguments are hoisted into a `Unify` before the expression, so an undefined operand makes the body
//!    undefined, also under `not`). Comprehensions may appear as a whole right side of a `Unify` only.
//! 5. A reference's head is a variable, and each step is a constant, a variable, or an array, set or object of these;
//!    collections contain no reference, call or comprehension.
//! 6. Bodies are ordered: when an expression is reached, every variable that it needs is bound; variables that it may bind
//!    are those that occur unbound as steps of a reference, inside patterns of a `Unify`, or alone on one side of it.
//! 7. `with` targets are references below `input` or `data`, or function names; values are ground after hoisting.
//! 8. No recursion; every called function exists with that arity.

use std::collections::{BTreeMap, BTreeSet};

use super::syntax::ast::{Rule, RuleKind};

/// Compiled modules.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// By the whole path below `data`, for example `["lib", "x", "f"]`.
    pub groups: BTreeMap<Vec<String>, RuleGroup>,
    /// Keys of `groups` in an order in which each comes after all it depends on.
    pub order: Vec<Vec<String>>,
    /// The paths of all packages, those without rules too.
    pub packages: BTreeSet<Vec<String>>,
}

/// All clauses of one name.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    pub path: Vec<String>,
    pub kind: RuleKind,
    /// Number of arguments; 0 unless a function.
    pub arity: usize,
    /// `default …`
    pub default: Option<Rule>,
    /// In source order.
    pub rules: Vec<Rule>,
    /// Added by E: the name of the module that each of `rules` stands in, for the place in conflict errors
    /// (`template:50: eval_conflict_error: …`). May be shorter than `rules`; what is missing prints without a place.
    pub modules: Vec<String>,
}
