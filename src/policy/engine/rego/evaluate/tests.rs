//! Policies as text, their answers as OPA prints them. What `check` expects was compared with OPA 1.10's answers; limits are
//! our own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::budget::{Breach, Limits};
use super::{EvalError, Globals, Host, InputDocument, Plan, Trace, Watch};
use crate::model::api::RegoVersion;
use crate::policy::engine::rego::builtins::{Caches, lookup};
use crate::policy::engine::rego::compile::{CompileOptions, compile};
use crate::policy::engine::rego::syntax::parser::parse_module;
use crate::policy::engine::rego::value::{NumberMode, Value, parse_json};

const INPUT: &str = r#"{"a": 1, "arr": [1, 2, 3], "o": {"x": 1, "y": 2}, "f": false, "deep": {"a": [{"c": 1}, {"c": 2}]},
    "objs": [{"n": "a", "v": 1}, {"n": "b"}, {"n": "c", "v": 3}]}"#;

fn plan(source: &str) -> Plan {
    watched_plan(source, false)
}

fn watched_plan(source: &str, is_traced: bool) -> Plan {
    let text = format!("package t\n{source}");
    let module = parse_module("t", &text, RegoVersion::V0).unwrap();
    let options = CompileOptions { keeps_prints: true, ..CompileOptions::default() };
    let sources = is_traced.then(|| BTreeMap::from([("t".to_owned(), text.as_str())]));
    let watch = Watch { has_print_places: is_traced, sources };
    Plan::watched(&compile(vec![module], &options).unwrap(), &lookup, &watch).unwrap()
}

fn run(plan: &Plan, limits: &Limits) -> Result<Option<Value>, EvalError> {
    let input = parse_json(INPUT, NumberMode::Float).unwrap();
    let globals = Globals { input: InputDocument::Whole(&input), data: None, folds: None, joins: None };
    let host = Host {
        caches: &mut Caches::default(),
        now_ns: 0,
        prints: None,
        trace: None,
        observer: None,
        coverage: None,
        outside: None,
    };
    plan.evaluate_rule(&["t", "out"], globals, limits, host)
}

fn run_traced(source: &str) -> (Result<Option<Value>, EvalError>, Vec<String>, String) {
    let input = parse_json(INPUT, NumberMode::Float).unwrap();
    let globals = Globals { input: InputDocument::Whole(&input), data: None, folds: None, joins: None };
    let (mut prints, mut trace) = (Vec::new(), Trace::default());
    let host = Host {
        caches: &mut Caches::default(),
        now_ns: 0,
        prints: Some(&mut prints),
        trace: Some(&mut trace),
        observer: None,
        coverage: None,
        outside: None,
    };
    let answer = watched_plan(source, true).evaluate_rule(&["t", "out"], globals, &Limits::default(), host);
    (answer, prints, trace.text())
}

/// `out` of the policy: its value, `undefined`, or the error. It is the same when it is traced.
fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let answer = match run(&plan(source), &Limits::default()) {
            Ok(Some(value)) => value.to_string(),
            Ok(None) => "undefined".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(answer, *expected, "{source}");
        assert_eq!(run_traced(source).0, run(&plan(source), &Limits::default()), "{source}, traced");
    }
}

