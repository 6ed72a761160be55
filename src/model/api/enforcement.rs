//! What happens on a violation: `spec.enforcementAction` and `spec.scopedEnforcementActions`.

use std::fmt;

use serde_json::Value;

use super::fields::Fields;
use crate::model::object::{FieldError, FieldPath};

/// What a violation does to the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnforcementAction {
    /// Refuse it.
    Deny,
    /// Record only.
    Dryrun,
    /// Admit it with a warning.
    Warn,
    /// Text that names no action; such a violation is reported, never enforced.
    Unrecognized(String),
}

/// Where a constraint is being applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnforcementPoint {
    /// The admission webhook.
    Webhook,
    /// The audit of objects that are in the cluster already.
    Audit,
    /// The command line; named as Gatekeeper's own tool so that existing constraints keep their meaning.
    CommandLine,
}

/// The actions of a constraint, by enforcement point when it is scoped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// One action everywhere.
    Everywhere(EnforcementAction),
    /// Each action at the points that it names; nothing elsewhere.
    Scoped(Vec<ScopedAction>),
}

/// One entry of `spec.scopedEnforcementActions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedAction {
    action: EnforcementAction,
    points: Vec<String>,
}

impl EnforcementAction {
    /// Any text; what is no action becomes [`EnforcementAction::Unrecognized`].
    pub fn from_text(text: &str) -> Self {
        match text {
            "deny" => Self::Deny,
            "dryrun" => Self::Dryrun,
            "warn" => Self::Warn,
            other => Self::Unrecognized(other.to_owned()),
        }
    }

    /// The action as written in a constraint.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deny => "deny",
            Self::Dryrun => "dryrun",
            Self::Warn => "warn",
            Self::Unrecognized(text) => text,
        }
    }
}

impl fmt::Display for EnforcementAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl EnforcementPoint {
    /// The point's name in `scopedEnforcementActions`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "validation.gatekeeper.sh",
            Self::Audit => "audit.gatekeeper.sh",
            Self::CommandLine => "gator.gatekeeper.sh",
        }
    }
}

impl Enforcement {
    /// Reads the actions out of a constraint's `spec`, collecting mistakes in Gatekeeper's words.
    pub fn parse(spec: &Value, at: FieldPath, errors: &mut Vec<FieldError>) -> Self {
        let mut fields = Fields::new(spec, at, errors);
        let action = fields.text("enforcementAction").filter(|text| !text.is_empty()).unwrap_or("deny");
        if action == "scoped" {
            return Self::Scoped(read_scoped(&mut fields));
        }
        let parsed = EnforcementAction::from_text(action);
        if let EnforcementAction::Unrecognized(text) = &parsed {
            let message = format!(
                "unrecognized enforcementAction: {text:?} is not within the supported list [deny dryrun warn scoped]"
            );
            fields.invalid("enforcementAction", message);
        }
        Self::Everywhere(parsed)
    }

    /// The actions at one point, each once. Empty means that the constraint is not evaluated there at all.
    pub fn actions_at(&self, point: EnforcementPoint) -> Vec<&EnforcementAction> {
        match self {
            Self::Everywhere(action) => vec![action],
            Self::Scoped(list) => {
                let mut actions = Vec::new();
                for entry in list.iter().filter(|entry| entry.applies_at(point)) {
                    if !actions.contains(&&entry.action) {
                        actions.push(&entry.action);
                    }
                }
                actions
            }
        }
    }

    /// Whether a violation has no consequence at any point.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Scoped(list) if list.is_empty())
    }

    /// The text of `spec.enforcementAction`, which orders results and labels metrics.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Everywhere(action) => action.as_str(),
            Self::Scoped(_) => "scoped",
        }
    }
}

impl ScopedAction {
    fn applies_at(&self, point: EnforcementPoint) -> bool {
        self.points.iter().any(|name| name == "*" || name == point.as_str())
    }
}

