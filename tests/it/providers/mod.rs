//! External data through the webhook: a real provider over HTTPS, and everything that can go wrong with it.

mod mutation;
mod server;

use std::time::{Duration, Instant};

use admit::server::ServeOptions;
use serde_json::{Value, json};

use super::webhook::{Running, request};
use server::{Identity, Mode, Provider};

const TEMPLATE: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8sasks}
spec:
  crd:
    spec:
      names: {kind: K8sAsks}
      validation:
        openAPIV3Schema:
          type: object
          properties: {provider: {type: string}, ignoresFailure: {type: boolean}, shows: {type: boolean}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package asks
        keys := [key | key := input.review.object.data[_]]
        response := external_data({"provider": input.parameters.provider, "keys": keys})
        violation[{"msg": json.marshal(response)}] { input.parameters.shows }
        violation[{"msg": msg}] {
          response.system_error != ""
          not input.parameters.ignoresFailure
          msg := sprintf("cannot ask: %v", [response.system_error])
        }
        violation[{"msg": msg}] {
          [key, error] := response.errors[_]
          msg := sprintf("%v: %v", [key, error])
        }
        violation[{"msg": msg}] {
          [key, value] := response.responses[_]
          not value.ok
          msg := sprintf("%v is bad", [key])
        }
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8splain}
spec:
  crd: {spec: {names: {kind: K8sPlain}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package plain
        violation[{"msg": "plainly no"}] { true }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sPlain
metadata: {name: plain}
spec: {match: {name: "plain-*"}}
---
"#;

/// A constraint on what is named `NAME-…`.
fn constraint(name: &str, provider: &str, more: Value) -> String {
    let mut parameters = json!({"provider": provider});
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sAsks",
        "metadata": {"name": name}, "spec": {"match": {"name": format!("{name}-*")}, "parameters": parameters}});
    format!("{constraint}\n---\n")
}

/// A policy that asks each of these, by its name.
fn policies(providers: &[(&str, &Provider, u64)]) -> String {
    let one = |(name, provider, timeout): &(&str, &Provider, u64)| {
        provider.resource(name, *timeout) + &constraint(name, name, json!({}))
    };
    TEMPLATE.to_owned() + &providers.iter().map(one).collect::<String>()
}

fn start(policies: &str) -> Running {
    Running::start_with(policies, |_| {})
}

fn without_cache(options: &mut ServeOptions) {
    options.provider_cache_lifetime = Duration::ZERO;
}

/// The answer's message; empty when it is allowed.
fn ask(server: &Running, name: &str, keys: &[&str]) -> String {
    let mut review = request(name);
    let data = keys.iter().enumerate().map(|(number, key)| (format!("k{number}"), json!(key)));
    review["request"]["object"]["data"] = Value::Object(data.collect());
    let response = server.ask(&review)["response"].take();
    let message = response["status"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(response["allowed"], message.is_empty(), "{response}");
    assert!(message.is_empty() || response["status"]["code"] == 403, "{response}");
    message
}

fn shown(server: &Running, name: &str, keys: &[&str]) -> Value {
    let message = ask(server, name, keys);
    let text = message
        .lines()
        .find_map(|line| line.split_once("] ").map(|(_, text)| text).filter(|text| text.starts_with('{')));
    serde_json::from_str(text.unwrap_or_else(|| panic!("{message}"))).unwrap()
}

fn metric(server: &Running, line: &str) -> Option<f64> {
    let text = server.metrics();
    text.lines().find_map(|one| one.strip_prefix(line)?.trim().parse().ok())
}

#[test]
fn answers_reach_policies_in_gatekeepers_shape_and_are_remembered() {
    let provider = Provider::start(Mode::Good);
    let policies = policies(&[("images", &provider, 3)]) + &constraint("show", "images", json!({"shows": true}));
    let server = start(&policies);
    assert_eq!(ask(&server, "images-a", &["v1", "v2"]), "");
    assert_eq!(
        provider.requests(),
        [json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest",
            "request": {"keys": ["v1", "v2"]}})]
    );
    assert_eq!(ask(&server, "images-b", &["bad-1", "err-1"]), "[images] bad-1 is bad\n[images] err-1: no such image");
    let first = shown(&server, "show-a", &["v3", "err-2"]);
    assert_eq!(
        first,
        json!({"responses": [["v3", {"ok": true, "score": 1}]], "errors": [["err-2", "no such image"]],
            "status_code": 200, "system_error": ""})
    );
    let mixed = shown(&server, "show-b", &["v4", "v1", "err-2"]);
    assert_eq!(mixed["responses"], json!([["v1", {"ok": true, "score": 1}], ["v4", {"ok": true, "score": 1}]]));
    assert_eq!(mixed["errors"], json!([["err-2", "no such image"]]), "errors of keys are remembered, too");
    let asked = [vec!["v1", "v2"], vec!["bad-1", "err-1"], vec!["v3", "err-2"], vec!["v4"]];
    assert_eq!(provider.asked(), asked, "only what is not known is asked");
    assert_eq!(shown(&server, "show-c", &["v4", "v1"])["status_code"], 0);
    assert_eq!(shown(&server, "show-d", &[])["responses"], json!([]));
    assert_eq!(provider.connections(), 1, "the connection is used again");
    let calls = "gatekeeper_external_data_calls_total{provider=\"images\",outcome=\"answered\"}";
    assert_eq!(metric(&server, calls), Some(4.0));
    let cached = "gatekeeper_external_data_keys_total{provider=\"images\",source=\"cache\"}";
    assert_eq!(metric(&server, cached), Some(4.0));
}

