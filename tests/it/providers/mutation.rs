//! External data in mutators through `/v1/mutate`: what a provider says, and what its failures lead to.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::mutate_webhook::patched;
use super::super::webhook::Running;
use super::server::{Mode, Provider};

/// Three mutators of images that ask a provider, one for each failure policy, on Pods named `NAME-POLICY…`.
fn mutators(name: &str) -> String {
    let mutator = |policy: &str| {
        let mut data = json!({"provider": name, "failurePolicy": policy});
        if policy == "UseDefault" {
            data["default"] = json!("the-default");
        }
        let object = json!({"apiVersion": "mutations.gatekeeper.sh/v1", "kind": "Assign",
            "metadata": {"name": format!("{name}-{}", policy.to_lowercase())},
            "spec": {"applyTo": [{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}],
                "match": {"name": format!("{name}-{}*", policy.to_lowercase())},
                "location": "spec.containers[name: *].image", "parameters": {"assign": {"externalData": data}}}});
        format!("{object}\n---\n")
    };
    ["Fail", "Ignore", "UseDefault"].map(mutator).concat()
}

fn pod(name: &str, images: &[&str]) -> Value {
    let container = |(number, image): (usize, &&str)| json!({"name": format!("c{number}"), "image": image});
    let containers: Vec<Value> = images.iter().enumerate().map(container).collect();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers}})
}

/// The images that come of it, or why there are none.
fn mutate(server: &Running, name: &str, images: &[&str]) -> Result<Vec<String>, String> {
    let object = pod(name, images);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "name": name, "operation": "CREATE",
        "userInfo": {"username": "somebody"}, "object": object}});
    let (status, body) = server.post("/v1/mutate?timeout=4s", review.to_string().into_bytes());
    assert_eq!(status, 200, "{body}");
    let response = serde_json::from_str::<Value>(&body).unwrap()["response"].take();
    if response["allowed"] == false {
        assert_eq!(response["status"]["code"], 500, "{response}");
        return Err(response["status"]["message"].as_str().unwrap().to_owned());
    }
    let after = if response["patch"].is_null() { object } else { patched(&object, &response) };
    let containers = after["spec"]["containers"].as_array().unwrap();
    Ok(containers.iter().map(|one| one["image"].as_str().unwrap().to_owned()).collect())
}

fn list(images: &[&str]) -> Result<Vec<String>, String> {
    Ok(images.iter().map(|image| (*image).to_owned()).collect())
}

#[test]
fn what_a_provider_says_is_written_and_asked_for_anew_each_time() {
    let provider = Provider::start(Mode::Texts);
    let server = Running::start_with(&(provider.resource("images", 2) + &mutators("images")), |_| {});
    let expected = list(&["resolved/app", "resolved/side", "resolved/app"]);
    assert_eq!(mutate(&server, "images-fail-a", &["app", "side", "app"]), expected);
    assert_eq!(provider.asked(), [["app", "side"]], "one question, each key once");
    assert_eq!(mutate(&server, "images-fail-b", &["app"]), list(&["resolved/app"]));
    assert_eq!(provider.asked().len(), 2, "Gatekeeper remembers nothing for mutators");
    assert_eq!(provider.connections(), 1);
}

#[test]
fn failures_lead_to_what_each_mutator_says() {
    let slow = Provider::start(Mode::Slow(Duration::from_secs(20)));
    let cases = [
        ("slow", slow, "failed to send external data request to provider slow: failed to send external data request: "),
        ("down", Provider::down(), "failed to send external data request to provider down: "),
        (
            "nojson",
            Provider::start(Mode::NotJson),
            "failed to send external data request to provider nojson: failed to unmarshal",
        ),
        ("huge", Provider::start(Mode::Huge), "failed to send external data request to provider huge: "),
        (
            "system",
            Provider::start(Mode::SystemError),
            "failed to validate external data response from provider system: non-empty system error: the vault is sealed",
        ),
        ("liar", Provider::start(Mode::WrongKeys), "failed to find external data item in response for provider liar"),
        (
            "numbers",
            Provider::start(Mode::Good),
            "failed to convert external data item value from provider numbers to string, got type map[string]interface {}",
        ),
        (
            "fickle",
            Provider::start(Mode::Fickle),
            "failed to validate external data response from provider fickle: non-idempotent response",
        ),
    ];
    let policies: String =
        cases.iter().map(|(name, provider, _)| provider.resource(name, 30) + &mutators(name)).collect();
    let server = Running::start_with(&policies, |_| {});
    std::thread::scope(|scope| {
        for (name, _, expected) in &cases {
            let server = &server;
            scope.spawn(move || {
                let begun = Instant::now();
                let failed = mutate(server, &format!("{name}-fail"), &["app"]).unwrap_err();
                assert!(failed.contains(expected), "{name}: {failed}");
                assert_eq!(mutate(server, &format!("{name}-ignore"), &["app"]), list(&["app"]), "{name}");
                assert_eq!(mutate(server, &format!("{name}-usedefault"), &["app"]), list(&["the-default"]), "{name}");
                assert!(begun.elapsed() < Duration::from_secs(12), "{name}: {:?}", begun.elapsed());
            });
        }
    });
}

#[test]
fn a_provider_that_is_not_there_is_a_failure_like_others() {
    let server = Running::start_with(&mutators("none"), |_| {});
    let failed = mutate(&server, "none-fail", &["app"]).unwrap_err();
    assert!(failed.contains("failed to find external data provider none in responses"), "{failed}");
    assert_eq!(mutate(&server, "none-ignore", &["app"]), list(&["app"]));
}
