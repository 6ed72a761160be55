//! The one builder of snapshots: what is in the store, compiled; what does not compile, reported.
//!
//! Guarantees: an unchanged template keeps its compiled program; a template or constraint that is broken by an update
//! stays in force as it last was; one broken policy never affects another; the same store gives the same snapshot
//! in whatever order its resources arrived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use thiserror::Error;

use super::{CompiledConstraint, CompiledTemplate, Snapshot, Store};
use crate::model::api::{Constraint, ConstraintTemplate, constraint_schema};
use crate::model::object::{FieldError, FieldPath, Object, ObjectKey};
use crate::policy::engine::{Breaker, CompileError, CompileOptions, Document, Indexes, Program, limits};
use crate::policy::matching::MatchIndex;

/// From so many templates on, starting threads is worth it.
const MANY_TEMPLATES: usize = 8;

/// The most threads of one build.
const MAX_BUILDERS: usize = 8;

/// What a build may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    /// What policies may use.
    pub compile: CompileOptions,
}

/// Why a resource is not in force as it stands in the store.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{key}: {message}")]
pub struct ResourceError {
    /// The resource.
    pub key: ObjectKey,
    /// Gatekeeper's code for its `status.byPod[].errors`.
    pub code: &'static str,
    /// What is wrong; with the place inside the policy code, when it is there.
    pub message: String,
    /// Where.
    pub place: ErrorPlace,
    /// Whether an earlier version of the resource stays in force.
    pub previous_in_force: bool,
}

/// Where a [`ResourceError`] is, as far as known without the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorPlace {
    /// A field of the resource.
    Field(FieldPath),
    /// A line and column inside the text of a field.
    Text {
        /// The field that holds the text.
        field: FieldPath,
        /// Line inside the text, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
}

/// Builds a snapshot, reusing from the previous one all that did not change.
pub fn build(store: &Store, previous: &Snapshot, options: BuildOptions) -> (Snapshot, Vec<ResourceError>) {
    let mut errors = Vec::new();
    let templates = build_templates(store, previous, options, &mut errors);
    let constraints = build_constraints(store, previous, &templates, &mut errors);
    let is_same = constraints.len() == previous.constraints.len()
        && constraints.iter().zip(&previous.constraints).all(|(now, before)| Arc::ptr_eq(now, before));
    let criteria = || constraints.iter().map(|one| &one.constraint.criteria);
    let index = if is_same { Arc::clone(&previous.index) } else { Arc::new(MatchIndex::new(criteria())) };
    let indexes = build_indexes(store, previous, &constraints);
    let snapshot = Snapshot {
        templates,
        constraints,
        index,
        namespaces: store.namespaces.clone(),
        inventory: store.inventory.clone(),
        indexes,
    };
    (snapshot, errors)
}

fn build_templates(
    store: &Store,
    previous: &Snapshot,
    options: BuildOptions,
    errors: &mut Vec<ResourceError>,
) -> BTreeMap<String, Arc<CompiledTemplate>> {
    let by_name: BTreeMap<&str, &Arc<CompiledTemplate>> =
        previous.templates.values().map(|one| (one.template.object.name(), one)).collect();
    let before = |object: &Object| by_name.get(object.name()).copied();
    let mut templates = BTreeMap::new();
    let mut changed = Vec::new();
    for object in store.templates.values().filter(|object| !object.is_terminating()) {
        match before(object).filter(|before| is_same_policy(&before.template.object, object)) {
            Some(before) => drop(templates.insert(before.template.kind.clone(), Arc::clone(before))),
            None => changed.push(object.as_ref()),
        }
    }
    for (object, result) in compile_templates(changed, options) {
        let before = before(object);
        match result {
            Ok(compiled) => {
                templates.insert(compiled.template.kind.clone(), Arc::new(compiled));
            }
            Err(mut found) => {
                if let Some(before) = before {
                    found.iter_mut().for_each(|error| error.previous_in_force = true);
                    templates.insert(before.template.kind.clone(), Arc::clone(before));
                }
                errors.extend(found);
            }
        }
    }
    templates
}

type Compilation<'o> = (&'o Object, Result<CompiledTemplate, Vec<ResourceError>>);

