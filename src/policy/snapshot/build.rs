//! The one builder of snapshots: what is in the store, compiled; what does not compile, reported.
//!
//! Guarantees: an unchanged template keeps its compiled program; a template or constraint that is broken by an update
//! stays in force as it last was, and so does one that reads what the inventory does not have yet; one broken policy never affects another; the same store gives the same snapshot
//! in whatever order its resources arrived.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use thiserror::Error;

use super::expansions;
use super::mutators::build_mutators;
use super::providers::build_providers;
use super::{CompiledConstraint, CompiledTemplate, Policies, Snapshot, Store};
use crate::model::api::schema::Schema;
use crate::model::api::{Constraint, ConstraintTemplate, RecordedAnswers, constraint_schema};
use crate::model::object::{FieldError, FieldPath, Object, ObjectKey};
use crate::policy::engine::{
    Breaker, CompileError, CompileOptions, Document, Indexes, InventoryChange, InventoryReads, Meter, Meters, Program,
    limits,
};
use crate::policy::matching::MatchIndex;

/// From so many templates on, starting threads is worth it.
const MANY_TEMPLATES: usize = 8;

/// The most threads of one build.
const MAX_BUILDERS: usize = 8;

/// Code of a template that waits for the inventory; Gatekeeper has none.
const NOT_READY: &str = "not_ready";

/// What a build may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildOptions {
    /// What policies may use.
    pub compile: CompileOptions,
    /// What providers of external data said, for evaluation that asks nobody. As long as the process, because options are
    /// copied to wherever something is built.
    pub recorded: Option<&'static RecordedAnswers>,
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

