//! What the builtins of OPA 1.10 take and give.
//!
//! Invariant: one row a builtin, sorted by name, in the notation that [`types::notation`](super::types) reads: `x`
//! anything, `b` boolean, `n` number, `s` string, `_` null, `[s,n]` an array of two, `[*s]` an array of any length, `{s}` a
//! set, `(op=s,*s:x)` an object with a field `op` and any others, `<s|n>` one of them; `!` no result, `...` any arguments.
//! Whether admit implements a builtin is not said here.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::types::TypeRef;
use super::types::notation;

/// Arguments and result of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub arguments: Vec<TypeRef>,
    /// Takes any number of arguments of any type.
    pub is_variadic: bool,
    /// Absent for `print`, which has none.
    pub result: Option<TypeRef>,
    /// Gives several results, one after the other.
    pub is_relation: bool,
    /// Refused in Rego v1.
    pub is_deprecated: bool,
    /// Asks something outside of policy, input and data.
    pub reaches_out: bool,
}

/// The signature of one of OPA's builtins.
pub fn lookup(name: &str) -> Option<Arc<Signature>> {
    SIGNATURES.get(name).cloned()
}

/// The number of arguments of one of OPA's builtins.
pub fn arity(name: &str) -> Option<usize> {
    SIGNATURES.get(name).map(|signature| signature.arguments.len())
}

/// The place of one of OPA's builtins among [`names`].
pub fn position(name: &str) -> Option<usize> {
    TABLE.binary_search_by(|(known, ..)| (*known).cmp(name)).ok()
}

/// The names of all of OPA's builtins, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, ..)| *name)
}

/// A function of arguments of any type, as extensions such as `external_data` are.
pub fn extension(arguments: usize) -> Signature {
    Signature {
        arguments: vec![super::types::Type::any(); arguments],
        is_variadic: false,
        result: Some(super::types::Type::any()),
        is_relation: false,
        is_deprecated: false,
        reaches_out: false,
    }
}

static SIGNATURES: LazyLock<HashMap<&'static str, Arc<Signature>>> = LazyLock::new(|| {
    TABLE.iter().filter_map(|(name, shape, marks)| Some((*name, Arc::new(read(shape, marks)?)))).collect()
});

fn read(shape: &str, marks: &str) -> Option<Signature> {
    let (arguments, result) = shape.split_once("-> ")?;
    let is_variadic = arguments.trim() == "...";
    let words = arguments.split_whitespace().filter(|word| *word != "...");
    Some(Signature {
        arguments: words.map(notation::read).collect::<Option<_>>()?,
        is_variadic,
        result: if result == "!" { None } else { Some(notation::read(result)?) },
        is_relation: marks.contains('R'),
        is_deprecated: marks.contains('D'),
        reaches_out: marks.contains('O'),
    })
}

