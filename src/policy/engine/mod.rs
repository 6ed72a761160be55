//! Policy code, compiled. The languages are a closed set; callers never know which one they run.

mod breaker;
pub mod external_data;
pub mod limits;
mod meter;
mod notes;
pub mod reads;
pub mod rego;

use serde_json::Value;
use thiserror::Error;

use crate::model::api::EngineSource;
use crate::model::object::FieldPath;
use external_data::Outside;

pub use breaker::Breaker;
pub use limits::Deadline;
pub use meter::{Meter, Meters, Outcome, Reading};
pub use notes::Notes;
pub use reads::{InventoryReads, KindPattern};
pub use rego::builtin_access::{BuiltinAccess, UnknownBuiltin};
pub use rego::evaluate::{Coverage, Held, InventoryLoop, Observer, Proof, Role, Touch};
pub use rego::{Coverable, Document, Pool};

use crate::model::value::Value as Constant;

/// The compiled code of one template. Shared read-only by all threads.
#[derive(Debug)]
pub enum Program {
    /// Written in Rego.
    Rego(rego::RegoProgram),
}

/// What a policy sees besides its own code.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The document `input.review`.
    pub review: &'a Document,
    /// The document `input.parameters`, bound to this program.
    pub parameters: &'a Parameters,
    /// The document `data.inventory`.
    pub inventory: &'a Document,
    /// What this program made of that very document; without it, or with another's, the program reads all of it.
    pub indexes: Option<&'a Indexes>,
    /// What it may ask of the world; without it, external data is refused.
    pub outside: Option<Outside<'a>>,
}

/// A constraint's parameters, and what one program works out from them once. Shared by all threads.
#[derive(Debug)]
pub struct Parameters {
    document: Document,
    folds: rego::evaluate::Folds,
}

/// Indexes of one version of the inventory for one program. Shared by all threads.
#[derive(Debug)]
pub struct Indexes(rego::evaluate::Joins);

/// What changed between two versions of the inventory, for [`Program::index`].
#[derive(Debug)]
pub struct InventoryChange<'a>(rego::evaluate::Differences<'a>);

impl<'a> InventoryChange<'a> {
    /// From an earlier version, or from nothing.
    pub fn between(earlier: Option<&'a Document>, later: &'a Document) -> Self {
        Self(rego::evaluate::Differences::between(earlier.map(Document::value), later.value()))
    }

    /// These, in their order.
    pub fn of(changes: &'a [ObjectChange]) -> Self {
        Self(rego::evaluate::Differences::of(changes.iter().map(|change| &change.0)))
    }
}

/// What changed about one object of the inventory.
#[derive(Clone, Debug)]
pub struct ObjectChange(rego::evaluate::Noted);

impl ObjectChange {
    /// `keys` lead to the object from the inventory's top.
    pub fn new(keys: Vec<Document>, before: Option<Document>, after: Option<Document>) -> Self {
        let value = |document: Document| document.value().clone();
        let place = keys.into_iter().skip(1).map(value).collect();
        Self(rego::evaluate::Noted { place, before: before.map(value), after: after.map(value) })
    }
}

impl Indexes {
    /// How many entries all of them have.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they are of that very version.
    pub fn is_of(&self, inventory: &Document) -> bool {
        self.0.is_of(inventory.value())
    }
}

/// One violation as the policy code stated it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// `msg`.
    pub message: String,
    /// `details`; an empty mapping when the policy gave none.
    pub details: Value,
}

/// Why policy code was not accepted, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[error("{line}:{column}: {class}: {message}")]
pub struct CompileError {
    /// The field of the template that holds the module.
    pub module: FieldPath,
    /// Line inside the module, from 1.
    pub line: usize,
    /// Column inside the module in characters, from 1.
    pub column: usize,
    /// OPA's name for this class of error.
    pub class: &'static str,
    /// What was found and what to do.
    pub message: String,
}

/// Why an evaluation gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EvalError {
    /// The policy failed on this input; each of its constraints reports the text as a violation.
    #[error("{0}")]
    Failed(String),
    /// The evaluation took longer than it may.
    #[error("evaluation took longer than the request allows; it was stopped")]
    DeadlineExceeded,
    /// The evaluation used more than it may: steps, memory, nesting.
    #[error("evaluation stopped: {0}")]
    LimitExceeded(&'static str),
    /// Something that cannot be worked out here was asked for, and leaving it undefined could lose a violation.
    #[error("{0}")]
    Stopped(String),
    /// External data was asked for, and nobody may be asked here.
    #[error("needs external data: {0}")]
    NobodyToAsk(String),
    /// The two engines do not say the same, when both were asked.
    #[error("the engines disagree: admit says {own}, regorus says {second}")]
    EnginesDisagree {
        /// What admit's evaluator says.
        own: String,
        /// What regorus says.
        second: String,
    },
    /// A violation's `msg` is not a string. That is an error of the whole review.
    #[error("could not evaluate the policy: msg of a violation is not a string but {found}")]
    MessageNotText {
        /// What it is.
        found: String,
    },
}

