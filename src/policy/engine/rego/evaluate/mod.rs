//! Evaluation of compiled policies.
//!
//! ```text
//! Compiled ──lower──▶ Plan (immutable, shared by threads) ──machine──▶ Value
//! ```
//!
//! `plan` is the form that runs, `lower` makes it, `machine` runs it, `budget` bounds it, `trace` shows it, `observe` sees what it
//! touches, `coverage` counts what it does where. Deliberately absent: anything that
//! knows of Gatekeeper, JSON or files; locks; a clock other than the budget's.

pub mod budget;
mod coverage;
mod error;
mod joins;
mod literal;
mod lower;
mod machine;
mod observe;
mod plan;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::OnceLock;

use crate::policy::engine::external_data::Outside;
use crate::policy::engine::rego::builtins::{Builtin, Caches};
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::value::Value;

use budget::Limits;
pub use coverage::{Coverage, Held, Hits, Proof};
pub use error::{Conflict, EvalError, PlanError};
pub use joins::{Differences, Joins, Noted};
pub use observe::{Observer, Role, Touch};
pub use plan::{InventoryLoop, Plan};
pub use trace::{Trace, Watch};

/// The documents that policies read. An absent one is undefined.
#[derive(Clone, Copy, Debug, Default)]
pub struct Globals<'g> {
    pub input: InputDocument<'g>,
    /// Base documents, for example `{"inventory": …}`.
    pub data: Option<&'g Value>,
    /// What earlier evaluations with the same `input.parameters` found out.
    pub folds: Option<&'g Folds>,
    /// Indexes of the inventory in `data`, made by the same plan.
    pub joins: Option<&'g Joins>,
}

/// The document `input`.
#[derive(Clone, Copy, Debug, Default)]
pub enum InputDocument<'g> {
    /// There is none.
    #[default]
    Absent,
    Whole(&'g Value),
    /// What a template's code sees. Put together only where all of it is asked for.
    Parts {
        review: &'g Value,
        parameters: &'g Value,
    },
}

impl<'g> From<Option<&'g Value>> for InputDocument<'g> {
    fn from(value: Option<&'g Value>) -> Self {
        value.map_or(Self::Absent, Self::Whole)
    }
}

/// What follows from one constraint's parameters: filled by the evaluations of one plan, in any thread, and valid as long
/// as plan and parameters stay.
#[derive(Debug, Default)]
pub struct Folds(Box<[OnceLock<Option<Value>>]>);

impl Folds {
    fn cell(&self, number: u32) -> Option<&OnceLock<Option<Value>>> {
        self.0.get(number as usize)
    }
}

/// What an evaluation uses of its surroundings.
#[derive(Debug)]
pub struct Host<'h> {
    /// Compiled patterns; kept by the caller between evaluations, one for each thread.
    pub caches: &'h mut Caches,
    /// The time that policies see: nanoseconds since 1970.
    pub now_ns: i64,
    /// Where `print` writes; nowhere when absent.
    pub prints: Option<&'h mut Vec<String>>,
    /// Where a plan that was made for it writes its trace.
    pub trace: Option<&'h mut Trace>,
    /// What is to know which values are touched.
    pub observer: Option<&'h mut Observer>,
    /// What counts, in a plan that was made with its sources.
    pub coverage: Option<&'h mut Coverage>,
    /// Whom policies may ask for external data.
    pub outside: Option<Outside<'h>>,
}

impl Plan {
    /// Lowers a policy. Errors mean that the compile passes let something through.
    pub fn new(compiled: &Compiled, lookup: &dyn Fn(&str) -> Option<&'static Builtin>) -> Result<Self, PlanError> {
        Self::watched(compiled, lookup, &Watch::default())
    }

    /// The same for a plan that shows what it does.
    pub fn watched(
        compiled: &Compiled,
        lookup: &dyn Fn(&str) -> Option<&'static Builtin>,
        watch: &Watch<'_>,
    ) -> Result<Self, PlanError> {
        lower::lower(compiled, lookup, watch)
    }

    /// Room for what follows from one constraint's parameters.
    pub fn folds(&self) -> Folds {
        Folds((0..self.folds).map(|_| OnceLock::new()).collect())
    }

    /// Every constant that the policy's code names.
    pub fn constants(&self) -> &[Value] {
        &self.constants
    }

    /// How each loop over the inventory runs.
    pub fn inventory_loops(&self) -> &[InventoryLoop] {
        &self.loops
    }

    /// The value at a path below `data`; nothing when it is undefined. The path of a package gives all its rules.
    pub fn evaluate_rule(
        &self,
        path: &[&str],
        globals: Globals<'_>,
        limits: &Limits,
        host: Host<'_>,
    ) -> Result<Option<Value>, EvalError> {
        machine::evaluate(self, path, globals, limits, host).map_err(|error| *error)
    }
}
