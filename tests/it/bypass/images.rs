//! Images: those that a pack approves of, and those that only look so.

use admit::workbench::library::Pack;
use serde_json::{Value, json};

use super::Change;

const DIGEST: &str = "sha256:9b2f3c3f2c1f5a7d8e6f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d";
/// Stands for a repository that the pack approves of, and for the registry that this is in.
const APPROVED: &str = "$approved";
const HOST: &str = "$host";

/// A repository that the pack approves of; any will do for one that does not ask.
pub(super) fn approved(pack: &Pack) -> String {
    let of_repos = pack.constraints.iter().find(|one| one.object.gvk().kind == "K8sAllowedRepos");
    let repos = of_repos.and_then(|one| one.object.field(&["spec", "parameters", "repos"]));
    let first = repos.and_then(|repos| repos[0].as_str()).unwrap_or("registry.example.com/approved");
    let first = first.trim_end_matches('/');
    if first.contains('/') { first.to_owned() } else { format!("{first}/team") }
}

/// A Pod with the names of images filled in.
pub(super) fn approve(pod: Value, approved: &str) -> Value {
    let (host, _) = approved.split_once('/').unwrap();
    let text = pod.to_string();
    let text = text.replace(APPROVED, approved).replace(HOST, host).replace("$digest", DIGEST);
    serde_json::from_str(&text).unwrap()
}

/// Images from elsewhere that begin, end or read like approved ones, by tag and by digest; and names without a digest, or
/// with something that only looks like one.
pub(super) fn look_alikes() -> Vec<Change> {
    let elsewhere = [
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
    let undigested = [
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
    ];
    let change = |needs: &str, image: String| Change {
        name: format!("image {image:?}"),
        packs: vec!["supply-chain".to_owned()],
        needs: vec![needs.to_owned()],
        pod: Value::Null,
        container: json!({ "image": image }),
        others: Value::Null,
        is_for_ephemeral: true,
        is_mutable: true,
    };
    let tagged = ["", ":1.2", "@$digest", ":1.2@$digest"];
    let elsewhere = elsewhere.iter().flat_map(|name| tagged.iter().map(move |tag| format!("{name}{tag}")));
    let of_repos = elsewhere.map(|image| change("K8sAllowedRepos", image));
    of_repos.chain(undigested.map(|image| change("K8sImageDigests", image.to_owned()))).collect()
}
