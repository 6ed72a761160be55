//! ConstraintTemplate: the code of a policy, and the schema of its parameters. All versions have the same fields.

use serde_json::Value;

use super::ADMISSION_TARGET;
use super::fields::Fields;
use super::schema::loosen_legacy;
use crate::model::object::{FieldError, FieldPath, Object, describe};

/// A ConstraintTemplate (v1, v1beta1 or v1alpha1), parsed.
#[derive(Clone, Debug)]
pub struct ConstraintTemplate {
    /// The template as it arrived.
    pub object: Object,
    /// The kind of constraint it makes.
    pub kind: String,
    /// Short names of that kind.
    pub short_names: Vec<String>,
    /// Schema of `spec.parameters`, with what `legacySchema` loosens already applied; `None` when none was given.
    pub parameters: Option<Value>,
    /// The policy code.
    pub source: EngineSource,
    /// Operations that the template is for at admission; empty is all.
    pub operations: Vec<String>,
}

/// The code of a template, by the engine that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineSource {
    /// `Rego`, or the fields `targets[].rego` and `libs`.
    Rego(RegoSource),
}

/// Rego code: a module with the rule `violation`, and libraries below `data.lib`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegoSource {
    /// The language version all modules are written in.
    pub version: RegoVersion,
    /// The module with the rule `violation`.
    pub main: Module,
    /// Libraries that it imports.
    pub libraries: Vec<Module>,
}

/// One Rego module inside a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The source text.
    pub text: String,
    /// The field that holds it.
    pub path: FieldPath,
}

/// The syntax that a module is read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegoVersion {
    /// Before OPA 1.0: `if` and `contains` need an import.
    V0,
    /// OPA 1.0.
    V1,
}

impl ConstraintTemplate {
    /// Reads a template. What makes it unusable is returned as errors, all of them at once, in Gatekeeper's words.
    ///
    /// # Errors
    /// At least one, when the template cannot be used.
    pub fn parse(object: Object) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let root = object.value().clone();
        let mut fields = Fields::new(&root, FieldPath::root(), &mut errors);
        let legacy_default = object.gvk().version != "v1";
        let crd = read_crd(&mut fields, object.name(), legacy_default);
        let target = read_target(&mut fields);
        match (crd, target, errors.is_empty()) {
            (Some(crd), Some((source, operations)), true) => Ok(Self {
                object,
                kind: crd.kind,
                short_names: crd.short_names,
                parameters: crd.parameters,
                source,
                operations,
            }),
            _ => Err(errors),
        }
    }
}

struct CrdNames {
    kind: String,
    short_names: Vec<String>,
    parameters: Option<Value>,
}

fn read_crd(root: &mut Fields<'_, '_>, name: &str, legacy_default: bool) -> Option<CrdNames> {
    let names_path = FieldPath::from(["spec", "crd", "spec", "names"]);
    let mut errors = Vec::new();
    let crd = root.raw("spec").and_then(|spec| spec.get("crd")).and_then(|crd| crd.get("spec"));
    let empty = Value::Null;
    let mut crd = Fields::new(crd.unwrap_or(&empty), FieldPath::from(["spec", "crd", "spec"]), &mut errors);
    let (kind, short_names) = match crd.nested("names") {
        Some(mut names) => (names.text("kind").unwrap_or_default().to_owned(), names.texts("shortNames")),
        None => (String::new(), Vec::new()),
    };
    let parameters = crd.nested("validation").and_then(|mut validation| {
        let legacy = validation.boolean("legacySchema").unwrap_or(legacy_default);
        let schema = validation.raw("openAPIV3Schema").cloned();
        match (legacy, schema) {
            (false, schema) => schema,
            (true, schema) => {
                let at = validation.path().key("openAPIV3Schema");
                Some(loosen_legacy(schema.unwrap_or_else(crate::model::object::empty_object), &at, validation.errors()))
            }
        }
    });
    // A v1beta1 template without `validation` still has the legacy default: any parameters are kept.
    let parameters = match (parameters, legacy_default, crd.raw("validation").is_some()) {
        (None, true, false) => {
            let at = FieldPath::from(["spec", "crd", "spec", "validation", "openAPIV3Schema"]);
            Some(loosen_legacy(crate::model::object::empty_object(), &at, crd.errors()))
        }
        (parameters, ..) => parameters,
    };
    if kind.is_empty() {
        let message = format!("ConstraintTemplate {name:?} does not specify CRD Kind");
        errors.push(FieldError::required(names_path.key("kind"), message));
    } else if !kind.eq_ignore_ascii_case(name) {
        let expected = kind.to_lowercase();
        let message =
            format!("the ConstraintTemplate's name {name:?} is not equal to the lowercase of CRD's Kind: {expected:?}");
        errors.push(FieldError::new(FieldPath::from(["metadata", "name"]), message));
    }
    let usable = errors.is_empty();
    root.errors().extend(errors);
    usable.then_some(CrdNames { kind, short_names, parameters })
}

fn read_target(root: &mut Fields<'_, '_>) -> Option<(EngineSource, Vec<String>)> {
    let path = FieldPath::from(["spec", "targets"]);
    let targets = match root.raw("spec").and_then(|spec| spec.get("targets")) {
        Some(Value::Array(targets)) => targets.as_slice(),
        Some(other) if !other.is_null() => {
            root.errors().push(FieldError::new(path, format!("expected a list, found {}", describe(other))));
            return None;
        }
        _ => &[],
    };
    let [target] = targets else {
        let at = if targets.len() > 1 { path.index(1) } else { path };
        let message = format!("must declare exactly one target, found {}", targets.len());
        root.errors().push(FieldError::new(at, message));
        return None;
    };
    let mut target = Fields::new(target, path.index(0), root.errors());
    match target.text("target").unwrap_or_default() {
        "" => target.required("target", format!("target name must not be empty; use {ADMISSION_TARGET}")),
        ADMISSION_TARGET => {}
        other => {
            target.invalid("target", format!("target {other:?} not recognized, known targets [{ADMISSION_TARGET}]"));
        }
    }
    let operations = read_operations(&mut target);
    let source = read_source(&mut target)?;
    Some((EngineSource::Rego(source), operations))
}

