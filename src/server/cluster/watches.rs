//! One resource type, watched for ever: lists when it must, says so as a whole, never gives up.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use tracing::warn;

use super::to_object;
use super::troubles::{Rests, Trouble, Troubles, chain, status_of};
use crate::model::object::{Object, ObjectKey};

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

impl Failure {
    pub(super) fn of(error: &(dyn Error + 'static), count: u32) -> Self {
        let status = status_of(error);
        // The API server's own words, where there are some.
        let message = status.map_or_else(|| chain(error), |status| status.message.clone());
        Self { code: status.map(|status| status.code), message, count }
    }
}

/// Rests between looks for a kind that need not be there.
const ABSENCE: Duration = Duration::from_secs(5);

type Watching = BoxStream<'static, Result<Watched, Failure>>;

/// Watches a resource in all namespaces.
pub(super) fn watch(client: Client, resource: ApiResource, labels: Option<&str>, troubles: Arc<Troubles>) -> Watching {
    begin(client, resource, labels, troubles, false)
}

/// The same of a kind that need not be there: the log says nothing of its absence, and it is looked for now and then.
pub(super) fn watch_if_there(
    client: Client,
    resource: ApiResource,
    labels: Option<&str>,
    troubles: Arc<Troubles>,
) -> Watching {
    begin(client, resource, labels, troubles, true)
}

fn begin(
    client: Client,
    resource: ApiResource,
    labels: Option<&str>,
    troubles: Arc<Troubles>,
    may_be_absent: bool,
) -> Watching {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut config = watcher::Config::default();
    if let Some(labels) = labels {
        config = config.labels(labels);
    }
    let events = watcher::watcher(api, config).boxed();
    let rests = Rests::default();
    let (listed, rest) = (Vec::new(), Duration::ZERO);
    let state = State { events, resource, may_be_absent, listed, failures: 0, rest, rests, troubles };
    unfold(state, |mut state| async move {
        let watched = state.next().await?;
        Some((watched, state))
    })
    .boxed()
}

struct State {
    events: BoxStream<'static, Result<Event<DynamicObject>, watcher::Error>>,
    resource: ApiResource,
    may_be_absent: bool,
    listed: Vec<Object>,
    /// Since it last went well.
    failures: u32,
    /// Before the next attempt.
    rest: Duration,
    rests: Rests,
    troubles: Arc<Troubles>,
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
        let trouble = Trouble::of(error);
        if self.may_be_absent && trouble == Trouble::Absent {
            self.rest = ABSENCE;
        } else {
            self.troubles.failed("watch", &self.resource.plural, trouble, error);
            self.rest = self.rests.next(trouble, Instant::now());
        }
        self.failures = self.failures.saturating_add(1);
        Failure::of(error, self.failures)
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
