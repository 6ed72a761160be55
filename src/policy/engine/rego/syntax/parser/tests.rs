//! What the parser accepts, what it makes of it, and where it sees mistakes.

use super::*;
use crate::policy::engine::rego::syntax::print::print_module;

/// Rules, and their canonical form in v1.
#[test]
fn reads_rules() {
    let cases = [
        ("p[x] { x := 1 }", "p contains x if {\n\tx := 1\n}"),
        ("p.q { true }", "p contains \"q\" if {\n\ttrue\n}"),
        ("p[x] = 1", "p[x] = 1"),
        ("p[0].q := 1 { true }", "p[0].q := 1 if {\n\ttrue\n}"),
        ("f(x) = y { y := x } { y := 2 }", "f(x) = y if {\n\ty := x\n}\n\nf(x) = y if {\n\ty := 2\n}"),
        ("p { a\n(b - c) >= 1 }", "p if {\n\ta;\n\tb - c >= 1\n}"),
        ("p { a\n- 1 }", "p if {\n\ta - 1\n}"),
        ("p { a | b & c == d + e * f }", "p if {\n\t(a | (b & c)) == d + e * f\n}"),
        ("p { a - b - c; a - (b - c) }", "p if {\n\ta - b - c;\n\ta - (b - c)\n}"),
        ("p { {a | b, c} == {a | b} }", "p if {\n\t{(a | b), c} == {a | b}\n}"),
        ("p { f(x)[0].a; {\"a\": 1}.a; [1][i] }", "p if {\n\tf(x)[0].a;\n\t{\"a\": 1}.a;\n\t[1][i]\n}"),
        ("p { eq(x, 1); assign(y, 2) }", "p if {\n\tx = 1;\n\ty := 2\n}"),
        ("default p = [1, -2.5e3]", "default p = [1, -2.5e3]"),
        ("p { not x with input.a as 1 with f as g }", "p if {\n\tnot x with input.a as 1 with f as g\n}"),
        ("p { input.if.default; not.x }", "p if {\n\tinput[\"if\"][\"default\"];\n\tnot.x\n}"),
        (
            "p { x := `a\\n`; y := \"\\u00e9\\ud83d\\ude00\\ud800\" }",
            "p if {\n\tx := \"a\\\\n\";\n\ty := \"é😀\u{fffd}\"\n}",
        ),
    ];
    for (source, expected) in cases {
        check_tree(RegoVersion::V0, source, expected);
    }
    let cases = [
        ("p contains x if x := 1", "p contains x if {\n\tx := 1\n}"),
        ("p if { x } else := 2 if y else := 3", "p if {\n\tx\n} else := 2 if {\n\ty\n} else := 3"),
        ("p if {x | y}", "p if {\n\t{x | y}\n}"),
        ("p if { some k, v in xs; every x in xs { x } }", "p if {\n\tsome k, v in xs;\n\tevery x in xs { x }\n}"),
        ("p if { 1, x in xs; some a, b }", "p if {\n\t(1, x in xs);\n\tsome a, b\n}"),
        ("p[x].q contains 1", "p[x].q contains 1"),
    ];
    for (source, expected) in cases {
        check_tree(RegoVersion::V1, source, expected);
    }
}

#[test]
fn tells_what_is_wrong() {
    let cases = [
        ("p { x + }", "2:9 found `}`, expected a term"),
        ("p {}", "2:4 body is empty"),
        ("p { x; }", "2:8 found `}`, expected a term"),
        ("p { x y }", "2:7 found `y`, expected a new line, `;` or `}`"),
        ("p { x := 01 }", "2:10 expected a number without leading zeros"),
        ("p { x := \"a }", "2:10 string is not closed"),
        ("p { some x in xs }", "2:12 found `in`, expected a new line, `;` or `}`"),
        ("p { \"a\".b }", "2:5 a string cannot be the head of a reference or call"),
        ("p { a[b](c) }", "2:5 only functions can be called"),
        ("p", "3:1 found the end, expected a value or a body"),
        ("count(x)", "2:1 found a call of builtin `count` outside of a rule"),
        ("default p = x", "2:13 the value of a default rule cannot contain a variable"),
        ("p[x] { x } else = 1 { y }", "2:12 `else` cannot follow a rule with variables in its name"),
        ("import foo.bar", "2:8 found import of `foo`, expected one of `data`, `input`, `future`, `rego`"),
        ("package b", "2:1 found a second package"),
    ];
    for (source, expected) in cases {
        check_mistake(RegoVersion::V0, source, expected);
    }
    let cases = [
        ("p { true }", "2:1 `if` is required before the body of a rule"),
        ("p[x] { x := 1 }", "2:1 `contains` and `if` are required for rules that define a set"),
        ("p if { x } else := 1 { y }", "2:12 `if` is required before the body of an `else`"),
        ("p if { not some x in xs }", "2:12 `not` cannot negate `some`"),
        ("import data.x.in", "2:8 import must not end with keyword `in`"),
    ];
    for (source, expected) in cases {
        check_mistake(RegoVersion::V1, source, expected);
    }
}

