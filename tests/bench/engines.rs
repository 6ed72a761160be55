//! `cargo bench`: both evaluators of Rego on the same reviews in the same run. Figures of one run compare; those of
//! different machines do not.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

use std::path::Path;
use std::time::{Duration, Instant};

use admit::model::api::EnforcementPoint;
use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::engine::{CompileOptions, Deadline, RegoEngine};
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use serde_json::{Value, json};

/// How long each engine is measured on each review.
const PERIOD: Duration = Duration::from_secs(2);

fn main() {
    let own = snapshot(RegoEngine::Own);
    let regorus = snapshot(RegoEngine::Regorus);
    println!("{} constraints that match a Pod; microseconds a review, median", own.constraints().len());
    for containers in [2, 12, 50] {
        let review = Review::of_object(pod(containers).into(), None);
        let bytes = review.object.as_ref().unwrap().value().to_string().len();
        let (own, regorus) = (median(&own, &review), median(&regorus, &review));
        println!(
            "{containers:>3} containers, {bytes:>6} bytes: admit {own:>9.1}  regorus {regorus:>9.1}  {:.1}x",
            regorus / own
        );
    }
}

fn snapshot(engine: RegoEngine) -> Snapshot {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/general");
    let templates =
        ["requiredlabels", "containerlimits", "allowedrepos"].map(|name| policies.join(name).join("template.yaml"));
    let (documents, errors) = admit::manifest::read(&templates, None);
    assert!(errors.is_empty(), "{errors:?}");
    let mut store = Store::default();
    documents
        .into_iter()
        .for_each(|document| store.apply(Change::Apply(Object::from_value(document.into_value()).unwrap())));
    for (kind, parameters) in [
        ("K8sRequiredLabels", json!({"labels": [{"key": "owner", "allowedRegex": "^[a-z0-9.-]+$"}]})),
        ("K8sContainerLimits", json!({"cpu": "1", "memory": "1Gi"})),
        ("K8sAllowedRepos", json!({"repos": ["gcr.io/prod/"]})),
    ] {
        let constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
            "metadata": {"name": "bench"}, "spec": {"parameters": parameters}});
        store.apply(Change::Apply(Object::from_value(constraint).unwrap()));
    }
    let options = BuildOptions { compile: CompileOptions { engine, ..CompileOptions::default() } };
    let (snapshot, errors) = build(&store, &Snapshot::default(), options);
    assert!(errors.is_empty(), "{errors:?}");
    snapshot
}

fn pod(containers: usize) -> Object {
    let container = |index: usize| {
        json!({"name": format!("app-{index}"), "image": format!("gcr.io/prod/app-{index}:v1.2.{index}"),
            "env": (0..8).map(|key| json!({"name": format!("ENV_{key}"), "value": "x"})).collect::<Vec<Value>>(),
            "resources": {"limits": {"cpu": "200m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}}})
    };
    let containers: Vec<Value> = (0..containers).map(container).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "labels": {"owner": "team-a"}}, "spec": {"containers": containers}});
    Object::from_value(pod).unwrap()
}

fn median(snapshot: &Snapshot, review: &Review) -> f64 {
    let context = EvalContext { point: EnforcementPoint::CommandLine, deadline: Deadline::none() };
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < PERIOD {
        let started = Instant::now();
        let evaluation = validate(snapshot, review, context).unwrap();
        assert!(evaluation.violations.is_empty(), "{:?}", evaluation.violations[0].line());
        samples.push(started.elapsed());
    }
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1e6
}