#[test]
fn expressions_are_undefined_or_false() {
    check(&[
        ("out { input.f }", "undefined"),
        ("out { not input.f }", "true"),
        ("out { x := input.missing; true }", "undefined"),
        ("f(x) { x == 1 }\nout { not f(input.missing) }", "undefined"),
        ("out { not input.missing == 1 }", "true"),
        ("f(x) = false { true }\nout { y := f(1) }", "true"),
        ("out = input.arr[1.0]", "undefined"),
        ("out = input.arr[1.5]", "undefined"),
        ("out = [x | x := input.objs[_]; not x.v]", r#"[{"n": "b"}]"#),
        ("out { 1 < \"a\"; \"a\" < [1]; [1] < {\"a\": 1}; {\"a\": 1} < {1}; null < false }", "true"),
    ]);
}

#[test]
fn rules_agree_or_conflict() {
    check(&[
        (
            "p = x { x := input.arr[_] }\nout = p",
            "t:2: eval_conflict_error: complete rules must not produce multiple outputs",
        ),
        ("p = 1 { input.arr[_] }\nout = p", "1"),
        (
            "f(x) = y { y := input.arr[_] }\nout = f(1)",
            "t:2: eval_conflict_error: functions must not produce multiple outputs for same inputs",
        ),
        ("out = {k: v | k := \"a\"; v := input.arr[_]}", "t:2: eval_conflict_error: object keys must be unique"),
        (
            "p[k] = v { k := \"a\"; v := input.arr[_] }\nout = p[\"a\"]",
            "t:2: eval_conflict_error: object keys must be unique",
        ),
        ("p = 1 { false } else = 2 { input.a == 1 } else = 3 { true }\nout = p", "2"),
        ("default p = 7\np = 1 { false }\nout = p", "7"),
        ("f(\"Mi\") = 1\nf(\"Gi\") = 2\nout = [x | x := f([\"Mi\", \"Gi\", \"zz\"][_])]", "[1, 2]"),
        ("f(x) = 1 { x == \"a\" }\nf(x) = 2 { x == \"b\" }\nf(_) = 2 { false }\nout = [f(\"a\"), f(\"b\")]", "[1, 2]"),
        ("f([a, {\"k\": b}]) = c { c := a + b }\nout = f([1, {\"k\": 2}])", "3"),
    ]);
}

#[test]
fn partial_rules_are_asked() {
    let both = "p[{\"msg\": m, \"field\": f}] { f := [\"a\", \"b\"][_]; m := f }\n";
    let whole = "p[r] { f := [\"a\", \"b\"][_]; r := {\"msg\": f, \"field\": f} }\n";
    let asked = "out = [m | p[{\"msg\": m, \"field\": \"b\"}]]";
    check(&[
        (&format!("{both}{asked}"), r#"["b"]"#),
        (&format!("{whole}{asked}"), r#"["b"]"#),
        ("p[[x, 1]] { x := 1 }\np[[x, 1]] { x := 1 }\nout = [x | p[[x, 1]]]", "[1]"),
        ("p[[x, y]] { x := input.arr[_]; y := input.arr[_] }\nout = [a | p[[a, a]]]", "[1, 2, 3]"),
        ("p[{\"a\": x, \"b\": 1}] { x := input.arr[_] }\nout = {x | x = p[{\"a\": _, \"b\": 1}].a}", "{1, 2, 3}"),
        ("p[x] { x := input.f }\nout { p[false] }", "undefined"),
        ("p[x] { x := input.arr[_] }\nout { p[2]; not p[7] }", "true"),
        ("p[k] = v { k := input.objs[i].n; v := i }\nout = p[\"b\"]", "1"),
        ("p[x] { x := input.objs[_] }\nq[n] { p[y]; p[z]; n := [y.n, z.n] }\nout = count(q)", "9"),
    ]);
}

#[test]
fn only_what_is_asked_for_is_evaluated() {
    // Enumerating would find the conflict.
    check(&[(
        "bad(f) = x { f == \"a\"; x := input.arr[_] }\nbad(f) = 1 { f == \"b\" }\n\
         p[{\"msg\": m, \"field\": f}] { f := [\"a\", \"b\"][_]; m := bad(f) }\n\
         out { p[{\"msg\": _, \"field\": \"b\"}] }",
        "true",
    )]);
}

#[test]
fn with_holds_for_one_expression() {
    check(&[
        ("p { input.a == 5 }\nout { not p; p with input.a as 5; not p }", "true"),
        ("p[x] { x := input.arr[_] }\nout = count([1 | p[x] with input.arr as [8, 9]; y := input.arr[_]])", "6"),
        ("q = 1\np = q\nout = [x, p] { x := p with data.t.q as 3 }", "[3, 1]"),
        ("f(x) = 1\ng(x) = 2\np = f(1)\nout = [x, p] { x := p with f as g }", "[2, 1]"),
        ("p = count([1, 2])\nout = [x, p] { x := p with count as 42 }", "[42, 2]"),
    ]);
}

/// What is worked out once for given parameters is what each evaluation would work out, and nothing else is kept.
#[test]
fn folds_change_no_answer() {
    // With how many steps are folded.
    let policies = [
        ("out = {x | x := input.parameters.list[_]}", 1),
        ("f(x) = y { y := x * 2 }\nout = [f(input.parameters.n), f(input.review.n)]", 1),
        ("f(x) = y { y := x * input.review.n }\nout = f(input.parameters.n)", 0),
        ("double { input.parameters.n > 1 }\nout { double }", 1),
        (
            "out = [x, y] { y := input.parameters.list[_]; x := concat(\"-\", [y, input.parameters.text]); y == \"b\" }",
            0,
        ),
        ("out = x { x := sprintf(\"%v %v\", [input.parameters.text, input.parameters.missing]) }", 1),
        (
            "f(x) = count(x)\nout = [a, b] { a := f(input.parameters.list); b := f(input.parameters.list) with input as input.review }",
            1,
        ),
        (
            "f(x) = count(input.parameters.list)\nout = [a, b] { a := f(1); b := f(1) with input.parameters.list as [1] }",
            1,
        ),
        ("out = x { x := time.now_ns() }", 0),
        ("out = x { x := io.jwt.decode_verify(input.parameters.text, {\"secret\": \"s\"}) }", 0),
        ("out = x { x := crypto.x509.parse_and_verify_certificates(input.parameters.text) }", 0),
        ("f(x) = x { print(x) }\nout = f(input.parameters.n)", 0),
        (
            "out { not startswith(input.parameters.text, \"q\"); every x in input.parameters.list { x != input.review.n } }",
            1,
        ),
        ("f(1) = 1\nf(x) = 2 { x > 0 }\nout = f(input.parameters.one)", 1),
    ];
    for (source, folded) in policies {
        let plan = plan(&format!("import future.keywords\n{source}"));
        assert_eq!(plan.folds, folded, "{source}");
        let folds = plan.folds();
        for review in ["{\"n\": 1}", "{\"n\": 7}", "{}"] {
            let input = format!(
                "{{\"review\": {review}, \"parameters\": {{\"list\": [\"a\", \"b\"], \"n\": 3, \"text\": \"t\", \"one\": 1}}}}"
            );
            let input = parse_json(&input, NumberMode::AsWritten).unwrap();
            let ask = |folds, now_ns| {
                let host = Host {
                    caches: &mut Caches::default(),
                    now_ns,
                    prints: None,
                    trace: None,
                    observer: None,
                    coverage: None,
                    outside: None,
                };
                let globals = Globals { input: InputDocument::Whole(&input), data: None, folds, joins: None };
                plan.evaluate_rule(&["t", "out"], globals, &Limits::default(), host)
            };
            ask(Some(&folds), 1).ok();
            assert_eq!(ask(Some(&folds), 2), ask(None, 2), "{source} {review}");
        }
    }
}

#[test]
fn a_trace_says_why() {
    let source = "f(x) = y { y := to_number(x) }\nf(1) = 2\nq[x] { x := input.arr[_]; x > 2 }\n\
                  out { print(input.a, input.none); q[y]; y == 3; not f(\"a\"); input.f }";
    let (answer, prints, trace) = run_traced(source);
    assert_eq!(answer, Ok(None));
    assert_eq!(prints, ["t:5: 1 <undefined>"]);
    let expected = [
        "t:5           enter out",
        "t:4           | | | fails x > 2: it is false; x = 2",
        "t:4           | | | holds x := input.arr[_]; x = 3",
        "t:5           | holds y == 3",
        "              | | | | error operand 1 must be valid number string",
        "t:2           | | | fails y := to_number(x): it is undefined; x = \"a\"",
        "              | | | fails it is not for \"a\"",
        "              | | leave f(\"a\"): it is undefined",
        "t:5           | fails input.f: it is false",
        "              leave out: it is undefined",
    ];
    let mut lines = trace.lines();
    for line in expected {
        assert!(lines.any(|found| found == line), "no line {line:?} there in\n{trace}");
    }
}

#[test]
fn walk_finds_paths_and_values() {
    check(&[
        ("out = [p | walk(input.deep, [p, 2])]", r#"[["a", 1, "c"]]"#),
        ("out = count([v | walk(input, [_, v])])", "25"),
        ("out = [k | walk(input.deep, [[\"a\", 1, k], _])]", r#"["c"]"#),
    ]);
}

#[test]
fn limits_end_what_does_not_end() {
    let endless =
        plan("n = [1,2,3,4,5,6,7,8]\nout { n[_] + n[_] + n[_] + n[_] + n[_] + n[_] + n[_] + n[_] + n[_] + n[_] < 0 }");
    let large = plan("n = [1,2,3,4,5,6,7,8]\nout = [x | n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; x := [n, n]]");
    let wide = Limits::default();
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(run(&endless, &Limits { steps: 100_000, ..wide }), Err(EvalError::Limit(Breach::Steps)));
    assert_eq!(run(&endless, &Limits { deadline: Some(soon), ..wide }), Err(EvalError::Limit(Breach::Deadline)));
    assert!(soon.elapsed() < Duration::from_millis(500), "seen late");
    assert_eq!(run(&large, &Limits { bytes: 1 << 20, ..wide }), Err(EvalError::Limit(Breach::Bytes)));
}

#[test]
fn chains_of_rules_end_in_an_error_not_on_the_stack() {
    let chain = |length: usize| {
        let mut source = "p0 { input.arr[_] == 3 }\n".to_owned();
        for number in 1..length {
            let _ = writeln!(source, "p{number} {{ input.arr[_] == 3; not not_p{number} }}");
            let _ =
                writeln!(source, "not_p{number} {{ x := [y | y := input.arr[_]; p{}]; count(x) == 0 }}", number - 1);
        }
        let _ = writeln!(source, "out {{ p{} }}", length - 1);
        source
    };
    let deep = std::thread::Builder::new().stack_size(16 << 20).spawn(move || {
        let limits = Limits::default();
        let short = run(&plan(&chain(100)), &limits);
        let long = run(&plan(&chain(1_500)), &limits);
        (short, long)
    });
    let (short, long) = deep.unwrap().join().unwrap();
    assert_eq!(short, Ok(Some(Value::Bool(true))));
    assert_eq!(long, Err(EvalError::Limit(Breach::Depth)));
}

#[test]
fn plans_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Plan>();
}

#[test]
fn rules_below_a_variable_name_grow_one_document() {
    let import = "import future.keywords";
    let names = "x := [\"a\", \"b\"]; q := x[_]; s := x[_]; q != s";
    let open = format!("{import}\np[q].r contains s if {{ {names} }}\np.b.r contains \"foo\"");
    let object = format!("{import}\np[x] := 1 if x := \"k\"\ndefault p.d := 5\np.e := 2 if false else := 3");
    let conflict = format!("{import}\np[x] := {{\"b\": 1}} if x := \"k\"\np.k.b := 1");
    check(&[
        (&format!("{open}\nout = p"), r#"{"a": {"r": {"b"}}, "b": {"r": {"a", "foo"}}}"#),
        (&format!("{open}\nout = p.b.r"), r#"{"a", "foo"}"#),
        (&format!("{open}\nout = [x | p.b.r[x]]"), r#"["a", "foo"]"#),
        (&format!("{open}\nout = p.b.r.foo"), r#""foo""#),
        (&format!("{object}\nout = p"), r#"{"k": 1}"#),
        (&format!("{object}\nout = p.d"), "undefined"),
        (&format!("{conflict}\nout = p"), "t:4: eval_conflict_error: object keys must be unique"),
        (&format!("{import}\np[x].r := p2 if {{ x := \"k\"; p2 := 7 }}\np.c.d := p.e.f\np.e.f := 5\nout = p.c.d"), "5"),
    ]);
}

#[test]
fn replacements_see_what_they_replace() {
    check(&[
        ("f(x) = 2\ng(x) = y { y := f(x) }\nout = y { y := f(1) with f as g }", "2"),
        ("g(x) = y { y := count(x) + 10 }\nout = y { y := count([1]) with count as g }", "11"),
        ("q[1]\nq[2]\nout = [x | x := data.t.q[_] with data.t.q as [3, 4]]", "[3, 4]"),
        ("q[x] { x := 1 }\nout { data.t.q[0] with data.t.q as [3, 4] }", "true"),
    ]);
}
