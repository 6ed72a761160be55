//! What became of templates, constraints, Configs, mutators, ExpansionTemplates and Providers, as Gatekeeper says it: each
//! process on its own, and all together.
//!
//! ```text
//! every process:       Report, what is synced ──► entry ──► its own *PodStatus objects        (pod_statuses)
//! one at a time,       *PodStatus of all ──┬──► status.byPod, created, conditions of parents  (aggregate, conditions)
//! with `status` or                         └──► those of processes that are gone: removed     (departed)
//! `mutation-status`:
//! ```
//!
//! Promises: nothing is written that says what is there already; what somebody else rewrites, or an API server prunes, is
//! written again ever more rarely (`attempts`).
//! PodStatus objects count in whatever namespace they are, so that two installations agree on what they write. Gatekeeper
//! counts those of its own namespace: beside one in another namespace, each writes the other's entries away.

mod aggregate;
mod attempts;
mod conditions;
mod departed;
mod entry;
mod names;
mod needs;
mod pod_statuses;
mod times;

use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll, StreamExt};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};

use super::Clients;
use super::troubles::Trouble;
use super::watches::{self, Failure, Watched, resource};
use crate::model::api::{CONFIG_GROUP, EXPANSION_GROUP, MUTATIONS_GROUP, PROVIDERS_GROUP, TEMPLATES_GROUP};
use crate::model::object::Object;

use attempts::Outcome;

pub(super) use aggregate::Aggregator;
pub(super) use pod_statuses::PodStatuses;

const STATUS_GROUP: &str = "status.gatekeeper.sh";

/// What who has the operation `mutation-status` gathers.
pub(super) const OF_MUTATION: &[Subject] = &[Subject::Mutator];
/// What who has the operation `status` gathers.
pub(super) const OTHERS: &[Subject] =
    &[Subject::Template, Subject::Constraint, Subject::Config, Subject::ExpansionTemplate, Subject::Provider];

/// What a status is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Template,
    Constraint,
    Config,
    Mutator,
    ExpansionTemplate,
    Provider,
}

impl Subject {
    const ALL: [Self; 6] =
        [Self::Template, Self::Constraint, Self::Config, Self::Mutator, Self::ExpansionTemplate, Self::Provider];

    fn of(object: &Object) -> Self {
        match object.gvk().group.as_str() {
            TEMPLATES_GROUP => Self::Template,
            CONFIG_GROUP => Self::Config,
            MUTATIONS_GROUP => Self::Mutator,
            EXPANSION_GROUP => Self::ExpansionTemplate,
            PROVIDERS_GROUP => Self::Provider,
            _ => Self::Constraint,
        }
    }

    /// Kind and plural of what a process says of it.
    fn pod_status(self) -> (&'static str, &'static str) {
        match self {
            Self::Template => ("ConstraintTemplatePodStatus", "constrainttemplatepodstatuses"),
            Self::Constraint => ("ConstraintPodStatus", "constraintpodstatuses"),
            Self::Config => ("ConfigPodStatus", "configpodstatuses"),
            Self::Mutator => ("MutatorPodStatus", "mutatorpodstatuses"),
            Self::ExpansionTemplate => ("ExpansionTemplatePodStatus", "expansiontemplatepodstatuses"),
            Self::Provider => ("ProviderPodStatus", "providerpodstatuses"),
        }
    }

    fn pod_status_resource(self) -> ApiResource {
        let (kind, plural) = self.pod_status();
        resource(STATUS_GROUP, "v1beta1", kind, plural)
    }

    /// The field of an entry that says which object it is about.
    fn uid_key(self) -> &'static str {
        match self {
            Self::Template | Self::ExpansionTemplate => "templateUID",
            Self::Constraint => "constraintUID",
            Self::Config => "configUID",
            Self::Mutator => "mutatorUID",
            Self::Provider => "providerUID",
        }
    }

    /// The field of an entry that is there, and true, where the process puts the object to use.
    fn use_key(self) -> Option<&'static str> {
        match self {
            Self::Constraint | Self::Mutator => Some("enforced"),
            Self::Provider => Some("active"),
            Self::Template | Self::Config | Self::ExpansionTemplate => None,
        }
    }

    /// Its errors say `code`, or `type`.
    fn errors_have_codes(self) -> bool {
        matches!(self, Self::Template | Self::Constraint)
    }

    /// Kinds that older installations of Gatekeeper have no CRD of.
    fn may_be_absent(self) -> bool {
        !matches!(self, Self::Template | Self::Constraint)
    }
}