#[test]
fn an_unknown_provider_is_told_as_gatekeeper_does() {
    let server = start(&(TEMPLATE.to_owned() + &constraint("nobody", "nobody", json!({"shows": true}))));
    assert_eq!(
        shown(&server, "nobody-a", &["v1"]),
        json!({"responses": null, "errors": null, "status_code": 400, "system_error": "key is not found in provider cache"})
    );
}

/// Each way to be ill, what the policy hears of it, and what it decides by its failure policy.
#[test]
fn whatever_is_wrong_with_a_provider_its_policy_decides() {
    use Identity::{OnlyTls12, Plain, SelfSigned, Usual, WrongCertificate};
    let slow = Mode::Slow(Duration::from_secs(20));
    let cases = [
        (
            "slow",
            Provider::start(slow),
            "failed to send external data request: Post \"URL\": context deadline exceeded",
        ),
        (
            "down",
            Provider::down(),
            "failed to send external data request: Post \"URL\": tcp connect error: Connection refused",
        ),
        (
            "nojson",
            Provider::start(Mode::NotJson),
            "failed to unmarshal external data response: expected value at line 1",
        ),
        ("huge", Provider::start(Mode::Huge), "failed to read external data response: it has more than 8388608 bytes"),
        (
            "page",
            Provider::start(Mode::ErrorPage),
            "failed to unmarshal external data response: expected value at line 1",
        ),
        ("system", Provider::start(Mode::SystemError), "the vault is sealed"),
        ("hangup", Provider::start(Mode::HangUp), "failed to send external data request: Post \"URL\": "),
        (
            "stranger",
            Provider::start_as(Mode::Good, WrongCertificate, None),
            "failed to send external data request: Post \"URL\": invalid peer certificate: ",
        ),
        ("plain", Provider::start_as(Mode::Good, Plain, None), "failed to send external data request: Post \"URL\": "),
        (
            "old",
            Provider::start_as(Mode::Good, OnlyTls12, None),
            "failed to send external data request: Post \"URL\": ",
        ),
        ("status", Provider::start(Mode::Status("503 Service Unavailable")), ""),
        ("liar", Provider::start(Mode::WrongKeys), ""),
        ("own", Provider::start_as(Mode::Good, SelfSigned, None), ""),
        ("good", Provider::start_as(Mode::Good, Usual, None), ""),
    ];
    let mut text = TEMPLATE.to_owned();
    for (name, provider, _) in &cases {
        text += &provider.resource(name, if *name == "slow" { 1 } else { 3 });
        text += &constraint(name, name, json!({"shows": true}));
        text += &constraint(&format!("lax{name}"), name, json!({"ignoresFailure": true}));
    }
    let server = start(&text);
    std::thread::scope(|scope| {
        for (name, provider, expected) in &cases {
            let server = &server;
            scope.spawn(move || {
                let begun = Instant::now();
                let heard = shown(server, &format!("{name}-a"), &["v1"]);
                assert!(begun.elapsed() < Duration::from_secs(5), "{name} took {:?}", begun.elapsed());
                let error = heard["system_error"].as_str().unwrap();
                let port = provider.resource(name, 1);
                let port = port.split("127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().to_owned();
                let expected = expected.replace("URL", &format!("https://127.0.0.1:{port}/validate"));
                assert!(error.starts_with(&expected) && error.is_empty() == expected.is_empty(), "{name}: {error}");
                let strict = ask(server, &format!("{name}-b"), &["v1"]);
                assert_eq!(strict.contains("cannot ask: "), !expected.is_empty(), "{name}: {strict}");
                let lax = ask(server, &format!("lax{name}-a"), &["v1"]);
                match *name {
                    "liar" => {
                        assert_eq!(heard["responses"].as_array().unwrap().len(), 2, "{heard}");
                        assert!(lax.contains("bad-other is bad"), "{lax}");
                    }
                    "system" => {
                        assert_eq!((&heard["responses"], &heard["status_code"]), (&json!([]), &json!(200)));
                        assert_eq!(lax, "");
                    }
                    "status" => {
                        assert_eq!((heard["status_code"].as_u64(), lax.as_str()), (Some(503), ""), "{heard}");
                        assert_eq!(heard["responses"][0][0], "v1");
                    }
                    _ if expected.is_empty() => {
                        assert_eq!((heard["status_code"].as_u64(), lax.as_str()), (Some(200), ""));
                    }
                    _ => {
                        let nothing = (&heard["responses"], &heard["errors"], &heard["status_code"]);
                        assert_eq!(nothing, (&Value::Null, &Value::Null, &json!(500)), "{name}: {heard}");
                        assert_eq!(lax, "", "{name}");
                    }
                }
            });
        }
    });
}

#[test]
fn what_a_liar_says_of_other_keys_is_not_remembered() {
    let liar = Provider::start(Mode::WrongKeys);
    let server = start(&policies(&[("liar", &liar, 1)]));
    assert!(ask(&server, "liar-a", &["v1"]).contains("bad-other is bad"));
    assert!(ask(&server, "liar-b", &["bad-other"]).contains("bad-other is bad"));
    assert_eq!(liar.asked(), [["v1"], ["bad-other"]], "it was asked of the key itself");
}

#[test]
fn a_hundred_pods_with_the_same_image_at_once_make_one_call() {
    let provider = Provider::start(Mode::Slow(Duration::from_millis(400)));
    let server = start(&policies(&[("images", &provider, 3)]));
    std::thread::scope(|scope| {
        for number in 0..100 {
            let server = &server;
            scope.spawn(move || assert_eq!(ask(server, &format!("images-{number}"), &["same", "image"]), ""));
        }
    });
    assert_eq!(provider.asked(), [["same", "image"]]);
}

#[test]
fn without_a_cache_equal_questions_at_once_are_still_one() {
    let provider = Provider::start(Mode::Slow(Duration::from_millis(600)));
    let server = Running::start_with(&policies(&[("images", &provider, 3)]), without_cache);
    std::thread::scope(|scope| {
        for number in 0..30 {
            let server = &server;
            let keys = if number % 2 == 0 { &["same"][..] } else { &["same", "other"] };
            scope.spawn(move || assert_eq!(ask(server, &format!("images-{number}"), keys), ""));
        }
    });
    let asked = provider.asked().concat();
    assert!(asked.len() <= 6, "{asked:?}");
    let before = asked.len();
    assert_eq!(ask(&server, "images-again", &["same"]), "");
    assert_eq!(provider.asked().concat().len(), before + 1, "nothing is remembered");
}

#[test]
fn who_waits_for_a_provider_holds_up_nobody_else() {
    let slow = Provider::start(Mode::Slow(Duration::from_secs(3)));
    let policies = policies(&[("slow", &slow, 10)]);
    let server = Running::start_with(&policies, |options| options.serving_threads = 1);
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (server, name) = (&server, format!("slow-{number}"));
            scope.spawn(move || assert_eq!(ask(server, &name, &["v1"]), ""));
        }
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        for number in 0..10 {
            assert_eq!(ask(&server, &format!("plain-{number}"), &[]), "[plain] plainly no");
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    });
    assert_eq!(slow.asked(), [["v1"]], "the answer came in time for all, one second of evaluation or not");
}

