//! `cargo bench`: our evaluator beside regorus' interpreter, policy by policy, on the same Pods in the same run. Figures of
//! one run compare; those of different machines do not.
//!
//! `ADMIT_BENCH_POLICIES=DIR cargo bench` measures the templates and constraints below another directory. What is timed is
//! evaluation alone: reviews are in each engine's own form beforehand. regorus runs templates as their authors wrote them
//! with builtins of its own, which is faster than what it does as second opinion, and not always what OPA would do.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::engine::{Deadline, Document, Input};
use admit::policy::matching;
use admit::policy::snapshot::{BuildOptions, Change, CompiledConstraint, Snapshot, Store, build};
use serde_json::{Value, json};

/// How long each engine is measured with each policy.
const PERIOD: Duration = Duration::from_millis(300);

fn main() {
    let objects = policies();
    let snapshot = snapshot(&objects);
    compile(&objects);
    for containers in [3, 23] {
        table(&snapshot, &objects, &Review::of_object(pod(containers).into(), None), containers);
    }
}

/// What regorus is asked for.
const RULE: &str = "data.bench.violation";

/// One line for each policy that matches.
fn table(snapshot: &Snapshot, objects: &[Object], review: &Review, containers: usize) {
    let bytes = review.object.as_ref().unwrap().value().to_string().len();
    println!("\nPod of {containers} containers, {bytes} bytes; microseconds an evaluation, median");
    println!("{:<44} {:>9} {:>9} {:>7}", "policy", "admit", "regorus", "ratio");
    let document = Document::from_review(review);
    let (mut sums, mut smallest) = ((0.0, 0.0), f64::MAX);
    let matches = |one: &&Arc<CompiledConstraint>| matching::matches(&one.constraint.criteria, review).unwrap_or(false);
    for one in snapshot.constraints().iter().filter(matches) {
        let attempt = regorus_engine(objects, one, review).and_then(|mut engine| {
            engine.eval_rule(RULE.to_owned()).map_err(|error| format!("{error:#}"))?;
            Ok(engine)
        });
        let mut engine = match attempt {
            Ok(engine) => engine,
            Err(error) => {
                println!("{:<44} regorus fails: {}", one.constraint.kind(), error.lines().last().unwrap_or_default());
                continue;
            }
        };
        let inventory = snapshot.inventory().document();
        let input = Input { review: &document, parameters: &one.parameters, inventory, indexes: None };
        let fast = median_of(|| drop(one.program.evaluate(input, Deadline::none())));
        let slow = median_of(|| drop(engine.eval_rule(RULE.to_owned())));
        println!("{:<44} {fast:>9.2} {slow:>9.2} {:>6.1}x", one.constraint.kind(), slow / fast);
        sums = (sums.0 + fast, sums.1 + slow);
        smallest = f64::min(smallest, slow / fast);
    }
    println!("{:<44} {:>9.2} {:>9.2} {:>6.1}x, smallest {smallest:.1}x", "sum", sums.0, sums.1, sums.1 / sums.0);
}

/// regorus with a template's source as it stands, and the same input.
fn regorus_engine(objects: &[Object], one: &CompiledConstraint, review: &Review) -> Result<regorus::Engine, String> {
    let kind = json!(one.constraint.kind());
    let template = objects.iter().find(|object| object.value().pointer("/spec/crd/spec/names/kind") == Some(&kind));
    let target = template.and_then(|template| template.value().pointer("/spec/targets/0")).ok_or("no template")?;
    let is_rego = |code: &&Value| code["engine"] == "Rego";
    let code = target.get("code").and_then(Value::as_array).and_then(|codes| codes.iter().find(is_rego));
    let source = code.map_or(target, |code| &code["source"]);
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no Rego");
    let mut engine = regorus::Engine::new();
    engine.set_rego_v0(source.get("version").is_none_or(|version| version != "v1"));
    engine.set_strict_builtin_errors(false);
    let main = text(&source["rego"])?;
    let package = main.lines().find(|line| line.trim_start().starts_with("package ")).ok_or("no package")?;
    let mut modules = vec![main.replacen(package, "package bench", 1)];
    for library in source["libs"].as_array().into_iter().flatten() {
        modules.push(text(library)?);
    }
    for (number, module) in modules.into_iter().enumerate() {
        engine.add_policy(format!("module{number}"), module).map_err(|error| format!("{error:#}"))?;
    }
    let parameters = one.constraint.parameters().cloned().unwrap_or_else(|| json!({}));
    let object = review.object.as_ref().map(|object| object.value());
    let request = json!({"object": object, "operation": "", "uid": "", "oldObject": null, "userInfo": {},
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "default", "name": "web"});
    let input = json!({"parameters": parameters, "review": request}).to_string();
    engine.set_input(regorus::Value::from_json_str(&input).map_err(|error| format!("{error:#}"))?);
    Ok(engine)
}

/// All templates, from their text to what runs, on one thread.
fn compile(objects: &[Object]) {
    let templates: Vec<&Object> = objects.iter().filter(|one| one.gvk().kind == "ConstraintTemplate").collect();
    let mut store = Store::default();
    templates.iter().for_each(|one| store.apply(Change::Apply((*one).clone())));
    let median = median_of(|| drop(build(&mut store, &Snapshot::default(), BuildOptions::default())));
    println!("{} templates compile in {:.2} ms", templates.len(), median / 1e3);
}

fn median_of(mut run: impl FnMut()) -> f64 {
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
fn policies() -> Vec<Object> {
    if let Some(directory) = std::env::var_os("ADMIT_BENCH_POLICIES") {
        return read(&[PathBuf::from(directory)]);
    }
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/general");
    let mut objects = read(
        &["requiredlabels", "containerlimits", "allowedrepos"].map(|name| policies.join(name).join("template.yaml")),
    );
    for (kind, parameters) in [
        ("K8sRequiredLabels", json!({"labels": [{"key": "owner", "allowedRegex": "^[a-z0-9.-]+$"}]})),
        ("K8sContainerLimits", json!({"cpu": "1", "memory": "1Gi"})),
        ("K8sAllowedRepos", json!({"repos": ["gcr.io/prod/"]})),
    ] {
        let constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
            "metadata": {"name": "bench"}, "spec": {"parameters": parameters}});
        objects.push(Object::from_value(constraint).unwrap());
    }
    objects
}

fn read(paths: &[PathBuf]) -> Vec<Object> {
    let (documents, errors) = admit::manifest::read(paths, None);
    assert!(errors.is_empty(), "{errors:?}");
    let mut seen = BTreeSet::new();
    let objects = documents.into_iter().map(|document| Object::from_value(document.into_value()).unwrap());
    objects.filter(|object| seen.insert(object.key().to_string())).collect()
}

fn snapshot(objects: &[Object]) -> Snapshot {
    let mut store = Store::default();
    objects.iter().for_each(|object| store.apply(Change::Apply(object.clone())));
    let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    snapshot
}

fn pod(containers: usize) -> Object {
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
