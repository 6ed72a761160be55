//! What constraints cost that do not match, and what a second thread brings: `cargo bench --bench matching`.
//!
//! 10 constraints match a Pod, and 0, 90 or 990 do not: for their kinds, for their namespaces, for namespaces that they
//! exclude, or for labels, which no index knows. The goal is at most 1.2 times the 10 alone. Needs Linux.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

mod common;
#[path = "common/report.rs"]
mod report;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::snapshot::Snapshot;
use report::{Row, head, mib, micros, resident_mib, row, times};
use serde_json::{Value, json};

const MATCHING: usize = 10;
/// Turns of two snapshots that are compared.
const ROUNDS: u32 = 10;
/// How long reviews are counted.
const PERIOD: Duration = Duration::from_secs(2);

fn main() {
    head();
    let review = Review::of_object(&common::pod(2), None);
    let ten = snapshot(0, &|_| Value::Null);
    let figure = micros(evaluate(&ten, &ten, &review).0);
    row("matching", Row { case: "10 constraints, all match", figure, ..Row::default() });
    let ways: [(&str, &dyn Fn(usize) -> Value); 5] = [
        ("for their kinds", &|number| json!({"kinds": [{"apiGroups": ["apps"], "kinds": [format!("Kind{number}")]}]})),
        ("for their groups", &|_| json!({"kinds": [{"apiGroups": ["example.org"], "kinds": ["Pod"]}]})),
        (
            "for their namespaces",
            &|number| json!({"namespaces": [format!("shop-{number}"), format!("team{number}-*")]}),
        ),
        (
            "for excluded namespaces",
            &|number| json!({"excludedNamespaces": ["kube-system", "default", format!("x{number}-*")]}),
        ),
        ("for labels", &|number| json!({"labelSelector": {"matchLabels": {"app": format!("shop-{number}")}}})),
    ];
    for (way, criteria) in ways {
        for count in [100, 1_000] {
            let before = resident_mib();
            let snapshot = snapshot(count - MATCHING, criteria);
            let memory = mib(resident_mib() - before);
            let (alone, cost) = evaluate(&ten, &snapshot, &review);
            let case = format!("{count} constraints, 10 match, others do not {way}");
            let (figure, reference) = (micros(cost), format!("10 alone {}", micros(alone)));
            row("matching", Row { case: &case, figure, reference, ratio: times(cost / alone), memory });
        }
    }
    threads(&snapshot(990, ways[2].1), &review);
}

/// Microseconds of CPU a review takes with each of two snapshots, in turns, the least of each: what others do on the
/// machine only ever adds.
fn evaluate(one: &Snapshot, other: &Snapshot, review: &Review) -> (f64, f64) {
    let mut least = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        least = (least.0.min(cost(one, review)), least.1.min(cost(other, review)));
    }
    least
}

fn cost(snapshot: &Snapshot, review: &Review) -> f64 {
    let (mut reviews, before, begun) = (0_u32, cpu_time(), Instant::now());
    while begun.elapsed() < PERIOD / ROUNDS {
        for _ in 0..10 {
            let evaluation = validate(snapshot, review, EvalContext::offline()).unwrap();
            assert_eq!(evaluation.matched, MATCHING);
        }
        reviews += 10;
    }
    (cpu_time() - before).as_secs_f64() * 1e6 / f64::from(reviews)
}

/// Of this thread, as Linux counts it.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// 10 constraints that match, and others with these criteria, of the same kinds.
fn snapshot(others: usize, criteria: &dyn Fn(usize) -> Value) -> Snapshot {
    let mut objects = common::ours();
    let (templates, models): (Vec<Object>, Vec<Object>) =
        objects.drain(..).partition(|object| object.gvk().kind == "ConstraintTemplate");
    let mut objects = templates;
    for number in 0..MATCHING + others {
        let mut constraint = models[number % models.len()].value().clone();
        constraint["metadata"]["name"] = json!(format!("bench-{number}"));
        constraint["spec"]["match"] = match number.checked_sub(MATCHING) {
            None => json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}),
            Some(number) => criteria(number),
        };
        objects.push(Object::from_value(constraint).unwrap());
    }
    common::snapshot(&objects)
}

fn threads(snapshot: &Snapshot, review: &Review) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut one = 0.0;
    for count in (1..=cores).filter(|count| count.is_power_of_two() || *count == cores) {
        let rate = rate(count, snapshot, review);
        one = if count == 1 { rate } else { one };
        let case = format!("1,000 constraints, 10 match, {count} threads");
        let (figure, reference) = (format!("{rate:.0}/s"), format!("1 thread {one:.0}/s"));
        row("threads", Row { case: &case, figure, reference, ratio: times(rate / one), ..Row::default() });
    }
}

/// Reviews a second on so many threads together.
fn rate(threads: usize, snapshot: &Snapshot, review: &Review) -> f64 {
    let (stop, total) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut done = 0;
                while !stop.load(Ordering::Relaxed) {
                    drop(validate(snapshot, review, EvalContext::offline()));
                    done += 1;
                }
                total.fetch_add(done, Ordering::Relaxed);
            });
        }
        std::thread::sleep(PERIOD);
        stop.store(true, Ordering::Relaxed);
    });
    total.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}
