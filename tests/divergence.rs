//! Every known difference from Gatekeeper, pinned, with its direction. None lets through what Gatekeeper refuses. Those in
//! expansion are in `it/expansion_templates/differences.rs`.

use admit::model::api::{Process, RegoVersion};
use admit::model::object::Object;
use admit::model::review::{AdmissionReview, ExactObjects, Review};
use admit::policy::engine::rego::query::{Policies, QueryError, SourceFile};
use admit::policy::evaluate::own::{self, OwnRules};
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use regex::Regex;
use serde_json::{Value, json};

/// Which way a case of OPA's own differs.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "no case differs in that way now")]
pub(crate) enum Direction {
    /// An error where OPA has an answer.
    Stricter,
    /// An answer where OPA has an error, though not from anything a ConstraintTemplate can say.
    LaxerOutOfReach,
    /// Another answer that allows nothing more.
    Different,
}

/// OPA's own cases with another outcome here: the case's note, the direction, the reason. `opa_conformance` checks that
/// exactly these differ, functions that are not offered apart.
pub(crate) const OPA_CASES: &[(&str, Direction, &str)] = &[];

/// Cases of mutation with another outcome in Gatekeeper 3.23.1, whose own code was run on all of the table: the case, the
/// reason. Of these, none is a request that is let through here and refused there, but for mutators that Gatekeeper takes
/// and that then stop every request that they are for; here they are refused, and their status says why.
/// `it::mutation` checks that exactly these are marked. Beside them, what is wrong in a location is told with its place,
/// and an Assign that is not in conflict itself has no error in its status for being beside one.
pub(crate) const MUTATION_CASES: &[(&str, &str)] = &[
    ("external_data: a number cannot be asked about", "Gatekeeper prints an address in memory"),
    ("external_data: a provider that cannot be asked is ignored", "Gatekeeper sends a patch without operations"),
    ("external_data: an image made of what is asked stops the request", "Gatekeeper's text leaves out what was found"),
    ("external_data: null cannot be asked about", "Gatekeeper prints an address in memory"),
    ("external_data: who asks whatever is there", "Gatekeeper asks about the value that is there, as if told so"),
    ("images: a number is no image", "Gatekeeper's text leaves out what was found"),
    ("images: null is no image", "Gatekeeper's text leaves out what was found"),
    (
        "lists: a whole element of a number",
        "Gatekeeper refuses all of these: it compares a whole number with a fraction",
    ),
    ("matching: a selector that there cannot be is refused", "Gatekeeper takes it, and refuses all that it is for"),
    (
        "path_tests: a condition that is none is refused",
        "Gatekeeper takes it where no API server checks it; it never holds",
    ),
    (
        "refused: an operation of sets that there is not",
        "Gatekeeper takes it where no API server checks it, and then fails",
    ),
    ("refused: no location of a set", "Gatekeeper takes it, and refuses all that it is for"),
    ("setters: a large number is written to the last digit", "Gatekeeper reads assigned numbers as fractions"),
    (
        "setters: a set without values makes an empty list",
        "Gatekeeper writes null, and refuses the object the next time",
    ),
    ("setters: the namespace of the request counts even without metadata", "Gatekeeper leaves empty metadata behind"),
    ("system: an object without a kind is none", "Gatekeeper leaves it to the API server to refuse it"),
];

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// Stricter than `gator test`, equal to the cluster: gator gives cluster-scoped objects a nameless Namespace, so that
/// `scope: Cluster` never matches them there. What the command line says here is what the webhook says.
#[test]
fn cluster_scoped_objects_have_no_namespace_on_the_command_line() {
    let mut store = Store::default();
    store.apply(Change::Apply(object(
        json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "k8sany"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sAny"}}}, "targets": [
            {"target": "admission.k8s.gatekeeper.sh", "rego": "package a\nviolation[{\"msg\": \"x\"}] { true }"}]}}),
    )));
    store.apply(Change::Apply(object(json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sAny",
        "metadata": {"name": "cluster"}, "spec": {"match": {"scope": "Cluster"}}}))));
    let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    let node = object(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}));
    let context = EvalContext::offline();
    let evaluation = validate(&snapshot, &Review::of_object(&node, None), context).unwrap();
    assert_eq!(evaluation.violations.len(), 1);
}