/// Name, shape, marks: `D` deprecated, `R` relation, `O` reaches out.
#[rustfmt::skip]
static TABLE: &[(&str, &str, &str)] = &[
    ("abs", "n -> n", ""),
    ("all", "<[*x]|{x}> -> b", "D"),
    ("and", "{x} {x} -> {x}", ""),
    ("any", "<[*x]|{x}> -> b", "D"),
    ("array.concat", "[*x] [*x] -> [*x]", ""),
    ("array.reverse", "[*x] -> [*x]", ""),
    ("array.slice", "[*x] n n -> [*x]", ""),
    ("assign", "x x -> b", ""),
    ("base64.decode", "s -> s", ""),
    ("base64.encode", "s -> s", ""),
    ("base64.is_valid", "s -> b", ""),
    ("base64url.decode", "s -> s", ""),
    ("base64url.encode", "s -> s", ""),
    ("base64url.encode_no_pad", "s -> s", ""),
    ("bits.and", "n n -> n", ""),
    ("bits.lsh", "n n -> n", ""),
    ("bits.negate", "n -> n", ""),
    ("bits.or", "n n -> n", ""),
    ("bits.rsh", "n n -> n", ""),
    ("bits.xor", "n n -> n", ""),
    ("cast_array", "x -> [*x]", "D"),
    ("cast_boolean", "x -> b", "D"),
    ("cast_null", "x -> _", "D"),
    ("cast_object", "x -> (*x:x)", "D"),
    ("cast_set", "x -> {x}", "D"),
    ("cast_string", "x -> s", "D"),
    ("ceil", "n -> n", ""),
    ("concat", "s <[*s]|{s}> -> s", ""),
    ("contains", "s s -> b", ""),
    ("count", "<s|[*x]|(*x:x)|{x}> -> n", ""),
    ("crypto.hmac.equal", "s s -> b", ""),
    ("crypto.hmac.md5", "s s -> s", ""),
    ("crypto.hmac.sha1", "s s -> s", ""),
    ("crypto.hmac.sha256", "s s -> s", ""),
    ("crypto.hmac.sha512", "s s -> s", ""),
    ("crypto.md5", "s -> s", ""),
    ("crypto.parse_private_keys", "s -> [*(*s:x)]", ""),
    ("crypto.sha1", "s -> s", ""),
    ("crypto.sha256", "s -> s", ""),
    ("crypto.x509.parse_and_verify_certificates", "s -> [b,[*(*s:x)]]", ""),
    ("crypto.x509.parse_and_verify_certificates_with_options", "s (*s:x) -> [b,[*(*s:x)]]", ""),
    ("crypto.x509.parse_certificate_request", "s -> (*s:x)", ""),
    ("crypto.x509.parse_certificates", "s -> [*(*s:x)]", ""),
    ("crypto.x509.parse_keypair", "s s -> (*s:x)", ""),
    ("crypto.x509.parse_rsa_private_key", "s -> (*s:x)", ""),
    ("div", "n n -> n", ""),
    ("endswith", "s s -> b", ""),
    ("eq", "x x -> b", ""),
    ("equal", "x x -> b", ""),
    ("floor", "n -> n", ""),
    ("format_int", "n n -> s", ""),
    ("glob.match", "s <_|[*s]> s -> b", ""),
    ("glob.quote_meta", "s -> s", ""),
    ("graph.reachable", "(*x:<[*x]|{x}>) <[*x]|{x}> -> {x}", ""),
    ("graph.reachable_paths", "(*x:<[*x]|{x}>) <[*x]|{x}> -> {[*x]}", ""),
    ("graphql.is_valid", "<s|(*x:x)> <s|(*x:x)> -> b", ""),
    ("graphql.parse", "<s|(*x:x)> <s|(*x:x)> -> [(*x:x),(*x:x)]", ""),
    ("graphql.parse_and_verify", "<s|(*x:x)> <s|(*x:x)> -> [b,(*x:x),(*x:x)]", ""),
    ("graphql.parse_query", "s -> (*x:x)", ""),
    ("graphql.parse_schema", "s -> (*x:x)", ""),
    ("graphql.schema_is_valid", "<s|(*x:x)> -> b", ""),
    ("gt", "x x -> b", ""),
    ("gte", "x x -> b", ""),
    ("hex.decode", "s -> s", ""),
    ("hex.encode", "s -> s", ""),
    ("http.send", "(*s:x) -> (*x:x)", "O"),
    ("indexof", "s s -> n", ""),
    ("indexof_n", "s s -> [*n]", ""),
    ("internal.member_2", "x x -> b", ""),
    ("internal.member_3", "x x x -> b", ""),
    ("internal.print", "[*{x}] -> !", ""),
    ("internal.test_case", "[*x] -> !", ""),
    ("intersection", "{{x}} -> {x}", ""),
    ("io.jwt.decode", "s -> [(*x:x),(*x:x),s]", ""),
    ("io.jwt.decode_verify", "s (*s:x) -> [b,(*x:x),(*x:x)]", ""),
    ("io.jwt.encode_sign", "(*s:x) (*s:x) (*s:x) -> s", ""),
    ("io.jwt.encode_sign_raw", "s s s -> s", ""),
    ("io.jwt.verify_eddsa", "s s -> b", ""),
    ("io.jwt.verify_es256", "s s -> b", ""),
    ("io.jwt.verify_es384", "s s -> b", ""),
    ("io.jwt.verify_es512", "s s -> b", ""),
    ("io.jwt.verify_hs256", "s s -> b", ""),
    ("io.jwt.verify_hs384", "s s -> b", ""),
    ("io.jwt.verify_hs512", "s s -> b", ""),
    ("io.jwt.verify_ps256", "s s -> b", ""),
    ("io.jwt.verify_ps384", "s s -> b", ""),
    ("io.jwt.verify_ps512", "s s -> b", ""),
    ("io.jwt.verify_rs256", "s s -> b", ""),
    ("io.jwt.verify_rs384", "s s -> b", ""),
    ("io.jwt.verify_rs512", "s s -> b", ""),
    ("is_array", "x -> b", ""),
    ("is_boolean", "x -> b", ""),
    ("is_null", "x -> b", ""),
    ("is_number", "x -> b", ""),
    ("is_object", "x -> b", ""),
    ("is_set", "x -> b", ""),
    ("is_string", "x -> b", ""),
    ("json.filter", "(*x:x) <[*<s|[*x]>]|{<s|[*x]>}> -> x", ""),
    ("json.is_valid", "s -> b", ""),
    ("json.marshal", "x -> s", ""),
    ("json.marshal_with_options", "x (indent=s,prefix=s,pretty=b,*s:x) -> s", ""),
    ("json.match_schema", "<s|(*x:x)> <s|(*x:x)> -> [b,[*(desc=s,error=s,field=s,type=s)]]", ""),
    ("json.patch", "x [*(op=s,path=x,*x:x)] -> x", ""),
    ("json.remove", "(*x:x) <[*<s|[*x]>]|{<s|[*x]>}> -> x", ""),
    ("json.unmarshal", "s -> x", ""),
    ("json.verify_schema", "<s|(*x:x)> -> [b,<_|s>]", ""),
    ("lower", "s -> s", ""),
    ("lt", "x x -> b", ""),
    ("lte", "x x -> b", ""),
    ("max", "<[*x]|{x}> -> x", ""),
    ("min", "<[*x]|{x}> -> x", ""),
    ("minus", "<n|{x}> <n|{x}> -> <n|{x}>", ""),
    ("mul", "n n -> n", ""),
    ("neq", "x x -> b", ""),
    ("net.cidr_contains", "s s -> b", ""),
    ("net.cidr_contains_matches",
     "<s|[*<s|[*x]>]|(*s:<s|[*x]>)|{<s|[*x]>}> <s|[*<s|[*x]>]|(*s:<s|[*x]>)|{<s|[*x]>}> -> {[x,x]}", ""),
    ("net.cidr_expand", "s -> {s}", ""),
    ("net.cidr_intersects", "s s -> b", ""),
    ("net.cidr_is_valid", "s -> b", ""),
    ("net.cidr_merge", "<[*<s>]|{s}> -> {s}", ""),
    ("net.cidr_overlap", "s s -> b", "D"),
    ("net.lookup_ip_addr", "s -> {s}", "O"),
    ("numbers.range", "n n -> [*n]", ""),
    ("numbers.range_step", "n n n -> [*n]", ""),
    ("object.filter", "(*x:x) <[*x]|(*x:x)|{x}> -> x", ""),
    ("object.get", "(*x:x) x x -> x", ""),
    ("object.keys", "(*x:x) -> {x}", ""),
    ("object.remove", "(*x:x) <[*x]|(*x:x)|{x}> -> x", ""),
    ("object.subset", "<[*x]|(*x:x)|{x}> <[*x]|(*x:x)|{x}> -> x", ""),
    ("object.union", "(*x:x) (*x:x) -> x", ""),
    ("object.union_n", "[*(*x:x)] -> x", ""),
    ("opa.runtime", "-> (*s:x)", ""),
    ("or", "{x} {x} -> {x}", ""),
    ("plus", "n n -> n", ""),
    ("print", "... -> !", ""),
    ("product", "<[*n]|{n}> -> n", ""),
    ("providers.aws.sign_req", "(*s:x) (*s:x) n -> (*x:x)", ""),
    ("rand.intn", "s n -> n", ""),
    ("re_match", "s s -> b", "D"),
    ("regex.find_all_string_submatch_n", "s s n -> [*[*s]]", ""),
    ("regex.find_n", "s s n -> [*s]", ""),
    ("regex.globs_match", "s s -> b", ""),
    ("regex.is_valid", "s -> b", ""),
    ("regex.match", "s s -> b", ""),
    ("regex.replace", "s s s -> s", ""),
    ("regex.split", "s s -> [*s]", ""),
    ("regex.template_match", "s s s s -> b", ""),
    ("rego.metadata.chain", "-> [*x]", ""),
    ("rego.metadata.rule", "-> x", ""),
    ("rego.parse_module", "s s -> (*s:x)", ""),
    ("rem", "n n -> n", ""),
    ("replace", "s s s -> s", ""),
    ("round", "n -> n", ""),
    ("semver.compare", "s s -> n", ""),
    ("semver.is_valid", "x -> b", ""),
    ("set_diff", "{x} {x} -> {x}", "D"),
    ("sort", "<[*x]|{x}> -> [*x]", ""),
    ("split", "s s -> [*s]", ""),
    ("sprintf", "s [*x] -> s", ""),
    ("startswith", "s s -> b", ""),
    ("strings.any_prefix_match", "<s|[*s]|{s}> <s|[*s]|{s}> -> b", ""),
    ("strings.any_suffix_match", "<s|[*s]|{s}> <s|[*s]|{s}> -> b", ""),
    ("strings.count", "s s -> n", ""),
    ("strings.render_template", "s (*s:x) -> s", ""),
    ("strings.replace_n", "(*s:s) s -> s", ""),
    ("strings.reverse", "s -> s", ""),
    ("substring", "s n n -> s", ""),
    ("sum", "<[*n]|{n}> -> n", ""),
    ("time.add_date", "n n n n -> n", ""),
    ("time.clock", "<n|[n,s]> -> [n,n,n]", ""),
    ("time.date", "<n|[n,s]> -> [n,n,n]", ""),
    ("time.diff", "<n|[n,s]> <n|[n,s]> -> [n,n,n,n,n,n]", ""),
    ("time.format", "<n|[n,s]|[n,s,s]> -> s", ""),
    ("time.now_ns", "-> n", ""),
    ("time.parse_duration_ns", "s -> n", ""),
    ("time.parse_ns", "s s -> n", ""),
    ("time.parse_rfc3339_ns", "s -> n", ""),
    ("time.weekday", "<n|[n,s]> -> s", ""),
    ("to_number", "<_|b|n|s> -> n", ""),
    ("trace", "s -> b", ""),
    ("trim", "s s -> s", ""),
    ("trim_left", "s s -> s", ""),
    ("trim_prefix", "s s -> s", ""),
    ("trim_right", "s s -> s", ""),
    ("trim_space", "s -> s", ""),
    ("trim_suffix", "s s -> s", ""),
    ("type_name", "x -> s", ""),
    ("union", "{{x}} -> {x}", ""),
    ("units.parse", "s -> n", ""),
    ("units.parse_bytes", "s -> n", ""),
    ("upper", "s -> s", ""),
    ("urlquery.decode", "s -> s", ""),
    ("urlquery.decode_object", "s -> (*s:[*s])", ""),
    ("urlquery.encode", "s -> s", ""),
    ("urlquery.encode_object", "(*s:<s|[*s]|{s}>) -> s", ""),
    ("uuid.parse", "s -> (*s:x)", ""),
    ("uuid.rfc4122", "s -> s", ""),
    ("walk", "x -> [[*x],x]", "R"),
    ("yaml.is_valid", "s -> b", ""),
    ("yaml.marshal", "x -> s", ""),
    ("yaml.unmarshal", "s -> x", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_and_rows_are_sorted() {
        assert_eq!(SIGNATURES.len(), TABLE.len());
        assert!(TABLE.is_sorted_by_key(|(name, ..)| *name));
        assert_eq!(arity("sprintf"), Some(2));
        assert_eq!(arity("no.such"), None);
    }
}
