//! What one request costs inside of the server, stage by stage: `cargo bench --bench hot_path`.
//!
//! Time and allocations from the bytes of the request to the bytes of the answer, for Pods of 2 and 12 containers, with
//! policies and without. `ADMIT_BENCH_POLICIES=DIR` takes the templates and constraints below another directory;
//! `ADMIT_BENCH_STAGE=judge` measures that stage alone, for a profiler to look at.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

mod common;
#[path = "common/report.rs"]
mod report;

use admit::model::review::{AdmissionReview, Review};
use admit::policy::evaluate::{EvalContext, Evaluation, Verdict, validate};
use admit::policy::snapshot::Snapshot;
use allocation_counter::measure;
use report::{Row, head, micros, row};
use serde_json::{Value, json};

fn main() {
    head();
    let with_policies = common::snapshot(&common::policies());
    let constraints = format!("{} constraints", with_policies.constraints().len());
    for containers in [2, 12] {
        for (name, snapshot) in [("no policy", &Snapshot::default()), (constraints.as_str(), &with_policies)] {
            request(&format!("{name}, {containers} containers"), snapshot, containers);
        }
    }
}

/// One line for each stage, and their sum.
fn request(title: &str, snapshot: &Snapshot, containers: usize) {
    let body = review_of(containers).to_string().into_bytes();
    let parse = || AdmissionReview::parse(&body).unwrap();
    let mut context = EvalContext::offline();
    context.point = admit::model::api::EnforcementPoint::Webhook;
    let judge = |review: &Review| validate(snapshot, review, context).unwrap();
    let write = |evaluation: &Evaluation, uid: &str| {
        Verdict::from_evaluation(evaluation).response.to_bytes(Some("admission.k8s.io/v1"), uid)
    };
    let parsed = parse();
    let evaluation = judge(&parsed.review);
    line(title, "parse", || drop(parse()));
    line(title, "judge", || drop(judge(&parsed.review)));
    line(title, "answer", || drop(write(&evaluation, &parsed.review.uid)));
    line(title, "all", || {
        let AdmissionReview { review, .. } = parse();
        drop(write(&judge(&review), &review.uid));
    });
}

fn line(title: &str, stage: &str, mut run: impl FnMut()) {
    if std::env::var("ADMIT_BENCH_STAGE").is_ok_and(|wanted| wanted != stage) {
        return;
    }
    run();
    let counted = measure(&mut run);
    let median = common::median_of(&mut run);
    let memory = format!("{} allocations, {} KiB", counted.count_total, counted.bytes_total >> 10);
    row("one request", Row { case: &format!("{title}: {stage}"), figure: micros(median), memory, ..Row::default() });
}

/// A Pod as a ReplicaSet makes it.
fn review_of(containers: usize) -> Value {
    let pod = common::pod(containers);
    let pods = json!({"group": "", "version": "v1", "resource": "pods"});
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "requestKind": kind, "resource": pods,
        "requestResource": pods, "name": pod.name(), "namespace": "default", "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller",
            "groups": ["system:serviceaccounts", "system:authenticated"]},
        "object": pod.value(), "oldObject": null, "dryRun": false,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}}})
}