/// Stricter: to Gatekeeper the pattern `*` excludes what is in no namespace, too, as its namespace is the empty text. Here
/// only what is in a namespace can be excluded, and Namespaces.
#[test]
fn no_config_excludes_what_is_in_no_namespace() {
    let mut store = Store::default().in_namespace("gatekeeper-system");
    store.apply(Change::Apply(object(json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": [{"excludedNamespaces": ["*"], "processes": ["*"]}]}}))));
    let (snapshot, _) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    for (kind, namespace, expected) in [("Node", "", false), ("Pod", "shop", true), ("Namespace", "", true)] {
        let one = object(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": namespace}}));
        let review = Review::of_object(&one, None);
        assert_eq!(snapshot.exclusions().excludes_review(Process::Webhook, &review), expected, "{kind}");
    }
}

/// Stricter: Gatekeeper takes templates whose code does not compile, and SyncSets and Configs without a look at them.
/// `--admit-uncompilable-templates` has the first its way. What is stored already can be changed and deleted in both.
#[test]
fn own_resources_are_refused_when_they_could_not_take_effect() {
    let rules = |admits_uncompilable| {
        let (build, namespace) = (BuildOptions::default(), "gatekeeper-system".to_owned());
        OwnRules { build, admits_uncompilable, admits_unknown_actions: false, namespace }
    };
    let ask = |subject: &Value, rules: &OwnRules| {
        let (group, version) = subject["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        let body = json!({"request": {"operation": "CREATE", "name": subject["metadata"]["name"], "object": subject,
            "kind": {"group": group, "version": version, "kind": subject["kind"]}}})
        .to_string();
        let review = AdmissionReview::parse(body.as_bytes()).unwrap().review;
        let passed = own::check(&Snapshot::default(), &review, &ExactObjects::parse(body.as_bytes()).unwrap(), rules);
        passed.and_then(|passed| passed.template.map_or(Ok(()), |template| own::compile(&template, rules)))
    };
    let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "k8sbad"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sBad"}}}, "targets": [
            {"target": "admission.k8s.gatekeeper.sh", "rego": "package a\nviolation["}]}});
    let sync_set = json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "a"},
        "spec": {"gvks": [{"kind": "Pod"}]}});
    assert_eq!(ask(&template, &rules(false)).unwrap_err().code, 422);
    assert_eq!(ask(&template, &rules(true)), Ok(()));
    assert_eq!(ask(&sync_set, &rules(true)).unwrap_err().code, 422);
}

/// Stricter: Gatekeeper takes objects that nest up to 10,000 levels, we refuse the request from 1,000 on.
#[test]
fn objects_nested_a_thousand_levels_are_refused() {
    let body = format!("{}{}", "[".repeat(1_001), "]".repeat(1_001));
    let parse = move || AdmissionReview::parse(body.as_bytes()).map(|_| ()).unwrap_err().error.to_string();
    let error = std::thread::Builder::new().stack_size(16 << 20).spawn(parse).unwrap().join().unwrap();
    assert!(error.contains("nested deeper than 1000 levels"), "{error}");
}

/// Stricter, and at once: functions of OPA that admit does not have are refused when the template is compiled, where
/// Gatekeeper would run them, and those that reach out of the process unless they were enabled by name, where Gatekeeper
/// runs them unless they were disabled. A template that needs one is never in force with a hole in it.
#[test]
fn functions_that_are_not_offered_are_refused_at_compile() {
    for function in ["http.send({})", "net.lookup_ip_addr(\"a\")"] {
        let text = format!("package a\nviolation[{{\"msg\": \"x\"}}] {{ {function} }}");
        let file = SourceFile { name: "a.rego".to_owned(), text };
        let errors = Policies::compile(&[file], RegoVersion::V0).unwrap_err();
        let name = function.split('(').next().unwrap();
        assert!(errors.iter().any(|error| error.message.contains(name)), "{function}: {errors:?}");
    }
}

