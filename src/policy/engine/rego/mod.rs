//! Rego, as OPA runs it.
//!
//! ```text
//! text ── syntax ──► tree ── compile ──► canonical tree ── evaluate ──► plan ──► value
//!                                              └── second_opinion ──► regorus ──► value
//! ```
//!
//! `compile` runs the passes of OPA's compiler, so that what is evaluated leaves nothing to interpret; `evaluate` and
//! regorus (`second_opinion`) are two independent evaluators of the same canonical tree.

pub mod annotations;
pub mod builtin_access;
pub mod builtins;
pub mod compile;
pub mod compiled;
mod cover;
mod document;
pub mod evaluate;
pub mod mutants;
pub mod query;
mod second_opinion;
pub mod syntax;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::external_data::Outside;
use super::{
    CompileError, CompileOptions, Deadline, EvalError, Finding, Input, InventoryReads, Notes, RegoEngine, limits,
};
use crate::model::api::{Module as SourceModule, RegoSource};
use crate::model::value::Value;
use builtins::Caches;
use builtins::external_data::NAME as EXTERNAL_DATA;
use compile::TEMPLATE_PACKAGE;
use compile::signatures::Signature;
use compiled::Compiled;
use evaluate::budget::{Breach, Limits};
use evaluate::{
    Coverage, Differences, Folds, Globals, Host, InputDocument, InventoryLoop, Joins, Observer, Plan, Watch,
};
use second_opinion::SecondOpinion;
use syntax::ast::{Module, RegoError};

pub use crate::model::value::{self, Pool};
pub use cover::Coverable;
pub use document::Document;

thread_local! {
    static CACHES: RefCell<Caches> = RefCell::new(Caches::default());
}

/// Name of a template's main module in messages, as Gatekeeper shows it.
const MAIN_MODULE: &str = "template";

/// A compiled template.
#[derive(Debug)]
pub struct RegoProgram {
    plan: Option<Plan>,
    second_opinion: Option<SecondOpinion>,
    is_referential: bool,
    reads: InventoryReads,
    keeps_prints: bool,
    is_traced: bool,
    reaches_out: bool,
    coverables: Vec<Coverable>,
}

impl RegoProgram {
    pub(super) fn compile(source: &RegoSource, options: CompileOptions) -> Result<Self, Vec<CompileError>> {
        let compiled = compile_template(source, options)?;
        let internal = |message: String| vec![internal_error(source, message)];
        let plan = match options.engine {
            RegoEngine::Own | RegoEngine::Both => {
                let watch = watch(source, options);
                let plan = Plan::watched(&compiled, &builtins::lookup, &watch);
                Some(plan.map_err(|error| internal(error.to_string()))?)
            }
            RegoEngine::Regorus => None,
        };
        let second_opinion = match options.engine {
            RegoEngine::Own => None,
            RegoEngine::Regorus | RegoEngine::Both => Some(SecondOpinion::new(&compiled).map_err(internal)?),
        };
        let CompileOptions { keeps_prints, is_traced, .. } = options;
        let coverables = if options.is_covered { cover::coverables(source, &compiled) } else { Vec::new() };
        let is_referential = compile::reads_data(&compiled, "inventory");
        let reads = match options.engine {
            _ if !is_referential => InventoryReads::default(),
            RegoEngine::Own if !is_traced => compile::inventory_reads(&compiled),
            // Traces show whole objects; regorus is not known to leave alone what a policy does not read.
            RegoEngine::Own | RegoEngine::Regorus | RegoEngine::Both => InventoryReads::everything(),
        };
        let modules = std::iter::once(&source.main).chain(&source.libraries);
        let reaches_out = options.access.may_reach_out()
            && modules.into_iter().any(|module| ["http", "net"].iter().any(|name| module.text.contains(name)));
        Ok(Self { plan, second_opinion, is_referential, reads, keeps_prints, is_traced, reaches_out, coverables })
    }

    /// Whether an evaluation may be noticed outside of this process.
    pub(super) fn reaches_out(&self) -> bool {
        self.reaches_out
    }

