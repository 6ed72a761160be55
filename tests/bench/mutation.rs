//! What mutating a Pod costs, its patch included: `cargo bench --bench mutation`.
//!
//! A Pod with two containers; 100 mutators of all kinds that are for it, and more that are not. The goal is at most 0.3 ms
//! a request. Needs Linux.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

mod common;
#[path = "common/report.rs"]
mod report;

use std::time::{Duration, Instant};

use admit::model::object::Object;
use admit::model::review::{Operation, Review};
use admit::policy::evaluate::{MutationContext, mutate};
use admit::policy::mutation::patch;
use admit::policy::snapshot::Snapshot;
use report::{Row, head, micros, row, times};
use serde_json::{Value, json};

/// What a request may cost, in microseconds.
const GOAL: f64 = 300.0;
const ROUNDS: u32 = 10;
const PERIOD: Duration = Duration::from_millis(200);

fn main() {
    head();
    let pod = common::pod(2);
    let service = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]);
    let other_namespace = json!({"namespaces": ["other-*"]});
    let cases: [(&str, Snapshot); 5] = [
        ("none", snapshot(0, 0, &|_| {})),
        ("100, all for it", snapshot(100, 0, &|_| {})),
        ("100, 10 for it, others for Services", snapshot(10, 90, &|spec| spec["applyTo"] = service.clone())),
        ("1,000, 10 for it, others for Services", snapshot(10, 990, &|spec| spec["applyTo"] = service.clone())),
        ("1,000, 10 for it, others for namespaces", snapshot(10, 990, &|spec| spec["match"] = other_namespace.clone())),
    ];
    for (name, snapshot) in &cases {
        let mutated = cost(snapshot, &pod);
        let case = format!("{name}: a Pod as it comes");
        let reference = "goal 300 µs".to_owned();
        let ratio = times(mutated / GOAL);
        row("mutation", Row { case: &case, figure: micros(mutated), reference, ratio, ..Row::default() });
        let done = Object::from_value(run(snapshot, &pod).0).unwrap();
        let again = cost(snapshot, &done);
        let (case, ratio) = (format!("{name}: a Pod that is as it should be"), times(again / GOAL));
        let reference = "goal 300 µs".to_owned();
        row("mutation", Row { case: &case, figure: micros(again), reference, ratio, ..Row::default() });
    }
}

/// The object after, and the patch as it is sent.
fn run(snapshot: &Snapshot, pod: &Object) -> (Value, Vec<u8>) {
    let mut review = Review::of_object(pod, None);
    review.operation = Some(Operation::Create);
    let mutation = mutate(snapshot, &review, pod.value(), MutationContext::offline()).unwrap();
    let patch = serde_json::to_vec(&patch(pod.value(), &mutation.object)).unwrap();
    (mutation.object, patch)
}

/// Microseconds of CPU a request takes, the least of several rounds: what others do on the machine only ever adds. Reading
/// the review, which every request costs, is not among it.
fn cost(snapshot: &Snapshot, pod: &Object) -> f64 {
    let mut review = Review::of_object(pod, None);
    review.operation = Some(Operation::Create);
    let mut least = f64::MAX;
    for _ in 0..ROUNDS {
        let (mut requests, before, begun) = (0_u32, cpu_time(), Instant::now());
        while begun.elapsed() < PERIOD {
            for _ in 0..10 {
                let mutation = mutate(snapshot, &review, pod.value(), MutationContext::offline()).unwrap();
                let patch = serde_json::to_vec(&patch(pod.value(), &mutation.object)).unwrap();
                std::hint::black_box(patch);
            }
            requests += 10;
        }
        least = least.min((cpu_time() - before).as_secs_f64() * 1e6 / f64::from(requests));
    }
    least
}

/// Of this thread, as Linux counts it.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// So many mutators for the Pod, and so many that this makes others.
fn snapshot(matching: usize, others: usize, other: &dyn Fn(&mut Value)) -> Snapshot {
    let mutators = (0..matching + others).map(|number| {
        let (kind, location, parameters) = kind_of(number);
        let mut spec = json!({"location": location, "parameters": parameters});
        if kind != "AssignMetadata" {
            spec["applyTo"] = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
        }
        spec["match"] = json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]});
        if number >= matching {
            other(&mut spec);
            if kind == "AssignMetadata" {
                spec["match"] = json!({"kinds": [{"apiGroups": [""], "kinds": ["Service"]}]});
            }
        }
        let version = if kind == "AssignImage" { "v1alpha1" } else { "v1" };
        Object::from_value(json!({"apiVersion": format!("mutations.gatekeeper.sh/{version}"), "kind": kind,
            "metadata": {"name": format!("bench-{number}")}, "spec": spec}))
        .unwrap()
    });
    common::snapshot(&mutators.collect::<Vec<_>>())
}

/// What people write: defaults for containers, labels, registries, capabilities.
fn kind_of(number: usize) -> (&'static str, String, Value) {
    match number % 10 {
        0..=2 => {
            let location = format!("spec.containers[name: *].securityContext.field{number}");
            ("Assign", location, json!({"assign": {"value": true}}))
        }
        3 => {
            let location = format!("spec.containers[name: *].env[name: EXTRA_{number}]");
            let value = json!({"name": format!("EXTRA_{number}"), "value": "x"});
            ("Assign", location, json!({"assign": {"value": value}}))
        }
        4 => {
            let location = format!("spec.template{number}.a.b");
            ("Assign", location, json!({"assign": {"fromMetadata": {"field": "namespace"}}}))
        }
        5 | 6 => ("AssignMetadata", format!("metadata.labels.team-{number}"), json!({"assign": {"value": "a"}})),
        7 | 8 => {
            let location = "spec.containers[name: *].securityContext.capabilities.drop".to_owned();
            let values = json!({"fromList": [format!("CAP_{number}")]});
            ("ModifySet", location, json!({"operation": "merge", "values": values}))
        }
        _ => {
            let location = "spec.containers[name: *].image".to_owned();
            ("AssignImage", location, json!({"assignDomain": "registry.example.com"}))
        }
    }
}
