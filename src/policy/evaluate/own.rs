//! Requests about the resources that configure admit itself: refused at once when they could not take effect.
//!
//! What Gatekeeper checks is checked on every request, deletions included, with its codes. What goes beyond it is asked
//! only where a spec is new: whatever is stored already can be labelled, finalized and deleted.
//! Absent for now: mutators, providers and expansion templates, which pass.

use crate::model::api::{
    CONFIG_GROUP, CONFIG_NAME, CONSTRAINTS_GROUP, Config, Enforcement, EngineSource, SYNC_SET_GROUP, TEMPLATES_GROUP,
    parse_sync_set,
};
use crate::model::object::{FieldError, FieldPath, Object, Segment};
use crate::model::review::{ExactObjects, Operation, Review};
use crate::policy::snapshot::{BuildOptions, ErrorPlace, ResourceError, Snapshot, check_template, compile_check};

/// The groups of the resources that configure admit, which are checked.
pub const GROUPS: [&str; 8] = [
    TEMPLATES_GROUP,
    CONSTRAINTS_GROUP,
    CONFIG_GROUP,
    SYNC_SET_GROUP,
    "mutations.gatekeeper.sh",
    "externaldata.gatekeeper.sh",
    "expansion.gatekeeper.sh",
    STATUS_GROUP,
];
/// Its objects are named after pods and policies together.
const STATUS_GROUP: &str = "status.gatekeeper.sh";
/// The longest name that a resource of these groups may have, in bytes.
const LONGEST_NAME: usize = 63;
/// The most policy code that is compiled while somebody waits. The API server stores at most 1.5 MiB as a whole.
const MOST_CODE: usize = 1 << 20;

/// What is asked of own resources.
#[derive(Clone, Debug)]
pub struct OwnRules {
    /// How templates are compiled.
    pub build: BuildOptions,
    /// Take templates whose code does not compile, as Gatekeeper does: their status says what is wrong.
    pub admits_uncompilable: bool,
    /// Take constraints whose enforcement action is none, as `--disable-enforcementaction-validation` asks: they are
    /// not enforced, and their status says why.
    pub admits_unknown_actions: bool,
    /// The namespace whose Config counts.
    pub namespace: String,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 422 for what the user can mend, 500 where Gatekeeper says so.
    pub code: u16,
    /// What the user is told.
    pub message: String,
}

/// A request that is not refused so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passed {
    /// What the user should know.
    pub warnings: Vec<String>,
    /// A template to compile before the answer.
    pub template: Option<Object>,
}

/// Whether a request is about a resource that configures admit.
pub fn is_own(review: &Review) -> bool {
    GROUPS.contains(&review.kind.group.as_str())
}

/// Checks such a request, all but the compilation of policy code.
///
/// # Errors
/// When it is refused.
pub fn check(
    snapshot: &Snapshot,
    review: &Review,
    objects: &ExactObjects,
    rules: &OwnRules,
) -> Result<Passed, Refusal> {
    let (group, kind) = (review.kind.group.as_str(), review.kind.kind.as_str());
    let is_deletion = review.operation == Some(Operation::Delete);
    // The deletion of a whole collection names nothing.
    if is_deletion && review.name.is_empty() {
        return Ok(Passed::default());
    }
    if !matches!(group, STATUS_GROUP | SYNC_SET_GROUP) && review.name.len() > LONGEST_NAME {
        let length = review.name.len();
        return Err(internal(format!("resource cannot have metadata.name larger than 63 char; length: {length}")));
    }
    let Some(object) = &objects.object else {
        return Err(internal("the request has no object to check".to_owned()));
    };
    match (group, kind) {
        (TEMPLATES_GROUP, "ConstraintTemplate") => template(object, is_new(review, objects), rules),
        (CONSTRAINTS_GROUP, _) => constraint(snapshot, object, is_deletion, rules),
        (CONFIG_GROUP, "Config") => config(review, object, is_new(review, objects), rules),
        (SYNC_SET_GROUP, "SyncSet") if is_new(review, objects) => {
            let (_, errors) = parse_sync_set(object);
            if errors.is_empty() { Ok(Passed::default()) } else { Err(invalid("SyncSet", &errors)) }
        }
        _ => Ok(Passed::default()),
    }
}

/// Compiles the template of a request that [`Passed`] so far. Takes as long as it takes.
///
/// # Errors
/// With every mistake in its code, each with its line and column.
pub fn compile(template: &Object, rules: &OwnRules) -> Result<(), Refusal> {
    compile_check(template, rules.build).map_err(|errors| unusable(&errors))
}