#[test]
fn the_deadline_is_kept_and_what_comes_late_serves_the_next() {
    let slow = Provider::start(Mode::Slow(Duration::from_secs(6)));
    let server = start(&policies(&[("slow", &slow, 30)]));
    let begun = Instant::now();
    let message = ask(&server, "slow-a", &["v1"]);
    assert!(message.contains("context deadline exceeded"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(ask(&server, "slow-b", &["v1"]), "");
    assert_eq!(slow.asked(), [["v1"]]);
}

#[test]
fn a_provider_that_keeps_failing_is_left_alone_and_others_are_not() {
    let (ill, good) = (Provider::start(Mode::IllUnlessGood), Provider::start(Mode::Good));
    let server = start(&policies(&[("ill", &ill, 1), ("fine", &good, 1)]));
    for number in 0..10 {
        let message = ask(&server, &format!("ill-{number}"), &["v1"]);
        let is_refused = message.contains("it failed 5 times in a row and is not asked for");
        assert_eq!(is_refused, number >= 5, "{message}");
        assert_eq!(ask(&server, &format!("fine-{number}"), &[&format!("v{number}")]), "");
    }
    assert_eq!((ill.asked().len(), good.asked().len()), (5, 10));
    let left_alone =
        |name: &str| metric(&server, &format!("gatekeeper_external_data_provider_left_alone{{provider=\"{name}\"}}"));
    assert_eq!((left_alone("ill"), left_alone("fine")), (Some(1.0), Some(0.0)));
    let begun = Instant::now();
    while left_alone("ill") == Some(1.0) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it was never asked again");
        std::thread::sleep(Duration::from_millis(100));
        ask(&server, "ill-again", &["good"]);
    }
    assert_eq!(ask(&server, "ill-well", &["good"]), "");
}

#[test]
fn a_provider_may_know_who_asks() {
    let certificate = admit::server::self_signed().unwrap();
    let provider = Provider::start_as(Mode::Good, Identity::Usual, Some(&certificate.authority));
    let stranger =
        Provider::start_as(Mode::Good, Identity::Usual, Some(&admit::server::self_signed().unwrap().authority));
    let server = Running::start_as(certificate, &policies(&[("images", &provider, 2), ("strict", &stranger, 2)]));
    assert_eq!(ask(&server, "images-a", &["v1"]), "");
    assert!(ask(&server, "strict-a", &["v1"]).contains("cannot ask: "));
    assert_eq!((provider.asked().len(), stranger.asked().len()), (1, 0));
}

#[test]
fn disabled_external_data_is_no_function() {
    let server = Running::start_with("", |options| options.build.compile.access.disable_external_data());
    let template: Value = {
        let text = TEMPLATE.split("---").next().unwrap();
        let (objects, _) = admit::workbench::bundle::read_texts(&[("template.yaml", text)]);
        objects[0].object.value().clone()
    };
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u",
        "kind": {"group": "templates.gatekeeper.sh", "version": "v1", "kind": "ConstraintTemplate"},
        "name": "k8sasks", "operation": "CREATE", "object": template}});
    let response = server.ask(&review)["response"].take();
    assert_eq!(response["status"]["code"], 422, "{response}");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("undefined function external_data") && message.contains("--enable-external-data=false"),
        "{message}"
    );
}

