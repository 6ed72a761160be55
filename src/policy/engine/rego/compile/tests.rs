//! Tests of all passes together.
//!
//! `tests/v0.txt` and `tests/v1.txt` hold modules with what OPA 1.10 said to each: the class of its errors, or `ok`.

use super::*;
use crate::model::api::RegoVersion;
use crate::policy::engine::rego::builtin_access::BuiltinAccess;
use crate::policy::engine::rego::syntax::ast::{Body, Module};
use crate::policy::engine::rego::syntax::parser::{parse_module, parse_query};
use crate::policy::engine::rego::syntax::print::print_body;

#[test]
fn accepts_and_rejects_what_opa_does() {
    check_snippets(include_str!("tests/v0.txt"), RegoVersion::V0);
    check_snippets(include_str!("tests/v1.txt"), RegoVersion::V1);
}

fn check_snippets(text: &str, version: RegoVersion) {
    for snippet in text.split("#= ").skip(1) {
        let (expected, source) = snippet.split_once('\n').unwrap();
        let source = format!("package t\n{source}");
        let found = match parse_module("t", &source, version).and_then(|module| compile(vec![module], &all_builtins()))
        {
            Ok(compiled) => {
                assert_eq!(verify_invariants(&compiled), Vec::<String>::new(), "{source}");
                vec!["ok"]
            }
            Err(errors) => errors.iter().map(|error| error.class.as_str()).collect(),
        };
        assert!(found.contains(&expected), "OPA says {expected}, we say {found:?} to\n{source}");
    }
}

#[test]
fn bodies_come_out_as_in_opa() {
    let cases = [
        ("not f(input.x)", "__local1__ = input.x; not data.t.f(__local1__)"),
        ("not input.x == 1", "not input.x = 1"),
        ("not input.x != 1", "__local1__ = input.x; not __local1__ != 1"),
        ("not input.x[input.y]", "__local1__ = input.y; not input.x[__local1__]"),
        ("x > 1; x = input.y", "x = input.y; x > 1"),
        (
            "x := f(count(input.y))",
            "__local4__ = input.y; __local2__ = count(__local4__); __local1__ = data.t.f(__local2__)",
        ),
        ("f(1, x); x == 2", "x = data.t.f(1); x = 2"),
        ("some k, v in input.y; v > k", "__local2__ = input.y[__local1__]; __local2__ > __local1__"),
        ("input.x == [y | y := input.z]", "input.x = [__local1__ | __local1__ = input.z]"),
        ("input.x with input as input.y", "__local1__ = input.y; input.x with input as __local1__"),
        ("print(input.x); true", "true"),
        (
            "input[_] = x; [x | x = data.q[_]]",
            "input[__wild1__] = x; __local1__ = [x | x = data.q[__wild2__]]; __local1__",
        ),
        ("y = {z | z = 1}; w = {z | z = 2}", "y = {z | z = 1}; w = {__local1__ | __local1__ = 2}"),
    ];
    for (body, expected) in cases {
        let source = format!("package t\nimport future.keywords.in\nf(_) = 1\np {{ {body} }}");
        let module = parse_module("t", &source, RegoVersion::V0).unwrap();
        let compiled = compile(vec![module], &CompileOptions::default()).unwrap();
        let group = &compiled.groups[&["t", "p"].map(str::to_owned).to_vec()];
        assert_eq!(on_one_line(&group.rules[0].body), expected, "{body}");
    }
}

