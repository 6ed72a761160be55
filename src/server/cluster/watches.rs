//! One resource type, watched for ever: lists when it must, says so as a whole, never gives up.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use tracing::warn;

use super::to_object;
use super::troubles::{Rests, Trouble, Troubles};
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

/// Watches a resource in all namespaces.
pub(super) fn watch(
    client: Client,
    resource: ApiResource,
    labels: Option<&str>,
    troubles: Arc<Troubles>,
) -> BoxStream<'static, Watched> {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut config = watcher::Config::default();
    if let Some(labels) = labels {
        config = config.labels(labels);
    }
    let events = watcher::watcher(api, config).boxed();
    let state = State { events, resource, listed: Vec::new(), rests: Rests::default(), troubles };
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
    rests: Rests,
    troubles: Arc<Troubles>,
}

impl State {
    async fn next(&mut self) -> Option<Watched> {
        loop {
            let event = match self.events.next().await? {
                Ok(event) => event,
                Err(error) => {
                    let trouble = Trouble::of(&error);
                    self.troubles.failed("watch", &self.resource.plural, trouble, &error);
                    tokio::time::sleep(self.rests.next(trouble, Instant::now())).await;
                    continue;
                }
            };
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
