//! The four kinds of mutators, parsed: Assign, AssignImage, AssignMetadata and ModifySet.
//!
//! What Gatekeeper refuses is refused in its words, its own check first; what is wrong beside that is told with it.

mod apply_to;
mod assign;
mod image;
mod location;
mod path_tests;

use std::fmt;

use serde_json::Value;

use super::fields::Fields;
use super::{MUTATIONS_GROUP, Match};
use crate::model::object::{FieldError, FieldPath, Object, empty_object};

pub use apply_to::{ApplyTo, MUTATED_OPERATIONS};
pub use assign::{AssignedValue, DataSource, ExternalDataReference, FailurePolicy, MetadataField};
pub use image::{ImageParts, split_domain};
pub use location::{KeyValue, Location, LocationError, LocationNode};
pub use path_tests::{Condition, PathTests};

/// The longest name that a mutator may have, in bytes.
const LONGEST_NAME: usize = 63;

/// A mutator of any kind.
#[derive(Clone, Debug)]
pub struct Mutator {
    /// What tells it from all others, and orders them.
    pub id: MutatorId,
    /// `metadata.generation`; 0 for what no API server has stored.
    pub generation: i64,
    /// Types and operations that it is for; `None` for an AssignMetadata, which is for all.
    pub apply_to: Option<Vec<ApplyTo>>,
    /// Which of these objects it is for.
    pub criteria: Match,
    /// Where it writes.
    pub location: Location,
    /// What must be there, or must not.
    pub path_tests: PathTests,
    /// What it writes.
    pub action: Action,
}

/// What a mutator does at its location.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Assign: writes a value.
    Assign(AssignedValue),
    /// AssignMetadata: adds a label or an annotation.
    AssignMetadata(AssignedValue),
    /// ModifySet: adds values to a list, or takes them out.
    ModifySet(SetOperation, Vec<Value>),
    /// AssignImage: sets parts of an image's name.
    AssignImage(ImageParts),
}

/// What a ModifySet does with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    /// `merge`: adds those that are missing.
    Merge,
    /// `prune`: removes those that are there.
    Prune,
}

/// The kinds of mutators, in the order in which they act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MutatorKind {
    /// `Assign`
    Assign,
    /// `AssignImage`
    AssignImage,
    /// `AssignMetadata`
    AssignMetadata,
    /// `ModifySet`
    ModifySet,
}

/// What tells a mutator from all others. Its order is the order in which mutators act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MutatorId {
    /// Its kind.
    pub kind: MutatorKind,
    /// Empty: mutators are cluster-scoped.
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
}

impl MutatorKind {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Assign, Self::AssignImage, Self::AssignMetadata, Self::ModifySet];

    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assign => "Assign",
            Self::AssignImage => "AssignImage",
            Self::AssignMetadata => "AssignMetadata",
            Self::ModifySet => "ModifySet",
        }
    }

    /// Reads the kind's name.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Versions in which the API server serves it, newest first.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Assign | Self::AssignMetadata | Self::ModifySet => &["v1", "v1beta1", "v1alpha1"],
            Self::AssignImage => &["v1alpha1"],
        }
    }
}

impl fmt::Display for MutatorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// As Gatekeeper writes it in messages: `Assign.mutations.gatekeeper.sh /name`.
impl fmt::Display for MutatorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        write!(formatter, "{kind}.{MUTATIONS_GROUP} {namespace}/{name}")
    }
}

/// As Gatekeeper writes it into annotations and logs: `Assign//name:3`, the last being the generation.
impl fmt::Display for Mutator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MutatorId { kind, namespace, name } = &self.id;
        write!(formatter, "{kind}/{namespace}/{name}:{}", self.generation)
    }
}

impl Mutator {
    /// Reads a mutator, collecting every mistake; Gatekeeper's own comes first.
    ///
    /// # Errors
    /// At least one, when it cannot act as written.
    pub fn parse(object: &Object) -> Result<Self, Vec<FieldError>> {
        let kind = read_kind(object).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        let name = object.name();
        let name_path = FieldPath::from(["metadata", "name"]);
        if name.len() > LONGEST_NAME {
            errors.push(FieldError::new(name_path, "maximum name length is 63 characters"));
        } else if name.is_empty() {
            errors.push(FieldError::required(name_path, "name the mutator"));
        }
        let empty = empty_object();
        let spec = object.field(&["spec"]).unwrap_or(&empty);
        let mut spec = Fields::new(spec, FieldPath::from(["spec"]), &mut errors);
        let parts = read_spec(&mut spec, kind, name);
        let criteria = match spec.raw("match") {
            Some(value) => Match::parse(value, spec.path().key("match"), spec.errors()),
            None => Match::default(),
        };
        let Some(Parts { location, action, path_tests, apply_to }) = parts.filter(|_| errors.is_empty()) else {
            return Err(errors);
        };
        let id = MutatorId { kind, namespace: object.namespace().to_owned(), name: name.to_owned() };
        Ok(Self { id, generation: object.generation(), apply_to, criteria, location, path_tests, action })
    }
}