    /// What there is to cover; nothing unless it was compiled for that.
    pub(super) fn coverables(&self) -> &[Coverable] {
        &self.coverables
    }

    pub(super) fn folds(&self) -> Folds {
        self.plan.as_ref().map(Plan::folds).unwrap_or_default()
    }

    pub(super) fn has_joins(&self) -> bool {
        self.plan.as_ref().is_some_and(Plan::has_joins)
    }

    /// Indexes of the inventory for this program, from those of an earlier version where there are any. Nothing for a
    /// program that has no use for them.
    pub(super) fn index(
        &self,
        inventory: &Document,
        earlier: Option<&Joins>,
        differences: &Differences<'_>,
    ) -> Option<Joins> {
        let plan = self.plan.as_ref().filter(|plan| plan.has_joins())?;
        let index = |caches: &mut Caches| plan.index(inventory.value(), earlier, differences, caches);
        // Without an index the policy scans, and fails as it does on this object.
        catch_unwind(AssertUnwindSafe(|| CACHES.with_borrow_mut(index))).ok()
    }

    /// What it reads of the objects in the inventory, or may.
    pub(super) fn inventory_reads(&self) -> &InventoryReads {
        &self.reads
    }

    /// Every constant of its code; none unless admit's own engine is in use.
    pub(super) fn constants(&self) -> &[Value] {
        self.plan.as_ref().map_or(&[], Plan::constants)
    }

    /// How each loop over the inventory runs.
    pub(super) fn inventory_loops(&self) -> &[InventoryLoop] {
        self.plan.as_ref().map_or(&[], Plan::inventory_loops)
    }

    pub(super) fn evaluate(
        &self,
        input: Input<'_>,
        deadline: Deadline,
        notes: Option<&mut Notes>,
    ) -> Result<Vec<Finding>, EvalError> {
        let evaluate = || self.evaluate_with_engines(input, deadline, notes);
        let panicked = |_| Err(EvalError::Failed("the policy evaluator panicked on this input".to_owned()));
        catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(panicked)
    }

    fn evaluate_with_engines(
        &self,
        input: Input<'_>,
        deadline: Deadline,
        notes: Option<&mut Notes>,
    ) -> Result<Vec<Finding>, EvalError> {
        let (review, parameters) = (input.review.value(), input.parameters.document.value());
        let data = self.is_referential.then(|| document::object([("inventory", input.inventory.value().clone())]));
        let globals = Globals {
            input: InputDocument::Parts { review, parameters },
            data: data.as_ref(),
            folds: Some(&input.parameters.folds),
            joins: input.indexes.map(|indexes| &indexes.0).filter(|joins| joins.is_of(input.inventory.value())),
        };
        let outside = input.outside;
        let whole = || document::object([("parameters", parameters.clone()), ("review", review.clone())]);
        match (&self.plan, &self.second_opinion) {
            (Some(plan), None) => self.evaluate_noting(plan, globals, deadline, (outside, notes)),
            (None, Some(second)) => ask_second(second, &whole(), data.as_ref(), deadline),
            (Some(plan), Some(second)) => {
                // regorus does not tell a float that is a whole number from an integer: compare where there is no such.
                let (plain, data) = (document::whole_numbers(&whole()), data.as_ref().map(document::whole_numbers));
                let same = Globals { input: InputDocument::Whole(&plain), data: data.as_ref(), ..Globals::default() };
                let own = evaluate_plan(plan, same, deadline, Sinks::default());
                agree(own, ask_second(second, &plain, data.as_ref(), deadline))?;
                self.evaluate_noting(plan, globals, deadline, (outside, notes))
            }
            (None, None) => Err(EvalError::Failed("no engine was chosen".to_owned())),
        }
    }

