//! One resource type, watched for ever: lists when it must, says so as a whole, never gives up.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use tracing::warn;

use super::to_object;
use crate::model::object::{Object, ObjectKey};

/// First rest after a failure; doubles up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a watch says.
#[derive(Clone, Debug)]
pub(super) enum Watched {
    /// All objects there are, in place of all that were known: at start, and after a broken connection.
    All(Vec<Object>),
    /// An object is there now, as given.
    Applied(Object),
    /// An object is gone.
    Deleted(ObjectKey),
}

/// A resource of the core group.
pub(super) fn core_resource(kind: &str, plural: &str) -> ApiResource {
    resource("", "v1", kind, plural)
}

/// A resource by its names.
pub(super) fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// A list or watch that failed. It is tried again, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What the API server answered with, when it answered.
    pub(super) code: Option<u16>,
    pub(super) message: String,
    /// The how many-th it is in a row.
    pub(super) count: u32,
}

/// Watches a resource in all namespaces.
pub(super) fn watch(
    client: Client,
    resource: ApiResource,
    labels: Option<&str>,
) -> BoxStream<'static, Result<Watched, Failure>> {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut config = watcher::Config::default();
    if let Some(labels) = labels {
        config = config.labels(labels);
    }
    let state = State {
        events: watcher::watcher(api, config).boxed(),
        resource,
        listed: Vec::new(),
        failures: 0,
        rest: Duration::ZERO,
    };
    unfold(state, |mut state| async move {
        let watched = state.next().await?;
        Some((watched, state))
    })
    .boxed()
}

struct State {
    events: BoxStream<'static, Result<Event<DynamicObject>, watcher::Error>>,
    resource: ApiResource,
    listed: Vec<Object>,
    /// Since it last went well.
    failures: u32,
    /// Before the next attempt.
    rest: Duration,
}

impl State {
    async fn next(&mut self) -> Option<Result<Watched, Failure>> {
        loop {
            tokio::time::sleep(std::mem::take(&mut self.rest)).await;
            let event = match self.events.next().await? {
                Ok(event) => event,
                Err(error) => return Some(Err(self.fail(&error))),
            };
            // `Init` only says that listing begins.
            if !matches!(event, Event::Init) {
                self.failures = 0;
            }
            match event {
                Event::Init => self.listed.clear(),
                Event::InitApply(object) => self.listed.extend(self.read(object)),
                Event::InitDone => return Some(Ok(Watched::All(std::mem::take(&mut self.listed)))),
                Event::Apply(object) => {
                    if let Some(object) = self.read(object) {
                        return Some(Ok(Watched::Applied(object)));
                    }
                }
                Event::Delete(object) => {
                    if let Some(object) = self.read(object) {
                        return Some(Ok(Watched::Deleted(object.key())));
                    }
                }
            }
        }
    }

    fn fail(&mut self, error: &watcher::Error) -> Failure {
        self.rest = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Ever more rarely: it may go on for days.
        if self.failures.is_power_of_two() {
            let (resource, failures) = (&self.resource.plural, self.failures);
            warn!(resource, failures, %error, "watch failed; trying again");
        }
        Failure { code: code(error), message: text(error), count: self.failures }
    }

    fn read(&self, object: DynamicObject) -> Option<Object> {
        let name = object.name_any();
        match to_object(object, &self.resource) {
            Ok(object) => Some(object),
            Err(error) => {
                warn!(resource = self.resource.plural, name, error, "object of the API server cannot be read; ignored");
                None
            }
        }
    }
}

fn client_error(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Some(error),
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    match (error, client_error(error)) {
        (watcher::Error::WatchError(status), _) => Some(status.code),
        (_, Some(kube::Error::Api(status))) => Some(status.code),
        _ => None,
    }
}

/// The API server's own words, where there are some.
fn text(error: &watcher::Error) -> String {
    match (error, client_error(error)) {
        (watcher::Error::WatchError(status), _) => status.message.clone(),
        (_, Some(kube::Error::Api(status))) => status.message.clone(),
        _ => error.to_string(),
    }
}