/// Stricter: documents of GraphQL that nest deeper than 100 levels stop the evaluation, and so do objects that no parser
/// gave where OPA crashes or goes by the innards of Go's JSON.
#[test]
fn documents_of_graphql_that_nobody_writes_stop_the_evaluation() {
    let deep = format!("{}a{}", "{a".repeat(120), "}".repeat(120));
    for call in [
        format!("graphql.parse_query({deep:?})"),
        "graphql.schema_is_valid({\"Definitions\": [null]})".to_owned(),
        "graphql.schema_is_valid({\"Definitions\": [], \"definitions\": []})".to_owned(),
    ] {
        let text = format!("package a\np := x if x := {call}");
        let file = SourceFile { name: "a.rego".to_owned(), text };
        let policies = Policies::compile(&[file], RegoVersion::V1).unwrap();
        let error = policies.ask("data.a.p", None, None).unwrap_err();
        assert!(matches!(&error, QueryError::Evaluate(error) if error.to_string().contains("graphql: ")), "{error:?}");
    }
}

/// Stricter: `rego.parse_module` stops the evaluation at texts of which OPA makes modules that no policy means, where it
/// would be undefined for a text that is no module.
#[test]
fn texts_that_only_opa_takes_for_modules_stop_the_evaluation() {
    for text in ["package a\np if ;\n true\n}", "package a\n(p) = 1", "package a\np if x[_].y(1)"] {
        let policies = Policies::compile(&[], RegoVersion::V1).unwrap();
        let query = format!("rego.parse_module(\"a\", {})", json!(text));
        assert!(policies.ask(&query, None, None).is_err(), "{text}");
    }
    let policies = Policies::compile(&[], RegoVersion::V1).unwrap();
    assert!(policies.ask("rego.parse_module(\"a\", \"p := 1\")", None, None).unwrap().solutions.is_empty());
}

/// Stricter: OPA takes a function below a rule whose name goes on with a variable, and then does not find it when it is
/// called; a set and an object of one name make it panic. Both are refused.
#[test]
fn rules_that_opa_takes_but_cannot_run_are_refused() {
    for rules in ["p[x] := 1 if x := \"k\"\np.f(y) := y", "p contains 1\np[x].r contains 2 if x := \"k\""] {
        let file = SourceFile { name: "a.rego".to_owned(), text: format!("package a\n{rules}\n") };
        let errors = Policies::compile(&[file], RegoVersion::V1).unwrap_err();
        assert!(errors[0].message.contains("conflict"), "{errors:?}");
    }
}

/// OPA says `true` when it is asked for `r5` alone and leaves it out of the package, because what it remembers of a rule
/// under `with` leaks. We say the same both times.
#[test]
fn a_rule_is_the_same_alone_and_in_its_package() {
    let text = "package t\nr1 := 1 if 1 else if 1\nr1 := 1 if r5 with input.b as r5\n\
                r5 := 1 if { every v1 in input.items { input[1]; v3 := v1 } } else if { not input.items.name with input as 2 }\n\
                r0 := 1 if not r1\n";
    let file = SourceFile { name: "a.rego".to_owned(), text: text.to_owned() };
    let policies = Policies::compile(&[file], RegoVersion::V1).unwrap();
    let input = json!({"b": {}, "items": [{}]});
    let ask = |query| policies.ask(query, Some(&input), None).unwrap().solutions[0].expressions[0].clone();
    assert_eq!(ask("data.t.r5"), true);
    assert_eq!(ask("data.t"), json!({"r1": 1, "r5": true}));
}