/// Whether the request brings a spec that was not there before.
fn is_new(review: &Review, objects: &ExactObjects) -> bool {
    let Some(object) = objects.object.as_ref().filter(|object| !object.is_terminating()) else { return false };
    let spec_before = objects.old_object.as_ref().map(|before| before.field(&["spec"]));
    review.operation != Some(Operation::Delete) && spec_before != Some(object.field(&["spec"]))
}

fn template(object: &Object, is_new: bool, rules: &OwnRules) -> Result<Passed, Refusal> {
    let compiles = is_new && !rules.admits_uncompilable;
    match check_template(object) {
        Ok(parsed) if compiles => {
            let EngineSource::Rego(source) = &parsed.source;
            let code = source.libraries.iter().map(|module| module.text.len()).sum::<usize>() + source.main.text.len();
            if code > MOST_CODE {
                let text = format!(
                    "the template has {code} bytes of policy code; at most {MOST_CODE} are compiled at admission"
                );
                return Err(user(text));
            }
            Ok(Passed { template: Some(object.clone()), ..Passed::default() })
        }
        Ok(_) => Ok(Passed::default()),
        Err(mut errors) => {
            if errors.iter().any(is_of_operations) {
                return Err(internal("if '*' is present, must not specify other operations".to_owned()));
            }
            // Gatekeeper looks at the code later.
            errors.retain(|error| compiles || !is_of_code(error));
            if errors.is_empty() { Ok(Passed::default()) } else { Err(unusable(&errors)) }
        }
    }
}

fn is_of_operations(error: &ResourceError) -> bool {
    error.message.ends_with("must not specify other operations") && target_field(error) == Some("operations")
}

fn is_of_code(error: &ResourceError) -> bool {
    matches!(target_field(error), Some("code" | "rego" | "libs"))
}

/// The field of a target that an error is about.
fn target_field(error: &ResourceError) -> Option<&str> {
    let (ErrorPlace::Field(path) | ErrorPlace::Text { field: path, .. }) = &error.place;
    match path.segments() {
        [Segment::Key(spec), Segment::Key(targets), Segment::Index(_), Segment::Key(field), ..]
            if spec == "spec" && targets == "targets" =>
        {
            Some(field)
        }
        _ => None,
    }
}

/// Mistakes in the enforcement action are the server's fault to Gatekeeper, all others the user's.
fn constraint(snapshot: &Snapshot, object: &Object, is_deletion: bool, rules: &OwnRules) -> Result<Passed, Refusal> {
    let warned = |warning: Option<String>| {
        let warnings = warning.into_iter().filter(|_| !is_deletion).collect();
        Ok(Passed { warnings, template: None })
    };
    let Err(errors) = snapshot.check_constraint(object) else {
        return warned(enforced_nowhere(object));
    };
    let Some(template) = snapshot.template(&object.gvk().kind) else {
        let lines = errors.iter().map(|error| error.message.trim_start_matches("invalid Constraint: kind: "));
        return Err(user(join(lines)));
    };
    let mut of_actions = Vec::new();
    if let Some(spec) = object.field(&["spec"]).filter(|_| template.schema_errors(object).is_empty()) {
        Enforcement::parse(spec, FieldPath::from(["spec"]), &mut of_actions);
    }
    let is_of_actions = |error: &ResourceError| {
        of_actions.iter().any(|one| matches!(&error.place, ErrorPlace::Field(path) if *path == one.path))
    };
    let others: Vec<_> = errors.iter().filter(|error| !is_of_actions(error)).cloned().collect();
    if others.is_empty() {
        let text = join(of_actions.iter().map(|one| one.message.trim_start_matches("Required value: ")));
        let is_taken = rules.admits_unknown_actions;
        return if is_taken {
            warned(Some(format!("this constraint is not enforced: {text}")))
        } else {
            Err(internal(text))
        };
    }
    Err(unusable(if rules.admits_unknown_actions { &others } else { &errors }))
}

/// What its author should know of a constraint that can do nothing.
fn enforced_nowhere(object: &Object) -> Option<String> {
    let enforcement = Enforcement::parse(object.field(&["spec"])?, FieldPath::from(["spec"]), &mut Vec::new());
    let text = "this constraint is enforced nowhere: spec.scopedEnforcementActions is empty; name an action and its \
                enforcement points there, or set spec.enforcementAction to deny, warn or dryrun";
    enforcement.is_empty().then(|| text.to_owned())
}

