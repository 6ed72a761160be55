//! Where in a Pod the changed container is.

use serde_json::{Map, Value, json};

use super::Change;

/// Takes a key away; a `null` in a change is a `null` in the Pod.
const ABSENT: &str = "$absent";

/// The place of the container that is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The change is to the Pod alone.
    Pod,
    Only,
    First,
    Last,
    Init,
    LastInit,
    Sidecar,
    Ephemeral,
    LastEphemeral,
}

impl Place {
    pub(super) fn of(change: &Change) -> Vec<Self> {
        if change.container.is_null() {
            return vec![Self::Pod];
        }
        let mut places = vec![Self::Only, Self::First, Self::Last, Self::Init, Self::LastInit, Self::Sidecar];
        if change.is_for_ephemeral {
            places.extend([Self::Ephemeral, Self::LastEphemeral]);
        }
        places
    }

    pub(super) fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::LastEphemeral)
    }

    /// The Pod with the change.
    pub(super) fn pod(self, base: &Value, change: &Change) -> Value {
        let mut pod = base.clone();
        let good = |name: &str| {
            let mut container = base["spec"]["containers"][0].clone();
            container["name"] = name.into();
            merge(&mut container, &change.others);
            container
        };
        let mut changed = base["spec"]["containers"][0].clone();
        merge(&mut changed, &change.container);
        changed["name"] = "changed".into();
        if self == Self::Sidecar {
            changed["restartPolicy"] = "Always".into();
        }
        let (list, containers) = match self {
            Self::Pod => ("containers", vec![good("app")]),
            Self::Only => ("containers", vec![changed]),
            Self::First => ("containers", vec![changed, good("app"), good("proxy")]),
            Self::Last => ("containers", vec![good("app"), good("proxy"), changed]),
            Self::Init | Self::Sidecar => ("initContainers", vec![changed]),
            Self::LastInit => ("initContainers", vec![good("migrate"), changed]),
            Self::Ephemeral => ("ephemeralContainers", vec![changed]),
            Self::LastEphemeral => ("ephemeralContainers", vec![good("debug"), changed]),
        };
        pod["spec"]["containers"] = json!([good("app")]);
        pod["spec"][list] = containers.into();
        merge(&mut pod, &change.pod);
        pod
    }
}

fn merge(value: &mut Value, change: &Value) {
    let Some(change) = change.as_object() else { return };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    for (key, new) in change {
        match new {
            Value::String(text) if text == ABSENT => drop(value.as_object_mut().unwrap().remove(key)),
            Value::Object(inner) if !inner.is_empty() => merge(&mut value[key], new),
            _ => value[key] = new.clone(),
        }
    }
}