/// What is below `spec` apart from `match`.
struct Parts {
    location: Location,
    action: Action,
    path_tests: PathTests,
    apply_to: Option<Vec<ApplyTo>>,
}

fn read_kind(object: &Object) -> Result<MutatorKind, FieldError> {
    let gvk = object.gvk();
    if gvk.group != MUTATIONS_GROUP {
        let text = format!("expected a mutator of the group {MUTATIONS_GROUP}, found {gvk}");
        return Err(FieldError::new(FieldPath::from(["apiVersion"]), text));
    }
    let kinds = MutatorKind::ALL.map(MutatorKind::as_str);
    let Some(kind) = MutatorKind::from_text(&gvk.kind) else {
        return Err(FieldError::not_supported(FieldPath::from(["kind"]), &Value::from(gvk.kind.as_str()), &kinds));
    };
    if kind.versions().contains(&gvk.version.as_str()) {
        return Ok(kind);
    }
    let versions: Vec<String> = kind.versions().iter().map(|version| format!("{MUTATIONS_GROUP}/{version}")).collect();
    let found = Value::from(gvk.api_version());
    Err(FieldError::not_supported(FieldPath::from(["apiVersion"]), &found, &versions))
}

/// In the order of Gatekeeper's checks.
fn read_spec(spec: &mut Fields<'_, '_>, kind: MutatorKind, name: &str) -> Option<Parts> {
    let location = read_location(spec, kind, name);
    if let Some(text) = location.as_ref().and_then(|location| location_mistake(location, kind, name, spec)) {
        spec.invalid("location", text);
    }
    let empty = empty_object();
    let parameters_path = spec.path().key("parameters");
    let parameters = spec.raw("parameters").unwrap_or(&empty);
    let mut parameters = Fields::new(parameters, parameters_path, spec.errors());
    let action = read_action(&mut parameters, kind, name, location.as_ref());
    if kind == MutatorKind::AssignMetadata {
        let path_tests = location.as_ref().map(PathTests::nothing_at).unwrap_or_default();
        return Some(Parts { location: location?, action: action?, path_tests, apply_to: None });
    }
    let path_tests = read_path_tests(&mut parameters, kind, name, location.as_ref());
    let apply_to = Some(apply_to::read(spec, kind, name));
    Some(Parts { location: location?, action: action?, path_tests, apply_to })
}

fn read_location(spec: &mut Fields<'_, '_>, kind: MutatorKind, name: &str) -> Option<Location> {
    let text = spec.text("location").unwrap_or_default();
    match Location::parse(text) {
        Ok(location) => Some(location),
        Err(error) => {
            let head = match kind {
                MutatorKind::AssignMetadata => format!("invalid location format for AssignMetadata {name}: {text}"),
                MutatorKind::AssignImage => format!("invalid location format `{text}` for assignImage {name}"),
                MutatorKind::Assign | MutatorKind::ModifySet => {
                    format!("invalid location format `{text}` for {kind} {name}")
                }
            };
            spec.invalid("location", format!("{head}: {error}"));
            None
        }
    }
}

/// Why a kind of mutator does not act at a location.
fn location_mistake(location: &Location, kind: MutatorKind, name: &str, spec: &mut Fields<'_, '_>) -> Option<String> {
    let is_metadata = location.starts_with(&["metadata"]);
    match kind {
        MutatorKind::AssignMetadata => {
            let is_valid = location.nodes().len() == 3
                && !location.ends_in_list()
                && (location.starts_with(&["metadata", "labels"])
                    || location.starts_with(&["metadata", "annotations"]));
            let text = spec.text("location").unwrap_or_default();
            (!is_valid).then(|| format!("invalid location for assignmetadata {name}: {text}"))
        }
        MutatorKind::Assign if is_metadata => Some(format!("assign {name} can't change metadata")),
        MutatorKind::AssignImage if is_metadata => Some(format!("assignImage {name} can't change metadata")),
        MutatorKind::ModifySet if is_metadata => Some(format!("modifyset {name} can't change metadata")),
        MutatorKind::AssignImage if location.ends_in_list() => {
            Some(format!("assignImage {name} cannot mutate list-type fields"))
        }
        MutatorKind::ModifySet if location.ends_in_list() => {
            Some("final node in a modifyset location cannot be a keyed list".to_owned())
        }
        // Gatekeeper takes a ModifySet without a location, and then refuses every request that it is for.
        _ if location.nodes().is_empty() => Some("empty path".to_owned()),
        MutatorKind::ModifySet => None,
        MutatorKind::Assign | MutatorKind::AssignImage => {
            changes_key(location).then(|| "invalid path format: changing the item key is not allowed".to_owned())
        }
    }
}

