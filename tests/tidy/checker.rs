//! The checker, checked: it must be able to fail.

use super::source::Source;
use super::*;

fn check(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str, expected: &[&str]) {
    let findings: Vec<String> = rule(&Source::new(path, text)).iter().map(ToString::to_string).collect();
    assert_eq!(findings, expected, "{text}");
}

#[test]
fn finds_forbidden_imports() {
    let expected = ["src/policy/a.rs:2: policy imports crate::server::x, expected model at most"];
    for text in [
        "\nuse crate::server::x;",
        "\nuse crate::{model::y, server::x};",
        "\nuse crate::{model::{a, b}, server::{x}};",
        "\nuse super::super::server::x;",
        "\nfn f() -> crate::server::x { }",
        "\npub(crate) use crate::server::x as y;",
    ] {
        check(forbidden_imports, "policy/a.rs", text, &expected);
    }
    check(
        forbidden_imports,
        "model/a/mod.rs",
        "use super::super::policy::x;",
        &["src/model/a/mod.rs:1: model imports crate::policy::x, expected no other room at most"],
    );
}

#[test]
fn passes_allowed_imports() {
    for text in [
        "use crate::model::x; use crate::policy::y; use super::server;",
        "// use crate::server::x;\n/* crate::server::x /* */ crate::server::y */",
        r##"const A: &str = "crate::server::x \" crate::server"; const B: &str = r#"crate::server"::x"#;"##,
        "#[cfg(test)]\nmod tests {\n use crate::server::x;\n fn f() { {} }\n}",
        "fn f<'a>(x: &'a str, q: char) { q == '\"' || q == '\\''; } // crate::server::x \"",
    ] {
        check(forbidden_imports, "policy/a.rs", text, &[]);
    }
    check(forbidden_imports, "lib.rs", "use crate::server::x;", &[]);
    check(forbidden_imports, "cli/a.rs", "use crate::server::x;", &[]);
}

#[test]
fn judges_code_after_tests_and_literals() {
    let text = "#[cfg(test)]\nmod tests { const A: char = '{'; }\nuse crate::cli::x;\nconst B: &[u8] = br\"\\\";\nuse crate::cli::y;";
    let found = |line: usize, name: &str| {
        format!("src/model/a.rs:{line}: model imports crate::cli::{name}, expected no other room at most")
    };
    check(forbidden_imports, "model/a.rs", text, &[&found(3, "x"), &found(5, "y")]);
}

#[test]
fn finds_borrowed_crates() {
    let text = |line: usize| format!("src/policy/a.rs:{line}: names the crate tokio, expected only in server/, cli/");
    check(borrowed_crates, "policy/a.rs", "use tokio::time;\nfn f() { tokio::spawn(x) }", &[&text(1), &text(2)]);
    check(borrowed_crates, "policy/a.rs", "use {std::fmt, tokio};", &[&text(1)]);
    check(borrowed_crates, "server/a.rs", "use tokio::time;", &[]);
    check(borrowed_crates, "policy/engine/mod.rs", "mod cel;\nfn f() { cel::run() }", &[]);
    check(borrowed_crates, "policy/a.rs", "fn f(kube: u8) { kube; x.kube::<u8>(); \"kube::x\" } // kube::x", &[]);
    let rego = "src/policy/engine/rego/mod.rs:1: names the crate regorus, expected only in policy/engine/rego/second_opinion.rs";
    check(borrowed_crates, "policy/engine/rego/mod.rs", "use regorus::Engine;", &[rego]);
}

#[test]
fn finds_circles() {
    let source = |path: &str, text: &str| Source::new(path, text);
    let one_way =
        [source("policy/a/mod.rs", "use crate::policy::b::x;"), source("policy/b/mod.rs", "use crate::model::a;")];
    assert!(import_circles(&one_way).is_empty());
    let circle = [
        source("policy/a/mod.rs", "use crate::policy::b::x;"),
        source("policy/b/deep/file.rs", "\nuse super::super::super::c::y;"),
        source("policy/c/mod.rs", "use super::a;"),
        source("policy/d/mod.rs", "use crate::policy::a::x;"),
    ];
    let found: Vec<String> = import_circles(&circle).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "src/policy/a/mod.rs:1: policy/a imports policy/b, which imports it in turn, expected one way only",
            "src/policy/b/deep/file.rs:2: policy/b imports policy/c, which imports it in turn, expected one way only",
            "src/policy/c/mod.rs:1: policy/c imports policy/a, which imports it in turn, expected one way only",
        ]
    );
}

#[test]
fn judges_files() {
    let headless = "src/a.rs:1: opens without a `//!` line, expected what the file owns, promises and leaves out";
    check(missing_heads, "a.rs", "// A comment.", &[headless]);
    check(missing_heads, "a.rs", "", &[headless]);
    check(missing_heads, "a.rs", "//! What it is.\n", &[]);
    let long = "fn f() {}\n".repeat(501);
    check(long_files, "a.rs", &long, &["src/a.rs:1: has 501 lines without tests, expected at most 500"]);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    check(long_files, "a.rs", &tested, &[]);
    check(promises, "a.rs", "fn f() {\n todo!()\n}", &["src/a.rs:2: says todo!, expected code"]);
    check(promises, "a.rs", "// todo!()\nfn todo() {} fn g() { \"todo!()\" }", &[]);
}
