//! Traces over OTLP: the real process, and a collector that reads what it is sent. Needs the feature `otlp`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod collector;
mod process;

use std::time::{Duration, Instant};

use collector::{Collector, Span};
use process::Admit;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The only one of a name.
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found.as_slice() else { panic!("{} spans are called {name:?}: {spans:#?}", found.len()) };
    span
}

fn roots(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.name == "POST /v1/admit").collect()
}

#[test]
fn a_request_is_traced_from_its_first_byte_to_its_answer() {
    let collector = Collector::start();
    let admit = Admit::start(&["--otlp-endpoint", &collector.address(), "--show-decision-id"], &[]);
    let answer = admit.ask("bad", Some(&format!("00-{TRACE}-{CALLER}-01")));
    let log = admit.stop();
    let spans = collector.spans();

    let root = one(&spans, "POST /v1/admit");
    assert_eq!((root.trace.as_str(), root.parent.as_str()), (TRACE, CALLER));
    assert_eq!(root.resource["service.name"], "admit");
    for (key, expected) in [
        ("request_uid", "u-bad"),
        ("request_username", "ann"),
        ("resource_kind", "ConfigMap"),
        ("resource_namespace", "shop"),
        ("resource_name", "bad"),
        ("operation", "CREATE"),
        ("admission_status", "deny"),
        ("violations", "1"),
        ("constraints_matched", "2"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(root.attributes.get(key).map(String::as_str), Some(expected), "{key} of {root:#?}");
    }
    let decision = &root.attributes["decision_id"];
    assert!(answer.contains(&format!("(decision {decision})")), "{answer}");
    assert!(log.contains(&format!("\"decision_id\":\"{decision}\"")), "{log}");

    for name in ["read the request", "decode the request", "evaluate constraints", "write the answer"] {
        let stage = one(&spans, name);
        assert_eq!((stage.trace.as_str(), &stage.parent), (TRACE, &root.id), "{name}");
        assert!(root.begun <= stage.begun && stage.begun <= stage.ended && stage.ended <= root.ended, "{name}");
    }
    assert!(spans.iter().any(|span| span.name == "wait for a thread" && span.parent == root.id), "{spans:#?}");
    let evaluating = one(&spans, "evaluate constraints");
    let mut constraints: Vec<_> = spans.iter().filter(|span| span.name == "evaluate constraint").collect();
    constraints.sort_by_key(|span| &span.attributes["constraint_name"]);
    let told: Vec<_> = constraints
        .iter()
        .map(|span| {
            assert_eq!(span.parent, evaluating.id);
            ["constraint_kind", "constraint_name", "verdict"].map(|key| span.attributes[key].as_str())
        })
        .collect();
    assert_eq!(told, [["Says", "denies", "violated"], ["Says", "says-nothing", "satisfied"]]);
}

#[test]
fn what_is_sampled_is_for_the_caller_and_then_for_the_ratio() {
    let collector = Collector::start();
    let endpoint = format!("http://{}/v1/traces", collector.address());
    let admit = Admit::start(&["--otlp-endpoint", &endpoint, "--otlp-sample-ratio=0"], &[]);
    admit.ask("nobody-asked", None);
    admit.ask("asked-not-to", Some(&format!("00-{TRACE}-{CALLER}-00")));
    admit.ask("asked-to", Some(&format!("00-{TRACE}-{CALLER}-01")));
    admit.ask("nonsense", Some("00-zz-1-01"));
    admit.stop();
    let names: Vec<_> = roots(&collector.spans()).iter().map(|span| span.attributes["resource_name"].clone()).collect();
    assert_eq!(names, ["asked-to"]);
}

#[test]
fn the_environment_counts() {
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=admit-0"),
        ("OTEL_SERVICE_NAME", "gate"),
    ];
    let admit = Admit::start(&[], &variables);
    let answer = admit.ask("fine", None);
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    admit.stop();
    let spans = collector.spans();
    let root = one(&spans, "POST /v1/admit");
    assert_eq!(root.attributes["admission_status"], "allow");
    assert_eq!(root.resource["service.name"], "gate");
    assert_eq!(root.resource["k8s.pod.name"], "admit-0");
    assert!(collector.heads().iter().all(|head| head.contains("x-tenant: shop")), "{:?}", collector.heads());

    let disabled = Admit::start(&[], &[variables[0], ("OTEL_SDK_DISABLED", "true")]);
    disabled.ask("unseen", None);
    disabled.stop();
    assert_eq!(roots(&collector.spans()).len(), 1);
}

/// One collector never answers; the other does not exist.
#[test]
fn a_collector_that_takes_nothing_delays_nobody_and_is_told_of_once() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for endpoint in [silent.local_addr().unwrap().to_string(), gone] {
        let variables = [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
        ];
        let admit = Admit::start(&["--otlp-endpoint", &endpoint], &variables);
        let begun = Instant::now();
        let mut longest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            let answer = admit.ask("bad", None);
            longest = longest.max(asked.elapsed());
            assert!(answer.contains("\"allowed\":false"), "{answer}");
        }
        let stopping = Instant::now();
        let log = admit.stop();
        assert!(longest < Duration::from_secs(1), "{endpoint}: an answer took {longest:?}");
        assert!(stopping.elapsed() < Duration::from_secs(8), "{endpoint}: it took {:?} to stop", stopping.elapsed());
        let complaints = log.lines().filter(|line| line.contains("traces cannot be sent")).count();
        assert_eq!(complaints, 1, "{endpoint}: {log}");
    }
}

#[test]
fn an_endpoint_that_is_none_is_refused_at_start() {
    let output = Admit::command(&["--otlp-endpoint=grpc://collector:4317"], &[]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("expected HOST:PORT, http://HOST:PORT or https://"), "{text}");
}
