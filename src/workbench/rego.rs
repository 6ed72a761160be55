//! Plain Rego for policy authors: checked, formatted, asked; templates in YAML are taken apart on the way in.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::manifest;
use crate::model::api::{ConstraintTemplate, EngineSource, RegoVersion};
use crate::model::object::Object;
use crate::policy::engine::rego::query::{Answer, Expression, Policies, QueryError, Solution, SourceFile};
use crate::policy::engine::rego::syntax::ast::RegoError;
use crate::policy::engine::rego::syntax::{format, render};
use crate::policy::engine::{BuiltinAccess, CompileOptions, InventoryLoop, Program, RegoEngine};
use crate::workbench::diagnostic::Diagnostic;

/// Why an author's files or query could not be used.
#[derive(Debug, Error)]
pub enum RegoProblem {
    /// A file cannot be read, or one with data or input is broken.
    #[error("{0}")]
    Data(Diagnostic),
    /// Rego that does not compile, as it is shown to people.
    #[error("{0}")]
    Rego(String),
    /// A query that failed while it ran.
    #[error("{0}")]
    Evaluate(String),
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong, ready to be shown.
    pub problems: Vec<RegoProblem>,
    /// Loops over the inventory in templates, one line each: by index, or why every object is visited. And what templates
    /// read of its objects.
    pub loops: Vec<String>,
}

/// Compiles `.rego` files together, and each template by itself.
pub fn check(paths: &[PathBuf], version: RegoVersion, access: BuiltinAccess) -> Checked {
    let (rego, manifests): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_rego(path));
    let mut checked = Checked::default();
    match read_all(&rego) {
        Ok(files) => checked.problems.extend(compile(&files, version, access).err().into_iter().flatten()),
        Err(problem) => checked.problems.push(problem),
    }
    let manifests: Vec<PathBuf> = manifests.into_iter().cloned().collect();
    if !manifests.is_empty() {
        check_templates(&manifests, access, &mut checked);
    }
    checked
}

fn check_templates(paths: &[PathBuf], access: BuiltinAccess, checked: &mut Checked) {
    let (documents, errors) = manifest::read(paths, None);
    let Checked { problems, loops } = checked;
    problems.extend(errors.into_iter().map(|error| RegoProblem::Data(error.into())));
    for document in documents {
        let Ok(object) = Object::from_value(document.value().clone()) else { continue };
        if object.gvk().kind != "ConstraintTemplate" {
            continue;
        }
        match ConstraintTemplate::parse(object) {
            Err(errors) => problems.extend(errors.iter().map(|error| {
                let location = document.locate_key(&error.path).location;
                RegoProblem::Data(Diagnostic::at(&document, &location, error.to_string()))
            })),
            Ok(template) => {
                let EngineSource::Rego(_) = &template.source;
                let compiled =
                    Program::compile(&template.source, CompileOptions { access, ..CompileOptions::default() });
                if let Ok(program) = &compiled {
                    let found = program.inventory_loops().iter();
                    loops.extend(found.map(|one| format!("{}: {}", template.kind, loop_text(one))));
                    let reads = program.inventory_reads().iter();
                    loops.extend(reads.map(|(kinds, fields)| format!("{}: reads of {kinds}: {fields}", template.kind)));
                }
                let errors = compiled.err().unwrap_or_default();
                problems.extend(errors.iter().map(|error| {
                    let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                    let (line, column) = (bounded(error.line), bounded(error.column));
                    let location = document.locate_in_scalar(&error.module, line, column);
                    let message = format!("{}: {}", error.class, error.message);
                    RegoProblem::Data(Diagnostic::at(&document, &location, message))
                }));
            }
        }
    }
}

fn loop_text(one: &InventoryLoop) -> String {
    let InventoryLoop { module, line, over, reason } = one;
    match reason {
        None => format!("{module}:{line}: {over} is looked up in an index"),
        Some(reason) => format!("{module}:{line}: {over} is not looked up in an index, because {reason}"),
    }
}

/// The formatted text of a file, and whether that differs from what is there.
///
/// # Errors
/// When the file cannot be read or is no Rego.
pub fn formatted(path: &Path, version: RegoVersion) -> Result<(String, bool), Vec<RegoProblem>> {
    let file = read(path).map_err(|problem| vec![problem])?;
    let text = format::format(&file.text, version).map_err(|errors| shown(&errors, std::slice::from_ref(&file)))?;
    let differs = text != file.text;
    Ok((text, differs))
}

