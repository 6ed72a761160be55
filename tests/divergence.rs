//! Every known difference from Gatekeeper, pinned, with its direction. None lets through what Gatekeeper refuses.

use admit::model::api::{EnforcementPoint, RegoVersion};
use admit::model::object::Object;
use admit::model::review::{AdmissionReview, Review};
use admit::policy::engine::Deadline;
use admit::policy::engine::rego::query::{Policies, SourceFile};
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
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
    let (snapshot, errors) = build(&store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    let node = object(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}));
    let context = EvalContext { point: EnforcementPoint::CommandLine, deadline: Deadline::none() };
    let evaluation = validate(&snapshot, &Review::of_object(node.into(), None), context).unwrap();
    assert_eq!(evaluation.violations.len(), 1);
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
    for function in [
        "http.send({})",
        "net.lookup_ip_addr(\"a\")",
        "graphql.is_valid(\"a\", \"b\")",
        "rego.metadata.chain()",
        "rego.metadata.rule()",
        "rego.parse_module(\"a\", \"package a\")",
    ] {
        let text = format!("package a\nviolation[{{\"msg\": \"x\"}}] {{ {function} }}");
        let file = SourceFile { name: "a.rego".to_owned(), text };
        let errors = Policies::compile(&[file], RegoVersion::V0).unwrap_err();
        let name = function.split('(').next().unwrap();
        assert!(errors.iter().any(|error| error.message.contains(name)), "{function}: {errors:?}");
    }
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