/// Whether it writes the field that tells elements of a list apart.
fn changes_key(location: &Location) -> bool {
    match location.nodes() {
        [.., LocationNode::Element { key, .. }, LocationNode::Field(name)] => key == name,
        _ => false,
    }
}

fn read_action(
    parameters: &mut Fields<'_, '_>,
    kind: MutatorKind,
    name: &str,
    location: Option<&Location>,
) -> Option<Action> {
    match kind {
        MutatorKind::Assign => {
            let assigned = assign::read(parameters)?;
            if let Some(text) = location.and_then(|location| assign::place_mistake(location, &assigned)) {
                report(parameters, parameters.path().key("assign"), text);
            }
            Some(Action::Assign(assigned))
        }
        MutatorKind::AssignMetadata => {
            let assigned = assign::read(parameters)?;
            if let Some(text) = metadata_mistake(&assigned, name) {
                report(parameters, parameters.path().key("assign"), text);
            }
            Some(Action::AssignMetadata(assigned))
        }
        MutatorKind::ModifySet => read_set(parameters),
        MutatorKind::AssignImage => {
            let mut part = |key| parameters.text(key).unwrap_or_default().to_owned();
            let parts = ImageParts { domain: part("assignDomain"), path: part("assignPath"), tag: part("assignTag") };
            for (key, text) in parts.mistakes() {
                let path = if key.is_empty() { parameters.path().clone() } else { parameters.path().key(key) };
                report(parameters, path, format!("assignImage {name} has invalid parameters: {text}"));
            }
            Some(Action::AssignImage(parts))
        }
    }
}

fn metadata_mistake(assigned: &AssignedValue, name: &str) -> Option<String> {
    match assigned {
        AssignedValue::ExternalData(reference) if reference.source != DataSource::Username => {
            Some(format!("only username data source is supported for assignmetadata {name}"))
        }
        AssignedValue::Literal(value) if !value.is_string() => {
            let name = crate::model::object::quote(name);
            Some(format!("spec.parameters.assign.value field must be a string for AssignMetadata {name}"))
        }
        _ => None,
    }
}

fn read_set(parameters: &mut Fields<'_, '_>) -> Option<Action> {
    let operation = match parameters.text("operation").unwrap_or("merge") {
        "merge" => SetOperation::Merge,
        "prune" => SetOperation::Prune,
        other => {
            let text = format!("unrecognized operation for modifyset: {other}: expected merge or prune");
            parameters.invalid("operation", text);
            return None;
        }
    };
    let values = parameters.nested("values").map(|mut values| values.list("fromList").to_vec());
    Some(Action::ModifySet(operation, values.unwrap_or_default()))
}

fn read_path_tests(
    parameters: &mut Fields<'_, '_>,
    kind: MutatorKind,
    name: &str,
    location: Option<&Location>,
) -> PathTests {
    let path = parameters.path().key("pathTests");
    let entries = parameters.list("pathTests");
    let mut tests = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        let mut entry = Fields::new(entry, path.index(position), parameters.errors());
        let text = entry.text("subPath").unwrap_or_default();
        let sub_path = Location::parse(text);
        if let Err(error) = &sub_path {
            entry.invalid("subPath", format!("problem parsing sub path `{text}` for {kind} {name}: {error}"));
        }
        let condition = entry.text("condition").unwrap_or_default();
        match (sub_path, Condition::from_text(condition)) {
            (Ok(sub_path), Some(condition)) => tests.push((sub_path, condition)),
            (_, None) => entry.invalid("condition", format!("{condition} is not a valid path test condition")),
            (Err(_), Some(_)) => {}
        }
    }
    // With tests left out, those that are left may look wrong without being so.
    let Some(location) = location.filter(|_| tests.len() == entries.len()) else { return PathTests::default() };
    PathTests::new(location, &tests).unwrap_or_else(|text| {
        report(parameters, path, text);
        PathTests::default()
    })
}

/// Reports a mistake that is not one of a single field.
fn report(fields: &mut Fields<'_, '_>, path: FieldPath, text: String) {
    fields.errors().push(FieldError::new(path, text));
}
