//! ExpansionTemplate: which objects generate which others, and how to make one from the other.

use serde_json::Value;

use super::enforcement::EnforcementAction;
use super::fields::Fields;
use crate::model::object::{FieldError, FieldPath, GroupVersionKind, Object, describe};

/// The longest name, in bytes.
const LONGEST_NAME: usize = 63;

/// An ExpansionTemplate (v1alpha1 or v1beta1), parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpansionTemplate {
    /// Its name.
    pub name: String,
    /// `spec.applyTo`: any of these.
    pub apply_to: Vec<GeneratorKinds>,
    /// `spec.templateSource` by its dots: the way to the template in a generator.
    pub source: Vec<String>,
    /// `spec.generatedGVK`: the type of a resultant.
    pub generated: GroupVersionKind,
    /// `spec.enforcementAction`: what follows from violations in a resultant; absent, what their constraints say.
    pub action: Option<ImpliedAction>,
}

/// One entry of `spec.applyTo`: objects of all three. No value stands for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeneratorKinds {
    /// API groups.
    pub groups: Vec<String>,
    /// Versions without their group.
    pub versions: Vec<String>,
    /// Kinds.
    pub kinds: Vec<String>,
}

/// What follows from violations in a resultant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImpliedAction {
    /// This, whatever their constraints say.
    Always(EnforcementAction),
    /// `scoped`: what scoped constraints say, and nothing from any other.
    ByScope,
}

impl ExpansionTemplate {
    /// Reads an ExpansionTemplate, collecting every mistake. Rules that are Gatekeeper's are in its words.
    ///
    /// # Errors
    /// At least one, when it cannot be used.
    pub fn parse(object: &Object) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = object.name().to_owned();
        let at_name = FieldPath::from(["metadata", "name"]);
        if name.is_empty() {
            errors.push(FieldError::new(at_name, "ExpansionTemplate has empty name field"));
        } else if name.len() > LONGEST_NAME {
            errors.push(FieldError::new(at_name, "ExpansionTemplate name must be less than 64 characters"));
        }
        let nothing = Value::Null;
        let spec = object.field(&["spec"]).unwrap_or(&nothing);
        let mut spec = Fields::new(spec, FieldPath::from(["spec"]), &mut errors);
        let source = spec.text("templateSource").unwrap_or_default();
        let (source, is_there) = (source.split('.').map(str::to_owned).collect(), !source.is_empty());
        if !is_there {
            spec.invalid("templateSource", format!("ExpansionTemplate {name} has empty source field"));
        }
        let generated = read_generated(&mut spec, &name);
        let apply_to = read_apply_to(&mut spec);
        if apply_to.is_empty() {
            spec.invalid("applyTo", format!("ExpansionTemplate {name} must specify ApplyTo"));
        }
        let action = spec.text("enforcementAction").filter(|text| !text.is_empty()).map(ImpliedAction::from_text);
        let template = Self { name, apply_to, source, generated, action };
        if template.applies_to(&template.generated) {
            let GroupVersionKind { group, version, kind } = &template.generated;
            let message = format!(
                "ExpansionTemplate {} generates GVK {group}/{version}, Kind={kind}, but also applies to that same GVK",
                template.name
            );
            spec.invalid("applyTo", message);
        }
        if errors.is_empty() { Ok(template) } else { Err(errors) }
    }

    /// Whether objects of this type are its generators.
    pub fn applies_to(&self, gvk: &GroupVersionKind) -> bool {
        self.apply_to.iter().any(|one| one.include(gvk))
    }
}

impl GeneratorKinds {
    fn include(&self, gvk: &GroupVersionKind) -> bool {
        self.groups.contains(&gvk.group) && self.versions.contains(&gvk.version) && self.kinds.contains(&gvk.kind)
    }
}

impl ImpliedAction {
    fn from_text(text: &str) -> Self {
        match text {
            "scoped" => Self::ByScope,
            other => Self::Always(EnforcementAction::from_text(other)),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Always(action) => action.as_str(),
            Self::ByScope => "scoped",
        }
    }
}

/// Gatekeeper asks for one of the three alone, and fails on every generator when it is not the kind and the version.
fn read_generated(spec: &mut Fields<'_, '_>, name: &str) -> GroupVersionKind {
    let mut gvk = GroupVersionKind::default();
    if let Some(mut fields) = spec.nested("generatedGVK") {
        let mut text = |key| fields.text(key).unwrap_or_default().to_owned();
        gvk = GroupVersionKind { group: text("group"), version: text("version"), kind: text("kind") };
        let missing = [("version", &gvk.version), ("kind", &gvk.kind)].into_iter().filter(|(_, text)| text.is_empty());
        for (key, _) in missing.filter(|_| gvk != GroupVersionKind::default()) {
            fields.required(key, "no object could be made without it");
        }
    }
    if gvk == GroupVersionKind::default() {
        spec.invalid("generatedGVK", format!("ExpansionTemplate {name} has empty generatedGVK field"));
    }
    gvk
}

