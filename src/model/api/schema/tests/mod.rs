//! Schemas as a whole: what the API server (v1.36) says to the same schemas and values.

use serde_json::json;

use super::*;

mod never_panics;

fn at() -> FieldPath {
    FieldPath::from(["spec", "x"])
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn parse(schema: &Value) -> Schema {
    let (schema, errors) = Schema::parse(schema, &FieldPath::root());
    assert_eq!(texts(&errors), Vec::<String>::new());
    schema
}

/// Values that pass, values that do not.
fn check(schema: &Value, good: &[Value], bad: &[(Value, &[&str])]) {
    let schema = parse(schema);
    for value in good {
        assert_eq!(texts(&schema.validate(value, &at())), Vec::<String>::new(), "{value}");
    }
    for (value, expected) in bad {
        assert_eq!(texts(&schema.validate(value, &at())), *expected, "{value}");
    }
}

fn check_refused(schema: &Value, expected: &[&str]) {
    assert_eq!(texts(&Schema::parse(schema, &FieldPath::from(["s"])).1), expected, "{schema}");
}

#[test]
fn judges_types() {
    let wrong = |expected: &str, found: &str| {
        format!(r#"spec.x: Invalid value: "{found}": spec.x in body must be of type {expected}: "{found}""#)
    };
    check(
        &json!({"type": "integer"}),
        &[json!(3), json!(3.0), json!(-1)],
        &[(json!("3"), &[&wrong("integer", "string")]), (json!(3.5), &[&wrong("integer", "number"), &not_integer()])],
    );
    check(&json!({"type": "number"}), &[json!(3), json!(3.5)], &[(json!(null), &[&wrong("number", "null")])]);
    check(
        &json!({"type": "string", "nullable": true}),
        &[json!(null), json!("")],
        &[(json!([]), &[&wrong("string", "array")])],
    );
    check(
        &json!({"x-kubernetes-int-or-string": true}),
        &[json!(3), json!("3")],
        &[(json!(true), &[&wrong("integer,string", "boolean")])],
    );
    check(&json!({"x-kubernetes-preserve-unknown-fields": true}), &[json!(3), json!(null), json!({"a": []})], &[]);
}

fn not_integer() -> String {
    r#"spec.x: Invalid value: "": Checked value must be of type integer (default format) in spec.x"#.to_owned()
}

#[test]
fn judges_strings() {
    check(
        &json!({"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^é"}),
        &[json!("éé"), json!("ééé")],
        &[
            (json!("é"), &[r#"spec.x: Invalid value: "é": spec.x in body should be at least 2 chars long"#]),
            (json!("éééé"), &["spec.x: Too long: may not be more than 3 bytes"]),
            (json!("ab"), &[r#"spec.x: Invalid value: "ab": spec.x in body should match '^é'"#]),
        ],
    );
    check(
        &json!({"type": "string", "format": "ipv4"}),
        &[json!("10.0.0.1")],
        &[
            (json!("x"), &[r#"spec.x: Invalid value: "x": spec.x in body must be of type ipv4: "x""#]),
            (json!(1), &[r#"spec.x: Invalid value: "int64": spec.x in body must be of type ipv4: "int64""#]),
        ],
    );
    check(
        &json!({"type": "string", "enum": ["a", "b"]}),
        &[json!("a")],
        &[(json!("c"), &[r#"spec.x: Unsupported value: "c": supported values: "a", "b""#])],
    );
}

#[test]
fn judges_numbers() {
    check(
        &json!({"type": "integer", "minimum": 1, "maximum": 10, "exclusiveMaximum": true, "multipleOf": 3}),
        &[json!(3), json!(9.0)],
        &[
            (json!(0), &["spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1"]),
            (
                json!(10),
                &[
                    "spec.x: Invalid value: 10: spec.x in body should be a multiple of 3",
                    "spec.x: Invalid value: 10: spec.x in body should be less than 10",
                ],
            ),
        ],
    );
    check(
        &json!({"type": "number", "minimum": 0.5, "multipleOf": 0.25}),
        &[json!(0.75)],
        &[(
            json!(0.3),
            &[
                "spec.x: Invalid value: 0.3: spec.x in body should be a multiple of 0.25",
                "spec.x: Invalid value: 0.3: spec.x in body should be greater than or equal to 0.5",
            ],
        )],
    );
    check(
        &json!({"type": "integer", "format": "int32"}),
        &[json!(2_147_483_647)],
        &[(
            json!(2_147_483_648_i64),
            &[r#"spec.x: Invalid value: "": Checked value must be of type integer with format int32 in spec.x"#],
        )],
    );
}

#[test]
fn judges_lists_and_mappings() {
    check(
        &json!({"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}}),
        &[json!(["a"])],
        &[
            (json!([]), &["spec.x: Invalid value: 0: spec.x in body should have at least 1 items"]),
            (json!(["a", "b", "c"]), &["spec.x: Too many: 3: must have at most 2 items"]),
            (
                json!([1]),
                &[r#"spec.x[0]: Invalid value: "integer": spec.x[0] in body must be of type string: "integer""#],
            ),
        ],
    );
    check(
        &json!({"type": "object", "minProperties": 1, "required": ["a"], "properties": {"a": {"type": "string"}}}),
        &[json!({"a": ""}), json!({"a": "", "b": 1})],
        &[(
            json!({}),
            &["spec.x: Invalid value: 0: spec.x in body should have at least 1 properties", "spec.x.a: Required value"],
        )],
    );
    check(
        &json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        &[json!({"a": 1})],
        &[(
            json!({"a": ""}),
            &[r#"spec.x.a: Invalid value: "string": spec.x.a in body must be of type integer: "string""#],
        )],
    );
    check(
        &json!({"type": "object", "additionalProperties": false}),
        &[json!({})],
        &[(json!({"a": 1}), &[r#"spec.x: Invalid value: "a": spec.x.a in body is a forbidden property"#])],
    );
    check(
        &json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
        &[json!(["a", "b"])],
        &[(json!(["a", "a", "a"]), &[r#"spec.x[1]: Duplicate value: "a""#])],
    );
    check(
        &json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
               "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}}}),
        &[json!([{"k": "a"}, {"k": "b"}])],
        &[(json!([{"k": "a"}, {"k": "a"}]), &[r#"spec.x[1]: Duplicate value: {"k":"a"}"#])],
    );
}

#[test]
fn judges_alternatives() {
    check(
        &json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
               "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        &[json!({"a": ""}), json!({"b": ""})],
        &[
            (
                json!({}),
                &[
                    r#"spec.x: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid"#,
                    "spec.x.a: Required value",
                ],
            ),
            (
                json!({"a": "", "b": ""}),
                &[
                    r#"spec.x: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
                ],
            ),
        ],
    );
    check(
        &json!({"type": "string", "anyOf": [{"minLength": 3}, {"pattern": "^a"}]}),
        &[json!("bbb"), json!("a")],
        &[(
            json!("b"),
            &[
                r#"spec.x: Invalid value: "": "spec.x" must validate at least one schema (anyOf)"#,
                r#"spec.x: Invalid value: "b": spec.x in body should be at least 3 chars long"#,
            ],
        )],
    );
    check(
        &json!({"type": "string", "allOf": [{"minLength": 3}], "not": {"pattern": "^a"}}),
        &[json!("bbb")],
        &[(
            json!("a"),
            &[
                r#"spec.x: Invalid value: "a": spec.x in body should be at least 3 chars long"#,
                r#"spec.x: Invalid value: "": "spec.x" must validate all the schemas (allOf). None validated"#,
                r#"spec.x: Invalid value: "": "spec.x" must not validate the schema (not)"#,
            ],
        )],
    );
}

#[test]
fn judges_embedded_objects() {
    check(
        &json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
        &[json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}})],
        &[(
            json!({"kind": ""}),
            &["spec.x.apiVersion: Required value", r#"spec.x.kind: Invalid value: "": must not be empty"#],
        )],
    );
}

#[test]
fn refuses_what_is_not_structural() {
    check_refused(&json!({}), &["s.type: Required value: must not be empty for specified object fields"]);
    check_refused(&json!({"type": "array"}), &["s.items: Required value: must be specified"]);
    check_refused(
        &json!({"type": "array", "items": {}}),
        &["s.items.type: Required value: must not be empty for specified array items"],
    );
    check_refused(
        &json!({"type": "strin"}),
        &[
            r#"s.type: Unsupported value: "strin": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ],
    );
    check_refused(
        &json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        &["s.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
    );
    check_refused(
        &json!({"type": "string", "anyOf": [{"type": "string", "description": "x"}]}),
        &[
            "s.anyOf[0].type: Forbidden: must be empty to be structural",
            "s.anyOf[0].description: Forbidden: must be empty to be structural",
        ],
    );
    check_refused(
        &json!({"type": "string", "$ref": "#/x", "uniqueItems": true}),
        &[
            "s.$ref: Forbidden: $ref is not supported",
            "s.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ],
    );
    check_refused(
        &json!({"type": "string", "minLength": "3"}),
        &[r#"s.minLength: Invalid value: "string": minLength must be an integer"#],
    );
    check_refused(
        &json!({"type": "string", "default": 3}),
        &[r#"s.default: Invalid value: "integer": s.default in body must be of type string: "integer""#],
    );
    check_refused(
        &json!({"type": "object", "default": {"z": 1}}),
        &[r#"s.default: Invalid value: {"z":1}: must not have unknown fields"#],
    );
    check_refused(&json!([]), &[r#"s: Invalid value: "array": a schema must be an object"#]);
    let (_, errors) = Schema::parse(&json!({"type": "string", "pattern": "(?=x)"}), &at());
    assert!(texts(&errors).concat().contains(r#"pattern: Invalid value: "(?=x)": must be a valid regular expression"#));
}

#[test]
fn accepts_int_or_string_as_controllers_write_it() {
    parse(&json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}));
    parse(
        &json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
    );
}

#[test]
fn fills_in_defaults() {
    let schema = parse(&json!({"type": "object", "properties": {
        "a": {"type": "string", "default": "x"},
        "b": {"type": "object", "default": {}, "properties": {"c": {"type": "integer", "default": 3}}},
        "n": {"type": "string", "nullable": true, "default": "y"},
        "d": {"type": "string"},
        "l": {"type": "array", "items": {"type": "object", "properties": {"e": {"type": "boolean", "default": true}}}},
    }}));
    for (before, after) in [
        (json!({}), json!({"a": "x", "b": {"c": 3}, "n": "y"})),
        (
            json!({"a": null, "n": null, "d": null, "l": [{}, {"e": false}]}),
            json!({"a": "x", "b": {"c": 3}, "n": null, "l": [{"e": true}, {"e": false}]}),
        ),
        (json!({"a": 1, "b": {"c": null}, "n": ""}), json!({"a": 1, "b": {"c": 3}, "n": ""})),
        (json!("text"), json!("text")),
    ] {
        let mut value = before;
        schema.default(&mut value);
        assert_eq!(value, after);
    }
}

#[test]
fn finds_and_prunes_unknown_fields() {
    let schema = parse(&json!({"type": "object", "properties": {
        "a": {"type": "object", "properties": {"b": {"type": "string"}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                 "properties": {"shut": {"type": "object"}}},
        "list": {"type": "array", "items": {"type": "object"}},
        "free": {"type": "object", "additionalProperties": true},
    }}));
    let mut value = json!({
        "a": {"b": "", "c": 1}, "z": {}, "open": {"x": {"y": 1}, "shut": {"w": 1}},
        "list": [{"v": 1}], "free": {"k": {"u": 1}, "s": "t"},
    });
    let unknown: Vec<String> = schema.unknown_fields(&value, &at()).iter().map(ToString::to_string).collect();
    assert_eq!(unknown, ["spec.x.a.c", "spec.x.free.k.u", "spec.x.list[0].v", "spec.x.open.shut.w", "spec.x.z"]);
    schema.prune(&mut value);
    assert_eq!(
        value,
        json!({
            "a": {"b": ""}, "open": {"x": {"y": 1}, "shut": {}}, "list": [{}], "free": {"k": {}, "s": "t"},
        })
    );
}

#[test]
fn bounds_the_depth_of_schemas() {
    let array =
        |inner| Value::Object([("type".to_owned(), json!("array")), ("items".to_owned(), inner)].into_iter().collect());
    let nest = |levels: usize| (0..levels).fold(json!({"type": "string"}), |inner, _| array(inner));
    parse(&nest(MAX_DEPTH - 1));
    let (_, errors) = Schema::parse(&nest(1_000), &FieldPath::root());
    assert_eq!(errors.len(), 1);
}