/// Asks a query about files of Rego and data.
///
/// # Errors
/// With all that is wrong with files or query, or why the evaluation failed.
pub fn ask(
    query: &str,
    paths: &[PathBuf],
    input: Option<&Value>,
    version: RegoVersion,
    access: BuiltinAccess,
    engine: RegoEngine,
) -> Result<Answer, Vec<RegoProblem>> {
    let (rego, data): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_rego(path));
    let files = read_all(&rego).map_err(|problem| vec![problem])?;
    let policies = compile(&files, version, access)?;
    let data = read_data(&data)?;
    let answer = match engine {
        RegoEngine::Regorus => policies.ask_second(query, input, Some(&data)),
        RegoEngine::Own | RegoEngine::Both => policies.ask(query, input, Some(&data)),
    };
    answer.map_err(|error| match error {
        QueryError::Compile(errors) => {
            shown(&errors, &[SourceFile { name: "query".to_owned(), text: query.to_owned() }])
        }
        QueryError::Evaluate(error) => vec![RegoProblem::Evaluate(error.to_string())],
        QueryError::Second(text) | QueryError::Internal(text) => vec![RegoProblem::Evaluate(text)],
    })
}

/// One JSON or YAML document.
///
/// # Errors
/// When the file is not exactly one.
pub fn read_document(path: &Path) -> Result<Value, RegoProblem> {
    let (documents, errors) = manifest::read_file(path);
    if let Some(error) = errors.into_iter().next() {
        return Err(RegoProblem::Data(error.into()));
    }
    Ok(documents.into_iter().next().map(manifest::Document::into_value).unwrap_or_default())
}

fn compile(files: &[SourceFile], version: RegoVersion, access: BuiltinAccess) -> Result<Policies, Vec<RegoProblem>> {
    Policies::compile_with(files, version, access).map_err(|errors| shown(&errors, files))
}

fn shown(errors: &[RegoError], files: &[SourceFile]) -> Vec<RegoProblem> {
    let show = |error: &RegoError| {
        let text = files.iter().find(|file| file.name == error.module).or_else(|| files.first());
        RegoProblem::Rego(render::render(error, text.map_or("", |file| file.text.as_str())))
    };
    errors.iter().map(show).collect()
}

/// Data files are merged at the root; of equal keys the later file's counts.
fn read_data(paths: &[&PathBuf]) -> Result<Value, Vec<RegoProblem>> {
    let mut data = Map::new();
    for path in paths {
        match read_document(path).map_err(|problem| vec![problem])? {
            Value::Object(map) => data.extend(map),
            other => {
                let message =
                    format!("expected a mapping at the root of data, found {}", crate::model::object::describe(&other));
                let place = path.display().to_string();
                return Err(vec![RegoProblem::Data(Diagnostic { place, message, excerpt: None, help: None })]);
            }
        }
    }
    Ok(Value::Object(data))
}

fn is_rego(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rego")
}

fn read_all(paths: &[&PathBuf]) -> Result<Vec<SourceFile>, RegoProblem> {
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<SourceFile, RegoProblem> {
    let name = path.display().to_string();
    match manifest::read_text(path) {
        Ok(source) => Ok(SourceFile { name, text: source.text().to_owned() }),
        Err(error) => Err(RegoProblem::Data(error.into())),
    }
}

/// The answer as `opa eval --format json` prints it, keys in the same order.
pub fn answer_json(answer: &Answer) -> String {
    let solution = |solution: &Solution| SolutionBody {
        expressions: solution.expressions.iter().zip(&answer.expressions).map(expression_body).collect(),
        bindings: solution.bindings.as_object().filter(|bindings| !bindings.is_empty()).cloned(),
    };
    let result: Vec<SolutionBody> = answer.solutions.iter().map(solution).collect();
    let body = AnswerBody { result: (!result.is_empty()).then_some(result) };
    // Values are JSON already: writing them to memory cannot fail.
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

fn expression_body((value, expression): (&Value, &Expression)) -> ExpressionBody {
    let location = Place { row: expression.line, col: expression.column };
    ExpressionBody { value: value.clone(), text: expression.text.clone(), location }
}

#[derive(Serialize)]
struct AnswerBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Vec<SolutionBody>>,
}

#[derive(Serialize)]
struct SolutionBody {
    expressions: Vec<ExpressionBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bindings: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct ExpressionBody {
    value: Value,
    text: String,
    location: Place,
}

#[derive(Serialize)]
struct Place {
    row: u32,
    col: u32,
}

/// The answer as `opa eval --format raw` prints it: a line a solution, its values with spaces between, strings bare.
pub fn answer_raw(answer: &Answer) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |values: &[Value]| values.iter().map(text).collect::<Vec<_>>().join(" ");
    answer.solutions.iter().map(|solution| format!("{}\n", line(&solution.expressions))).collect()
}