impl ResourceError {
    /// Whether nothing is wrong with the resource: it waits for objects.
    pub fn is_waiting(&self) -> bool {
        self.code == NOT_READY
    }
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

/// Builds a snapshot, reusing from the previous one all that did not change. The store takes note of what policies read.
pub fn build(store: &mut Store, previous: &Snapshot, options: BuildOptions) -> (Snapshot, Vec<ResourceError>) {
    let policies = if store.revision.is_same(&previous.policies.revision) {
        Arc::clone(&previous.policies)
    } else {
        Arc::new(build_policies(store, &previous.policies, options))
    };
    let errors = policies.errors.clone();
    let snapshot = Snapshot {
        indexes: build_indexes(store, previous, &policies),
        policies,
        namespaces: Arc::clone(&store.namespaces),
        inventory: store.inventory.publish(),
    };
    (snapshot, errors)
}

fn build_policies(store: &mut Store, previous: &Policies, options: BuildOptions) -> Policies {
    let mut errors = Vec::new();
    let mut built = build_templates(store, previous, options, &mut errors);
    settle_waiting(store, &mut built, &mut errors);
    let Templates { in_force: templates, waiting } = built;
    let mut meters = std::mem::take(&mut store.meters);
    let constraints = build_constraints(store, previous, (&templates, &waiting), &mut meters, &mut errors);
    meters.retain(constraints.iter().map(|one| (one.constraint.kind(), one.constraint.name())));
    store.meters = meters;
    let index = MatchIndex::new(constraints.iter().map(|one| &one.constraint.criteria));
    let indexed = indexed(&constraints);
    let expansions = Arc::new(expansions::build(store, previous, &mut errors));
    errors.extend_from_slice(store.configs.errors());
    let mutators = build_mutators(store, &previous.mutators, options, &mut errors);
    let providers = build_providers(store, &previous.providers, options, &mut errors);
    let (revision, exclusions) = (store.revision.clone(), store.configs.exclusions().clone());
    let traces = store.configs.traces().to_vec();
    Policies {
        revision,
        templates,
        waiting,
        constraints,
        index,
        indexed,
        exclusions,
        expansions,
        mutators,
        providers,
        traces,
        errors,
    }
}

/// Templates that compile.
#[derive(Default)]
struct Templates {
    /// By kind of constraint.
    in_force: BTreeMap<String, Arc<CompiledTemplate>>,
    /// By name: new versions, or whole templates, that read fields which were not kept of all objects.
    waiting: BTreeMap<String, Arc<CompiledTemplate>>,
}

impl Templates {
    /// What all of them together read.
    fn reads(&self) -> InventoryReads {
        let mut reads = InventoryReads::default();
        for template in self.in_force.values().chain(self.waiting.values()) {
            reads.merge(template.program.inventory_reads());
        }
        reads
    }
}

fn build_templates(
    store: &Store,
    previous: &Policies,
    options: BuildOptions,
    errors: &mut Vec<ResourceError>,
) -> Templates {
    let by_name: BTreeMap<&str, &Arc<CompiledTemplate>> =
        previous.templates.values().map(|one| (one.template.object.name(), one)).collect();
    let before = |object: &Object| by_name.get(object.name()).copied();
    let is_of = |compiled: &&Arc<CompiledTemplate>, object: &Object| is_same_policy(&compiled.template.object, object);
    let mut templates = Templates::default();
    let Templates { in_force, waiting } = &mut templates;
    let mut put = |compiled: &Arc<CompiledTemplate>| {
        in_force.insert(compiled.template.kind.clone(), Arc::clone(compiled));
    };
    let mut changed = Vec::new();
    for object in store.templates.values().filter(|object| !object.is_terminating()) {
        if let Some(same) = before(object).filter(|before| is_of(before, object)) {
            put(same);
        } else if let Some(same) = previous.waiting.get(object.name()).filter(|one| is_of(one, object)) {
            before(object).into_iter().for_each(&mut put);
            waiting.insert(object.name().to_owned(), Arc::clone(same));
        } else {
            changed.push(object.as_ref());
        }
    }
    for (object, result) in compile_templates(changed, options) {
        before(object).into_iter().for_each(&mut put);
        match result {
            Ok(compiled) => drop(waiting.insert(object.name().to_owned(), Arc::new(compiled))),
            Err(mut found) => {
                found.iter_mut().for_each(|error| error.previous_in_force = before(object).is_some());
                errors.extend(found);
            }
        }
    }
    templates
}

/// Puts every new version in force whose fields the inventory has. The others are told, and their fields asked for.
fn settle_waiting(store: &mut Store, templates: &mut Templates, errors: &mut Vec<ResourceError>) {
    let Store { kept, inventory, .. } = store;
    kept.keep(&templates.reads(), |gvk| inventory.has(gvk));
    for (name, template) in std::mem::take(&mut templates.waiting) {
        let lacking = kept.lacking(template.program.inventory_reads());
        let is_before = |one: &CompiledTemplate| one.template.object.name() == name;
        if lacking.is_empty() {
            templates.in_force.retain(|_, one| !is_before(one));
            templates.in_force.insert(template.template.kind.clone(), template);
            continue;
        }
        let kinds: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        errors.push(ResourceError {
            key: template.template.object.key(),
            code: NOT_READY,
            message: format!(
                "not ready yet: it reads fields of objects in the inventory that were not kept before; they are being \
                 listed again: {}",
                kinds.join(", ")
            ),
            place: ErrorPlace::Field(FieldPath::root()),
            previous_in_force: templates.in_force.values().any(|one| is_before(one)),
        });
        templates.waiting.insert(name, template);
    }
    // Versions that have been replaced read nothing any more.
    kept.keep(&templates.reads(), |gvk| inventory.has(gvk));
}

type ByKey = BTreeMap<String, Arc<CompiledTemplate>>;

type Compilation<'o> = (&'o Object, Result<CompiledTemplate, Vec<ResourceError>>);