fn read_scoped(fields: &mut Fields<'_, '_>) -> Vec<ScopedAction> {
    const POINTS: [&str; 5] =
        ["validation.gatekeeper.sh", "audit.gatekeeper.sh", "gator.gatekeeper.sh", "vap.k8s.io", "*"];
    let path = fields.path().key("scopedEnforcementActions");
    // As in Gatekeeper, an empty list is one: such a constraint is enforced nowhere.
    if fields.raw("scopedEnforcementActions").is_none() {
        let message = "error fetching scopedEnforcementActions: scopedEnforcementActions is required";
        fields.required("scopedEnforcementActions", message);
    }
    let entries = fields.list("scopedEnforcementActions");
    let mut scoped = Vec::new();
    let (mut unknown_actions, mut unknown_points) = (Vec::new(), Vec::new());
    for (position, entry) in entries.iter().enumerate() {
        let mut entry = Fields::new(entry, path.index(position), fields.errors());
        let action = EnforcementAction::from_text(entry.text("action").unwrap_or_default());
        if let EnforcementAction::Unrecognized(text) = &action {
            unknown_actions.push(text.clone());
        }
        let points_path = entry.path().key("enforcementPoints");
        let mut points = Vec::new();
        for (position, point) in entry.list("enforcementPoints").iter().enumerate() {
            let mut point = Fields::new(point, points_path.index(position), entry.errors());
            points.push(point.text("name").unwrap_or_default().to_owned());
        }
        if points.is_empty() {
            unknown_points.push(String::new());
        }
        unknown_points.extend(points.iter().filter(|name| !POINTS.contains(&name.as_str())).cloned());
        scoped.push(ScopedAction { action, points });
    }
    if !unknown_points.is_empty() {
        let message = format!(
            "unrecognized enforcement points: constraint will not be enforced for enforcement points [{}], supported \
             enforcement points are [validation.gatekeeper.sh audit.gatekeeper.sh gator.gatekeeper.sh vap.k8s.io]",
            unknown_points.join(" ")
        );
        fields.invalid("scopedEnforcementActions", message);
    }
    if !unknown_actions.is_empty() {
        let message = format!(
            "unrecognized enforcementAction: [{}] is not within the supported list [deny dryrun warn]",
            unknown_actions.join(" ")
        );
        fields.invalid("scopedEnforcementActions", message);
    }
    scoped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(spec: &Value) -> (Enforcement, Vec<FieldError>) {
        let mut errors = Vec::new();
        let enforcement = Enforcement::parse(spec, FieldPath::from(["spec"]), &mut errors);
        (enforcement, errors)
    }

    #[test]
    fn reads_actions_by_point() {
        assert_eq!(parse(&json!({})).0, Enforcement::Everywhere(EnforcementAction::Deny));
        let (scoped, errors) = parse(&json!({"enforcementAction": "scoped", "scopedEnforcementActions": [
            {"action": "warn", "enforcementPoints": [{"name": "validation.gatekeeper.sh"}]},
            {"action": "deny", "enforcementPoints": [{"name": "*"}]}]}));
        assert!(errors.is_empty(), "{errors:?}");
        let actions = scoped.actions_at(EnforcementPoint::Webhook);
        assert_eq!(actions, [&EnforcementAction::Warn, &EnforcementAction::Deny]);
        assert_eq!(scoped.actions_at(EnforcementPoint::Audit), [&EnforcementAction::Deny]);
    }

    #[test]
    fn an_empty_list_enforces_nowhere() {
        let (scoped, errors) = parse(&json!({"enforcementAction": "scoped", "scopedEnforcementActions": []}));
        assert!(errors.is_empty() && scoped.is_empty(), "{errors:?}");
        for point in [EnforcementPoint::Webhook, EnforcementPoint::Audit, EnforcementPoint::CommandLine] {
            assert!(scoped.actions_at(point).is_empty());
        }
    }

    #[test]
    fn refuses_unknown_actions_and_points_in_gatekeepers_words() {
        let (_, errors) = parse(&json!({"enforcementAction": "block"}));
        assert!(errors[0].message.contains("\"block\" is not within the supported list [deny dryrun warn scoped]"));
        let (_, errors) = parse(&json!({"enforcementAction": "scoped"}));
        assert!(errors[0].message.contains("scopedEnforcementActions is required"));
        let (_, errors) = parse(&json!({"enforcementAction": "scoped", "scopedEnforcementActions": [
            {"action": "x"}, {"action": "y", "enforcementPoints": [{"name": "z"}]}]}));
        assert!(errors[0].message.contains("enforcement points [ z]"), "{errors:?}");
        assert!(errors[1].message.contains("[x y] is not within the supported list [deny dryrun warn]"), "{errors:?}");
    }
}
