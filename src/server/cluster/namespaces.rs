//! One Namespace, from the API server itself, while a request waits for it.

use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::core::Status;
use kube::{Client, Error};
use tokio::time::{Instant, sleep, timeout_at};

use super::troubles::chain;
use super::{to_object, watches};
use crate::model::object::Object;

/// Another API server waits: not for long.
const LIMIT: Duration = Duration::from_secs(2);
/// Rest before asking again, where the API server does not say how long.
const PAUSE: Duration = Duration::from_millis(250);

/// Asks for a Namespace. A busy API server is asked again, for as long as there is time. The client must not do that by
/// itself: what the API server said would be lost.
///
/// # Errors
/// What the API server says, or that it says nothing.
pub(in crate::server) async fn fetch_namespace(client: Client, name: String) -> Result<Object, String> {
    let resource = watches::core_resource("Namespace", "namespaces");
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let until = Instant::now() + LIMIT;
    loop {
        let Ok(answer) = timeout_at(until, api.get(&name)).await else {
            return Err(format!("namespaces {name:?}: the API server did not answer in time"));
        };
        match answer {
            Ok(object) => return to_object(object, &resource).map_err(|error| format!("namespaces {name:?}: {error}")),
            Err(Error::Api(status)) => match pause_before_asking_again(&status) {
                Some(pause) if Instant::now() + pause < until => sleep(pause).await,
                _ => return Err(text_of(&status, &name)),
            },
            Err(error) => return Err(format!("namespaces {name:?}: {}", chain(&error))),
        }
    }
}

fn pause_before_asking_again(status: &Status) -> Option<Duration> {
    let asked_for = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
    let pause = asked_for.map_or(PAUSE, |seconds| Duration::from_secs(seconds.into()));
    matches!(status.code, 429 | 503 | 504).then_some(pause)
}

/// The API server's own words, as Gatekeeper has them: `namespaces "shop" not found`.
fn text_of(status: &Status, name: &str) -> String {
    let message = status.message.trim();
    match message.is_empty() {
        true => format!("namespaces {name:?}: the API server answered with code {}", status.code),
        false if message.contains(name) => message.to_owned(),
        false => format!("namespaces {name:?}: {message} (code {})", status.code),
    }
}
