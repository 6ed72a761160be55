//! Images: those that a pack approves of, and those that only look so.

use serde_json::{Value, json};

use super::Change;

const DIGEST: &str = "sha256:9b2f3c3f2c1f5a7d8e6f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d";
/// The registry, and the repository in it, that `pods.yaml` approves of.
const HOST: &str = "registry.example.com";
const APPROVED: &str = "registry.example.com/approved";

/// A Pod with the names of images filled in.
pub(super) fn approve(pod: &Value) -> Value {
    let text = pod.to_string().replace("$approved", APPROVED).replace("$host", HOST).replace("$digest", DIGEST);
    serde_json::from_str(&text).unwrap()
}

/// Images from elsewhere that begin, end or read like approved ones.
const ELSEWHERE: [&str; 27] = [
    "web",
    "library/web",
    "docker.io/web",
    "docker.io/library/web",
    "index.docker.io/library/web",
    "registry-1.docker.io/library/web",
    "$host.evil.io/approved/web",
    "$host-evil.io/approved/web",
    "evil-$host/approved/web",
    "evil.$host/approved/web",
    "evil.io/$approved/web",
    "evil.io/$host/web",
    "$approved-evil/web",
    "$approved.evil/web",
    "$approved_evil/web",
    "$hostevil.io/web",
    "$host:5000/evil/web",
    "$host@evil.io/web",
    "$approved@evil.io/web",
    "user:$host@evil.io/web",
    "$host.:443/approved/web",
    "https://$approved/web",
    " $approved/web",
    "localhost/$approved/web",
    "localhost:5000/$approved/web",
    "127.0.0.1/$approved/web",
    "[::1]:5000/$approved/web",
];

/// Names without a digest, or with something that only looks like one.
const WITHOUT_DIGEST: [&str; 14] = [
    "$approved/web",
    "$approved/web:1.2.3",
    "$approved/web:latest",
    "$approved/web:sha256",
    "$approved/web:sha256-9b2f3c3f2c1f5a7d8e6f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d",
    "$approved/web@sha256",
    "$approved/web@sha256:",
    "$approved/web@sha256:9b2f3c",
    "$approved/web@latest",
    "$approved/web@",
    "$approved/sha256/web:1",
    "$approved/web@$digest0",
    "$approved/web@sha256:$digest",
    "$approved/web@SHA256:9b2f3c3f2c1f5a7d8e6f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d",
];

/// Tags that are `latest`, said or not; a port is no tag.
const LATEST: [&str; 9] = [
    "web",
    "web:latest",
    "$approved/web",
    "$approved/web:latest",
    "docker.io/library/web:latest",
    "$host:5000/web",
    "$host:5000/approved/web:latest",
    "localhost:5000/web",
    "$approved/latest/web",
];

/// Frozen registries in every spelling under which they are reached.
const FROZEN: [&str; 12] = [
    "k8s.gcr.io/pause",
    "k8s.gcr.io/a/b/pause",
    "K8S.GCR.IO/pause",
    "k8s.gcr.io:443/pause",
    "gcr.io/google-containers/pause",
    "gcr.io/google_containers/pause",
    "GCR.io/google-containers/pause",
    "gcr.io:443/google-containers/pause",
    "bitnamilegacy/redis",
    "docker.io/bitnamilegacy/redis",
    "index.docker.io/bitnamilegacy/redis",
    "registry-1.docker.io/bitnamilegacy/redis",
];

/// What only reads like a frozen one.
const NOT_FROZEN: [&str; 7] = [
    "k8s.gcr.io.example.com/pause",
    "registry.example.com/k8s.gcr.io/pause",
    "registry.k8s.io/pause",
    "gcr.io/google-containers-mirror/pause",
    "eu.gcr.io/google-containers/pause",
    "bitnamilegacyx/redis",
    "registry.example.com/bitnamilegacy/redis",
];

const TAGS: [&str; 4] = ["", ":1.2", "@$digest", ":1.2@$digest"];

/// Images that must be denied, by the policy that is about them.
pub(super) fn bad() -> Vec<Change> {
    let bad = [
        of("K8sAllowedRepos", &ELSEWHERE, &TAGS),
        of("K8sImageDigests", &WITHOUT_DIGEST, &[""]),
        of("K8sDisallowedTags", &LATEST, &[""]),
        of("K8sDisallowedRepos", &FROZEN, &TAGS),
    ];
    bad.concat()
}

/// Images that the policy that is about them has nothing against.
pub(super) fn good() -> Vec<Change> {
    let good = [
        of("K8sAllowedRepos", &["$approved/web", "$approved/a/b/web"], &TAGS),
        of("K8sImageDigests", &["web", "$approved/web", "$host:5000/web"], &["@$digest", ":1.2@$digest"]),
        of("K8sDisallowedTags", &["web", "$approved/web", "$host:5000/latest/web"], &[":1.2", "@$digest", ":latest-1"]),
        of("K8sDisallowedRepos", &NOT_FROZEN, &TAGS),
    ];
    good.concat()
}

fn of(kind: &str, names: &[&str], tags: &[&str]) -> Vec<Change> {
    let images = names.iter().flat_map(|name| tags.iter().map(move |tag| format!("{name}{tag}")));
    let change = |image: String| Change {
        name: format!("image {image:?}"),
        packs: vec!["supply-chain".to_owned()],
        needs: vec![kind.to_owned()],
        pod: Value::Null,
        container: json!({ "image": image }),
        others: Value::Null,
        is_for_ephemeral: true,
        is_mutable: true,
    };
    images.map(change).collect()
}