fn read_operations(target: &mut Fields<'_, '_>) -> Vec<String> {
    let operations = target.texts("operations");
    if operations.iter().any(|operation| operation == "*") {
        if operations.len() > 1 {
            target.invalid("operations", "if '*' is present, must not specify other operations");
        }
        return Vec::new();
    }
    operations
}

/// The field `rego` silently wins over a `Rego` entry under `code`, as in Gatekeeper.
fn read_source(target: &mut Fields<'_, '_>) -> Option<RegoSource> {
    if let Some(text) = target.text("rego").filter(|text| !text.is_empty()) {
        let main = Module { text: text.to_owned(), path: target.path().key("rego") };
        let libraries = read_libraries(target);
        return Some(RegoSource { version: RegoVersion::V0, main, libraries });
    }
    let path = target.path().key("code");
    let mut engines = Vec::new();
    for (position, entry) in target.list("code").iter().enumerate() {
        let mut entry = Fields::new(entry, path.index(position), target.errors());
        let engine = entry.text("engine").unwrap_or_default();
        if engine == "Rego" {
            return read_rego_source(&mut entry);
        }
        engines.push(engine.to_owned());
    }
    let message = if engines.is_empty() {
        "no policy code found; put Rego under `rego`, or under `code` with engine Rego".to_owned()
    } else {
        let wanted = engines.join(" ");
        format!(
            "No language driver is installed that handles this constraint template: available drivers: [Rego], wanted {wanted:?}"
        )
    };
    target.required("code", message);
    None
}

fn read_rego_source(entry: &mut Fields<'_, '_>) -> Option<RegoSource> {
    let Some(mut source) = entry.nested("source") else {
        entry.required("source", "a Rego entry needs source.rego");
        return None;
    };
    let version = if source.text("version") == Some("v1") { RegoVersion::V1 } else { RegoVersion::V0 };
    let Some(text) = source.text("rego").filter(|text| !text.is_empty()) else {
        source.required("rego", "rego source missing required field: rego");
        return None;
    };
    let main = Module { text: text.to_owned(), path: source.path().key("rego") };
    let libraries = read_libraries(&mut source);
    Some(RegoSource { version, main, libraries })
}

fn read_libraries(fields: &mut Fields<'_, '_>) -> Vec<Module> {
    let path = fields.path().key("libs");
    let texts = fields.texts("libs");
    texts.into_iter().enumerate().map(|(position, text)| Module { text, path: path.index(position) }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(api_version: &str, targets: Value) -> Object {
        Object::from_value(json!({"apiVersion": api_version, "kind": "ConstraintTemplate",
            "metadata": {"name": "k8sdemo"},
            "spec": {"crd": {"spec": {"names": {"kind": "K8sDemo"}}}, "targets": targets}}))
        .unwrap()
    }

    fn check_error(object: Object, path: &str, text: &str) {
        let errors = ConstraintTemplate::parse(object).unwrap_err();
        let found = errors.iter().any(|error| error.path.to_string() == path && error.message.contains(text));
        assert!(found, "{path}: {text} not in {errors:?}");
    }

    #[test]
    fn reads_rego_from_either_field() {
        let target = json!([{"target": ADMISSION_TARGET, "rego": "package a", "libs": ["package lib.b"]}]);
        let parsed = ConstraintTemplate::parse(template("templates.gatekeeper.sh/v1beta1", target)).unwrap();
        let EngineSource::Rego(source) = parsed.source;
        assert_eq!((source.version, source.libraries.len()), (RegoVersion::V0, 1));
        assert!(parsed.parameters.is_some(), "v1beta1 keeps any parameters");
        let target = json!([{"target": ADMISSION_TARGET, "code": [
            {"engine": "K8sNativeValidation", "source": {}},
            {"engine": "Rego", "source": {"version": "v1", "rego": "package a"}}]}]);
        let parsed = ConstraintTemplate::parse(template("templates.gatekeeper.sh/v1", target)).unwrap();
        let EngineSource::Rego(source) = parsed.source;
        assert_eq!(source.main.path.to_string(), "spec.targets[0].code[1].source.rego");
        assert_eq!((source.version, parsed.parameters), (RegoVersion::V1, None));
    }

    #[test]
    fn names_what_is_wrong_and_where() {
        let one = json!({"target": ADMISSION_TARGET, "rego": "package a"});
        let v1 = "templates.gatekeeper.sh/v1";
        check_error(template(v1, json!([one, one])), "spec.targets[1]", "must declare exactly one target, found 2");
        check_error(template(v1, json!([])), "spec.targets", "must declare exactly one target, found 0");
        check_error(template(v1, json!([{"rego": "package a"}])), "spec.targets[0].target", "must not be empty");
        check_error(
            template(v1, json!([{"target": "x", "rego": "p"}])),
            "spec.targets[0].target",
            "\"x\" not recognized",
        );
        let cel = json!([{"target": ADMISSION_TARGET, "code": [{"engine": "Lua"}]}]);
        check_error(template(v1, cel), "spec.targets[0].code", "No language driver");
        let mut value = template(v1, json!([one])).into_value();
        value["metadata"]["name"] = "other".into();
        check_error(Object::from_value(value).unwrap(), "metadata.name", "lowercase of CRD's Kind: \"k8sdemo\"");
    }
}
