//! The generated CRD and the schema of constraints.

use serde_json::json;

use super::*;

fn crd(parameters: Option<&Value>, uid: &str) -> Value {
    let mut template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "k8slimits", "uid": uid, "labels": {"team": "security"}},
        "spec": {
            "crd": {"spec": {"names": {"kind": "K8sLimits", "shortNames": ["lim"]}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": "package a\nviolation[{}] { false }"}],
        },
    });
    if let Some(parameters) = parameters {
        template["spec"]["crd"]["spec"]["validation"] = json!({ "openAPIV3Schema": parameters });
    }
    let template = ConstraintTemplate::parse(Object::from_value(template).unwrap()).unwrap();
    constraint_crd(&template)
}

fn check_errors(constraint: &Value, parameters: &Value, expected: &[&str]) {
    let (schema, errors) = constraint_schema(Some(parameters));
    assert_eq!(errors, []);
    let texts: Vec<String> = schema.validate(constraint, &FieldPath::root()).iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}

#[test]
fn names_and_owns_the_crd() {
    let crd = crd(None, "u1");
    let pointers = [
        ("/metadata/name", json!("k8slimits.constraints.gatekeeper.sh")),
        ("/metadata/labels", json!({"team": "security", "gatekeeper.sh/constraint": "yes"})),
        ("/metadata/ownerReferences/0/uid", json!("u1")),
        ("/metadata/ownerReferences/0/controller", json!(true)),
        ("/spec/names/listKind", json!("K8sLimitsList")),
        ("/spec/names/plural", json!("k8slimits")),
        ("/spec/names/shortNames", json!(["lim"])),
        ("/spec/versions/0/name", json!("v1beta1")),
        ("/spec/versions/0/storage", json!(true)),
        ("/spec/versions/1/storage", json!(false)),
    ];
    for (pointer, expected) in pointers {
        assert_eq!(crd.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn has_parameters_only_with_a_schema() {
    let pointer = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/parameters";
    let parameters = json!({"type": "object"});
    assert_eq!(crd(None, "").pointer(pointer), None);
    assert_eq!(crd(Some(&parameters), "").pointer(pointer), Some(&parameters));
    assert_eq!(crd(None, "").pointer("/metadata/ownerReferences"), None);
}

#[test]
fn refuses_impossible_names() {
    for kind in ["", "1Kind", "Kind_", "Kïnd", "Kind-", &"K".repeat(60)] {
        let errors = name_errors(kind, &["lim".to_owned()]);
        assert_eq!(errors.len(), 1, "{kind}");
        assert!(errors[0].to_string().starts_with("spec.crd.spec.names.kind: Invalid value:"), "{}", errors[0]);
    }
    assert_eq!(name_errors(&"K".repeat(59), &["lim".to_owned()]), []);
    assert_eq!(name_errors("A", &["L".to_owned(), "a".repeat(64)]).len(), 2);
}

#[test]
fn is_itself_a_structural_schema() {
    let parameters = json!({"type": "object", "properties": {"cpu": {"type": "string"}}});
    let (_, errors) = Schema::parse_resource(&constraint_schema_text(Some(&parameters)), &FieldPath::root());
    assert_eq!(errors, []);
}

#[test]
fn judges_constraints() {
    let parameters = json!({"type": "object", "required": ["cpu"], "properties": {"cpu": {"type": "string"}}});
    let good = json!({"metadata": {"name": "a"}, "spec": {"parameters": {"cpu": "1"}, "match": {"scope": "anything"}}});
    check_errors(&good, &parameters, &[]);
    check_errors(
        &json!({"spec": {"parameters": {"cpu": 1}}}),
        &parameters,
        &[
            r#"spec.parameters.cpu: Invalid value: "integer": spec.parameters.cpu in body must be of type string: "integer""#,
        ],
    );
    check_errors(
        &json!({"spec": {"match": {"source": "x", "kinds": {}}, "parameters": {}}}),
        &parameters,
        &[
            r#"spec.match.kinds: Invalid value: "object": spec.match.kinds in body must be of type array: "object""#,
            r#"spec.match.source: Unsupported value: "x": supported values: "All", "Generated", "Original""#,
            "spec.parameters.cpu: Required value",
        ],
    );
    check_errors(
        &json!({"metadata": {"name": "a".repeat(64)}}),
        &parameters,
        &["metadata.name: Too long: may not be more than 63 bytes"],
    );
}

#[test]
fn defaults_and_prunes_constraints() {
    let constraint =
        json!({"apiVersion": "x", "kind": "A", "metadata": {"labels": {}}, "spec": {"parameters": {"a": 1}}});
    for (parameters, unknown) in [
        (None, FieldPath::from(["spec", "parameters"])),
        (Some(json!({"type": "object"})), FieldPath::from(["spec", "parameters", "a"])),
    ] {
        let (schema, _) = constraint_schema(parameters.as_ref());
        let mut changed = constraint.clone();
        schema.default(&mut changed);
        assert_eq!(changed.pointer("/spec/enforcementAction"), Some(&json!("deny")));
        assert_eq!(schema.unknown_fields(&changed, &FieldPath::root()), [unknown]);
        schema.prune(&mut changed);
        assert_eq!(schema.unknown_fields(&changed, &FieldPath::root()), []);
        assert_eq!(changed.pointer("/metadata/labels"), Some(&json!({})));
    }
}
