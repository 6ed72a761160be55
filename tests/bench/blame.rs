//! What it costs to find the field that a violation is about: `cargo bench --bench blame`.
//!
//! Every violation of the cases of every suite below `policies/`, or below the folder that `ADMIT_BENCH_POLICIES` names: the
//! median time of each, and of these times the median and the 95th percentile; and how many evaluations it takes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

#[path = "common/report.rs"]
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use admit::model::review::Review;
use admit::policy::blame::blame_counting;
use admit::policy::engine::Deadline;
use admit::policy::evaluate::Violation;
use admit::policy::snapshot::{BuildOptions, Snapshot};
use admit::workbench::bundle::{self, Bundle};
use admit::workbench::judge::judge;
use report::{Row, head, micros, row};
use serde_json::Value;

/// How often one violation is looked into.
const TIMES: usize = 9;

fn main() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let folder = std::env::var_os("ADMIT_BENCH_POLICIES").map_or(ours, PathBuf::from);
    let mut times = Vec::new();
    let mut evaluations = Vec::new();
    for files in cases(&folder) {
        let (bundle, _) = bundle::load(&files, None, BuildOptions::default());
        for (review, violation) in violations(&bundle) {
            let (time, made) = measure(&bundle.snapshot, &review, &violation);
            times.push(time);
            evaluations.push(made);
        }
    }
    times.sort_unstable();
    evaluations.sort_unstable();
    let [median, most, all] = [50, 95, 100].map(|percent| at(times.len(), percent));
    head();
    let figure = |position: usize| micros(times[position].as_secs_f64() * 1e6);
    for (name, position) in [("median", median), ("95th percentile", most), ("most", all)] {
        let case = format!("{} violations, {name}: {} evaluations", times.len(), evaluations[position]);
        row("blame", Row { case: &case, figure: figure(position), ..Row::default() });
    }
}

fn at(count: usize, percent: usize) -> usize {
    (count * percent / 100).min(count.saturating_sub(1))
}

/// Median time, and the evaluations that it took.
fn measure(snapshot: &Snapshot, review: &Review, violation: &Violation) -> (Duration, u32) {
    let mut made = 0;
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            made = blame_counting(snapshot, review, violation, Deadline::none()).1;
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[TIMES / 2], made)
}

fn violations(bundle: &Bundle) -> Vec<(Review, Violation)> {
    let of_objects = judge(bundle).unwrap_or_default().into_iter();
    let of_objects = of_objects.filter(|judgement| !judgement.object.object.gvk().group.ends_with("gatekeeper.sh"));
    of_objects
        .map(|judgement| {
            let object = &judgement.object.object;
            let namespace = bundle.snapshot.namespace(object.namespace()).cloned();
            (Review::of_object(object, namespace), judgement.violation)
        })
        .collect()
}

/// The files of each case that violates something.
fn cases(folder: &Path) -> Vec<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut below: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        below.sort();
        folders.extend(below.into_iter().filter(|path| path.is_dir()));
        let (documents, _) = admit::manifest::read_file(&folder.join("suite.yaml"));
        for suite in documents {
            for test in suite.value()["tests"].as_array().into_iter().flatten() {
                let violating = |case: &&Value| case["assertions"][0]["violations"] != "no";
                for case in test["cases"].as_array().into_iter().flatten().filter(violating) {
                    let named = [&test["template"], &test["constraint"], &case["object"]];
                    let named = named.into_iter().chain(case["inventory"].as_array().into_iter().flatten());
                    found.push(named.filter_map(|name| Some(folder.join(name.as_str()?))).collect());
                }
            }
        }
    }
    found
}
