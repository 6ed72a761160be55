//! Events on what policies find: from the requests that they were found in to whoever writes them.
//!
//! A request that has an Event to tell puts it into a bounded queue; what does not fit is dropped and counted.

use tokio::sync::mpsc;

use crate::model::review::Review;
use crate::policy::evaluate::Violation;

/// Events that wait to be written.
const QUEUE: usize = 1_024;

/// One Event on one object.
#[derive(Clone, Debug)]
pub(super) struct AdmissionEvent {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) annotations: Vec<(&'static str, String)>,
    pub(super) kind: String,
    pub(super) name: String,
    /// Where the Event goes; the namespace of this process when empty.
    pub(super) namespace: String,
    /// Events on one UID are grouped by who reads them.
    pub(super) uid: String,
    pub(super) resource_version: String,
}

/// Where Events are handed in.
#[derive(Clone, Debug)]
pub(super) struct Events(mpsc::Sender<AdmissionEvent>);

/// A queue of Events, and its other end.
pub(super) fn queue() -> (Events, mpsc::Receiver<AdmissionEvent>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Events(sender), receiver)
}

impl Events {
    /// Whether it will be written, as far as the API server keeps up. Never waits.
    pub(super) fn tell(&self, event: AdmissionEvent) -> bool {
        self.0.try_send(event).is_ok()
    }
}

impl AdmissionEvent {
    /// An Event in this process's own namespace names the object by a UID made up of everything that it is about, as
    /// Gatekeeper does; one beside its object has the object's own.
    pub(super) fn new(
        review: &Review,
        violation: &Violation,
        is_beside_object: bool,
        reason: &'static str,
        message: String,
        annotations: Vec<(&'static str, String)>,
    ) -> Self {
        let constraint = &violation.constraint.constraint;
        let object = review.objects().next();
        let object_namespace = object.map(|object| object.namespace()).unwrap_or_default();
        let (kind, name) = (review.kind.kind.clone(), review.display_name().to_owned());
        let mut event = Self {
            reason,
            message,
            annotations,
            namespace: String::new(),
            uid: format!("{kind}/{object_namespace}/{name}/{}//{}", constraint.kind(), constraint.name()),
            resource_version: String::new(),
            kind,
            name,
        };
        if is_beside_object {
            object_namespace.clone_into(&mut event.namespace);
            let stored = object.filter(|object| !object.uid().is_empty() && !object.resource_version().is_empty());
            let of_stored = stored.map(|object| (object.uid().to_owned(), object.resource_version().to_owned()));
            (event.uid, event.resource_version) = of_stored.unwrap_or_default();
        }
        event
    }
}
