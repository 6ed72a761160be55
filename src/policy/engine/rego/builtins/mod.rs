//! OPA's builtin functions, one file a family, and how the evaluator calls them.
//!
//! A family is a file with a `TABLE`; [`lookup`] finds a builtin by OPA's name over all of them. Builtins see values
//! only: what is undefined never reaches them. They do not panic, whatever their operands are, and charge the
//! [`Budget`] before they work or allocate in proportion to an operand.
//!
//! Absent on purpose: `print` (the compile passes turn it into `internal.print` or erase it), and `assign`. What reaches
//! out of the process (`http`, `lookup`) is here, but policies that call it are refused unless it was enabled by name.

mod aggregates;
mod aws;
mod base64;
mod cidr;
mod digests;
mod encoding;
pub(super) mod external_data;
mod glob;
mod go_url;
mod graph;
mod graphql;
mod http;
mod json_patch;
mod jwt;
mod keys;
mod lookup;
mod md5;
mod operands;
mod pem;
mod semver;
mod time;
mod time_format;
mod time_layout;
mod time_parse;
mod units;
mod uuid;
mod x509;
mod yaml;
mod yaml_read;
mod yaml_scalar;
mod yaml_sort;
mod yaml_style;
mod yaml_write;

mod arguments;
mod arithmetic;
mod arrays;
mod bits;
mod comparison;
mod context;
mod conversions;
#[cfg(test)]
mod cryptography;
mod globs_match;
mod json;
mod json_schema;
mod numbers;
mod objects;
mod regexes;
mod rego;
mod replacer;
mod sets;
mod sprintf;
mod strings;
mod subset;
mod template;
mod tracing;
mod types;
mod walk;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use context::{Budget, Caches};
pub(super) use go_url::normal_url;
pub use walk::Walk;
pub(in crate::policy) use x509::{AuthorityFault, check_authority};
pub use yaml::go_yaml;
pub(super) use yaml_scalar::timestamp;

use crate::policy::engine::external_data::Outside;
use crate::policy::engine::rego::value::Value;

/// One builtin function.
#[derive(Debug)]
pub struct Builtin {
    /// OPA's name: `count`, `time.now_ns`, `internal.member_2`.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: usize,
    /// What it does.
    pub call: fn(&mut CallContext<'_>, &[&Value]) -> Result<Value, BuiltinError>,
}

/// Why a builtin gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuiltinError {
    /// A bad operand: the expression is undefined (OPA's default mode). The text is for strict mode and traces.
    Undefined(String),
    /// Evaluation must stop: a limit was reached, or OPA halts here, too.
    Halt(String),
    /// Evaluation must stop, and no policy may be said to have judged: somebody was to be asked who cannot be.
    Refused(String),
}

/// What outlives one call within an evaluation: caches, budget, clock, prints.
#[derive(Debug)]
pub struct CallContext<'a> {
    /// Compiled regular expressions and globs of this evaluation, shared with the program where patterns are constant.
    pub caches: &'a mut Caches,
    /// Checked by builtins that loop or allocate in proportion to a value (range, replace, sprintf widths, cidr_expand …):
    /// returns Halt when time or memory is used up.
    pub budget: &'a mut Budget,
    /// `time.now_ns`, fixed for the whole query. Nanoseconds since 1970, in UTC.
    pub now_ns: i64,
    /// Text of `print(…)`, when collected.
    pub prints: Option<&'a mut Vec<String>>,
    /// Whom `external_data` asks.
    pub outside: Option<Outside<'a>>,
}

/// Every family. A name is in one table only.
const TABLES: &[&[Builtin]] = &[
    aws::TABLE,
    cidr::TABLE,
    digests::TABLE,
    encoding::TABLE,
    external_data::TABLE,
    glob::TABLE,
    graph::TABLE,
    graphql::TABLE,
    http::TABLE,
    json_patch::TABLE,
    jwt::TABLE,
    jwt::sign::TABLE,
    jwt::verify::TABLE,
    lookup::TABLE,
    semver::TABLE,
    time::TABLE,
    units::TABLE,
    uuid::TABLE,
    x509::TABLE,
    yaml::TABLE,
    aggregates::TABLE,
    arithmetic::TABLE,
    arrays::TABLE,
    bits::TABLE,
    comparison::TABLE,
    conversions::TABLE,
    globs_match::TABLE,
    json::TABLE,
    json_schema::TABLE,
    numbers::TABLE,
    objects::TABLE,
    regexes::TABLE,
    rego::TABLE,
    sets::TABLE,
    sprintf::TABLE,
    strings::TABLE,
    subset::TABLE,
    template::TABLE,
    tracing::TABLE,
    types::TABLE,
    walk::TABLE,
];

