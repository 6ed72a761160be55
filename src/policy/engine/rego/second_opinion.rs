//! regorus: the only file that names it. An independent evaluator for the same compiled policy, printed as Rego.
//!
//! Our builtins are registered with it wherever its own differ from OPA's or are missing, so what it is a second opinion
//! about is evaluation: rules, iteration, negation, unification, `with`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use regorus::utils::limits::{ExecutionTimerConfig, PolicyLengthConfig};
use regorus::{Engine, Value as RegoValue};

use super::builtins::{self, Builtin, BuiltinError, Caches, CallContext};
use super::compile::signatures;
use super::compile::tree::{bodies_mut, closure_body_mut};
use super::compiled::Compiled;
use super::evaluate::budget::{Budget, Limits};
use super::syntax::ast::{Body, ExprKind, Module, Package, Span, TermKind};
use super::syntax::print::print_module;
use super::value::{Number, Object, Value};
use crate::model::api::RegoVersion;
use crate::policy::engine::{Deadline, EvalError, limits};

/// Work units between two looks at the clock: below 16 it costs, above 1,000 it is late.
const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// How many converted parts of documents a thread keeps: parameters, review, inventory.
const LATEST_PARTS: usize = 3;

/// A compiled policy in regorus' hands. Cloned for each evaluation, which shares what does not change.
pub(super) struct SecondOpinion {
    engine: Engine,
}

impl SecondOpinion {
    /// Hands over a compiled policy. An error means that the printed policy is not understood, which is a mistake of ours.
    pub(super) fn new(compiled: &Compiled) -> Result<Self, String> {
        let mut engine = Engine::new();
        engine.set_rego_v0(false);
        engine.set_strict_builtin_errors(false);
        engine.set_gather_prints(true);
        engine.set_policy_length_config(PolicyLengthConfig {
            max_col: NonZeroU32::MAX,
            max_file_bytes: NonZeroUsize::MAX,
            max_lines: NonZeroUsize::MAX,
        });
        for builtin in builtins::all().filter(|builtin| !is_native(builtin.name) && !reaches_out(builtin.name)) {
            let arity = u8::try_from(builtin.arity).map_err(|error| error.to_string())?;
            let call = move |arguments: Vec<RegoValue>| Ok(call(builtin, &arguments)?);
            engine
                .add_extension(builtin.name.to_owned(), arity, Box::new(call))
                .map_err(|error| format!("{error:#}"))?;
        }
        for module in modules(compiled) {
            let text = print_module(&module, RegoVersion::V1);
            engine
                .add_policy(module.name.clone(), text.clone())
                .map_err(|error| format!("regorus does not read the compiled policy: {error:#}\n{text}"))?;
        }
        Ok(Self { engine })
    }

    /// The value of a rule; nothing when it is undefined.
    pub(super) fn evaluate(
        &self,
        path: &[&str],
        input: Option<&Value>,
        data: Option<&Value>,
        deadline: Deadline,
    ) -> Result<Option<Value>, EvalError> {
        let mut engine = self.engine.clone();
        if let Some(limit) = deadline.remaining() {
            engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: CLOCK_INTERVAL });
        }
        let failed = |error: String| match deadline.has_passed() {
            true => EvalError::DeadlineExceeded,
            false => EvalError::Failed(error),
        };
        if let Some(data) = data {
            engine.add_data(convert(data)).map_err(|error| failed(last_line(&format!("{error:#}"))))?;
        }
        if let Some(input) = input {
            engine.set_input(convert(input));
        }
        let rule = format!("data.{}", path.join("."));
        match engine.eval_rule(rule) {
            Ok(RegoValue::Undefined) => Ok(None),
            Ok(value) => Ok(Some(from_regorus(&value))),
            Err(error) => Err(failed(last_line(&format!("{error:#}")))),
        }
    }
}

impl std::fmt::Debug for SecondOpinion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SecondOpinion").finish_non_exhaustive()
    }
}

/// The compiled rules as modules again, one a package.
fn modules(compiled: &Compiled) -> Vec<Module> {
    let mut modules: BTreeMap<Vec<String>, Module> = BTreeMap::new();
    for group in compiled.groups.values() {
        for rule in group.default.iter().chain(&group.rules) {
            let length = group.path.len().saturating_sub(rule.head.path.len());
            let package: Vec<String> = group.path.iter().take(length).cloned().collect();
            let module = modules.entry(package.clone()).or_insert_with(|| Module {
                name: package.join("."),
                version: RegoVersion::V1,
                package: Package { path: package, span: Span::default() },
                imports: Vec::new(),
                rules: Vec::new(),
                comments: Vec::new(),
            });
            let mut rule = rule.clone();
            bodies_mut(&mut rule).for_each(name_operators);
            module.rules.push(rule);
        }
    }
    modules.into_values().collect()
}