/// Compiles in the given order; many templates on all processors, as at a start.
fn compile_templates(objects: Vec<&Object>, options: BuildOptions) -> Vec<Compilation<'_>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_BUILDERS);
    let results = if objects.len() < MANY_TEMPLATES || threads == 1 {
        compile_in_turn(&objects, options)
    } else {
        compile_at_once(&objects, threads, options)
    };
    objects.into_iter().zip(results).collect()
}

fn compile_at_once(
    objects: &[&Object],
    threads: usize,
    options: BuildOptions,
) -> Vec<Result<CompiledTemplate, Vec<ResourceError>>> {
    std::thread::scope(|scope| {
        let mut started = Vec::new();
        for chunk in objects.chunks(objects.len().div_ceil(threads)) {
            let thread = std::thread::Builder::new().stack_size(limits::THREAD_STACK_BYTES);
            started.push((chunk, thread.spawn_scoped(scope, move || compile_in_turn(chunk, options))));
        }
        // A thread that could not be had: its part is done here.
        let finish = |thread: ScopedJoinHandle<'_, _>| thread.join().ok();
        let results = started
            .into_iter()
            .map(|(chunk, thread)| thread.ok().and_then(finish).unwrap_or_else(|| compile_in_turn(chunk, options)));
        results.collect::<Vec<Vec<_>>>().into_iter().flatten().collect()
    })
}

fn compile_in_turn(objects: &[&Object], options: BuildOptions) -> Vec<Result<CompiledTemplate, Vec<ResourceError>>> {
    objects.iter().map(|object| compile_template(object, options)).collect()
}

/// Status and bookkeeping of the API server do not make another policy.
fn is_same_policy(before: &Object, now: &Object) -> bool {
    before.uid() == now.uid()
        && before.gvk() == now.gvk()
        && [&["spec"][..], &["metadata", "labels"]].iter().all(|path| before.field(path) == now.field(path))
}

fn compile_template(object: &Object, options: BuildOptions) -> Result<CompiledTemplate, Vec<ResourceError>> {
    let key = object.key();
    let template = ConstraintTemplate::parse(object.clone())
        .map_err(|errors| field_errors(&key, "create_error", "invalid ConstraintTemplate: ", &errors))?;
    let (schema, mut crd_errors) = constraint_schema(template.parameters.as_ref());
    crd_errors.extend(template.name_errors());
    if !crd_errors.is_empty() {
        return Err(field_errors(&key, "create_error", "invalid ConstraintTemplate: ", &crd_errors));
    }
    let program = Program::compile(&template.source, options.compile)
        .map_err(|errors| errors.iter().map(|error| ingest_error(&key, error)).collect::<Vec<_>>())?;
    Ok(CompiledTemplate { template, program: Arc::new(program), schema })
}

fn ingest_error(key: &ObjectKey, error: &CompileError) -> ResourceError {
    ResourceError {
        key: key.clone(),
        code: "ingest_error",
        message: format!("Could not ingest Rego: {}: {error}", error.module),
        place: ErrorPlace::Text { field: error.module.clone(), line: error.line, column: error.column },
        previous_in_force: false,
    }
}

fn field_errors(key: &ObjectKey, code: &'static str, prefix: &str, errors: &[FieldError]) -> Vec<ResourceError> {
    let to_error = |error: &FieldError| ResourceError {
        key: key.clone(),
        code,
        message: format!("{prefix}{error}"),
        place: ErrorPlace::Field(error.path.clone()),
        previous_in_force: false,
    };
    errors.iter().map(to_error).collect()
}

fn build_constraints(
    store: &Store,
    previous: &Snapshot,
    templates: &BTreeMap<String, Arc<CompiledTemplate>>,
    errors: &mut Vec<ResourceError>,
) -> Vec<Arc<CompiledConstraint>> {
    let before: BTreeMap<(&str, &str), &Arc<CompiledConstraint>> =
        previous.constraints.iter().map(|one| ((one.constraint.kind(), one.constraint.name()), one)).collect();
    let mut constraints = Vec::new();
    for ((kind, name), object) in store.constraints.iter().filter(|(_, object)| !object.is_terminating()) {
        let Some(template) = templates.get(kind) else {
            let is_refused = store.templates.contains_key(&kind.to_lowercase());
            errors.push(missing_template(object, kind, is_refused));
            continue;
        };
        let before = before.get(&(kind.as_str(), name.as_str())).copied();
        if let Some(before) = before.filter(|before| is_reusable(before, object, template)) {
            constraints.push(Arc::clone(before));
            continue;
        }
        match compile_constraint(object, template) {
            Ok(compiled) => constraints.push(Arc::new(compiled)),
            Err(mut found) => {
                // The version before, on the template as it is now.
                if let Some(Ok(kept)) = before.map(|before| compile_constraint(&before.source, template)) {
                    found.iter_mut().for_each(|error| error.previous_in_force = true);
                    constraints.push(Arc::new(kept));
                }
                errors.extend(found);
            }
        }
    }
    constraints
}

