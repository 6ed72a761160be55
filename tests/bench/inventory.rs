//! Policies that look for other objects, by the size of the inventory: `cargo bench --bench inventory`.
//!
//! For 1,000, 10,000 and 100,000 Services and as many Ingresses, each kind in one namespace: one evaluation (by index, and
//! the scan for comparison), one object changed (the store alone, and with the snapshot that is built of it), and memory.
//! `-- NUMBER` measures with that many of each.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

#[path = "common/report.rs"]
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::engine::{Deadline, Document, Input};
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use report::{Row, head, micros, resident_mib, row, times};
use serde_json::{Value, json};

const PERIOD: Duration = Duration::from_millis(500);

/// The shape in which most look for a host.
const HOSTS: &str = r#"package uniquehost
violation contains {"msg": msg} if {
    host := input.review.object.spec.rules[_].host
    other := data.inventory.namespace[namespace][version]["Ingress"][name]
    startswith(version, "networking.k8s.io/")
    other.spec.rules[_].host == host
    [namespace, name] != [input.review.object.metadata.namespace, input.review.object.metadata.name]
    msg := sprintf("host %v belongs to %v/%v", [host, namespace, name])
}"#;

fn main() {
    head();
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    for count in if asked.is_empty() { vec![1_000, 10_000, 100_000] } else { asked } {
        table(count);
    }
}

fn table(count: usize) {
    let whole = footprint_of_whole_objects(count.min(10_000));
    let mut store = Store::of_fields_that_are_read();
    policies().into_iter().for_each(|policy| store.apply(Change::Apply(policy)));
    let (snapshot, _) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    let before = resident();
    (0..count).for_each(|number| store.apply(Change::Sync(service(number, 0))));
    (0..count).for_each(|number| store.apply(Change::Sync(ingress(number, 0))));
    let grown = resident().saturating_sub(before);
    let begun = Instant::now();
    let (mut snapshot, errors) = build(&mut store, &snapshot, BuildOptions::default());
    let first = begun.elapsed();
    assert!(errors.is_empty(), "{errors:?}");
    for (kind, reviewed, change) in [
        ("K8sUniqueServiceSelector", service(count / 2, 0), service as fn(usize, usize) -> Object),
        ("UniqueHost", ingress(count / 2, 0), ingress),
    ] {
        let review = Document::from_review(&Review::of_object(&reviewed, None));
        let one = snapshot.constraints().iter().find(|one| one.constraint.kind() == kind).unwrap().clone();
        let evaluate = |indexes| {
            let inventory = snapshot.inventory().document();
            let input = Input { review: &review, parameters: &one.parameters, inventory, indexes, outside: None };
            assert!(one.program.evaluate(input, Deadline::none()).unwrap().is_empty());
        };
        let by_index = median_of(|_| evaluate(snapshot.indexes(kind)));
        let by_scan = median_of(|_| evaluate(None));
        let (mut stored, mut built) = (Vec::new(), Vec::new());
        let begun = Instant::now();
        while begun.elapsed() < PERIOD {
            let round = stored.len() + 1;
            let object = change(round * 7_919 % count, round);
            let started = Instant::now();
            store.apply(Change::Sync(object));
            stored.push(started.elapsed());
            let started = Instant::now();
            snapshot = build(&mut store, &snapshot, BuildOptions::default()).0;
            built.push(started.elapsed());
        }
        let reference = format!("scan {}", micros(by_scan));
        let case = format!("{count} of a kind: {kind}, by index");
        let figure = micros(by_index);
        row("inventory", Row { case: &case, figure, reference, ratio: times(by_scan / by_index), ..Row::default() });
        let case = format!("{count} of a kind: one changes, {kind} in force");
        row("inventory", Row { case: &case, figure: micros(median(stored) + median(built)), ..Row::default() });
    }
    let counted = format!("{} bytes an object by count, {whole} whole", snapshot.inventory().footprint() / (2 * count));
    let memory = format!("{} bytes an object", grown / (2 * count));
    let case = format!("{count} of each of two kinds: first snapshot");
    let figure = micros(first.as_secs_f64() * 1e6);
    row("inventory", Row { case: &case, figure, reference: counted, memory, ..Row::default() });
}

fn footprint_of_whole_objects(count: usize) -> usize {
    let mut store = Store::default();
    (0..count).for_each(|number| store.apply(Change::Sync(service(number, 0))));
    (0..count).for_each(|number| store.apply(Change::Sync(ingress(number, 0))));
    build(&mut store, &Snapshot::default(), BuildOptions::default()).0.inventory().footprint() / (2 * count)
}

fn median_of(mut run: impl FnMut(usize)) -> f64 {
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < PERIOD || samples.len() < 5 {
        let started = Instant::now();
        run(samples.len());
        samples.push(started.elapsed());
    }
    median(samples)
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1e6
}

fn resident() -> usize {
    (resident_mib() * 1024.0 * 1024.0) as usize
}

fn policies() -> Vec<Object> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/general/uniqueserviceselector/template.yaml");
    let (documents, errors) = admit::manifest::read(&[path], None);
    assert!(errors.is_empty(), "{errors:?}");
    let mut objects: Vec<Value> = documents.into_iter().map(admit::manifest::Document::into_value).collect();
    let code = json!([{"engine": "Rego", "source": {"version": "v1", "rego": HOSTS}}]);
    objects.push(json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "uniquehost"}, "spec": {"crd": {"spec": {"names": {"kind": "UniqueHost"}}},
        "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": code}]}}));
    for kind in ["K8sUniqueServiceSelector", "UniqueHost"] {
        objects.push(json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
            "metadata": {"name": "bench"}}));
    }
    objects.into_iter().map(|value| Object::from_value(value).unwrap()).collect()
}

fn metadata(name: &str, number: usize, round: usize) -> Value {
    json!({"name": name, "namespace": "shop", "uid": format!("1f0c8a52-7c1b-4c6e-9a51-{number:012}"),
        "resourceVersion": (number + round).to_string(), "creationTimestamp": "2026-03-04T05:06:07Z",
        "labels": {"app": name, "app.kubernetes.io/managed-by": "Helm", "team": format!("team-{}", number % 50)},
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": "shop"},
        "managedFields": [{"apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "helm", "operation": "Update",
            "time": "2026-03-04T05:06:07Z", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}}]})
}

fn service(number: usize, round: usize) -> Object {
    let name = format!("web-{number}");
    let address = format!("10.{}.{}.{}", number / 65_536, number / 256 % 256, number % 256);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(&name, number, round),
        "spec": {"clusterIP": address, "clusterIPs": [address], "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "type": "ClusterIP",
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
            "selector": {"app": name, "round": round.to_string()}},
        "status": {"loadBalancer": {}}});
    Object::from_value(service).unwrap()
}

fn ingress(number: usize, round: usize) -> Object {
    let name = format!("web-{number}");
    let host = format!("web-{number}-{round}.example.org");
    let backend = json!({"service": {"name": name, "port": {"name": "http"}}});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": metadata(&name, number, round),
        "spec": {"ingressClassName": "nginx", "tls": [{"hosts": [host], "secretName": format!("{name}-tls")}],
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}});
    Object::from_value(ingress).unwrap()
}