/// Policies for regorus are compiled without these.
fn reaches_out(name: &str) -> bool {
    name == builtins::external_data::NAME || signatures::lookup(name).is_some_and(|signature| signature.reaches_out)
}

/// Operators as calls by name, so that regorus calls ours: its own fail where OPA's are undefined, and it orders sets and
/// objects in its own way. In what is compiled, calls stand alone or on the right of a unification.
fn name_operators(body: &mut Body) {
    for expr in body {
        let term = match &mut expr.kind {
            ExprKind::Term(term) | ExprKind::Unify(_, term) => term,
            ExprKind::Every { body, .. } => {
                name_operators(body);
                continue;
            }
            _ => continue,
        };
        if let TermKind::Call { function, is_infix, .. } = &mut term.kind {
            *is_infix &= matches!(function.path.as_slice(), [only] if is_native(only));
        }
        if let Some(body) = closure_body_mut(term) {
            name_operators(body);
        }
    }
}

/// Relations that regorus has itself, with OPA's meaning. It has the operators too, but not by their names.
fn is_native(name: &str) -> bool {
    matches!(name, "eq" | "internal.member_2" | "internal.member_3" | "internal.print" | "walk")
}

/// One of our builtins, called by regorus.
fn call(builtin: &Builtin, arguments: &[RegoValue]) -> Result<RegoValue, std::io::Error> {
    let arguments: Vec<Value> = arguments.iter().map(from_regorus).collect();
    let arguments: Vec<&Value> = arguments.iter().collect();
    let (mut caches, mut budget) = (Caches::default(), Budget::new(&Limits::default()));
    let mut context =
        CallContext { caches: &mut caches, budget: &mut budget, now_ns: limits::now_ns(), prints: None, outside: None };
    match (builtin.call)(&mut context, &arguments) {
        Ok(value) => Ok(to_regorus(&value)),
        Err(BuiltinError::Undefined(_)) => Ok(RegoValue::Undefined),
        Err(BuiltinError::Halt(text) | BuiltinError::Refused(text)) => Err(std::io::Error::other(text)),
    }
}

/// A document. Its large parts, the review and the inventory, are the same for one constraint after the other.
fn convert(document: &Value) -> RegoValue {
    thread_local! {
        static LATEST: RefCell<VecDeque<(Arc<Object>, RegoValue)>> = const { RefCell::new(VecDeque::new()) };
    }
    let Value::Object(fields) = document else { return to_regorus(document) };
    let part = |value: &Value| {
        let Value::Object(object) = value else { return to_regorus(value) };
        LATEST.with_borrow_mut(|latest| {
            // What is kept here cannot be freed, so an address stands for one object only.
            if let Some((_, converted)) = latest.iter().find(|(known, _)| Arc::ptr_eq(known, object)) {
                return converted.clone();
            }
            let converted = to_regorus(value);
            latest.push_front((Arc::clone(object), converted.clone()));
            latest.truncate(LATEST_PARTS);
            converted
        })
    };
    fields.entries().iter().map(|(key, value)| (to_regorus(key), part(value))).collect::<BTreeMap<_, _>>().into()
}

fn to_regorus(value: &Value) -> RegoValue {
    match value {
        Value::Null => RegoValue::Null,
        Value::Bool(boolean) => RegoValue::Bool(*boolean),
        Value::Number(number) => RegoValue::from_numeric_string(&number.to_string()).unwrap_or(RegoValue::Undefined),
        Value::String(text) => RegoValue::from(text.as_ref()),
        Value::Array(items) => items.iter().map(to_regorus).collect::<Vec<_>>().into(),
        Value::Set(items) => items.items().iter().map(to_regorus).collect::<BTreeSet<_>>().into(),
        Value::Object(entries) => {
            let entries = entries.entries().iter().map(|(key, value)| (to_regorus(key), to_regorus(value)));
            entries.collect::<BTreeMap<_, _>>().into()
        }
    }
}

fn from_regorus(value: &RegoValue) -> Value {
    match value {
        RegoValue::Null | RegoValue::Undefined => Value::Null,
        RegoValue::Bool(boolean) => Value::Bool(*boolean),
        RegoValue::Number(_) => Number::parse(&value.to_string()).map_or(Value::Null, Value::Number),
        RegoValue::String(text) => Value::string(text),
        RegoValue::Array(items) => Value::array(items.iter().map(from_regorus).collect()),
        RegoValue::Set(items) => Value::set(items.iter().map(from_regorus).collect()),
        RegoValue::Object(entries) => {
            Value::object(entries.iter().map(|(key, value)| (from_regorus(key), from_regorus(value))).collect())
        }
    }
}

/// regorus renders `--> FILE:LINE:COLUMN`, an excerpt, and `error: MESSAGE`.
fn last_line(text: &str) -> String {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("unknown error");
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
