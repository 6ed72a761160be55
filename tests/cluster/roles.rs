//! What a process does by its roles, and what only one of several does at a time.

use std::time::{Duration, Instant};

use admit::server::loopback::LoopbackClient;
use serde_json::Value;

use super::environment::{AdmitServer, Environment, wait_until};
use super::{LATER, SOON, prepared, start_with};

/// Gives admit in that namespace the rights that it has in its own. Servers of other tests hold the Leases there.
pub(super) fn allow_in(environment: &Environment, namespace: &str) {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/rbac.yaml")).unwrap();
    let is_role = |text: &&str| {
        let is_of_kind = text.contains("kind: Role\n") || text.contains("kind: RoleBinding\n");
        is_of_kind && text.contains("metadata:\n  name: admit\n  namespace: admit-system\n")
    };
    let roles: Vec<String> = manifest
        .split("\n---\n")
        .filter(is_role)
        .map(|text| text.replacen("namespace: admit-system", &format!("namespace: {namespace}"), 1))
        .collect();
    assert_eq!(roles.len(), 2);
    environment.apply(&roles.join("\n---\n")).checked();
}

pub(super) fn start_in(environment: &'static Environment, namespace: &str, arguments: &[&str]) -> AdmitServer {
    let namespace = format!("--pod-namespace={namespace}");
    let all: Vec<&str> =
        [namespace.as_str(), "--shutdown-delay=0"].into_iter().chain(arguments.iter().copied()).collect();
    start_with(environment, &all)
}

/// Removes what processes have said in that namespace: what was killed, or has a Pod, leaves it behind, and other tests
/// would find it in statuses.
pub(super) fn forget_statuses(environment: &Environment, namespace: &str) {
    // As collections: one by one takes kubectl many seconds.
    for kind in [
        "constrainttemplatepodstatuses",
        "constraintpodstatuses",
        "configpodstatuses",
        "mutatorpodstatuses",
        "expansiontemplatepodstatuses",
        "providerpodstatuses",
    ] {
        let path = format!("/apis/status.gatekeeper.sh/v1beta1/namespaces/{namespace}/{kind}");
        environment.kubectl(&["delete", "--raw", &path]).checked();
    }
}

fn holder(environment: &Environment, namespace: &str, lease: &str) -> String {
    let path = "-o=jsonpath={.spec.holderIdentity}";
    environment.kubectl(&["get", "lease", lease, "-n", namespace, "--ignore-not-found", path]).checked().stdout
}

#[test]
fn one_replica_holds_a_lease_and_another_takes_over() {
    let environment = prepared();
    let scope = environment.scope("lease");
    let namespace = scope.namespace();
    allow_in(environment, &namespace);
    let holder = |lease: &str| holder(environment, &namespace, lease);
    let mut first = start_in(environment, &namespace, &[]);
    for lease in ["admit-generate", "admit-status"] {
        assert!(wait_until(SOON, || holder(lease) == first.pod_name), "{lease}: {:?}\n{}", holder(lease), first.log());
    }
    let mut second = start_in(environment, &namespace, &["--operation=generate"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(holder("admit-generate"), first.pod_name);

    first.kill();
    let killed = Instant::now();
    forget_statuses(environment, &namespace);
    let has_taken_over = || holder("admit-generate") == second.pod_name;
    assert!(wait_until(Duration::from_secs(25), has_taken_over), "{:?}\n{}", holder("admit-generate"), second.log());
    // The Lease lasts for 12 seconds, and is looked at every 2; the rest is what a busy machine needs.
    assert!(killed.elapsed() < Duration::from_secs(18), "{:?}", killed.elapsed());

    let third = start_in(environment, &namespace, &["--operation=generate"]);
    assert!(second.terminate().unwrap().success(), "{}", second.log());
    assert_eq!(holder("admit-status"), first.pod_name, "nobody else has that role");
    assert!(wait_until(Duration::from_secs(5), || holder("admit-generate") == third.pod_name), "{}", third.log());
    for log in [second.log(), third.log()] {
        assert!(log.contains(r#""lease":"admit-generate""#) && !log.contains("working without"), "{log}");
    }
}

#[test]
fn without_rights_to_leases_the_work_is_done_all_the_same() {
    let environment = prepared();
    let admit = start_in(environment, "nowhere", &[]);
    let warning = "there can be no lease; working without";
    // Of CRDs of constraints, of statuses, and of those of mutators.
    assert!(wait_until(LATER, || admit.log().matches(warning).count() == 3), "{}", admit.log());
}

fn entry(environment: &Environment, pod: &str) -> Option<Value> {
    let output = environment.kubectl(&["get", "constrainttemplate", "k8srequiredlabels", "-o", "json"]).checked();
    let template: Value = serde_json::from_str(&output.stdout).unwrap();
    template["status"]["byPod"].as_array()?.iter().find(|entry| entry["id"] == pod).cloned()
}

#[test]
fn a_process_does_what_its_operations_say() {
    let environment = prepared();
    let scope = environment.scope("operations");
    let namespace = scope.namespace();
    allow_in(environment, &namespace);
    let webhook = start_in(environment, &namespace, &["--operation=webhook", "--operation", "mutation-webhook"]);
    assert!(!webhook.log().contains("operations without effect"), "{}", webhook.log());
    let status = start_in(environment, &namespace, &["-operation=status,audit", "--audit-interval=60"]);
    assert!(status.log().contains("--audit-interval (there is no audit)"), "{}", status.log());
    assert!(status.log().contains(r#""operations":"audit""#), "{}", status.log());

    let mine = || entry(environment, &status.pod_name);
    assert!(wait_until(LATER, || mine().is_some()), "{}", status.log());
    assert_eq!(mine().unwrap()["operations"], serde_json::json!(["audit", "status"]));
    // The one that gathers says it of the other, too.
    let other = || entry(environment, &webhook.pod_name);
    assert!(wait_until(LATER, || other().is_some()), "{}", webhook.log());
    assert_eq!(other().unwrap()["operations"], serde_json::json!(["mutation-webhook", "webhook"]));
    assert_eq!(holder(environment, &namespace, "admit-generate"), "");
    assert_eq!(holder(environment, &namespace, "admit-status"), status.pod_name);
    assert_eq!(holder(environment, &namespace, "admit-mutation-status"), "");

    let authority = environment.ca_pem();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |port: u16, path: &'static str| {
        runtime.block_on(async {
            let mut client = LoopbackClient::connect(([127, 0, 0, 1], port).into(), &authority).await.unwrap();
            client.post(path, b"{}".to_vec()).await.unwrap().0
        })
    };
    assert_eq!((ask(webhook.port, "/v1/admit"), ask(webhook.port, "/v1/mutate")), (400, 400));
    let refused = std::net::TcpStream::connect(("127.0.0.1", status.port)).map(drop).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "only one of them has a webhook");
}