/// Indexes for every program that some constraint uses; those of before brought up to date where the program stayed.
fn build_indexes(
    store: &Store,
    previous: &Snapshot,
    constraints: &[Arc<CompiledConstraint>],
) -> BTreeMap<String, Arc<Indexes>> {
    let inventory = store.inventory.document();
    let mut indexes = BTreeMap::new();
    for of_kind in constraints.chunk_by(|one, other| one.constraint.kind() == other.constraint.kind()) {
        let Some(one) = of_kind.first() else { continue };
        let kind = one.constraint.kind();
        let is_same = previous.templates.get(kind).is_some_and(|before| Arc::ptr_eq(&before.program, &one.program));
        let before = previous.indexes.get(kind).filter(|_| is_same);
        let now = match before {
            Some(before) if before.is_of(inventory) => Some(Arc::clone(before)),
            before => one.program.index(inventory, before.map(Arc::as_ref)).map(Arc::new),
        };
        indexes.extend(now.map(|now| (kind.to_owned(), now)));
    }
    indexes
}

fn is_reusable(before: &CompiledConstraint, object: &Arc<Object>, template: &CompiledTemplate) -> bool {
    let parts = [&["spec"][..], &["metadata", "labels"], &["metadata", "annotations"]];
    let is_same = |now: &Object| {
        before.source.gvk() == now.gvk() && parts.iter().all(|path| before.source.field(path) == now.field(path))
    };
    Arc::ptr_eq(&before.program, &template.program)
        && before.operations == template.template.operations
        && (Arc::ptr_eq(&before.source, object) || is_same(object))
}

fn compile_constraint(
    object: &Arc<Object>,
    template: &CompiledTemplate,
) -> Result<CompiledConstraint, Vec<ResourceError>> {
    let key = object.key();
    let invalid = |errors: Vec<FieldError>| field_errors(&key, "ingest_error", "invalid Constraint: ", &errors);
    let mut value = object.value().clone();
    template.schema.default(&mut value);
    let mut mistakes = template.schema.validate(&value, &FieldPath::root());
    let unknown = template.schema.unknown_fields(&value, &FieldPath::root());
    let to_error = |path: FieldPath| FieldError::new(path, "unknown field; the template's schema does not have it");
    mistakes.extend(unknown.into_iter().map(to_error));
    let object_with_defaults = Object::from_value(value).map_err(|error| invalid(vec![error]))?;
    match Constraint::parse(object_with_defaults) {
        Err(found) => {
            mistakes.retain(|one| found.iter().all(|other| other.path != one.path));
            mistakes.extend(found);
            Err(invalid(mistakes))
        }
        Ok(_) if !mistakes.is_empty() => Err(invalid(mistakes)),
        Ok(constraint) => Ok(CompiledConstraint {
            parameters: template
                .program
                .bind(constraint.parameters().map_or_else(Document::empty, Document::from_json)),
            program: Arc::clone(&template.program),
            breaker: Breaker::default(),
            operations: template.template.operations.clone(),
            source: Arc::clone(object),
            constraint,
        }),
    }
}

fn missing_template(object: &Object, kind: &str, is_refused: bool) -> ResourceError {
    let lower = kind.to_lowercase();
    let help = if is_refused {
        "it is there, but was refused: mend it".to_owned()
    } else {
        format!("apply the template that makes kind {kind}")
    };
    ResourceError {
        key: object.key(),
        code: "ingest_error",
        message: format!("invalid Constraint: kind: missing ConstraintTemplate: template {lower:?} not found; {help}"),
        place: ErrorPlace::Field(FieldPath::from(["kind"])),
        previous_in_force: false,
    }
}
