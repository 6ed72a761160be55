//! What the formatter makes of modules.

use super::*;

#[test]
fn lays_out_rules() {
    let cases = [
        ("p{x;y}", "p {\n\tx\n\ty\n}"),
        ("p = true { x }", "p {\n\tx\n}"),
        ("p = 1 { true } # c", "p = 1 # c"),
        ("p() = 1\nq  :=2", "p = 1\nq := 2"),
        ("p [x] {x = -1;y=x-1}", "p[x] {\n\tx = -1\n\ty = x - 1\n}"),
        ("f(x,y) {x\n# c\n\n\n  y # d\n # e\n}", "f(x, y) {\n\tx\n\n\t# c\n\n\ty # d\n\t# e\n}"),
        ("p = {\"a\":1,\n\"b\":[ 1,2 ]}", "p = {\n\t\"a\": 1,\n\t\"b\": [1, 2],\n}"),
        ("p = [\n1,2,\n3 # c\n]", "p = [\n\t1, 2,\n\t3, # c\n]"),
        ("p = f([\n1\n],)", "p = f([1])"),
        ("p { a[\"b\"][\"c d\"][ `e` ] }", "p {\n\ta.b[\"c d\"][`e`]\n}"),
        ("p[\"x\"] { y }", "p[\"x\"] {\n\ty\n}"),
        ("p {x:=[y|y:=z[_];y>1];w}", "p {\n\tx := [y | y := z[_]; y > 1]\n\tw\n}"),
        ("p {x:=[y|y:=z[_]\ny>1]}", "p {\n\tx := [y |\n\t\ty := z[_]\n\t\ty > 1\n\t]\n}"),
        ("p {x} else=2{y}", "p {\n\tx\n} else = 2 {\n\ty\n}"),
        ("p {x with input as 1\nwith data.a as 2}", "p {\n\tx with input as 1\n\t\twith data.a as 2\n}"),
        ("p {\n(a\n+ b)*-2\n}", "p {\n\t(a + b) * -2\n}"),
        ("# a\n\n\n# b\np = 1\n\n\n\nq = 2\n# end", "# a\n\n# b\np = 1\n\nq = 2\n# end"),
    ];
    for (source, expected) in cases {
        check(RegoVersion::V0, source, expected);
    }
    let cases = [
        ("p if {x}", "p if x"),
        ("p if {{x}}", "p if {\n\t{x}\n}"),
        ("p if { every x in xs {x>1} ; y}", "p if {\n\tevery x in xs { x > 1 }\n\ty\n}"),
        (
            "import data.b\nimport  data.a\np contains  x if  x in{1}",
            "import data.a\nimport data.b\n\np contains x if x in {1}",
        ),
    ];
    for (source, expected) in cases {
        check(RegoVersion::V1, source, expected);
    }
}

#[test]
fn refuses_what_is_no_rego() {
    assert_eq!(format("package a\np {", RegoVersion::V0).map_err(|errors| errors.len()), Err(1));
}

fn check(version: RegoVersion, rules: &str, expected: &str) {
    let text = format(&format!("package  a\n{rules}\n"), version).unwrap_or_else(|errors| format!("{errors:?}"));
    assert_eq!(text, format!("package a\n\n{expected}\n"), "{rules}");
    assert_eq!(format(&text, version).as_ref(), Ok(&text), "{rules}");
}