#[test]
fn templates_follow_gatekeeper() {
    let violation = "violation[{\"msg\": \"a\"}] { input.review }";
    let cases: &[(&[&str], &str)] = &[
        (&["package a\nimport data.lib.x\nviolation[{\"msg\": m}] { m := x.f(1) }", "package lib.x\nf(y) = y"], ""),
        (&["package a\nimport future.keywords.in\nviolation[{\"msg\": m}] { m := data.inventory.cluster[_] }"], ""),
        (&["package a\nviolations[{\"msg\": \"a\"}] { true }"], "missing required rules: [violation]"),
        (&["package a\nimport data.other\n", violation], "bad import: \"data.other\""),
        (&["package a\nimport rego.v1\n", "violation contains {\"msg\": 1} if true"], "bad import: \"rego.v1\""),
        (&["package a\nimport input.review\n", violation], "cannot import input: \"input.review\""),
        (&["package a\nviolation[{\"msg\": m}] { m := data.secrets.x }"], "disallowed ref data.secrets.x"),
        (&["package a\nviolation[{\"msg\": m}] { m := data[x] }"], "disallowed ref data[x]"),
        (&["package a\nviolation[{\"msg\": m}] { m := http.send({}) }"], "undefined function http.send"),
        (
            &["package a\nviolation[{\"msg\": m}] { m := 1 }", "package lib\nf = 1"],
            "path data.lib not found in lib prefixes",
        ),
    ];
    for (sources, expected) in cases {
        let joins_template = sources.get(1).is_some_and(|source| !source.starts_with("package"));
        let sources =
            if joins_template { vec![sources.concat()] } else { sources.iter().map(|it| (*it).to_owned()).collect() };
        let modules: Vec<Module> =
            sources.iter().map(|source| parse_module("template", source, RegoVersion::V0).unwrap()).collect();
        match compile(modules, &CompileOptions::gatekeeper()) {
            Ok(compiled) => {
                assert_eq!(*expected, "", "{sources:?}");
                assert!(compiled.groups.contains_key(["template", "violation"].map(str::to_owned).as_slice()));
            }
            Err(errors) => {
                assert!(!expected.is_empty() && errors.iter().any(|it| it.message.contains(expected)), "{errors:?}");
            }
        }
    }
}

#[test]
fn queries_become_a_rule() {
    let module = parse_module("t", "package t\np := 1\nf(x) := x", RegoVersion::V1).unwrap();
    let against = compile(vec![module], &CompileOptions::default()).unwrap();
    let scope = QueryScope { package: vec!["t".to_owned()], imports: Vec::new() };
    let cases = [
        ("p", "__localq0__ = data.t.p", "{\"bindings\": {}, \"expressions\": [__localq0__]}"),
        (
            "x := f(p)",
            "__localq3__ = data.t.p; __localq0__ = data.t.f(__localq3__)",
            "{\"bindings\": {\"x\": __localq0__}, \"expressions\": [true]}",
        ),
        (
            "input[i]",
            "__localq0__ = input[i]; __localq0__",
            "{\"bindings\": {\"i\": i}, \"expressions\": [__localq0__]}",
        ),
    ];
    for (query, body, head) in cases {
        let query = parse_query(query, RegoVersion::V1).unwrap();
        let compiled = compile_query(query, &scope, &against, &CompileOptions::default()).unwrap();
        assert_eq!(verify_invariants(&compiled), Vec::<String>::new());
        let group = &compiled.groups[&[QUERY_PACKAGE, QUERY_RULE].map(str::to_owned).to_vec()];
        let whole = on_one_line(&group.rules[0].body);
        assert!(whole.ends_with(&format!(" = [{head} | {body}]")), "{whole}");
    }
    let query = parse_query("f(1, 2, 3)", RegoVersion::V1).unwrap();
    let errors = compile_query(query, &scope, &against, &CompileOptions::default()).unwrap_err();
    assert_eq!(errors[0].message, "function data.t.f has arity 1, got 3 arguments");
}

#[test]
fn large_and_deep_modules_end_soon() {
    let many = |line: &dyn Fn(usize) -> String| (0..2_000).map(line).collect::<Vec<_>>().join("\n");
    let cases = [
        format!("p {{\n{}\n}}", many(&|index| format!("x{index} = x{}", index + 1)) + "\nx2000 = 1"),
        format!("p {{ x := [{}] }}", many(&|_| "1,".to_owned()).trim_end_matches(',')),
        many(&|index| format!("p{index} {{ p{} }}", index + 1)) + "\np2000 = 1",
        many(&|index| format!("p{index} {{ data.other[x].y{index} }}")),
        format!("p {{ x = {}1{} }}", "[".repeat(190), "]".repeat(190)),
        format!("p {{ [{}] = [{}] }}", many(&|index| format!("x{index},")), many(&|index| format!("x{},", index + 1))),
    ];
    for source in cases {
        if let Ok(module) = parse_module("t", &format!("package t\n{source}"), RegoVersion::V0) {
            let started = std::time::Instant::now();
            drop(compile(vec![module], &CompileOptions::default()));
            assert!(started.elapsed().as_secs() < 10, "{}", source.get(..60).unwrap_or(&source));
        }
    }
}

fn all_builtins() -> CompileOptions<'static> {
    let mut access = BuiltinAccess::default();
    for name in ["http.send", "net.lookup_ip_addr"] {
        access.enable(name).unwrap();
    }
    CompileOptions { access, ..CompileOptions::default() }
}

fn on_one_line(body: &Body) -> String {
    let text = print_body(body, RegoVersion::V0);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
