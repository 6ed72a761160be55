//! What became of templates, constraints and Configs, as Gatekeeper says it: each process on its own, and all together.
//!
//! ```text
//! every process:       Report, what is synced ──► entry ──► its own *PodStatus objects        (pod_statuses)
//! one at a time,       *PodStatus of all ──┬──► status.byPod, created, conditions of parents  (aggregate, conditions)
//! with `status`:                           └──► those of processes that are gone: removed     (departed)
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

use futures::stream::{BoxStream, SelectAll, StreamExt};
use kube::Client;
use kube::api::ApiResource;

use super::watches::{self, Failure, Watched, resource};
use crate::model::api::{CONFIG_GROUP, TEMPLATES_GROUP};
use crate::model::object::Object;

pub(super) use aggregate::Aggregator;
pub(super) use pod_statuses::PodStatuses;

const STATUS_GROUP: &str = "status.gatekeeper.sh";

/// What a status is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Template,
    Constraint,
    Config,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Template, Self::Constraint, Self::Config];

    fn of(object: &Object) -> Self {
        match object.gvk().group.as_str() {
            TEMPLATES_GROUP => Self::Template,
            CONFIG_GROUP => Self::Config,
            _ => Self::Constraint,
        }
    }

    /// Kind and plural of what a process says of it.
    fn pod_status(self) -> (&'static str, &'static str) {
        match self {
            Self::Template => ("ConstraintTemplatePodStatus", "constrainttemplatepodstatuses"),
            Self::Constraint => ("ConstraintPodStatus", "constraintpodstatuses"),
            Self::Config => ("ConfigPodStatus", "configpodstatuses"),
        }
    }

    fn pod_status_resource(self) -> ApiResource {
        let (kind, plural) = self.pod_status();
        resource(STATUS_GROUP, "v1beta1", kind, plural)
    }

    /// The field of an entry that says which object it is about.
    fn uid_key(self) -> &'static str {
        match self {
            Self::Template => "templateUID",
            Self::Constraint => "constraintUID",
            Self::Config => "configUID",
        }
    }
}

type PodStatusEvents = SelectAll<BoxStream<'static, (Subject, Result<Watched, Failure>)>>;

/// What there is of the three kinds, and every change.
fn watch_pod_statuses(client: &Client, labels: Option<&str>) -> PodStatusEvents {
    let streams = Subject::ALL.map(|subject| {
        let watch = watches::watch(client.clone(), subject.pod_status_resource(), labels);
        watch.map(move |event| (subject, event)).boxed()
    });
    streams.into_iter().collect()
}

/// Names a PodStatus: its kind, namespace and name.
type PodStatusKey = (Subject, String, String);

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
            Ok(Watched::Applied(object)) => {
                drop(self.objects.insert(key(object.namespace(), object.name()), object));
            }
            Ok(Watched::Deleted(gone)) => drop(self.objects.remove(&key(&gone.namespace, &gone.name))),
            // Gatekeeper's CRDs of before had no ConfigPodStatus.
            Err(failure) if failure.code == Some(404) => {
                self.objects.retain(|(of, _, _), _| *of != subject);
                self.settled.insert(subject);
            }
            Err(_) => {}
        }
    }

    /// Whether it is known of all kinds what there is.
    fn is_settled(&self) -> bool {
        self.settled.len() == Subject::ALL.len()
    }
}
