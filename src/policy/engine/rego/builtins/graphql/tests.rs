//! Answers are OPA's, except where the evaluation stops.

use crate::policy::engine::rego::builtins::tests::call_builtin;
use crate::policy::engine::rego::builtins::{Budget, BuiltinError, Caches, CallContext, lookup};
use crate::policy::engine::rego::evaluate::budget::Limits;
use crate::policy::engine::rego::value::Value;

const SCHEMA: &str = "type Query { a(x: Int = 1, i: In): [A!] u: U n: N s: String } interface N { name: String! }
    type A implements N { name: String! other: Int b: B } type B { name: String a: A } union U = A | B
    input In @oneOf { x: Int y: [Int!] } type Subscription { one: Int two: Int }";

fn call(name: &str, arguments: &[&str]) -> String {
    let arguments: Vec<Value> = arguments.iter().map(|text| Value::from(*text)).collect();
    call_builtin(name, &Value::array(arguments).to_string())
}

fn is_valid(query: &str) -> String {
    call("graphql.is_valid", &[query, SCHEMA])
}

/// With as much time and memory as an evaluation has, so that the depth is what stops it.
fn is_valid_in_time(query: &str) -> String {
    let (mut caches, mut budget) = (Caches::default(), Budget::new(&Limits::default()));
    let mut context = CallContext { caches: &mut caches, budget: &mut budget, now_ns: 0, prints: None, outside: None };
    match (lookup("graphql.is_valid").unwrap().call)(&mut context, &[&Value::from(query), &Value::from(SCHEMA)]) {
        Ok(value) => value.to_string(),
        Err(BuiltinError::Undefined(text) | BuiltinError::Halt(text) | BuiltinError::Refused(text)) => text,
    }
}

#[test]
fn documents_become_values_without_what_is_empty() {
    let found = call("graphql.parse_query", &["query ($v: [Int!] = []) { #1\n b: a(x: $v) @d ...F }"]);
    let expected = r##"{"Operations": [{"Name": "", "Operation": "query", "SelectionSet": [{"Alias": "b", "Arguments": [{"Name": "x", "Value": {"Kind": 0, "Raw": "v"}}], "Comment": {"List": [{"Value": "#1"}]}, "Directives": [{"Location": "", "Name": "d"}], "Name": "a"}, {"Name": "F"}], "VariableDefinitions": [{"DefaultValue": {"Kind": 8, "Raw": ""}, "Type": {"Elem": {"NamedType": "Int", "NonNull": true}, "NamedType": "", "NonNull": false}, "Used": false, "Variable": "v"}]}]}"##;
    assert_eq!(found, expected);
    let found = call("graphql.parse_schema", &["#1\n\"d\" #2\n union U = | A #3\n"]);
    let expected = r##"{"Comment": {"List": [{"Value": "#3"}]}, "Definitions": [{"AfterDescriptionComment": {"List": [{"Value": "#2"}]}, "BeforeDescriptionComment": {"List": [{"Value": "#1"}]}, "BuiltIn": false, "Description": "d", "Kind": "UNION", "Name": "U", "Types": ["A"]}]}"##;
    assert_eq!(found, expected);
    assert_eq!(call("graphql.parse_query", &[""]), "{}");
    assert_eq!(call("graphql.parse_query", &["{}"]), "undefined");
}

#[test]
fn queries_are_valid_or_not() {
    for query in [
        "{ s }",
        "{ a { name } b: a(x: null) { other } }",
        "{ u { ... on A { name } ... on B { k: name } } }",
        "query ($v: Int!) { a(i: {x: $v}) { name } }",
        "query ($v: Int = 3) { a(x: $v) { name @skip(if: true) } }",
        "{ __schema { types { name fields { name } } } }",
        "{ ...F } fragment F on Query { s }",
        "subscription { one }",
        "{ n { ... on A { name } name } }",
    ] {
        assert_eq!(is_valid(query), "true", "{query}");
    }
    for query in [
        "{ t }",
        "{ a }",
        "{ s { t } }",
        "{ a { name } a(x: 2) { name } }",
        "{ u { ... on A { k: other } ... on B { k: name } } }",
        "query ($v: Int) { a(i: {x: $v}) { name } }",
        "query ($v: String) { a(x: $v) { name } }",
        "query ($v: Int) { s }",
        "{ a(i: {x: 1, y: [2]}) { name } }",
        "{ a(x: 99999999999999999999) { name } }",
        "{ a(x: 1.5) { name } }",
        "{ __schema { types { fields { type { fields { type { interfaces { name } } } } } } } }",
        "{ ...F } fragment F on Query { s ...G } fragment G on Query { ...F }",
        "{ s } fragment F on Query { s }",
        "subscription { one two }",
        "mutation { s }",
        "{ s @deprecated }",
        "{ s @skip(if: true) @skip(if: true) }",
        "query A { s } { s }",
    ] {
        assert_eq!(is_valid(query), "false", "{query}");
    }
    assert_eq!(call("graphql.parse", &["{ t }", SCHEMA]), "undefined");
    assert_eq!(call("graphql.parse_and_verify", &["{ t }", SCHEMA]), "[false, {}, {}]");
    assert!(call("graphql.parse_and_verify", &["{ s }", SCHEMA]).starts_with("[true, {"));
}

