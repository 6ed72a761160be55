//! Running: under load while policies change, with a certificate that rotates, through a shutdown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use admit::server::loopback::LoopbackClient;
use serde_json::{Value, json};

use super::environment::wait_until;
use super::{LATER, apply_constraint, approved_registries, prepared, start};

fn review(namespace: &str) -> Vec<u8> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/elsewhere/web:1"}]}});
    serde_json::to_vec(&json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": namespace, "name": "p",
        "operation": "CREATE", "object": pod}}))
    .unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn no_request_is_dropped_while_policies_change() {
    let environment = prepared();
    let scope = environment.scope("load");
    let admit = start(environment);
    let namespace = scope.namespace();
    apply_constraint(environment, &approved_registries("load-registries", &namespace, "deny"));
    let (authority, address) = (environment.ca_pem(), ([127, 0, 0, 1], admit.port).into());
    let stop = AtomicBool::new(false);
    let answered = std::thread::scope(|threads| {
        let asking = threads.spawn(|| {
            runtime().block_on(async {
                let mut client = LoopbackClient::connect(address, &authority).await.unwrap();
                let (mut answered, body) = (0_u32, review(&namespace));
                while !stop.load(Ordering::Relaxed) || answered < 2_000 {
                    let (status, answer) = client.post("/v1/admit?timeout=3s", body.clone()).await.unwrap();
                    let answer: Value = serde_json::from_slice(&answer).unwrap();
                    assert_eq!((status, &answer["response"]["uid"]), (200, &json!("u")));
                    assert!(answer["response"]["status"]["code"] != 500, "{answer}");
                    answered += 1;
                }
                answered
            })
        });
        for round in 0..10 {
            let action = ["warn", "deny", "dryrun"][round % 3];
            environment.apply(&approved_registries("load-registries", &namespace, action).to_string()).checked();
            environment.apply_file("policies/general/allowedrepos/template.yaml").checked();
        }
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert!(answered >= 2_000, "{answered}");
}

#[test]
fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
    let environment = prepared();
    let admit = start(environment);
    let (authority, address) = (environment.ca_pem(), ([127, 0, 0, 1], admit.port).into());
    let connects = || runtime().block_on(LoopbackClient::connect(address, &authority)).is_ok();
    assert!(connects());
    environment.certificates(&admit.certificates);
    assert!(wait_until(LATER, || admit.log().contains("serving certificate reloaded")), "{}", admit.log());
    assert!(connects());
    let key = admit.certificates.join("tls.key");
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&key, "not a key").unwrap();
    assert!(wait_until(LATER, || admit.log().contains("new serving certificate refused")), "{}", admit.log());
    assert!(connects(), "the last good certificate stays");
}

#[test]
fn a_shutdown_serves_on_and_then_ends_well() {
    let environment = prepared();
    let mut admit = super::environment::AdmitServer::start(environment, &["--shutdown-delay=1"]);
    let (authority, address) = (environment.ca_pem(), ([127, 0, 0, 1], admit.port).into());
    let begun = Instant::now();
    let served = std::thread::scope(|threads| {
        let asking = threads.spawn(|| {
            runtime().block_on(async {
                let mut client = LoopbackClient::connect(address, &authority).await.unwrap();
                let mut served = Duration::ZERO;
                // Requests are answered until the connection is closed in good order.
                while client.post("/v1/admit", review("default")).await.is_ok_and(|(status, _)| status == 200) {
                    served = begun.elapsed();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                served
            })
        });
        std::thread::sleep(Duration::from_millis(200));
        let status = admit.terminate().unwrap();
        assert!(status.success(), "{status}\n{}", admit.log());
        asking.join().unwrap()
    });
    assert!(served >= Duration::from_secs(1), "served {served:?} from the start, SIGTERM came after 0.2 s");
}

#[test]
fn ready_means_that_what_was_there_is_enforced() {
    let environment = prepared();
    let scope = environment.scope("ready");
    let namespace = scope.namespace();
    drop({
        let admit = start(environment);
        apply_constraint(environment, &approved_registries("ready-registries", &namespace, "deny"));
        admit
    });
    let admit = start(environment);
    let (authority, address) = (environment.ca_pem(), ([127, 0, 0, 1], admit.port).into());
    let answer = runtime().block_on(async {
        let mut client = LoopbackClient::connect(address, &authority).await.unwrap();
        client.post("/v1/admit?timeout=3s", review(&namespace)).await.unwrap().1
    });
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let message = answer["response"]["status"]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("[ready-registries] container \"c\""), "{answer}");
}