/// Compiles in the given order; many templates on all processors, as at a start.
fn compile_templates(objects: Vec<&Object>, options: BuildOptions) -> Vec<Compilation<'_>> {
    // To know the processors, files are read: only where it matters.
    let is_many = objects.len() >= MANY_TEMPLATES;
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let results = match if is_many { processors().min(MAX_BUILDERS) } else { 1 } {
        1 => compile_in_turn(&objects, options),
        threads => compile_at_once(&objects, threads, options),
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

pub(super) fn compile_template(object: &Object, options: BuildOptions) -> Result<CompiledTemplate, Vec<ResourceError>> {
    let key = object.key();
    let (template, schema) = read_template(object)?;
    let program = Program::compile(&template.source, options.compile)
        .map_err(|errors| errors.iter().map(|error| ingest_error(&key, error)).collect::<Vec<_>>())?;
    Ok(CompiledTemplate { template, program: Arc::new(program), schema })
}

/// All of a template but its code.
pub(super) fn read_template(object: &Object) -> Result<(ConstraintTemplate, Schema), Vec<ResourceError>> {
    let invalid =
        |errors: &[FieldError]| field_errors(&object.key(), "create_error", "invalid ConstraintTemplate: ", errors);
    let template = ConstraintTemplate::parse(object.clone()).map_err(|errors| invalid(&errors))?;
    let (schema, mut crd_errors) = constraint_schema(template.parameters.as_ref());
    crd_errors.extend(template.name_errors());
    if crd_errors.is_empty() { Ok((template, schema)) } else { Err(invalid(&crd_errors)) }
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
    previous: &Policies,
    (templates, waiting): (&ByKey, &ByKey),
    meters: &mut Meters,
    errors: &mut Vec<ResourceError>,
) -> Vec<Arc<CompiledConstraint>> {
    let before: BTreeMap<(&str, &str), &Arc<CompiledConstraint>> =
        previous.constraints.iter().map(|one| ((one.constraint.kind(), one.constraint.name()), one)).collect();
    let mut constraints = Vec::new();
    for ((kind, name), object) in store.constraints.iter().filter(|(_, object)| !object.is_terminating()) {
        let Some(template) = templates.get(kind) else {
            let name = kind.to_lowercase();
            let help = if waiting.contains_key(&name) {
                "it is there, but not ready yet: see its status".to_owned()
            } else if store.templates.contains_key(&name) {
                "it is there, but was refused: mend it".to_owned()
            } else {
                format!("apply the template that makes kind {kind}")
            };
            errors.push(missing_template(object, kind, &help));
            continue;
        };
        let before = before.get(&(kind.as_str(), name.as_str())).copied();
        if let Some(before) = before.filter(|before| is_reusable(before, object, template)) {
            constraints.push(Arc::clone(before));
            continue;
        }
        let meter = meters.of(kind, name);
        match compile_constraint(object, template, Arc::clone(&meter)) {
            Ok(compiled) => constraints.push(Arc::new(compiled)),
            Err(mut found) => {
                // The version before, on the template as it is now.
                if let Some(Ok(kept)) = before.map(|before| compile_constraint(&before.source, template, meter)) {
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
fn build_indexes(store: &Store, previous: &Snapshot, policies: &Policies) -> BTreeMap<String, Arc<Indexes>> {
    let (earlier, inventory) = (previous.inventory.document(), store.inventory.document());
    // Each found once, for all programs.
    let since = LazyCell::new(|| store.inventory.change_since(&previous.inventory));
    let all = LazyCell::new(|| InventoryChange::between(None, inventory));
    let mut indexes = BTreeMap::new();
    for (kind, program) in &policies.indexed {
        let is_same = previous.policies.templates.get(kind).is_some_and(|before| Arc::ptr_eq(&before.program, program));
        let before = previous.indexes.get(kind).filter(|before| is_same && before.is_of(earlier));
        let now = match before {
            Some(before) if before.is_of(inventory) => Some(Arc::clone(before)),
            Some(before) => program.index(inventory, Some(before), &since).map(Arc::new),
            None => program.index(inventory, None, &all).map(Arc::new),
        };
        indexes.extend(now.map(|now| (kind.clone(), now)));
    }
    indexes
}

/// The kinds of these constraints whose program has a use for indexes.
fn indexed(constraints: &[Arc<CompiledConstraint>]) -> Vec<(String, Arc<Program>)> {
    let kinds = constraints.chunk_by(|one, other| one.constraint.kind() == other.constraint.kind());
    let one_of_each = kinds.filter_map(<[_]>::first).filter(|one| one.program.has_indexes());
    one_of_each.map(|one| (one.constraint.kind().to_owned(), Arc::clone(&one.program))).collect()
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

pub(super) fn compile_constraint(
    object: &Arc<Object>,
    template: &CompiledTemplate,
    meter: Arc<Meter>,
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
            meter,
            operations: template.template.operations.clone(),
            source: Arc::clone(object),
            constraint,
        }),
    }
}

pub(super) fn missing_template(object: &Object, kind: &str, help: &str) -> ResourceError {
    let lower = kind.to_lowercase();
    ResourceError {
        key: object.key(),
        code: "ingest_error",
        message: format!("invalid Constraint: kind: missing ConstraintTemplate: template {lower:?} not found; {help}"),
        place: ErrorPlace::Field(FieldPath::from(["kind"])),
        previous_in_force: false,
    }
}