#[test]
fn finds_several_mistakes_at_once() {
    let source = "package a\np { x + }\nq { true }\nr { y := }\n  s { }\nt := [1\nimport foo\n";
    let errors = parse_module("m", source, RegoVersion::V0).expect_err("has mistakes");
    let lines: Vec<u32> = errors.iter().map(|error| error.span.line).collect();
    assert_eq!(lines, [2, 4, 7, 7]);
    let many = format!("package a\n{}", "p { + }\n".repeat(50));
    assert_eq!(parse_module("m", &many, RegoVersion::V0).map_err(|errors| errors.len()).err(), Some(MAX_ERRORS));
}

#[test]
fn places_count_characters_and_survive_any_line_end() {
    let source = "\u{feff}package a\r\n\r\np = \"é\" {\r\n\tx := 1\r\n}\r\n# end\r\n";
    let module = parse_module("m", source, RegoVersion::V0).expect("parses");
    let rule = &module.rules[0];
    assert_eq!((rule.span.line, rule.span.column), (3, 1));
    assert_eq!((rule.body[0].span.line, rule.body[0].span.column), (4, 2));
    assert_eq!(&source[rule.body[0].span.start as usize..rule.body[0].span.end as usize], "x := 1");
    assert_eq!(module.comments[0].text, " end");
}

#[test]
fn keywords_depend_on_version_and_imports() {
    let v0 = |source: &str| parse_module("m", &format!("package a\n{source}"), RegoVersion::V0).is_ok();
    assert!(v0("p { in := 1; if := in; every := contains(if, in) }"));
    assert!(v0("import future.keywords.every\np { every x in [1] { x } }"));
    assert!(v0("import future.keywords.if\np if true"));
    assert!(!v0("import future.keywords.if\np contains 1"));
    assert!(!v0("p { x } \nimport rego.v1"));
    assert!(v0("import rego.v1\np contains x if some x in [1]"));
}

#[test]
fn reads_queries() {
    let count = |source: &str| parse_query(source, RegoVersion::V1).map_or(0, |body| body.len());
    assert_eq!(count("x := 1; y := x\nz := y"), 3);
    assert_eq!(count("data.a.b[x]"), 1);
    assert_eq!(count("x := 1;"), 0);
    assert_eq!(count("# nothing"), 0);
}

/// Nesting is bounded, and finding out takes neither stack nor time: this runs on a test's thread of 2 MiB.
#[test]
fn deep_nesting_is_an_error() {
    let forms =
        [("[", "]"), ("{1:", "}"), ("(", ")"), ("f(", ")"), ("x[", "]"), ("[1 | x := ", "]"), ("{1: 2, ", ": 1}")];
    for (open, close) in forms {
        let nested = |depth: usize| format!("package a\np {{ y := {}1{} }}", open.repeat(depth), close.repeat(depth));
        let deep = parse_module("m", &nested(10_000), RegoVersion::V0).expect_err("is too deep");
        assert!(deep[0].message.contains("levels of nesting"), "{open}: {deep:?}");
        assert!(parse_module("m", &nested(50), RegoVersion::V0).is_ok(), "{open}");
    }
    let long = format!("package a\np = 1{}", " + 1".repeat(100_000));
    assert!(parse_module("m", &long, RegoVersion::V0).is_err());
}

/// Brackets that could be lists or comprehensions are read again, but not exponentially often.
#[test]
fn ambiguous_brackets_take_no_exponential_time() {
    for (open, close) in
        [("{a | b, ", "}"), ("{a | ", ", c}"), ("{a: b | ", ", c: d}"), ("[a | (b, ", ")]"), ("x[a, ", "]")]
    {
        let source = format!("package a\np = {}b{}", open.repeat(60), close.repeat(60));
        let _ = parse_module("m", &source, RegoVersion::V0); // returns
    }
}

fn check_tree(version: RegoVersion, rule: &str, expected: &str) {
    let module =
        parse_module("m", &format!("package a\n{rule}\n"), version).map_err(|errors| format!("{rule}: {errors:?}"));
    let text = print_module(&module.expect("parses"), RegoVersion::V1);
    assert_eq!(text, format!("package a\n\n\n{expected}\n"), "{rule}");
}

fn check_mistake(version: RegoVersion, rule: &str, expected: &str) {
    let errors = parse_module("m", &format!("package a\n{rule}\n"), version).expect_err(rule);
    let error = &errors[0];
    assert_eq!(format!("{}:{} {}", error.span.line, error.span.column, error.message), expected, "{rule}");
}
