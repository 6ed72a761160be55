//! One ExpansionTemplate and one generator to one resultant, as Gatekeeper makes it: [`generate`].

use serde_json::{Map, Value, json};

use super::ExpansionFailure;
use super::path_map::{Holder, PathMap};
use super::recipe::path;
use crate::model::api::ExpansionTemplate;
use crate::model::object::{FieldError, FieldPath, Object, go_text};

/// A copy of what stands at the template's source, with the type that it generates; and where its fields come from.
pub(super) fn generate(
    generator: &Object,
    template: &ExpansionTemplate,
    namespace: &str,
) -> Result<(Object, PathMap), ExpansionFailure> {
    let mut value = source(generator, template)?.clone();
    let generated = &template.generated;
    value.insert("apiVersion".to_owned(), generated.api_version().into());
    value.insert("kind".to_owned(), generated.kind.as_str().into());
    // As if it were not there; Gatekeeper's resultant would have neither name nor namespace.
    if value.get("metadata").is_none_or(Value::is_null) {
        value.insert("metadata".to_owned(), json!({}));
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        let namespace = if namespace.is_empty() { generator.namespace() } else { namespace };
        // In a resource without one, a namespace in its template stays.
        if !namespace.is_empty() {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        let name = format!("{}-{}", generator.name(), generated.kind).to_lowercase();
        metadata.insert("name".to_owned(), name.into());
        add_owner(generator, metadata);
    }
    let failure = |error: FieldError| ExpansionFailure::NoObject(error.to_string());
    let object = Object::from_value(Value::Object(value)).map_err(failure)?;
    Ok((object, origins(template)))
}

/// The mapping that is copied.
fn source<'g>(generator: &'g Object, template: &ExpansionTemplate) -> Result<&'g Map<String, Value>, ExpansionFailure> {
    let not_there =
        || ExpansionFailure::NoSource { way: template.source.join("."), resource: generator.name().to_owned() };
    let no_mapping = |steps: usize, value: &Value| {
        let way: String = template.source.iter().take(steps).map(|key| format!(".{key}")).collect();
        let (found, its_type) = (go_text::plain(value), go_text::type_name(value));
        let message =
            format!("{way} accessor error: {found} is of the type {its_type}, expected map[string]interface{{}}");
        ExpansionFailure::NoMapping(message)
    };
    let mut value = generator.value();
    for (position, key) in template.source.iter().enumerate() {
        value = match value {
            Value::Object(fields) => fields.get(key).ok_or_else(not_there)?,
            Value::Null => return Err(not_there()),
            other => return Err(no_mapping(position + 1, other)),
        };
    }
    value.as_object().ok_or_else(|| no_mapping(template.source.len(), value))
}

