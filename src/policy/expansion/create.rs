//! One template to one resultant, as its controller makes it: [`create`].

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Unexpandable;
use super::path_map::{Holder, Origin, PathMap};
use super::recipe::{Additions, Recipe, path};
use crate::model::object::{FieldPath, Object, describe};

/// What controllers take over of a template's metadata. A name or a namespace in a template means nothing.
const COPIED_METADATA: [&str; 3] = ["annotations", "finalizers", "labels"];

/// Labels with a Job's name on its Pods: today's, and the one from before labels had prefixes.
const JOB_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

/// The object that a generator creates, and where its fields come from.
pub(super) fn create(generator: &Object, recipe: &Recipe<'_>) -> Result<(Object, PathMap), Unexpandable> {
    let expected = format!("expected the template of a {}, a mapping", recipe.generated.kind);
    let template = mapping(recipe.template, recipe, &recipe.source, &expected)?;
    let spec_path = recipe.source.key("spec");
    let mut spec = mapping(template.get("spec"), recipe, &spec_path, "expected a mapping")?.clone();
    let metadata_path = recipe.source.key("metadata");
    let metadata = match template.get("metadata").filter(|metadata| !metadata.is_null()) {
        None => &Map::new(),
        stated => mapping(stated, recipe, &metadata_path, "expected a mapping")?,
    };
    let mut map = PathMap::new(recipe.holder.clone(), recipe.source.clone());
    map.copied(path(&["spec"]), recipe.holder.clone(), spec_path);
    map.made_up(path(&["metadata"]), recipe.holder.clone(), metadata_path.clone());
    for key in COPIED_METADATA {
        map.copied(path(&["metadata", key]), recipe.holder.clone(), metadata_path.key(key));
    }
    let mut metadata: Map<String, Value> = metadata
        .iter()
        .filter(|(key, _)| COPIED_METADATA.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    add_identity(generator, recipe, &mut metadata, &mut map);
    match recipe.additions {
        Additions::Unknown | Additions::Owner => {}
        Additions::JobLabels => add_job_labels(generator, recipe, &mut metadata, &mut map),
        Additions::ClaimVolumes => add_claim_volumes(generator, recipe, &mut spec, &mut map),
    }
    let value = json!({"apiVersion": recipe.generated.api_version(), "kind": recipe.generated.kind,
        "metadata": metadata, "spec": spec});
    // A recipe names what it makes.
    let object = Object::from_value(value).map_err(|error| unexpandable(recipe, error.path, error.message))?;
    Ok((object, map))
}

/// Namespace, name and owner.
fn add_identity(generator: &Object, recipe: &Recipe<'_>, metadata: &mut Map<String, Value>, map: &mut PathMap) {
    let namespace = path(&["metadata", "namespace"]);
    map.copied(namespace.clone(), Holder::Generator, namespace);
    if !generator.namespace().is_empty() {
        metadata.insert("namespace".to_owned(), generator.namespace().into());
    }
    for key in ["generateName", "name"] {
        map.made_up(path(&["metadata", key]), Holder::Generator, path(&["metadata", "name"]));
    }
    let base = base_name(generator);
    if !base.is_empty() {
        // What Gatekeeper calls a resultant, so that policies see the same with either.
        metadata.insert("name".to_owned(), format!("{base}-{}", recipe.generated.kind).to_lowercase().into());
        if matches!(recipe.additions, Additions::Owner | Additions::JobLabels) {
            metadata.insert("generateName".to_owned(), format!("{base}-").into());
        }
    }
    if generator.name().is_empty() {
        return;
    }
    let gvk = generator.gvk();
    let mut owner = json!({"apiVersion": gvk.api_version(), "kind": gvk.kind, "name": generator.name()});
    if let Some(owner) = owner.as_object_mut().filter(|_| recipe.additions != Additions::Unknown) {
        owner.insert("controller".to_owned(), true.into());
        owner.insert("blockOwnerDeletion".to_owned(), true.into());
    }
    if let Some(owner) = owner.as_object_mut().filter(|_| !generator.uid().is_empty()) {
        owner.insert("uid".to_owned(), generator.uid().into());
    }
    metadata.insert("ownerReferences".to_owned(), json!([owner]));
    map.made_up(path(&["metadata", "ownerReferences"]), recipe.holder.clone(), recipe.source.clone());
}

fn base_name(generator: &Object) -> &str {
    if generator.name().is_empty() { generator.generate_name().trim_end_matches('-') } else { generator.name() }
}

fn add_job_labels(generator: &Object, recipe: &Recipe<'_>, metadata: &mut Map<String, Value>, map: &mut PathMap) {
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if labels.is_null() {
        *labels = json!({});
    }
    let Some(labels) = labels.as_object_mut().filter(|_| !generator.name().is_empty()) else { return };
    for key in JOB_LABELS {
        labels.insert(key.to_owned(), generator.name().into());
        map.made_up(path(&["metadata", "labels", key]), recipe.holder.clone(), recipe.source.clone());
    }
}

/// Each claim is a volume of its name, in place of one in the template.
fn add_claim_volumes(generator: &Object, recipe: &Recipe<'_>, spec: &mut Map<String, Value>, map: &mut PathMap) {
    let claims = generator.field(&["spec", "volumeClaimTemplates"]).and_then(Value::as_array);
    let name_of = |claim: &Value| Some(claim.get("metadata")?.get("name")?.as_str()?.to_owned());
    let claims: Vec<(usize, String)> =
        claims.into_iter().flatten().enumerate().filter_map(|(index, claim)| Some((index, name_of(claim)?))).collect();
    if claims.is_empty() {
        return;
    }
    let claimed: BTreeSet<&str> = claims.iter().map(|(_, name)| name.as_str()).collect();
    let stated = match spec.get_mut("volumes").map(Value::take) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(volumes)) => volumes,
        Some(other) => {
            spec.insert("volumes".to_owned(), other);
            return;
        }
    };
    let here = path(&["spec", "volumes"]);
    let mut volumes = Vec::new();
    for (index, volume) in stated.into_iter().enumerate() {
        if volume.get("name").and_then(Value::as_str).is_some_and(|name| claimed.contains(name)) {
            continue;
        }
        if index != volumes.len() {
            let target = recipe.source.key("spec").key("volumes").index(index);
            map.copied(here.index(volumes.len()), recipe.holder.clone(), target);
        }
        volumes.push(volume);
    }
    for (index, name) in &claims {
        let target = path(&["spec", "volumeClaimTemplates"]).index(*index);
        map.made_up(here.index(volumes.len()), Holder::Generator, target);
        let claim = format!("{name}-{}-0", base_name(generator));
        volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
    }
    spec.insert("volumes".to_owned(), volumes.into());
}

fn mapping<'a>(
    value: Option<&'a Value>,
    recipe: &Recipe<'_>,
    place: &FieldPath,
    expected: &str,
) -> Result<&'a Map<String, Value>, Unexpandable> {
    match value {
        Some(Value::Object(fields)) => Ok(fields),
        Some(other) => Err(unexpandable(recipe, place.clone(), format!("{expected}, found {}", describe(other)))),
        None => Err(unexpandable(recipe, place.clone(), format!("{expected}, found nothing"))),
    }
}

fn unexpandable(recipe: &Recipe<'_>, path: FieldPath, reason: String) -> Unexpandable {
    Unexpandable { origin: Origin { holder: recipe.holder.clone(), path, is_made_up: false }, reason }
}
