//! Plain Rego, outside of templates: modules, data, input, and a query about them. For policy authors and tests.

use std::cell::RefCell;

use super::builtin_access::BuiltinAccess;
use super::builtins::{self, Caches};
use super::compile::{CompileOptions, QUERY_PACKAGE, QUERY_RULE, QueryScope, compile, compile_query};
use super::compiled::Compiled;
use super::evaluate::budget::Limits;
use super::evaluate::{EvalError, Globals, Host, Plan};
use super::implemented;
use super::second_opinion::SecondOpinion;
use super::syntax::ast::{Body, Module, RegoError, Span};
use super::syntax::parser::{parse_module, parse_query};
use super::value::{NumberMode, Value};
use crate::model::api::RegoVersion;
use crate::policy::engine::{Deadline, limits};

/// A module under the name that errors show.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Compiled modules, ready to be asked.
#[derive(Debug)]
pub struct Policies {
    compiled: Compiled,
    version: RegoVersion,
    access: BuiltinAccess,
}

/// One way in which a query holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Values of the query's variables.
    pub bindings: serde_json::Value,
    /// Value of each of its expressions, in order.
    pub expressions: Vec<serde_json::Value>,
}

/// Why a query has no answer.
#[derive(Debug)]
pub enum QueryError {
    /// The query is no Rego.
    Compile(Vec<RegoError>),
    /// It failed while it ran.
    Evaluate(EvalError),
    /// It failed while regorus ran it.
    Second(String),
    /// A mistake of ours.
    Internal(String),
}

/// What came of a query.
#[derive(Debug, Default)]
pub struct Answer {
    /// None: undefined.
    pub solutions: Vec<Solution>,
    /// The query's expressions as written.
    pub expressions: Vec<Expression>,
    /// What the policies printed.
    pub prints: Vec<String>,
}

/// One expression of a query, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Its text.
    pub text: String,
    /// Line in the query, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Policies {
    /// Compiles modules as OPA's library does: annotations are comments unless a policy asks for them.
    ///
    /// # Errors
    /// With every mistake that could be found.
    pub fn compile(files: &[SourceFile], version: RegoVersion) -> Result<Self, Vec<RegoError>> {
        let access = BuiltinAccess::default();
        Self::compile_by(files, version, CompileOptions { reads_annotations: false, ..options(access) })
    }

    /// Compiles modules as `opa eval` does, which refuses broken annotations; they, and queries about them, may call other
    /// builtins than usual.
    ///
    /// # Errors
    /// With every mistake that could be found.
    pub fn compile_with(
        files: &[SourceFile],
        version: RegoVersion,
        access: BuiltinAccess,
    ) -> Result<Self, Vec<RegoError>> {
        Self::compile_by(files, version, options(access))
    }

    fn compile_by(
        files: &[SourceFile],
        version: RegoVersion,
        options: CompileOptions<'_>,
    ) -> Result<Self, Vec<RegoError>> {
        let mut modules: Vec<Module> = Vec::new();
        let mut errors = Vec::new();
        for file in files {
            match parse_module(&file.name, &file.text, version) {
                Ok(module) => modules.push(module),
                Err(found) => errors.extend(found),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { compiled: compile(modules, &options)?, version, access: options.access })
    }

    /// Asks a query.
    ///
    /// # Errors
    /// When the query does not compile, or fails while it runs.
    pub fn ask(
        &self,
        query: &str,
        input: Option<&serde_json::Value>,
        data: Option<&serde_json::Value>,
    ) -> Result<Answer, QueryError> {
        let (compiled, expressions) = self.compile_query(query)?;
        let plan = Plan::new(&compiled, &builtins::lookup).map_err(|error| QueryError::Internal(error.to_string()))?;
        let (input, data) = (input.map(exact), data.map(exact));
        let (caches, mut prints) = (RefCell::new(Caches::default()), Vec::new());
        let host = Host {
            caches: &mut caches.borrow_mut(),
            now_ns: limits::now_ns(),
            prints: Some(&mut prints),
            trace: None,
            observer: None,
            coverage: None,
            outside: None,
        };
        let globals = Globals { input: input.as_ref().into(), data: data.as_ref(), folds: None, joins: None };
        let result = plan.evaluate_rule(&[QUERY_PACKAGE, QUERY_RULE], globals, &Limits::default(), host);
        let solutions = result.map_err(QueryError::Evaluate)?.as_ref().map(solutions).unwrap_or_default();
        Ok(Answer { solutions, expressions, prints })
    }

    /// What regorus says about a query. It prints nothing.
    ///
    /// # Errors
    /// As for [`Policies::ask`], in its own words.
    pub fn ask_second(
        &self,
        query: &str,
        input: Option<&serde_json::Value>,
        data: Option<&serde_json::Value>,
    ) -> Result<Answer, QueryError> {
        let (compiled, expressions) = self.compile_query(query)?;
        let (input, data) = (input.map(exact), data.map(exact));
        let second = SecondOpinion::new(&compiled).map_err(QueryError::Internal)?;
        let path = [QUERY_PACKAGE, QUERY_RULE];
        let result = second.evaluate(&path, input.as_ref(), data.as_ref(), Deadline::none());
        let result = result.map_err(|error| QueryError::Second(error.to_string()))?;
        Ok(Answer { solutions: result.as_ref().map(solutions).unwrap_or_default(), expressions, prints: Vec::new() })
    }

    fn compile_query(&self, query: &str) -> Result<(Compiled, Vec<Expression>), QueryError> {
        let body: Body = parse_query(query, self.version).map_err(QueryError::Compile)?;
        let expressions = body.iter().map(|expr| expression(query, expr.span)).collect();
        let (scope, options) = (QueryScope::default(), options(self.access));
        let compiled = compile_query(body, &scope, &self.compiled, &options).map_err(QueryError::Compile)?;
        Ok((compiled, expressions))
    }
}

fn exact(value: &serde_json::Value) -> Value {
    Value::from_json(value, NumberMode::AsWritten)
}

fn expression(query: &str, span: Span) -> Expression {
    let offset = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    let text = query.get(offset(span.start)..offset(span.end)).unwrap_or(query).trim_end().to_owned();
    Expression { text, line: span.line, column: span.column }
}

fn options(access: BuiltinAccess) -> CompileOptions<'static> {
    CompileOptions {
        builtins: &implemented,
        access,
        keeps_prints: true,
        reads_annotations: true,
        ..CompileOptions::default()
    }
}

fn solutions(result: &Value) -> Vec<Solution> {
    let Value::Array(items) = result else { return Vec::new() };
    let solution = |item: &Value| {
        let field = |key: &str| item.get(&Value::string(key)).map(Value::to_json).unwrap_or_default();
        let expressions = field("expressions").as_array().cloned().unwrap_or_default();
        Solution { bindings: field("bindings"), expressions }
    };
    items.iter().map(solution).collect()
}