/// What policies may use.
#[derive(Clone, Copy, Debug)]
pub struct CompileOptions {
    /// Whether `data.inventory` may be read (`--enable-referential-rules`).
    pub referential_rules: bool,
    /// Which evaluator runs Rego (`--rego-engine`).
    pub engine: RegoEngine,
    /// Keep calls of `print`, for [`Notes`].
    pub keeps_prints: bool,
    /// Keep what a trace shows, for [`Notes`]. Such a program is slower, and only admit's own evaluator makes traces.
    pub is_traced: bool,
    /// Keep what coverage is told by, for [`Notes`]. Such a program is slower, and only admit's own evaluator counts.
    pub is_covered: bool,
    /// Which builtins policies may call (`--enable-opa-builtin`, `--disable-opa-builtin`).
    pub access: BuiltinAccess,
}

/// An evaluator of compiled Rego.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegoEngine {
    /// admit's own.
    #[default]
    Own,
    /// regorus, on the same compiled policy.
    Regorus,
    /// Both; that they disagree is an error.
    Both,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            referential_rules: true,
            engine: RegoEngine::default(),
            keeps_prints: false,
            is_traced: false,
            is_covered: false,
            access: BuiltinAccess::default(),
        }
    }
}

impl Program {
    /// Compiles a template's code.
    ///
    /// # Errors
    /// With every mistake that could be found, each with its place.
    pub fn compile(source: &EngineSource, options: CompileOptions) -> Result<Self, Vec<CompileError>> {
        match source {
            EngineSource::Rego(source) => rego::RegoProgram::compile(source, options).map(Self::Rego),
        }
    }

    /// Makes parameters ready for this program, and for no other.
    pub fn bind(&self, parameters: Document) -> Parameters {
        match self {
            Self::Rego(program) => Parameters { document: parameters, folds: program.folds() },
        }
    }

    /// Whether it has a use for indexes of the inventory.
    pub fn has_indexes(&self) -> bool {
        match self {
            Self::Rego(program) => program.has_joins(),
        }
    }

    /// Indexes of the inventory for this program, from those of an earlier version, where there are any, and what changed
    /// since.
    pub fn index(
        &self,
        inventory: &Document,
        earlier: Option<&Indexes>,
        change: &InventoryChange<'_>,
    ) -> Option<Indexes> {
        match self {
            Self::Rego(program) => program.index(inventory, earlier.map(|indexes| &indexes.0), &change.0).map(Indexes),
        }
    }

    /// What there is to cover in its code, ordered by place; nothing unless it was compiled for that.
    pub fn coverables(&self) -> &[Coverable] {
        match self {
            Self::Rego(program) => program.coverables(),
        }
    }

    /// Every constant of its code: what it may compare values with.
    pub fn constants(&self) -> &[Constant] {
        match self {
            Self::Rego(program) => program.constants(),
        }
    }

    /// Whether an evaluation may be noticed outside of this process: it may call what `--enable-opa-builtin` lets it.
    pub fn reaches_out(&self) -> bool {
        match self {
            Self::Rego(program) => program.reaches_out(),
        }
    }

    /// How each loop over the inventory runs: by index, or why not. Nothing unless admit's own engine is in use.
    pub fn inventory_loops(&self) -> &[InventoryLoop] {
        match self {
            Self::Rego(program) => program.inventory_loops(),
        }
    }

    /// What it reads of the objects in the inventory, or may.
    pub fn inventory_reads(&self) -> &InventoryReads {
        match self {
            Self::Rego(program) => program.inventory_reads(),
        }
    }

    /// Evaluates one constraint on one review: its violations, deduplicated, in a stable order.
    ///
    /// # Errors
    /// When the code fails on this input or does not finish in time.
    pub fn evaluate(&self, input: Input<'_>, deadline: Deadline) -> Result<Vec<Finding>, EvalError> {
        self.evaluate_noting(input, deadline, None)
    }

    /// The same, and what the code shows on its way, as far as it was compiled for that; also when it fails.
    ///
    /// # Errors
    /// As [`Program::evaluate`].
    pub fn evaluate_noting(
        &self,
        input: Input<'_>,
        deadline: Deadline,
        notes: Option<&mut Notes>,
    ) -> Result<Vec<Finding>, EvalError> {
        match self {
            Self::Rego(program) => program.evaluate(input, deadline, notes),
        }
    }
}
