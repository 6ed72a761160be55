//! Config: which namespaces are left alone, what is synced, what is traced. And the list of kinds that SyncSet shares.

use serde_json::Value;

use super::fields::Fields;
use crate::model::object::{FieldError, FieldPath, GroupVersionKind, Object, Wildcard};
use crate::model::review::Review;

/// The API group of Config.
pub const CONFIG_GROUP: &str = "config.gatekeeper.sh";
/// The only name of a Config that counts.
pub const CONFIG_NAME: &str = "config";
/// The API group of SyncSet.
pub const SYNC_SET_GROUP: &str = "syncset.gatekeeper.sh";

/// A Config (v1alpha1), parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `spec.match`.
    pub exclusions: Vec<ExcludedNamespaces>,
    /// `spec.sync.syncOnly`.
    pub sync_only: Vec<GroupVersionKind>,
    /// `spec.validation.traces`.
    pub traces: Vec<Trace>,
}

/// One entry of `spec.match`: namespaces, and who leaves them alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedNamespaces {
    /// Names of namespaces.
    pub namespaces: Vec<Wildcard>,
    /// Names of processes; those that are not known are nobody's.
    pub processes: Vec<String>,
}

/// One entry of `spec.validation.traces`: requests whose evaluation is to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Who asks.
    pub user: String,
    /// What for.
    pub kind: GroupVersionKind,
    /// `dump`; there is nothing that it could add.
    pub dump: String,
}

impl Trace {
    /// Whether it is about this request: the user and the whole kind are equal.
    pub fn asks_for(&self, review: &Review) -> bool {
        self.user == review.username() && self.kind == review.kind
    }
}

/// What leaves a namespace alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// The admission webhook.
    Webhook,
    /// The audit of objects that are in the cluster already.
    Audit,
    /// The inventory.
    Sync,
    /// The mutating webhook.
    MutationWebhook,
}

impl Process {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Webhook, Self::Audit, Self::Sync, Self::MutationWebhook];

    /// Its name in a Config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Audit => "audit",
            Self::Sync => "sync",
            Self::MutationWebhook => "mutation-webhook",
        }
    }

    /// Whether a name in a Config means it.
    pub fn is_meant_by(self, name: &str) -> bool {
        name == "*" || name == self.as_str()
    }
}

impl Config {
    /// Reads a Config, collecting every mistake.
    ///
    /// # Errors
    /// At least one, when it cannot be used.
    pub fn parse(object: &Object) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut root = Fields::new(object.value(), FieldPath::root(), &mut errors);
        let config = root.nested("spec").map_or_else(Self::default, |mut spec| Self {
            exclusions: read_exclusions(&mut spec),
            sync_only: spec.nested("sync").map_or_else(Vec::new, |mut sync| read_kinds(&mut sync, "syncOnly")),
            traces: spec.nested("validation").map_or_else(Vec::new, |mut validation| read_traces(&mut validation)),
        });
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// What is no mistake, but has no effect: names of processes that nobody knows, and dumps.
    pub fn warnings(&self) -> Vec<String> {
        let is_known = |name: &str| Process::ALL.iter().any(|process| process.is_meant_by(name));
        let mut unknown: Vec<&str> =
            self.exclusions.iter().flat_map(|entry| &entry.processes).map(String::as_str).collect();
        unknown.retain(|name| !is_known(name));
        let mut warnings: Vec<String> = unknown
            .into_iter()
            .map(|name| {
                format!(
                    "spec.match: process {name:?} is not known and excludes nothing; known are webhook, audit, sync, \
                     mutation-webhook and *"
                )
            })
            .collect();
        if self.traces.iter().any(|trace| trace.dump.eq_ignore_ascii_case("all")) {
            warnings.push("spec.validation.traces: dump has no effect; the trace is all that is logged".to_owned());
        }
        warnings
    }
}

/// Reads the kinds that a SyncSet wants to have in the inventory. Entries that name none are errors, the rest is usable.
pub fn parse_sync_set(object: &Object) -> (Vec<GroupVersionKind>, Vec<FieldError>) {
    let mut errors = Vec::new();
    let mut root = Fields::new(object.value(), FieldPath::root(), &mut errors);
    let mut kinds = root.nested("spec").map_or_else(Vec::new, |mut spec| read_kinds(&mut spec, "gvks"));
    kinds.retain(|gvk| !gvk.version.is_empty() && !gvk.kind.is_empty());
    (kinds, errors)
}

fn read_exclusions(spec: &mut Fields<'_, '_>) -> Vec<ExcludedNamespaces> {
    each(spec, "match", |entry| {
        let path = entry.path().key("excludedNamespaces");
        let patterns = entry.texts("excludedNamespaces");
        for (position, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| !is_pattern(pattern)) {
            let detail = "must be lower case letters, digits, '-' and ':', with a '*' at the beginning or end at most";
            entry.errors().push(FieldError::invalid(path.index(position), &Value::from(pattern.as_str()), detail));
        }
        ExcludedNamespaces {
            namespaces: patterns.into_iter().map(Wildcard::new).collect(),
            processes: entry.texts("processes"),
        }
    })
}

/// `^\*?[-:a-z0-9]*\*?$`, as in the schema of the CRD.
fn is_pattern(text: &str) -> bool {
    let inner = text.strip_prefix('*').unwrap_or(text);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    inner.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | ':'))
}