fn read_apply_to(spec: &mut Fields<'_, '_>) -> Vec<GeneratorKinds> {
    let path = spec.path().key("applyTo");
    let mut apply_to = Vec::new();
    for (position, entry) in spec.list("applyTo").iter().enumerate() {
        let at = path.index(position);
        if entry.is_null() {
            spec.errors().push(FieldError::new(at.clone(), format!("expected a mapping, found {}", describe(entry))));
        }
        let mut entry = Fields::new(entry, at, spec.errors());
        let (groups, versions, kinds) = (entry.texts("groups"), entry.texts("versions"), entry.texts("kinds"));
        apply_to.push(GeneratorKinds { groups, versions, kinds });
    }
    apply_to
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(name: &str, spec: Value) -> Object {
        let value = json!({"apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate",
            "metadata": {"name": name}, "spec": spec});
        Object::from_value(value).unwrap()
    }

    fn deployments() -> Value {
        json!({"applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment", "StatefulSet"]}],
            "templateSource": "spec.template", "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"}})
    }

    #[track_caller]
    fn check(name: &str, change: impl FnOnce(&mut Value), expected: &[&str]) {
        let mut spec = deployments();
        change(&mut spec);
        let errors = ExpansionTemplate::parse(&template(name, spec)).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reads_what_is_there() {
        let mut spec = deployments();
        spec["enforcementAction"] = json!("warn");
        let parsed = ExpansionTemplate::parse(&template("t", spec)).unwrap();
        let gvk = GroupVersionKind::from_api_version;
        assert_eq!((parsed.source, parsed.generated), (vec!["spec".into(), "template".into()], gvk("v1", "Pod")));
        assert_eq!(parsed.action, Some(ImpliedAction::Always(EnforcementAction::Warn)));
        let applies = |gvk| parsed.apply_to.iter().any(|one| one.include(&gvk));
        assert!(applies(gvk("apps/v1", "StatefulSet")));
        for other in [gvk("apps/v1", "DaemonSet"), gvk("apps/v1beta1", "Deployment"), gvk("v1", "Deployment")] {
            assert!(!applies(other));
        }
    }

    #[test]
    fn an_empty_list_or_a_star_applies_to_nothing() {
        for entry in [
            json!({"groups": ["apps"], "kinds": ["Deployment"]}),
            json!({"groups": ["*"], "versions": ["*"], "kinds": ["*"]}),
        ] {
            let mut spec = deployments();
            spec["applyTo"] = json!([entry]);
            let parsed = ExpansionTemplate::parse(&template("t", spec)).unwrap();
            assert!(!parsed.applies_to(&GroupVersionKind::from_api_version("apps/v1", "Deployment")));
        }
    }

    #[test]
    fn refuses_in_gatekeepers_words() {
        let same = |_: &mut Value| {};
        check("", same, &["ExpansionTemplate has empty name field"]);
        check(&"n".repeat(64), same, &["ExpansionTemplate name must be less than 64 characters"]);
        assert!(ExpansionTemplate::parse(&template(&"n".repeat(63), deployments())).is_ok());
        let no_source = &["ExpansionTemplate t has empty source field"];
        check("t", |spec| spec["templateSource"] = json!(""), no_source);
        check("t", |spec| spec["templateSource"] = Value::Null, no_source);
        let no_type = &["ExpansionTemplate t has empty generatedGVK field"];
        check("t", |spec| spec["generatedGVK"] = json!({"kind": ""}), no_type);
        check("t", |spec| spec["generatedGVK"] = Value::Null, no_type);
        check("t", |spec| spec["applyTo"] = json!([]), &["ExpansionTemplate t must specify ApplyTo"]);
        let same_type = "ExpansionTemplate t generates GVK apps/v1, Kind=Deployment, but also applies to that same GVK";
        let generated = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
        check("t", |spec| spec["generatedGVK"] = generated, &[same_type]);
        let core = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
        let same_type = "ExpansionTemplate t generates GVK /v1, Kind=Pod, but also applies to that same GVK";
        check("t", |spec| spec["applyTo"] = core, &[same_type]);
    }

    #[test]
    fn tells_all_mistakes_at_once() {
        let all = ["has empty source field", "has empty generatedGVK field", "must specify ApplyTo"];
        let all = all.map(|one| format!("ExpansionTemplate t {one}"));
        check("t", |spec| *spec = json!({}), &all.each_ref().map(String::as_str));
        let errors = ExpansionTemplate::parse(&template(
            "t",
            json!({"applyTo": [5, {"kinds": "Pod"}, null],
            "templateSource": ["spec"], "generatedGVK": {"group": "apps"}}),
        ));
        let errors: Vec<String> = errors.unwrap_err().iter().map(ToString::to_string).collect();
        let expected = [
            "spec.templateSource: expected a string, found a list",
            "spec.templateSource: ExpansionTemplate t has empty source field",
            "spec.generatedGVK.version: Required value: no object could be made without it",
            "spec.generatedGVK.kind: Required value: no object could be made without it",
            "spec.applyTo[0]: expected a mapping, found a number (5)",
            "spec.applyTo[1].kinds: expected a list, found a string (\"Pod\")",
            "spec.applyTo[2]: expected a mapping, found null",
        ];
        assert_eq!(errors, expected);
    }
}
