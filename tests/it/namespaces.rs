//! Namespaces that the webhook has not heard of yet: asked for once, never waited for too long, and refused in
//! Gatekeeper's words when they cannot be had.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use admit::server::loopback::LoopbackClient;
use serde_json::{Value, json};

use super::fake_cluster::FakeCluster;
use super::webhook::Running;

/// One for all tests here; each has Namespaces of its own.
fn running() -> &'static (Running, FakeCluster) {
    static RUNNING: OnceLock<(Running, FakeCluster)> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let rego = "package a\nviolation[{\"msg\": \"seen\"}] { true }";
        let cluster = FakeCluster::start(&[
            json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
                "metadata": {"name": "k8sseen"}, "spec": {"crd": {"spec": {"names": {"kind": "K8sSeen"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}}),
            json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sSeen", "metadata": {"name": "seen"},
                "spec": {"match": {"namespaceSelector": {"matchLabels": {"team": "fresh"}}}}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "known", "labels": {"team": "fresh"}}}),
        ]);
        (Running::start_in_cluster(cluster.kubeconfig()), cluster)
    })
}

fn review(namespace: &str) -> Vec<u8> {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace}});
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "name": "web", "namespace": namespace,
        "operation": "CREATE", "object": object}});
    serde_json::to_vec(&review).unwrap()
}

/// Sends requests at once, each on a connection of its own. Their answers, and how long each took.
fn ask(namespaces: &[&str], timeout: &str) -> Vec<(Value, Duration)> {
    let (address, authority) = running().0.addresses();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(futures::future::join_all(namespaces.iter().map(|namespace| async move {
        let mut client = LoopbackClient::connect(address, authority).await.unwrap();
        let started = Instant::now();
        let (status, body) = client.post(&format!("/v1/admit?timeout={timeout}"), review(namespace)).await.unwrap();
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["response"]["uid"], "u1");
        (answer["response"]["status"].clone(), started.elapsed())
    })))
}

fn check(namespace: &str, expected: &Value) {
    assert_eq!(&ask(&[namespace], "5s")[0].0, expected, "{namespace}");
}

fn seen() -> Value {
    json!({"code": 403, "reason": "Forbidden", "message": "[seen] seen"})
}

fn failed(message: &str) -> Value {
    json!({"code": 500, "message": format!("failed to create augmentedReview: {message}")})
}

#[test]
fn a_namespace_that_the_watch_has_not_brought_is_asked_for() {
    check("fresh-1", &seen());
    check("known", &seen());
    assert_eq!((running().1.asked("fresh-1"), running().1.asked("known")), (1, 0));
}

#[test]
fn what_the_api_server_says_is_told_in_gatekeepers_words() {
    check("gone-1", &failed("namespaces \"gone-1\" not found"));
    check("forbidden-1", &failed("namespaces \"forbidden-1\" is forbidden: no"));
    check("broken-1", &failed("namespaces \"broken-1\": etcdserver: request timed out (code 500)"));
    for name in ["garbled-1", "closes-1"] {
        let (status, _) = &ask(&[name], "5s")[0];
        let message = status["message"].as_str().unwrap();
        assert!(message.starts_with("failed to create augmentedReview: namespaces \""), "{status}");
        assert!(status["code"] == 500 && !message.contains('\n'), "{status}");
    }
}

#[test]
fn a_busy_api_server_is_asked_again_and_named_at_last() {
    check("busyonce-1", &seen());
    assert_eq!(running().1.asked("busyonce-1"), 2);
    let text = "namespaces \"busy-1\": Too many requests, please try again later. (code 429)";
    check("busy-1", &failed(text));
    assert!((3..20).contains(&running().1.asked("busy-1")), "{}", running().1.asked("busy-1"));
}

#[test]
fn requests_at_once_make_one_lookup() {
    let answers = ask(&["slow-1"; 60], "5s");
    assert!(answers.iter().all(|(status, _)| *status == seen()), "{answers:?}");
    assert_eq!(running().1.asked("slow-1"), 1);
}

#[test]
fn a_namespace_that_vanishes_counts_as_long_as_it_was_found_a_moment_ago() {
    check("vanishing-1", &seen());
    check("vanishing-1", &seen());
    std::thread::sleep(Duration::from_millis(1_200));
    check("vanishing-1", &failed("namespaces \"vanishing-1\" not found"));
}

/// There are two threads; twenty requests that wait for Namespaces keep neither.
#[test]
fn waiting_takes_no_thread_and_no_longer_than_the_request_may() {
    let waiting = std::thread::spawn(|| {
        let names: Vec<String> = (0..20).map(|number| format!("hangs-{number}")).collect();
        ask(&names.iter().map(String::as_str).collect::<Vec<_>>(), "1s")
    });
    std::thread::sleep(Duration::from_millis(300));
    let prompt = ask(&["known"; 20], "5s");
    assert!(prompt.iter().all(|(status, took)| *status == seen() && *took < Duration::from_millis(600)), "{prompt:?}");
    for (number, (status, took)) in waiting.join().unwrap().iter().enumerate() {
        let text = format!("namespaces \"hangs-{number}\": the API server did not answer in time");
        assert_eq!(status, &failed(&text));
        assert!(*took < Duration::from_millis(1_100), "{took:?}");
    }
    // Where the request could wait longer, the lookup itself has a limit.
    let (status, took) = &ask(&["hangs-long"], "10s")[0];
    assert_eq!(status, &failed("namespaces \"hangs-long\": the API server did not answer in time"));
    assert!(*took < Duration::from_millis(2_500), "{took:?}");
}
