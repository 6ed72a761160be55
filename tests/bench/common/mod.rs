//! What benchmarks share: policies, Pods, medians.

#![allow(dead_code, reason = "no benchmark needs all of it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use admit::model::object::Object;
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use serde_json::{Value, json};

/// How long one thing is measured.
const PERIOD: Duration = Duration::from_millis(300);

/// Microseconds that half of the runs take at most.
pub(crate) fn median_of(mut run: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < PERIOD || samples.len() < 5 {
        let started = Instant::now();
        run();
        samples.push(started.elapsed());
    }
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1e6
}

/// Ours with one constraint each, or what is below the directory that the environment names.
pub(crate) fn policies() -> Vec<Object> {
    if let Some(directory) = std::env::var_os("ADMIT_BENCH_POLICIES") {
        return read(&[PathBuf::from(directory)]);
    }
    ours()
}

/// Policies of the repository with one constraint each.
pub(crate) fn ours() -> Vec<Object> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = |name: &str| repository.join("policies/general").join(name).join("template.yaml");
    let mut paths = ["requiredlabels", "containerlimits", "allowedrepos"].map(policy).to_vec();
    paths.push(repository.join("tests/bench/constraints.yaml"));
    read(&paths)
}

fn read(paths: &[PathBuf]) -> Vec<Object> {
    let (documents, errors) = admit::manifest::read(paths, None);
    assert!(errors.is_empty(), "{errors:?}");
    let mut seen = BTreeSet::new();
    let objects = documents.into_iter().map(|document| Object::from_value(document.into_value()).unwrap());
    objects.filter(|object| seen.insert(object.key().to_string())).collect()
}

/// All of them in force.
pub(crate) fn snapshot(objects: &[Object]) -> Snapshot {
    let mut store = Store::default();
    objects.iter().for_each(|object| store.apply(Change::Apply(object.clone())));
    let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    snapshot
}

/// A Pod as most are.
pub(crate) fn pod(containers: usize) -> Object {
    let container = |index: usize| {
        json!({"name": format!("app-{index}"), "image": format!("gcr.io/prod/app-{index}:v1.2.{index}"),
            "imagePullPolicy": "IfNotPresent", "ports": [{"containerPort": 8080 + index, "name": "http", "protocol": "TCP"}],
            "env": (0..8).map(|key| json!({"name": format!("ENV_{key}"), "value": format!("value-{key}")})).collect::<Vec<Value>>(),
            "resources": {"limits": {"cpu": "200m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10},
            "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}, "periodSeconds": 10},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false,
                "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationMessagePath": "/dev/termination-log",
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "token", "mountPath": "/var/run/secrets",
                "readOnly": true}]})
    };
    let containers: Vec<Value> = (0..containers).map(container).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-7d4b9c6f5-x2x9z", "namespace": "default",
            "labels": {"app": "web", "owner": "team-a", "pod-template-hash": "7d4b9c6f5"},
            "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {"containers": containers, "serviceAccountName": "web", "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 2000, "supplementalGroups": [2000]},
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "token", "projected": {"sources": []}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst"}});
    Object::from_value(pod).unwrap()
}
