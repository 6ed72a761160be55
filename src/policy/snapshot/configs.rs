//! Configs as they are, and what the one that counts says.
//!
//! It is named `config` and is in the process' own namespace. While it cannot be read, what it last said stays in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ErrorPlace, ResourceError};
use crate::model::api::{CONFIG_NAME, Config, Trace};
use crate::model::object::{FieldPath, Object, ObjectKey};
use crate::policy::exclusion::Exclusions;

/// All Configs there are.
#[derive(Debug, Default)]
pub(super) struct Configs {
    /// Whose Config counts.
    namespace: String,
    /// By namespace and name.
    objects: BTreeMap<(String, String), Arc<Object>>,
    in_force: Config,
    exclusions: Exclusions,
    errors: Vec<ResourceError>,
}

impl Configs {
    pub(super) fn in_namespace(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::default() }
    }

    pub(super) fn put(&mut self, object: Object) {
        let key = (object.namespace().to_owned(), object.name().to_owned());
        self.objects.insert(key, Arc::new(object));
        self.settle();
    }

    pub(super) fn take(&mut self, key: &ObjectKey) {
        self.objects.remove(&(key.namespace.clone(), key.name.clone()));
        self.settle();
    }

    pub(super) fn replace(&mut self, objects: Vec<Object>) {
        let by_name = |object: Object| ((object.namespace().to_owned(), object.name().to_owned()), Arc::new(object));
        self.objects = objects.into_iter().map(by_name).collect();
        self.settle();
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    pub(super) fn exclusions(&self) -> &Exclusions {
        &self.exclusions
    }

    pub(super) fn traces(&self) -> &[Trace] {
        &self.in_force.traces
    }

    /// What is wrong with each, or why it does not count.
    pub(super) fn errors(&self) -> &[ResourceError] {
        &self.errors
    }

    fn settle(&mut self) {
        let mut errors = Vec::new();
        let mut counts = None;
        for object in self.objects.values().filter(|object| !object.is_terminating()) {
            match self.why_ignored(object) {
                Some(message) => errors.push(error(object, "ignored", message, false)),
                None => counts = Some(object),
            }
        }
        match counts.map(|object| (object, Config::parse(object))) {
            None => self.in_force = Config::default(),
            Some((_, Ok(config))) => self.in_force = config,
            Some((object, Err(found))) => {
                let has_earlier = self.in_force != Config::default();
                let to_error = |one| error(object, "invalid", format!("invalid Config: {one}"), has_earlier);
                errors.extend(found.into_iter().map(to_error));
            }
        }
        self.exclusions = Exclusions::new(&self.in_force.exclusions);
        self.errors = errors;
    }

    fn why_ignored(&self, object: &Object) -> Option<String> {
        let own = &self.namespace;
        if object.name() != CONFIG_NAME {
            return Some("config resource must have name 'config'; this one has no effect".to_owned());
        }
        (object.namespace() != own)
            .then(|| format!("only the Config in namespace {own} counts; this one has no effect"))
    }
}

fn error(object: &Object, code: &'static str, message: String, previous_in_force: bool) -> ResourceError {
    ResourceError { key: object.key(), code, message, place: ErrorPlace::Field(FieldPath::root()), previous_in_force }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::api::Process;
    use crate::model::object::Wildcard;

    fn config(namespace: &str, name: &str, patterns: &Value) -> Object {
        Object::from_value(json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"match": [{"excludedNamespaces": patterns, "processes": ["*"]}]}}))
        .unwrap()
    }

    fn patterns(configs: &Configs) -> Vec<&str> {
        configs.exclusions().of(Process::Webhook).iter().map(Wildcard::as_str).collect()
    }

    #[test]
    fn one_counts_and_the_others_are_told() {
        let mut configs = Configs::in_namespace("admit-system");
        configs.put(config("admit-system", "other", &json!(["a"])));
        configs.put(config("shop", "config", &json!(["b"])));
        assert!(patterns(&configs).is_empty());
        let texts: Vec<String> =
            configs.errors().iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
        assert_eq!(
            texts,
            [
                "ignored: config resource must have name 'config'; this one has no effect",
                "ignored: only the Config in namespace admit-system counts; this one has no effect"
            ]
        );
        let counts = config("admit-system", "config", &json!(["c", "d*"]));
        configs.put(counts.clone());
        assert_eq!((patterns(&configs), configs.errors().len()), (vec!["c", "d*"], 2));
        configs.take(&counts.key());
        assert!(patterns(&configs).is_empty(), "what it excluded goes with it");
    }

    #[test]
    fn one_that_cannot_be_read_leaves_the_last_one_in_force() {
        let mut configs = Configs::in_namespace("admit-system");
        configs.put(config("admit-system", "config", &json!("lab")));
        assert!(patterns(&configs).is_empty() && !configs.errors()[0].previous_in_force);
        configs.put(config("admit-system", "config", &json!(["lab"])));
        assert_eq!((patterns(&configs), configs.errors().len()), (vec!["lab"], 0));
        configs.put(config("admit-system", "config", &json!(["LAB"])));
        assert_eq!(patterns(&configs), ["lab"]);
        assert!(configs.errors()[0].previous_in_force, "{:?}", configs.errors());
        assert!(configs.errors()[0].message.starts_with("invalid Config: spec.match[0].excludedNamespaces[0]: "));
    }
}