#[test]
fn schemas_are_valid_or_not() {
    for (schema, expected) in [
        (SCHEMA, "true"),
        ("", "true"),
        ("extend type A { b: Int }", "true"),
        ("directive @skip on FIELD", "true"),
        ("type A { a: Int a: Int }", "false"),
        ("type A { a: B }", "false"),
        ("type A { a(x: A): Int }", "false"),
        ("type __A { a: Int }", "false"),
        ("type A { a: Int @nope }", "false"),
        ("interface N { a: Int } type A implements N { b: Int }", "false"),
        ("scalar Int", "false"),
        ("schema { query: Q }", "false"),
        ("directive @a(x: Int @a) on ARGUMENT_DEFINITION", "false"),
        ("union U = Int", "false"),
        ("enum E { true }", "false"),
    ] {
        assert_eq!(call("graphql.schema_is_valid", &[schema]), expected, "{schema}");
    }
    assert_eq!(call_builtin("graphql.schema_is_valid", "[1]"), "false");
    assert_eq!(call_builtin("graphql.parse_schema", "[1]"), "undefined");
}

#[test]
fn objects_are_read_as_go_reads_them() {
    let schema = call("graphql.parse_schema", &[SCHEMA]);
    for (query, expected) in [
        (r#"{"Operations": [{"SelectionSet": [{"Name": "s"}]}]}"#, "true"),
        (r#"{"operations": [{"SelectionSet": [{"Name": "s"}]}]}"#, "true"),
        (r#"{"Operations": [{"selectionSet": [{"Name": "t"}]}]}"#, "true"),
        (r#"{"Operations": [{"SelectionSet": [{"Name": "t"}]}]}"#, "false"),
        (r#"{"Operations": [{"Name": 1}]}"#, "false"),
        (r#"{"Operations": [null]}"#, "halt"),
        (r#"{"Operations": [{"SelectionSet": [{"Name": 1}]}]}"#, "halt"),
        (r#"{"Operations": [{"SelectionSet": [{"Name": "s", "Directives": [{"Name": "deprecated"}]}]}]}"#, "halt"),
        ("{}", "true"),
    ] {
        assert_eq!(call_builtin("graphql.is_valid", &format!("[{query}, {schema}]")), expected, "{query}");
    }
}

#[test]
fn stops_where_documents_have_no_end() {
    let nested = |depth| format!("{{ a {} name {} }}", "{ b { a".repeat(depth) + " {", "} }".repeat(depth) + "}");
    assert_eq!(is_valid_in_time(&nested(40)), "true");
    assert_eq!(is_valid_in_time(&nested(60)), "graphql: nested too deeply");
    let list = |depth| format!("{{ a(x: {}1{}) }}", "[".repeat(depth), "]".repeat(depth));
    assert!(call("graphql.parse_query", &[&list(90)]).starts_with('{'));
    assert_eq!(call("graphql.parse_query", &[&list(20_000)]), "halt");
    let chain = |length: usize| {
        let fragments = (0..length).map(|index| format!("fragment F{index} on Query {{ ...F{} }}", index + 1));
        format!("{{ ...F0 }} {} fragment F{length} on Query {{ s }}", fragments.collect::<String>())
    };
    assert_eq!(is_valid_in_time(&chain(200)), "true");
    assert_eq!(is_valid_in_time(&chain(2_000)), "graphql: nested too deeply");
    let same = (0..2).map(|_| nested(40).replacen('{', "... on Query {", 1)).collect::<String>();
    assert_eq!(is_valid_in_time(&format!("{{ {same} }}")), "true");
    let mut twice = "name".to_owned();
    for _ in 0..16 {
        twice = format!("b {{ a {{ {twice} }} }} b {{ a {{ {twice} }} }}");
    }
    assert_eq!(is_valid(&format!("{{ a {{ {twice} }} }}")), "halt");
    let doubled =
        (0..30).map(|index| format!("fragment F{index} on __Type {{ ...F{0} ofType {{ ...F{0} }} }}", index + 1));
    let query = format!(
        "{{ __type(name: \"A\") {{ ...F0 }} }} {} fragment F30 on __Type {{ name }}",
        doubled.collect::<String>()
    );
    assert_eq!(is_valid(&query), "halt");
}