#[test]
fn providers_are_checked_at_admission() {
    let server = start(TEMPLATE);
    let good = Provider::down().resource("images", 3);
    let good: Value = serde_json::from_str(good.lines().next().unwrap()).unwrap();
    let check = |field: &str, value: Value, code: u64, expected: &str| {
        let mut object = good.clone();
        object["spec"][field] = value;
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u",
            "kind": {"group": "externaldata.gatekeeper.sh", "version": "v1beta1", "kind": "Provider"},
            "name": "images", "operation": "CREATE", "object": object}});
        let response = server.ask(&review)["response"].take();
        assert_eq!(response["status"]["code"], code, "{response}");
        let message = response["status"]["message"].as_str().or(response["warnings"][0].as_str()).unwrap_or_default();
        assert_eq!(message, expected);
    };
    check("timeout", json!(5), 200, "");
    check("timeout", json!(-1), 422, "provider timeout should be a positive integer. value: -1");
    check("url", json!(""), 422, "invalid provider url. value: ");
    check("url", json!("http://a"), 422, "only HTTPS scheme is supported for Providers");
    check("caBundle", Value::Null, 422, "caBundle should be set for HTTPS scheme");
    check("caBundle", json!("YQ=="), 422, "bad caBundle");
    check("caBundle", json!("YQ"), 422, "failed to base64 decode caBundle: illegal base64 data at input byte 0");
    let block = data_encoding::BASE64.encode(b"-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n");
    check("caBundle", json!(block), 422, "failed to parse caBundle: x509: malformed certificate");
    let warning = "spec.timeout of this Provider is 0 seconds: every question to it fails; set it to 1 or more";
    check("timeout", json!(0), 200, warning);
}