fn read_traces(validation: &mut Fields<'_, '_>) -> Vec<Trace> {
    each(validation, "traces", |entry| Trace {
        user: entry.text("user").unwrap_or_default().to_owned(),
        kind: entry.nested("kind").map_or_else(GroupVersionKind::default, |mut kind| read_kind(&mut kind)),
        dump: entry.text("dump").unwrap_or_default().to_owned(),
    })
}

fn read_kinds(fields: &mut Fields<'_, '_>, key: &str) -> Vec<GroupVersionKind> {
    each(fields, key, |entry| {
        let gvk = read_kind(entry);
        for (key, text) in [("version", &gvk.version), ("kind", &gvk.kind)] {
            if text.is_empty() && entry.raw(key).is_none_or(Value::is_string) {
                entry.required(key, "an entry names the group, version and kind of objects; there are no wildcards");
            }
        }
        gvk
    })
}

fn read_kind(fields: &mut Fields<'_, '_>) -> GroupVersionKind {
    let mut text = |key: &str| fields.text(key).unwrap_or_default().to_owned();
    GroupVersionKind { group: text("group"), version: text("version"), kind: text("kind") }
}

fn each<T>(fields: &mut Fields<'_, '_>, key: &str, mut read: impl FnMut(&mut Fields<'_, '_>) -> T) -> Vec<T> {
    let path = fields.path().key(key);
    let entries = fields.list(key);
    let read_entry =
        |(position, entry): (usize, &Value)| read(&mut Fields::new(entry, path.index(position), fields.errors()));
    entries.iter().enumerate().map(read_entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(spec: &Value) -> Object {
        Object::from_value(json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config", "namespace": "admit-system"}, "spec": spec}))
        .unwrap()
    }

    #[test]
    fn reads_all_of_it() {
        let parsed = Config::parse(&config(&json!({
            "match": [{"excludedNamespaces": ["kube-*", "*-system"], "processes": ["webhook", "sync"]}],
            "sync": {"syncOnly": [{"group": "", "version": "v1", "kind": "Service"}]},
            "validation": {"traces": [{"user": "jane", "kind": {"version": "v1", "kind": "Pod"}, "dump": "All"}]},
            "readiness": {"statsEnabled": true}})))
        .unwrap();
        assert_eq!(parsed.exclusions[0].namespaces, [Wildcard::new("kube-*"), Wildcard::new("*-system")]);
        assert_eq!(parsed.sync_only[0].to_string(), "v1/Service");
        assert_eq!((parsed.traces[0].user.as_str(), parsed.traces[0].kind.kind.as_str()), ("jane", "Pod"));
        for empty in [json!({}), Value::Null, json!({"match": null, "sync": {}})] {
            assert_eq!(Config::parse(&config(&empty)), Ok(Config::default()), "{empty}");
        }
    }

    #[test]
    fn names_what_is_wrong_and_where() {
        for (spec, expected) in [
            (json!({"match": {}}), "spec.match: expected a list, found a mapping"),
            (json!({"match": [5]}), "spec.match[0]: expected a mapping, found a number (5)"),
            (
                json!({"match": [{"processes": [1]}]}),
                "spec.match[0].processes[0]: expected a string, found a number (1)",
            ),
            (
                json!({"match": [{"excludedNamespaces": ["a*b"]}]}),
                "spec.match[0].excludedNamespaces[0]: Invalid value: \"a*b\"",
            ),
            (
                json!({"match": [{"excludedNamespaces": ["Shop"]}]}),
                "spec.match[0].excludedNamespaces[0]: Invalid value: \"Shop\"",
            ),
            (json!({"sync": {"syncOnly": [{"version": "v1"}]}}), "spec.sync.syncOnly[0].kind: Required value"),
            (json!([]), "spec: expected a mapping, found a list"),
        ] {
            let errors = Config::parse(&config(&spec)).unwrap_err();
            assert!(errors.iter().any(|error| error.to_string().starts_with(expected)), "{expected}: {errors:?}");
        }
    }

    #[test]
    fn warns_of_what_has_no_effect() {
        let spec = json!({"match": [{"excludedNamespaces": ["a"], "processes": ["webhooks", "*"]}],
            "validation": {"traces": [{"user": "jane", "dump": "ALL"}]}});
        let warnings = Config::parse(&config(&spec)).unwrap().warnings();
        assert!(warnings[0].contains("\"webhooks\" is not known") && warnings[1].contains("no effect"), "{warnings:?}");
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn sync_sets_name_kinds() {
        let parse = |gvks: Value| {
            parse_sync_set(
                &Object::from_value(json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet",
                "metadata": {"name": "a"}, "spec": {"gvks": gvks}}))
                .unwrap(),
            )
        };
        let (kinds, errors) = parse(json!([{"group": "apps", "version": "v1", "kind": "Deployment"}, {"kind": "Pod"}]));
        assert_eq!((kinds.len(), errors.len()), (1, 1));
        for (gvks, expected) in [
            (json!({"kind": "Pod"}), "spec.gvks: expected a list, found a mapping"),
            (json!([{"group": "", "kind": "Pod"}]), "spec.gvks[0].version: Required value: an entry names"),
            (json!([{"version": "v1", "kind": 5}]), "spec.gvks[0].kind: expected a string, found a number (5)"),
        ] {
            let (_, errors) = parse(gvks);
            assert!(errors.len() == 1 && errors[0].to_string().starts_with(expected), "{errors:?}");
        }
    }
}
