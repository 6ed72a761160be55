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

/// Watches a resource in all namespaces.
pub(super) fn watch(client: Client, resource: ApiResource, labels: Option<&str>) -> BoxStream<'static, Watched> {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut config = watcher::Config::default();
    if let Some(labels) = labels {
        config = config.labels(labels);
    }
    let state =
        State { events: watcher::watcher(api, config).boxed(), resource, listed: Vec::new(), pause: SHORTEST_PAUSE };
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
    pause: Duration,
}

impl State {
    async fn next(&mut self) -> Option<Watched> {
        loop {
            let event = match self.events.next().await? {
                Ok(event) => event,
                Err(error) => {
                    warn!(resource = self.resource.plural, %error, "watch failed; trying again");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            };
            self.pause = SHORTEST_PAUSE;
            match event {
                Event::Init => self.listed.clear(),
                Event::InitApply(object) => self.listed.extend(self.read(object)),
                Event::InitDone => return Some(Watched::All(std::mem::take(&mut self.listed))),
                Event::Apply(object) => {
                    if let Some(object) = self.read(object) {
                        return Some(Watched::Applied(object));
                    }
                }
                Event::Delete(object) => {
                    if let Some(object) = self.read(object) {
                        return Some(Watched::Deleted(object.key()));
                    }
                }
            }
        }
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
