//! Requests about the resources that configure admit itself: refused at once when they could not take effect.
//!
//! What Gatekeeper checks is checked on every request, deletions included, with its codes. What goes beyond it is asked
//! only where a spec is new: whatever is stored already can be labelled, finalized and deleted.

mod mutators;
mod provider;

use crate::model::api::{
    CONFIG_GROUP, CONFIG_NAME, CONSTRAINTS_GROUP, Config, EXPANSION_GROUP, Enforcement, EngineSource, MUTATIONS_GROUP,
    MutatorKind, PROVIDERS_GROUP, SYNC_SET_GROUP, TEMPLATES_GROUP, parse_sync_set,
};
use crate::model::object::{FieldError, FieldPath, Object, Segment};
use crate::model::review::{ExactObjects, Operation, Review};
use crate::policy::snapshot::{BuildOptions, ErrorPlace, ResourceError, Snapshot, check_template, compile_check};

mod expansion_templates;

use expansion_templates::check as expansion_template;

/// The groups of the resources that configure admit, which are checked.
pub const GROUPS: [&str; 8] = [
    TEMPLATES_GROUP,
    CONSTRAINTS_GROUP,
    CONFIG_GROUP,
    SYNC_SET_GROUP,
    MUTATIONS_GROUP,
    PROVIDERS_GROUP,
    EXPANSION_GROUP,
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
        (MUTATIONS_GROUP, _) if MutatorKind::from_text(kind).is_some() => {
            mutators::check(object, rules.build).map(|()| Passed::default())
        }
        (EXPANSION_GROUP, "ExpansionTemplate") => expansion_template(snapshot, object, is_new(review, objects)),
        (CONFIG_GROUP, "Config") => config(review, object, is_new(review, objects), rules),
        (PROVIDERS_GROUP, "Provider") => provider::check(object, is_new(review, objects)),
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
mod tests;