fn config(review: &Review, object: &Object, is_new: bool, rules: &OwnRules) -> Result<Passed, Refusal> {
    if review.name != CONFIG_NAME {
        return Err(user("config resource must have name 'config'".to_owned()));
    }
    if !is_new {
        return Ok(Passed::default());
    }
    let parsed = Config::parse(object).map_err(|errors| invalid("Config", &errors))?;
    let mut warnings = parsed.warnings();
    if object.namespace() != rules.namespace {
        let own = &rules.namespace;
        warnings.push(format!("this Config has no effect: only the one in namespace {own} counts"));
    }
    Ok(Passed { warnings, template: None })
}

fn unusable(errors: &[ResourceError]) -> Refusal {
    user(join(errors.iter().map(|error| error.message.as_str())))
}

fn invalid(kind: &str, errors: &[FieldError]) -> Refusal {
    let lines: Vec<String> = errors.iter().map(|error| format!("invalid {kind}: {error}")).collect();
    user(join(lines.iter().map(String::as_str)))
}

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

fn user(message: String) -> Refusal {
    Refusal { code: 422, message }
}

fn internal(message: String) -> Refusal {
    Refusal { code: 500, message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::review::AdmissionReview;
    use crate::policy::snapshot::{Change, Store, build};

    fn rules() -> OwnRules {
        let (build, namespace) = (BuildOptions::default(), "admit-system".to_owned());
        OwnRules { build, admits_uncompilable: false, admits_unknown_actions: false, namespace }
    }

    fn template(rego: &str) -> Value {
        json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "k8ssays"},
            "spec": {"crd": {"spec": {"names": {"kind": "K8sSays"}, "validation": {"openAPIV3Schema":
                {"type": "object", "properties": {"text": {"type": "string"}}}}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
    }

    const GOOD: &str = "package a\nviolation[{\"msg\": \"x\"}] { true }";
    const BAD: &str = "package a\nviolation[{\"msg\": msg}] {\n  msg := nowhere\n  count(unknown)\n}";

    fn with(mut object: Value, path: &str, value: Value) -> Value {
        let (parent, key) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value;
        object
    }

    fn constraint(spec: Value) -> Value {
        json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sSays", "metadata": {"name": "a"}, "spec": spec})
    }

    fn config(name: &str, spec: Value) -> Value {
        json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": name, "namespace": "admit-system"}, "spec": spec})
    }

    fn sync_set(spec: Value) -> Value {
        json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "a"}, "spec": spec})
    }

    /// Everything that is asked of a request; the code is 200 when it passes.
    fn ask_with(rules: &OwnRules, operation: &str, object: &Value, old: &Value) -> (u16, String) {
        let mut store = Store::default();
        store.apply(Change::Apply(Object::from_value(template(GOOD)).unwrap()));
        let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
        assert!(errors.is_empty(), "{errors:?}");
        let subject = if object.is_null() { old } else { object };
        let (group, version) = subject["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        let kind = json!({"group": group, "version": version, "kind": subject["kind"]});
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "operation": operation, "kind": kind, "name": subject["metadata"]["name"], "object": object, "oldObject": old}});
        let body = body.to_string().into_bytes();
        let review = AdmissionReview::parse(&body).unwrap().review;
        assert!(is_own(&review));
        let passed = check(&snapshot, &review, &ExactObjects::parse(&body).unwrap(), rules);
        let compiled = passed.and_then(|passed| match &passed.template {
            Some(template) => compile(template, rules).map(|()| passed),
            None => Ok(passed),
        });
        match compiled {
            Ok(passed) => (200, passed.warnings.join("\n")),
            Err(refusal) => (refusal.code, refusal.message),
        }
    }

    fn check_all(cases: &[(&str, Value, Value, u16, &str)]) {
        for (operation, object, old, code, expected) in cases {
            let (found, message) = ask_with(&rules(), operation, object, old);
            assert!(
                found == *code && message.contains(expected) && expected.is_empty() == message.is_empty(),
                "{operation} {object} {old}\nfound {found} {message}\nexpected {code} {expected}"
            );
        }
    }

    #[test]
    fn templates_must_compile_when_their_spec_is_new() {
        let (good, bad) = (template(GOOD), template(BAD));
        let labelled = with(bad.clone(), "/metadata/labels", json!({"a": "b"}));
        let terminating = with(template("nonsense"), "/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z"));
        let place = "Could not ingest Rego: spec.targets[0].rego: 3:3: rego_unsafe_var_error: var nowhere is unsafe";
        check_all(&[
            ("CREATE", good.clone(), Value::Null, 200, ""),
            ("CREATE", bad.clone(), Value::Null, 422, place),
            (
                "CREATE",
                bad.clone(),
                Value::Null,
                422,
                "\nCould not ingest Rego: spec.targets[0].rego: 4:3: rego_unsafe_var_error: ",
            ),
            ("UPDATE", bad.clone(), good.clone(), 422, place),
            ("UPDATE", labelled, bad.clone(), 200, ""),
            ("UPDATE", terminating, bad.clone(), 200, ""),
            ("UPDATE", good.clone(), bad.clone(), 200, ""),
            ("DELETE", Value::Null, bad.clone(), 200, ""),
            ("CREATE", template("package"), Value::Null, 422, "rego_parse_error"),
        ]);
        let lax = OwnRules { admits_uncompilable: true, ..rules() };
        let no_code = with(good.clone(), "/spec/targets", json!([{"target": "admission.k8s.gatekeeper.sh"}]));
        for object in [bad, no_code.clone()] {
            assert_eq!(ask_with(&lax, "CREATE", &object, &Value::Null), (200, String::new()), "{object}");
        }
        assert_eq!(ask_with(&rules(), "CREATE", &no_code, &Value::Null).0, 422);
        let large = template(&format!("{GOOD}\n# {}", "x".repeat(MOST_CODE)));
        let (code, message) = ask_with(&rules(), "CREATE", &large, &Value::Null);
        assert!(code == 422 && message.contains("at most 1048576 are compiled"), "{message}");
    }

    #[test]
    fn templates_have_gatekeepers_codes() {
        let good = template(GOOD);
        let target = good["spec"]["targets"][0].clone();
        let operations = with(good.clone(), "/spec/targets/0/operations", json!(["*", "CREATE"]));
        let long = with(good.clone(), "/metadata/name", json!("a".repeat(64)));
        let too_long = "resource cannot have metadata.name larger than 63 char; length: 64";
        let no_kind = with(good.clone(), "/spec/crd/spec/names/kind", json!(""));
        let schema = with(good.clone(), "/spec/crd/spec/validation/openAPIV3Schema", json!({"type": "no"}));
        check_all(&[
            ("CREATE", operations.clone(), Value::Null, 500, "if '*' is present, must not specify other operations"),
            ("DELETE", Value::Null, operations, 500, "if '*' is present, must not specify other operations"),
            ("CREATE", long.clone(), Value::Null, 500, too_long),
            ("DELETE", Value::Null, long, 500, too_long),
            (
                "CREATE",
                with(good.clone(), "/metadata/name", json!("b")),
                Value::Null,
                422,
                "lowercase of CRD's Kind: \"k8ssays\"",
            ),
            ("CREATE", no_kind, Value::Null, 422, "does not specify CRD Kind"),
            ("CREATE", schema, Value::Null, 422, "openAPIV3Schema"),
            (
                "CREATE",
                with(good.clone(), "/spec/targets", json!([])),
                Value::Null,
                422,
                "must declare exactly one target",
            ),
            (
                "DELETE",
                Value::Null,
                with(good.clone(), "/spec/targets", json!([target, target])),
                422,
                "exactly one target",
            ),
            ("DELETE", Value::Null, with(with(good, "/spec/targets", json!([])), "/metadata/name", json!("")), 200, ""),
        ]);
    }

    #[test]
    fn constraints_are_read_by_their_template() {
        let unknown = with(constraint(json!({})), "/kind", json!("K8sOther"));
        let missing = "missing ConstraintTemplate: template \"k8sother\" not found";
        let action = constraint(json!({"enforcementAction": "block"}));
        let refused =
            "unrecognized enforcementAction: \"block\" is not within the supported list [deny dryrun warn scoped]";
        let scoped = constraint(json!({"enforcementAction": "scoped"}));
        let both = constraint(json!({"enforcementAction": "block", "match": {"labelSelector": {"matchExpressions":
            [{"key": "a", "operator": "Near"}]}}}));
        check_all(&[
            ("CREATE", constraint(json!({"parameters": {"text": "a"}})), Value::Null, 200, ""),
            ("CREATE", unknown.clone(), Value::Null, 422, missing),
            ("DELETE", Value::Null, unknown, 422, missing),
            (
                "UPDATE",
                constraint(json!({"parameters": {"text": 5}})),
                constraint(json!({})),
                422,
                "spec.parameters.text",
            ),
            ("CREATE", constraint(json!({"enforcementAction": 5})), Value::Null, 422, "spec.enforcementAction"),
            ("CREATE", action.clone(), Value::Null, 500, refused),
            ("DELETE", Value::Null, action, 500, refused),
            (
                "CREATE",
                scoped,
                Value::Null,
                500,
                "error fetching scopedEnforcementActions: scopedEnforcementActions is required",
            ),
            ("CREATE", both, Value::Null, 422, "Near"),
        ]);
        let (_, text) = ask_with(&rules(), "CREATE", &constraint(json!({"enforcementAction": "x"})), &Value::Null);
        assert!(text.starts_with("unrecognized enforcementAction: "), "{text}");
    }

    #[test]
    fn unknown_actions_are_taken_where_that_is_asked_for() {
        let rules = OwnRules { admits_unknown_actions: true, ..rules() };
        let near = json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}});
        for (spec, code, expected) in [
            (
                json!({"enforcementAction": "block"}),
                200,
                "this constraint is not enforced: unrecognized enforcementAction: \"block\"",
            ),
            (json!({"enforcementAction": "scoped"}), 200, "not enforced: error fetching scopedEnforcementActions"),
            (json!({"enforcementAction": "deny"}), 200, ""),
            (json!({"enforcementAction": 5}), 422, "spec.enforcementAction"),
            (json!({"enforcementAction": "block", "match": near}), 422, "Near"),
        ] {
            let (found, text) = ask_with(&rules, "CREATE", &constraint(spec.clone()), &Value::Null);
            assert!(
                found == code && text.contains(expected) && expected.is_empty() == text.is_empty(),
                "{spec}: {found} {text}"
            );
            assert!(code == 200 || !text.contains("block"), "{spec}: {text}");
        }
        let gone = constraint(json!({"enforcementAction": "block"}));
        assert_eq!(ask_with(&rules, "DELETE", &Value::Null, &gone), (200, String::new()));
    }

    #[test]
    fn a_constraint_that_is_enforced_nowhere_is_taken_with_a_warning() {
        let nowhere = constraint(json!({"enforcementAction": "scoped", "scopedEnforcementActions": []}));
        let warning = "this constraint is enforced nowhere: spec.scopedEnforcementActions is empty";
        check_all(&[
            ("CREATE", nowhere.clone(), Value::Null, 200, warning),
            ("DELETE", Value::Null, nowhere, 200, ""),
            ("CREATE", constraint(json!({"scopedEnforcementActions": []})), Value::Null, 200, ""),
        ]);
    }

    #[test]
    fn configs_and_sync_sets_are_read() {
        let name = "config resource must have name 'config'";
        let exclusion = |processes: Value| config("config", json!({"match": [{"processes": processes}]}));
        let bad = config("config", json!({"match": [{"excludedNamespaces": ["a*b"]}]}));
        let elsewhere = with(config("config", json!({})), "/metadata/namespace", json!("shop"));
        let bad_set = sync_set(json!({"gvks": [{"kind": "Pod"}]}));
        let other = |kind: &str, group: &str| json!({"apiVersion": format!("{group}.gatekeeper.sh/v1"), "kind": kind, "metadata": {"name": "a"}});
        check_all(&[
            ("CREATE", exclusion(json!(["webhook"])), Value::Null, 200, ""),
            ("CREATE", exclusion(json!(["webhooks"])), Value::Null, 200, "process \"webhooks\" is not known"),
            ("CREATE", elsewhere, Value::Null, 200, "only the one in namespace admit-system counts"),
            ("CREATE", config("other", json!({})), Value::Null, 422, name),
            ("DELETE", Value::Null, config("other", json!({})), 422, name),
            (
                "CREATE",
                bad.clone(),
                Value::Null,
                422,
                "invalid Config: spec.match[0].excludedNamespaces[0]: Invalid value",
            ),
            ("DELETE", Value::Null, bad, 200, ""),
            ("CREATE", sync_set(json!({"gvks": []})), Value::Null, 200, ""),
            ("CREATE", bad_set.clone(), Value::Null, 422, "invalid SyncSet: spec.gvks[0].version: Required value"),
            ("UPDATE", bad_set.clone(), bad_set.clone(), 200, ""),
            ("DELETE", Value::Null, bad_set, 200, ""),
            ("CREATE", other("Assign", "mutations"), Value::Null, 200, ""),
            (
                "CREATE",
                with(other("Provider", "externaldata"), "/metadata/name", json!("b".repeat(70))),
                Value::Null,
                500,
                "length: 70",
            ),
            (
                "CREATE",
                with(other("ConstraintPodStatus", "status"), "/metadata/name", json!("b".repeat(70))),
                Value::Null,
                200,
                "",
            ),
        ]);
    }
}