/// The generator owns it, unless it says so already. An owner without a name owns nothing.
fn add_owner(generator: &Object, metadata: &mut Map<String, Value>) {
    let (api_version, kind, name) = (generator.gvk().api_version(), &generator.gvk().kind, generator.name());
    if name.is_empty() {
        return;
    }
    let listed = metadata.get("ownerReferences").and_then(Value::as_array);
    let mut owners: Vec<Value> = listed.into_iter().flatten().filter_map(owner).collect();
    let is_it = |owner: &Value| owner["apiVersion"] == api_version && owner["kind"] == *kind && owner["name"] == name;
    if owners.iter().any(is_it) {
        return;
    }
    owners.push(json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": ""}));
    metadata.insert("ownerReferences".to_owned(), owners.into());
}

/// What an owner reference consists of; all else in it is lost.
fn owner(written: &Value) -> Option<Value> {
    let written = written.as_object()?;
    let mut owner = Map::new();
    for key in ["apiVersion", "kind", "name", "uid"] {
        let text = written.get(key).and_then(Value::as_str).unwrap_or_default();
        owner.insert(key.to_owned(), text.into());
    }
    for key in ["blockOwnerDeletion", "controller"] {
        let flag = written.get(key).filter(|value| value.is_boolean());
        owner.extend(flag.map(|flag| (key.to_owned(), flag.clone())));
    }
    Some(Value::Object(owner))
}

fn origins(template: &ExpansionTemplate) -> PathMap {
    let source = template.source.iter().fold(FieldPath::root(), |path, key| path.key(key));
    let mut map = PathMap::of_copy(Holder::Generator, source.clone());
    for key in ["apiVersion", "kind"] {
        map.made_up(path(&[key]), Holder::Generator, source.clone());
    }
    map.made_up(path(&["metadata", "ownerReferences"]), Holder::Generator, source);
    for key in ["name", "namespace"] {
        map.made_up(path(&["metadata", key]), Holder::Generator, path(&["metadata", key]));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> ExpansionTemplate {
        let value = json!({"apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate",
            "metadata": {"name": "t"}, "spec": {"templateSource": source,
            "applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment"]}],
            "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"}}});
        ExpansionTemplate::parse(&Object::from_value(value).unwrap()).unwrap()
    }

    fn generator(metadata: Value, spec: Value) -> Object {
        let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec});
        Object::from_value(value).unwrap()
    }

    #[track_caller]
    fn check(metadata: Value, template_metadata: Value, namespace: &str, expected: Value) {
        let generator = generator(metadata, json!({"template": {"metadata": template_metadata, "spec": {"a": 1}}}));
        let (resultant, _) = generate(&generator, &template("spec.template"), namespace).unwrap();
        let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": expected, "spec": {"a": 1}});
        assert_eq!(resultant.value(), &expected);
    }

    fn owned(name: &str) -> Value {
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": ""}])
    }

    #[test]
    fn has_the_generators_name_namespace_and_reference() {
        let expected = json!({"name": "web-pod", "ownerReferences": owned("Web")});
        check(json!({"name": "Web"}), Value::Null, "", expected);
        let labels = json!({"labels": {"a": "b"}, "name": "other", "namespace": "other", "creationTimestamp": null});
        let expected = json!({"labels": {"a": "b"}, "name": "web-pod", "namespace": "shop", "creationTimestamp": null,
            "ownerReferences": owned("web")});
        check(json!({"name": "web", "namespace": "shop"}), labels.clone(), "", expected.clone());
        check(json!({"name": "web", "namespace": "shop"}), labels.clone(), "shop", expected.clone());
        check(json!({"name": "web"}), labels.clone(), "shop", expected);
        let expected = json!({"labels": {"a": "b"}, "name": "web-pod", "namespace": "other", "creationTimestamp": null,
            "ownerReferences": owned("web")});
        check(json!({"name": "web"}), labels, "", expected);
        check(json!({"generateName": "web-"}), json!({}), "shop", json!({"name": "-pod", "namespace": "shop"}));
    }

    #[test]
    fn keeps_owners_and_adds_one_once() {
        let owners = json!([{"kind": "A", "controller": true, "more": 1}, 5, {"blockOwnerDeletion": "no"}]);
        let expected = json!([{"apiVersion": "", "kind": "A", "name": "", "uid": "", "controller": true},
            {"apiVersion": "", "kind": "", "name": "", "uid": ""}, owned("web")[0]]);
        let expected = json!({"name": "web-pod", "ownerReferences": expected});
        check(json!({"name": "web"}), json!({"ownerReferences": owners}), "", expected);
        let mine = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "more": 1}]);
        let expected = json!({"name": "web-pod", "ownerReferences": mine});
        check(json!({"name": "web"}), json!({"ownerReferences": mine}), "", expected);
    }

    #[track_caller]
    fn check_failure(source: &str, spec: Value, expected: &str) {
        let failure = generate(&generator(json!({"name": "web"}), spec), &template(source), "").unwrap_err();
        assert_eq!(failure.to_string(), expected);
    }

    #[test]
    fn says_in_gatekeepers_words_what_is_wrong_with_the_source() {
        let missing = "could not find source field \"spec.template\" in resource web";
        check_failure("spec.template", json!({}), missing);
        check_failure("spec.template", Value::Null, missing);
        check_failure("spec.a.b", json!({"a.b": {}}), "could not find source field \"spec.a.b\" in resource web");
        let prefix = "could not extract source field from unstructured: .spec.template accessor error: ";
        for (value, found) in [
            (json!("x"), "x is of the type string"),
            (json!(7), "7 is of the type int64"),
            (json!(1.5), "1.5 is of the type float64"),
            (json!(true), "true is of the type bool"),
            (json!([1, "a", {"b": null}]), "[1 a map[b:<nil>]] is of the type []interface {}"),
            (Value::Null, "<nil> is of the type <nil>"),
        ] {
            let expected = format!("{prefix}{found}, expected map[string]interface{{}}");
            check_failure("spec.template", json!({"template": value}), &expected);
        }
        let expected = "could not extract source field from unstructured: .spec.template.spec accessor error: x is of \
                        the type string, expected map[string]interface{}";
        check_failure("spec.template.spec.x", json!({"template": "x"}), expected);
    }

    #[test]
    fn fields_are_where_the_template_has_them() {
        let spec = json!({"template": {"spec": {"containers": [{"image": "a"}]}}});
        let (_, map) = generate(&generator(json!({"name": "web"}), spec), &template("spec.template"), "").unwrap();
        let follow = |keys: FieldPath| {
            let start = super::super::path_map::Origin { holder: Holder::Generator, path: keys, is_made_up: false };
            let origin = super::super::path_map::follow(&[std::sync::Arc::new(map.clone())], start);
            (origin.path.to_string(), origin.is_made_up)
        };
        for (from, to, is_made_up) in [
            (FieldPath::root(), "spec.template", false),
            (path(&["spec", "containers"]).index(0).key("image"), "spec.template.spec.containers[0].image", false),
            (path(&["metadata", "labels", "a"]), "spec.template.metadata.labels.a", false),
            (path(&["metadata", "name"]), "metadata.name", true),
            (path(&["metadata", "ownerReferences"]).index(0), "spec.template", true),
            (path(&["kind"]), "spec.template", true),
        ] {
            assert_eq!(follow(from), (to.to_owned(), is_made_up));
        }
    }
}