type PodStatusEvents = SelectAll<BoxStream<'static, (Subject, Result<Watched, Failure>)>>;

/// What there is of these kinds, and every change.
fn watch_pod_statuses(clients: &Clients, labels: Option<&str>, subjects: &[Subject]) -> PodStatusEvents {
    let streams = subjects.iter().map(|subject| {
        let subject = *subject;
        let resource = subject.pod_status_resource();
        let watch = if subject.may_be_absent() { watches::watch_if_there } else { watches::watch };
        let watch = watch(clients.hasty.clone(), resource, labels, Arc::clone(&clients.troubles));
        watch.map(move |event| (subject, event)).boxed()
    });
    streams.collect()
}

/// Names a PodStatus: its kind, namespace and name.
type PodStatusKey = (Subject, String, String);

/// Removes one. One that is gone is as good.
async fn remove(clients: &Clients, key: &PodStatusKey) -> Outcome<PodStatusKey, ()> {
    let (subject, namespace, name) = key;
    let resource = subject.pod_status_resource();
    let api: Api<DynamicObject> = Api::namespaced_with(clients.hasty.clone(), namespace, &resource);
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => (key.clone(), Ok(())),
        Err(kube::Error::Api(status)) if status.code == 404 => (key.clone(), Ok(())),
        Err(error) => {
            let trouble = Trouble::of_request(&error);
            clients.troubles.failed("removing what a process said", &resource.plural, trouble, &error);
            (key.clone(), Err(trouble))
        }
    }
}

/// The PodStatus objects that a watch has told of.
#[derive(Debug, Default)]
struct KnownPodStatuses {
    objects: std::collections::BTreeMap<PodStatusKey, Object>,
    /// Kinds of which the first list has come, or cannot come.
    settled: std::collections::BTreeSet<Subject>,
}

impl KnownPodStatuses {
    fn take(&mut self, subject: Subject, event: Result<Watched, Failure>) {
        let key = |namespace: &str, name: &str| (subject, namespace.to_owned(), name.to_owned());
        match event {
            Ok(Watched::All(objects)) => {
                self.objects.retain(|(of, _, _), _| *of != subject);
                let by_key = |object: Object| (key(object.namespace(), object.name()), object);
                self.objects.extend(objects.into_iter().map(by_key));
                self.settled.insert(subject);
            }
            Ok(Watched::Applied(object)) => self.put(subject, object),
            Ok(Watched::Deleted(gone)) => drop(self.objects.remove(&key(&gone.namespace, &gone.name))),
            // A kind without a CRD: Gatekeeper's of before had no ConfigPodStatus, for example.
            Err(failure) if failure.code == Some(404) => {
                self.objects.retain(|(of, _, _), _| *of != subject);
                self.settled.insert(subject);
            }
            Err(_) => {}
        }
    }

    /// Takes an object as it is now, or as it was not long ago: what the API server answers to a write may be here before
    /// what the watch says of earlier ones.
    fn put(&mut self, subject: Subject, object: Object) {
        let key = (subject, object.namespace().to_owned(), object.name().to_owned());
        let version = |object: &Object| object.resource_version().parse::<u64>().unwrap_or_default();
        if self.objects.get(&key).is_none_or(|known| version(known) <= version(&object)) {
            self.objects.insert(key, object);
        }
    }

    /// Whether it is known of these kinds what there is.
    fn is_settled(&self, subjects: &[Subject]) -> bool {
        subjects.iter().all(|subject| self.settled.contains(subject))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_version_does_not_take_the_place_of_a_newer_one() {
        let object = |version: &str| {
            let metadata = json!({"name": "a", "namespace": "b", "resourceVersion": version});
            Object::from_value(json!({"apiVersion": "status.gatekeeper.sh/v1beta1", "kind": "ConfigPodStatus",
                "metadata": metadata}))
            .unwrap()
        };
        let mut known = KnownPodStatuses::default();
        let mut check = |event: Watched, expected: &[&str]| {
            known.take(Subject::Config, Ok(event));
            let versions: Vec<&str> = known.objects.values().map(Object::resource_version).collect();
            assert_eq!(versions, expected);
        };
        check(Watched::Applied(object("9")), &["9"]);
        check(Watched::Applied(object("10")), &["10"]);
        check(Watched::Applied(object("9")), &["10"]);
        check(Watched::All(vec![object("8")]), &["8"]);
        check(Watched::Deleted(object("8").key()), &[]);
    }
}
