//! Files to a snapshot in the steps that the report times: templates, constraints, data.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::BenchError;
use crate::manifest;
use crate::model::api::{CONSTRAINTS_GROUP, TEMPLATES_GROUP};
use crate::model::object::Object;
use crate::model::review::Review;
use crate::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use crate::workbench::bundle::{BundledObject, default_namespace, read_objects, resource_diagnostics};
use crate::workbench::diagnostic::Diagnostic;

/// How long it took to get ready, step by step.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetupBreakdown {
    /// An empty world.
    pub client_creation: Duration,
    /// Compiling the templates.
    pub template_compilation: Duration,
    /// Validating the constraints.
    pub constraint_loading: Duration,
    /// Filling the inventory.
    pub data_loading: Duration,
}

/// Policies that are in force, and what they came from.
pub(super) struct Prepared {
    pub(super) snapshot: Snapshot,
    pub(super) templates: Vec<Arc<Object>>,
    pub(super) constraints: Vec<Arc<Object>>,
    pub(super) data: Vec<Arc<Object>>,
    /// Known as in every cluster, but neither judged nor inventory; `None` when it is among the data.
    default_namespace: Option<Object>,
    options: BuildOptions,
}

impl SetupBreakdown {
    /// All steps together.
    pub fn total(&self) -> Duration {
        self.client_creation + self.template_compilation + self.constraint_loading + self.data_loading
    }
}

/// Reads and compiles, with this empty store; anything wrong is an error.
pub(super) fn prepare(
    paths: &[PathBuf],
    store: Store,
    options: BuildOptions,
) -> Result<(Prepared, SetupBreakdown), BenchError> {
    let (documents, errors) = manifest::read(paths, None);
    let mut problems: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
    let (objects, mut found) = read_objects(documents);
    problems.append(&mut found);
    let of_group = |group: Option<&str>| -> Vec<Arc<Object>> {
        let is_wanted = |object: &Object| match group {
            Some(group) => object.gvk().group == group,
            None => !matches!(object.gvk().group.as_str(), TEMPLATES_GROUP | CONSTRAINTS_GROUP),
        };
        objects.iter().map(|one| &one.object).filter(|object| is_wanted(object)).cloned().collect()
    };
    let is_default = |one: &BundledObject| one.object.is_namespace() && one.object.name() == "default";
    let prepared = Prepared {
        snapshot: Snapshot::default(),
        options,
        default_namespace: (!objects.iter().any(is_default)).then(default_namespace),
        templates: of_group(Some(TEMPLATES_GROUP)),
        constraints: of_group(Some(CONSTRAINTS_GROUP)),
        data: of_group(None),
    };
    if !problems.is_empty() {
        return Err(BenchError::Input(problems));
    }
    let missing = [
        (prepared.templates.is_empty(), "ConstraintTemplates"),
        (prepared.constraints.is_empty(), "Constraints"),
        (prepared.data.is_empty(), "objects to review"),
    ];
    if let Some((_, what)) = missing.into_iter().find(|(is_missing, _)| *is_missing) {
        return Err(BenchError::Missing(what));
    }
    compile(prepared, store, &objects)
}

/// What to add, how, and where its time goes.
type Step<'a> = (&'a [Arc<Object>], fn(&mut Store, &Object), &'a mut Duration);

fn compile(
    mut prepared: Prepared,
    mut store: Store,
    objects: &[BundledObject],
) -> Result<(Prepared, SetupBreakdown), BenchError> {
    let mut breakdown = SetupBreakdown::default();
    let started = Instant::now();
    let mut snapshot = Snapshot::default();
    breakdown.client_creation = started.elapsed();
    let mut errors = Vec::new();
    prepared.default_namespace.iter().for_each(|object| apply(&mut store, object));
    let steps: [Step<'_>; 3] = [
        (&prepared.templates, apply, &mut breakdown.template_compilation),
        (&prepared.constraints, apply, &mut breakdown.constraint_loading),
        (&prepared.data, add_data, &mut breakdown.data_loading),
    ];
    for (objects, add, duration) in steps {
        let started = Instant::now();
        objects.iter().for_each(|object| add(&mut store, object));
        // Each build reports what is wrong with all so far; what is unchanged is not compiled again.
        (snapshot, errors) = build(&mut store, &snapshot, prepared.options);
        *duration = started.elapsed();
    }
    if !errors.is_empty() {
        return Err(BenchError::Input(resource_diagnostics(&errors, objects)));
    }
    prepared.snapshot = snapshot;
    Ok((prepared, breakdown))
}

fn apply(store: &mut Store, object: &Object) {
    store.apply(Change::Apply(object.clone()));
}

fn add_data(store: &mut Store, object: &Object) {
    if object.is_namespace() {
        apply(store, object);
    }
    store.apply(Change::Sync(object.clone()));
}

impl Prepared {
    /// The same world with only some of its constraints; nothing is compiled again.
    pub(super) fn with_constraints(&self, is_wanted: impl Fn(&Arc<Object>) -> bool) -> Snapshot {
        let mut store = Store::default();
        let constraints = self.constraints.iter().filter(|one| is_wanted(one));
        self.templates.iter().chain(constraints).for_each(|object| apply(&mut store, object));
        self.default_namespace.iter().for_each(|object| apply(&mut store, object));
        self.data.iter().for_each(|object| add_data(&mut store, object));
        build(&mut store, &self.snapshot, self.options).0
    }
}

/// The objects as reviews, each with its Namespace when that is among them.
pub(super) fn reviews(prepared: &Prepared) -> Vec<Review> {
    let review =
        |object: &Arc<Object>| Review::of_object(object, prepared.snapshot.namespace(object.namespace()).cloned());
    prepared.data.iter().map(review).collect()
}