    fn evaluate_noting(
        &self,
        plan: &Plan,
        globals: Globals<'_>,
        deadline: Deadline,
        (outside, notes): (Option<Outside<'_>>, Option<&mut Notes>),
    ) -> Result<Vec<Finding>, EvalError> {
        let Some(notes) = notes else {
            return evaluate_plan(plan, globals, deadline, Sinks { outside, ..Sinks::default() });
        };
        let mut prints = Vec::new();
        let sinks = Sinks {
            prints: self.keeps_prints.then_some(&mut prints),
            trace: self.is_traced.then_some(&mut notes.trace),
            observer: notes.observer.as_mut(),
            coverage: notes.coverage.as_mut(),
            outside,
        };
        let result = evaluate_plan(plan, globals, deadline, sinks);
        notes.print(prints);
        result
    }
}

/// What a plan is to keep besides its kind of answer.
fn watch(source: &RegoSource, options: CompileOptions) -> Watch<'_> {
    let sources = || named_modules(source).map(|(name, module)| (name, module.text.as_str())).collect();
    Watch { has_print_places: options.keeps_prints, sources: (options.is_traced || options.is_covered).then(sources) }
}

/// Where an evaluation writes what it shows on its way, and whom it may ask.
#[derive(Default)]
struct Sinks<'s> {
    prints: Option<&'s mut Vec<String>>,
    trace: Option<&'s mut evaluate::Trace>,
    observer: Option<&'s mut Observer>,
    coverage: Option<&'s mut Coverage>,
    outside: Option<Outside<'s>>,
}

fn evaluate_plan(
    plan: &Plan,
    globals: Globals<'_>,
    deadline: Deadline,
    Sinks { prints, trace, observer, coverage, outside }: Sinks<'_>,
) -> Result<Vec<Finding>, EvalError> {
    let limits = Limits { deadline: deadline.instant(), ..Limits::default() };
    let result = CACHES.with_borrow_mut(|caches| {
        let host = Host { caches, now_ns: limits::now_ns(), prints, trace, observer, coverage, outside };
        plan.evaluate_rule(&[TEMPLATE_PACKAGE, "violation"], globals, &limits, host)
    });
    match result {
        Ok(value) => findings(value.as_ref()),
        Err(evaluate::EvalError::NobodyToAsk(text)) => Err(EvalError::NobodyToAsk(text)),
        Err(evaluate::EvalError::Limit(Breach::Deadline)) => Err(EvalError::DeadlineExceeded),
        Err(evaluate::EvalError::Limit(Breach::Depth)) => {
            Err(EvalError::Stopped(format!("evaluation stopped: {}", Breach::Depth.as_str())))
        }
        Err(error @ evaluate::EvalError::Halt(_)) => Err(EvalError::Stopped(error.to_string())),
        Err(evaluate::EvalError::Limit(breach)) => Err(EvalError::LimitExceeded(breach.as_str())),
        Err(error) => Err(EvalError::Failed(error.to_string())),
    }
}

fn ask_second(
    second: &SecondOpinion,
    input: &Value,
    data: Option<&Value>,
    deadline: Deadline,
) -> Result<Vec<Finding>, EvalError> {
    let path = [TEMPLATE_PACKAGE, "violation"];
    findings(second.evaluate(&path, Some(input), data, deadline)?.as_ref())
}

/// What both engines say, or that they do not say the same.
fn agree(
    own: Result<Vec<Finding>, EvalError>,
    second: Result<Vec<Finding>, EvalError>,
) -> Result<Vec<Finding>, EvalError> {
    let is_same = match (&own, &second) {
        (Ok(own), Ok(second)) => own == second,
        // That both fail counts; their words for it are their own.
        (Err(_), Err(_)) => true,
        _ => false,
    };
    if is_same {
        return own;
    }
    let show = |result: &Result<Vec<Finding>, EvalError>| match result {
        Ok(findings) => format!("{:?}", findings.iter().map(|finding| &finding.message).collect::<Vec<_>>()),
        Err(error) => format!("error: {error}"),
    };
    Err(EvalError::EnginesDisagree { own: show(&own), second: show(&second) })
}