/// The builtin of OPA's name `name`. Meant for compile time: programs keep the reference.
pub fn lookup(name: &str) -> Option<&'static Builtin> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Builtin>> =
        LazyLock::new(|| all().map(|one| (one.name, one)).collect());
    BY_NAME.get(name).copied()
}

/// All builtins, in no particular order.
pub fn all() -> impl Iterator<Item = &'static Builtin> {
    TABLES.iter().flat_map(|table| table.iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::engine::rego::evaluate::budget::Limits;
    use crate::policy::engine::rego::value::{NumberMode, parse_json};

    /// Expected text of the result; `undefined` and `halt` for errors. Answers are OPA's.
    const CASES: &[(&str, &str, &str)] = &[
        ("plus", "[0.1, 0.2]", "0.3"),
        ("div", "[1, 0]", "undefined"),
        ("mul", "[1e30000, 1e30000]", "halt"),
        ("ceil", "[-0.5]", "1"),
        ("bits.lsh", "[1, 100]", "1267650600228229401496703205376"),
        ("bits.lsh", "[1, 4000000000]", "halt"),
        ("count", r#"["né"]"#, "2"),
        ("sum", "[[1, 2.5]]", "3.5"),
        ("max", "[[]]", "undefined"),
        ("sort", r#"[["b", 1, null, "a"]]"#, r#"[null, 1, "a", "b"]"#),
        ("array.slice", "[[1, 2, 3], -1, 2]", "[1, 2]"),
        ("object.get", r#"[{"a": [{"b": 1}]}, ["a", 0, "b"], 2]"#, "1"),
        ("object.union", r#"[{"a": {"b": 1}}, {"a": {"c": 2}}]"#, r#"{"a": {"b": 1, "c": 2}}"#),
        ("object.union_n", r#"[[{"a": {"b": 2}}, {"a": 4}, {"a": {"c": 3}}]]"#, r#"{"a": {"c": 3}}"#),
        ("object.subset", r#"[{"a": [1, 2, 3]}, {"a": [2, 3]}]"#, "true"),
        ("json.filter", r#"[{"a": {"b": 1, "c": 2}, "d": 3}, ["a/b"]]"#, r#"{"a": {"b": 1}}"#),
        ("json.remove", r#"[{"a": [1, 2]}, ["a/0"]]"#, r#"{"a": [2]}"#),
        ("concat", r#"[", ", ["a", "b"]]"#, r#""a, b""#),
        ("concat", r#"[", ", ["a", 1]]"#, "undefined"),
        ("format_int", "[-255.9, 16]", r#""-ff""#),
        ("indexof", r#"["日本語", "語"]"#, "2"),
        ("indexof_n", r#"["aaa", "aa"]"#, "[0, 1]"),
        ("split", r#"["ab", ""]"#, r#"["a", "b"]"#),
        ("substring", r#"["héllo", 1, -1]"#, r#""éllo""#),
        ("trim", r#"["xxaxx", "x"]"#, r#""a""#),
        ("upper", r#"["ßa"]"#, r#""ßA""#),
        ("strings.replace_n", r#"[{"a": "b", "b": "c"}, "ab"]"#, r#""bc""#),
        ("strings.any_suffix_match", r#"[["a.b"], [".c", ".b"]]"#, "true"),
        ("regex.match", r#"["^\\w{1,63}$", "abc"]"#, "true"),
        ("regex.match", r#"["(", "abc"]"#, "undefined"),
        ("regex.replace", r#"["a1b", "(\\d)", "<$1>"]"#, r#""a<1>b""#),
        ("regex.split", r#"["a*", "baac"]"#, r#"["b", "c"]"#),
        ("regex.template_match", r#"["urn:<.*>", "urn:x", "<", ">"]"#, "true"),
        ("regex.globs_match", r#"["a.a.[0-9]+z", "a.a.b*1z"]"#, "false"),
        ("regex.globs_match", r#"["a*", "["]"#, "undefined"),
        ("to_number", r#"["1.50"]"#, "1.50"),
        ("to_number", r#"[" 1"]"#, "undefined"),
        ("json.marshal", r#"[{"a": "<", "b": [1.0]}]"#, r#""{\"a\":\"\\u003c\",\"b\":[1.0]}""#),
        ("json.unmarshal", r#"["{\"a\": 1e1}"]"#, r#"{"a": 1e1}"#),
        ("numbers.range", "[3, 1]", "[3, 2, 1]"),
        ("numbers.range", "[1, 1e12]", "halt"),
        ("sprintf", r#"["%d %s %v", ["x", 5, {"a": [1, null]}]]"#, r#""%!d(string=x) %!s(int=5) {\"a\": [1, null]}""#),
        ("sprintf", r#"["%v %v", [1]]"#, r#""1 %!v(MISSING)""#),
        ("sprintf", r#"["%4000000000d", [1]]"#, r#""%!(NOVERB)%!(EXTRA int=1)""#),
        ("sprintf", r#"["%[2]*[1]d|%-5s|%5.1f%%", [7, 3]]"#, r#""  7|%!s(int=3    )|%!f(MISSING)%""#),
        ("strings.render_template", r#"["{{range .a}}{{.}},{{end}}", {"a": [1, "x"]}]"#, r#""1,x,""#),
        ("strings.render_template", r#"["{{.b}}", {"a": 1}]"#, "undefined"),
        ("strings.render_template", r#"["{{if false}}{{$x}}{{end}}", {}]"#, "undefined"),
        ("strings.render_template", r#"["{{define \"a\"}}<{{.}}>{{end}}{{template \"a\" .b}}", {"b": 1}]"#, r#""<1>""#),
        ("strings.render_template", r#"["{{block \"a\" .b}}{{$}}{{end}}{{js \"<\"}}", {"b": 1}]"#, r#""1\\u003C""#),
        ("strings.render_template", r#"["{{urlquery .b}} {{'a'}}", {"b": "x y&"}]"#, r#""x+y%26 97""#),
        ("strings.render_template", r#"["{{printf \"%s\" true}}", {}]"#, "halt"),
        ("strings.render_template", r#"["{{template \"template\"}}", {}]"#, "halt"),
        ("internal.member_2", r#"[1, {"a": 1.0}]"#, "true"),
        ("internal.member_3", r#"["a", 2, {"a": 1}]"#, "false"),
        ("walk", r#"[{"a": [1]}]"#, r#"[[[], {"a": [1]}], [["a"], [1]], [["a", 0], 1]]"#),
    ];

    #[test]
    fn answers_as_opa_does() {
        for (name, arguments, expected) in CASES {
            assert_eq!(call_builtin(name, arguments), *expected, "{name}({arguments})");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().map(|builtin| builtin.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| lookup(name).is_some_and(|found| found.name == *name)));
    }

    #[test]
    fn no_operand_makes_a_builtin_panic_or_hang() {
        let deep = |depth| (0..depth).fold(Value::Null, |inner, _| Value::object(vec![(Value::from("a"), inner)]));
        let shared = (0..60).fold(Value::Null, |inner, _| Value::array(vec![inner.clone(), inner]));
        let long = Value::from("(".repeat(100_000));
        let huge = parse_json("[1e1000000000, -9223372036854775808, 1e400]", NumberMode::AsWritten).unwrap();
        let mut operands =
            vec![Value::Null, deep(20_000), shared, long, huge.clone(), Value::from(-1_i64), Value::from("")];
        operands.extend((0..3).filter_map(|index| huge.get(&Value::from(index as i64)).cloned()));
        operands.push(Value::set(vec![deep(300), deep(301)]));
        for builtin in all() {
            for seed in 0..operands.len().pow(2) {
                let chosen = (0..builtin.arity)
                    .map(|index| &operands[(seed / operands.len().pow(index as u32 % 2)) % operands.len()]);
                let _ = call_with(builtin, &chosen.collect::<Vec<_>>());
            }
        }
    }

    pub(super) fn call_builtin(name: &str, arguments: &str) -> String {
        let Value::Array(arguments) = parse_json(arguments, NumberMode::AsWritten).unwrap() else { unreachable!() };
        match call_with(lookup(name).unwrap(), &arguments.iter().collect::<Vec<_>>()) {
            Ok(value) => value.to_string(),
            Err(BuiltinError::Undefined(_)) => "undefined".to_owned(),
            Err(BuiltinError::Halt(_) | BuiltinError::Refused(_)) => "halt".to_owned(),
        }
    }

    fn call_with(builtin: &Builtin, operands: &[&Value]) -> Result<Value, BuiltinError> {
        let limits = Limits { steps: 1 << 17, bytes: 1 << 22, ..Limits::default() };
        let (mut caches, mut budget, mut prints) = (Caches::default(), Budget::new(&limits), Vec::new());
        let mut context = CallContext {
            caches: &mut caches,
            budget: &mut budget,
            now_ns: 0,
            prints: Some(&mut prints),
            outside: None,
        };
        (builtin.call)(&mut context, operands)
    }
}