/// Where regorus, our second opinion in tests, is known to be wrong and OPA agrees with us: a pattern of what the policy
/// holds, what regorus says (a part of its error, or nothing when it has another value), and why. For the fuzzer.
const REGORUS: &[(&str, &str, &str)] = &[
    ("", "unexpected keyword `", "a package or rule has the name of a keyword"),
    ("data", "data cannot be shadowed", "a rule is named `data`"),
    ("input", "input cannot be shadowed", "a rule is named `input`"),
    (r"[0-9][eE]\+?[0-9]+", "cannot parse number: out of range", "a number beyond a float's range"),
    (r"walk\(", "could not find function walk", "a walk has its result on the left in what is compiled"),
    (r"\{", "object literal keys mismatch", "objects of unequal keys: an error there, unequal in OPA"),
    (r"every\s", "incompatible destructuring patterns", "`every` assigns, and there is nothing to iterate"),
    (r"\[", "rule conflicts with rule at", "clauses of a partial object, of which one has the value `true`"),
    (r"\[", "rules must not produce multiple outputs", "an object beside a set of one name, in v0"),
    (r#"not\s+"[^"]*"\s*=="#, "", "a constant compared with an object of a loop, negated"),
    ("", "regorus panicked", "it reads beyond a table of its own, in `with` or `every`"),
    (r"\[", "cyclic evaluation", "a key of an object that reads another key of it"),
    (r"\{", "generated multiple times", "what stands behind the first of several equal values"),
    (r"\[", "mismatch in number of array elements", "lists of unequal length: an error there, unequal in OPA"),
    (r"=\s*\{[^|]*:|\}\s*=[^=]", "", "an object that is taken apart may have more fields there"),
    (r"every\s.*not\s", "", "a reference with a variable step, negated within `every`"),
    (r"\[v[0-9]+\]", "is unsafe (path", "a step is bound by what the reference is compared with"),
    (r"[0-9]\.0\b", "", "a float that is a whole number is an integer there"),
];

/// Why regorus may say something else about a policy.
pub(crate) fn known_of_regorus(policy: &str, answer: &str) -> Option<&'static str> {
    let says = |error: &str| if error.is_empty() { answer.is_empty() } else { answer.contains(error) };
    let found = REGORUS.iter().find(|(part, error, _)| says(error) && Regex::new(part).unwrap().is_match(policy));
    found.map(|(_, _, reason)| *reason)
}

/// Stricter: what we do not read or have, and OPA does. Functions that are not offered; and behind `if`, words that start
/// no expression: OPA skips them, so that `p if in input }` means `p if input`.
pub(crate) fn is_known_refusal(policy: &str, errors: &str) -> bool {
    let junk = r"\bif\s*(?:(?:some|in|import|if|as|package|default|else|with)\b|[\])},.:;=|])";
    let is_skipped = (errors.contains(", expected a term") || errors.contains(", expected a number"))
        && Regex::new(junk).unwrap().is_match(policy);
    // `[x.a] = x` passes OPA's checks of what is bound.
    let is_broken = errors.contains("admit cannot run this policy");
    let is_long = errors.contains("the path of a rule has more than 200 steps");
    // `p if < ⏎ true }`: OPA reads a body there although its first token is none of a body.
    let is_loose = errors.contains("found a body without `{` behind `if`");
    is_broken || is_long || is_skipped || is_loose || errors.contains("undefined function")
}

/// Laxer at compile, the same when it runs: OPA knows no type for a comprehension over a function's argument that nothing
/// else was said about (`f(v) := x if { x := {v | true} }`), and refuses what it compares with that. We let it be.
/// The same for what only arguments in a `some … in`, a `with` or a collection would tell.
/// And OPA finds a variable unsafe that is a step of a reference and in a comprehension of the same expression, as in
/// `x := 0; input[x] == [x | true]`.
pub(crate) fn is_known_acceptance(policy: &str, opa: &str) -> bool {
    let is_step_and_closed_over = Regex::new(r"\[v[0-9]+\].*\||\|.*\[v[0-9]+\]").unwrap();
    if opa.contains("rego_unsafe_var_error") && is_step_and_closed_over.is_match(policy) {
        return true;
    }
    let is_unknown = opa.contains("match error") && (opa.contains("null") || opa.contains("\"type\":\"any\""));
    is_unknown || opa.contains("undefined ref: __local") || opa.contains("undefined ref: v")
}

/// Stricter: where a rule reads a field of the input that is not there, OPA's index leaves the rule out before what
/// stands earlier in its body can fail. We evaluate in order, and report the conflict.
pub(crate) fn is_known_failure(policy: &str, own: &str) -> bool {
    own.contains("eval_conflict_error") && policy.contains("input")
}