fn compile_template(source: &RegoSource, options: CompileOptions) -> Result<Compiled, Vec<CompileError>> {
    let mut modules = Vec::new();
    let mut errors = Vec::new();
    for (name, module) in named_modules(source) {
        match syntax::parser::parse_module(&name, &module.text, source.version) {
            Ok(parsed) => modules.push(parsed),
            Err(found) => errors.extend(found.into_iter().map(|error| compile_error(source, error))),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut rules = compile::CompileOptions { builtins: &of_templates, ..compile::CompileOptions::gatekeeper() };
    rules.access = match options.engine {
        RegoEngine::Own => options.access,
        // Neither asked twice nor outside of the evaluation's limits.
        RegoEngine::Regorus | RegoEngine::Both => options.access.without_reach(),
    };
    if !options.referential_rules {
        rules.allowed_data_roots = Some(vec!["lib".to_owned()]);
    }
    rules.keeps_prints = options.keeps_prints;
    let compiled: Result<Compiled, Vec<RegoError>> = compile::compile(Vec::<Module>::from_iter(modules), &rules);
    compiled.map_err(|errors| errors.into_iter().map(|error| compile_error(source, error)).collect())
}

/// What policies may call: OPA's functions, as far as there is one of ours behind the name. `print` and the forms of
/// assignment are the compile passes' own.
pub(crate) fn implemented(name: &str) -> Option<Arc<Signature>> {
    let is_rewritten = matches!(name, "print" | "assign");
    compile::signatures::lookup(name).filter(|_| is_rewritten || builtins::lookup(name).is_some())
}

/// The same and Gatekeeper's own.
fn of_templates(name: &str) -> Option<Arc<Signature>> {
    if name == EXTERNAL_DATA {
        return Some(Arc::new(compile::signatures::extension(1)));
    }
    implemented(name)
}

/// The modules of a template under the names that errors show.
fn named_modules(source: &RegoSource) -> impl Iterator<Item = (String, &SourceModule)> {
    let libraries = source.libraries.iter().enumerate().map(|(position, module)| (format!("libs[{position}]"), module));
    std::iter::once((MAIN_MODULE.to_owned(), &source.main)).chain(libraries)
}

fn compile_error(source: &RegoSource, error: RegoError) -> CompileError {
    let module = named_modules(source).find(|(name, _)| *name == error.module);
    let module = module.map_or(&source.main, |(_, module)| module).path.clone();
    let position = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    let help = error.help.map(|help| format!("; {help}")).unwrap_or_default();
    CompileError {
        module,
        line: position(error.span.line),
        column: position(error.span.column),
        class: error.class.as_str(),
        message: format!("{}{help}", error.message),
    }
}

/// The compile passes and the evaluators do not agree about a policy: a mistake of ours, told as one.
fn internal_error(source: &RegoSource, message: String) -> CompileError {
    let message = format!("this policy cannot be run, which is a mistake in admit: {message}");
    CompileError { module: source.main.path.clone(), line: 1, column: 1, class: "rego_compile_error", message }
}

/// Elements without `msg` vanish, equal ones count once, a `msg` that is no string fails the review: as Gatekeeper.
fn findings(violations: Option<&Value>) -> Result<Vec<Finding>, EvalError> {
    let elements: &[Value] = match violations {
        Some(Value::Set(set)) => set.items(),
        Some(Value::Array(items)) => items,
        _ => &[],
    };
    let mut unique: Vec<(&str, Value)> = Vec::new();
    for element in elements {
        let Value::Object(fields) = element else { continue };
        let Some(message) = fields.get_str("msg") else { continue };
        let Value::String(message) = message else {
            return Err(EvalError::MessageNotText { found: message.to_string() });
        };
        let details = fields.get_str("details").cloned().unwrap_or_else(|| Value::object(Vec::new()));
        unique.push((message, details));
    }
    unique.sort();
    unique.dedup();
    let finding =
        |(message, details): (&str, Value)| Finding { message: message.to_owned(), details: details.to_json() };
    Ok(unique.into_iter().map(finding).collect())
}
