//! What a change of policies costs before it counts: `cargo bench --bench snapshots`.
//!
//! 200 templates with 5 constraints each, made of the policies at hand under other names: built from nothing, and again
//! after one template, one constraint or one object of the inventory has changed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

mod common;
#[path = "common/report.rs"]
mod report;

use std::time::{Duration, Instant};

use admit::model::object::Object;
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use report::{Row, head, mib, micros, resident_mib, row, times};
use serde_json::{Value, json};

const TEMPLATES: usize = 200;
const CONSTRAINTS: usize = 1_000;
const PERIOD: Duration = Duration::from_secs(1);

fn main() {
    head();
    let policies = common::policies();
    let is_template = |object: &&Object| object.gvk().kind == "ConstraintTemplate";
    let templates: Vec<&Object> = policies.iter().filter(is_template).collect();
    let renamed: Vec<Object> =
        (0..TEMPLATES).map(|number| template(templates[number % templates.len()], number, 0)).collect();
    let constraints: Vec<Object> = (0..CONSTRAINTS)
        .map(|number| constraint(&policies, templates[number % TEMPLATES % templates.len()], number, 0))
        .collect();

    let mut store = Store::default();
    renamed.iter().chain(&constraints).for_each(|object| store.apply(Change::Apply(object.clone())));
    let before = resident_mib();
    let (mut snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    assert!(errors.is_empty(), "{errors:?}");
    let memory = mib(resident_mib() - before);
    let full = median((0..5).map(|_| {
        let started = Instant::now();
        drop(build(&mut store, &Snapshot::default(), BuildOptions::default()));
        started.elapsed()
    }));
    row(
        "snapshot",
        Row {
            case: "200 templates × 1,000 constraints, from nothing", figure: micros(full), memory, ..Row::default()
        },
    );
    let changes: [(&str, &dyn Fn(usize) -> Change); 3] = [
        ("after one template", &|round| Change::Apply(template(templates[0], 0, round))),
        ("after one constraint", &|round| Change::Apply(constraint(&policies, templates[0], 0, round))),
        ("after one object of the inventory", &|round| Change::Sync(config_map(round))),
    ];
    for (case, change) in changes {
        let begun = Instant::now();
        let mut samples = Vec::new();
        while begun.elapsed() < PERIOD {
            let change = change(samples.len() + 1);
            let started = Instant::now();
            store.apply(change);
            let (next, errors) = build(&mut store, &snapshot, BuildOptions::default());
            samples.push(started.elapsed());
            assert!(errors.is_empty(), "{errors:?}");
            snapshot = next;
        }
        let one = median(samples.into_iter());
        let reference = format!("from nothing {}", micros(full));
        row("snapshot", Row { case, figure: micros(one), reference, ratio: times(full / one), ..Row::default() });
    }
}

fn median(samples: impl Iterator<Item = Duration>) -> f64 {
    let mut samples: Vec<Duration> = samples.collect();
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1e6
}

fn kind(number: usize) -> String {
    format!("K8sBench{number}")
}

/// Under another name, and in each round with another comment.
fn template(original: &Object, number: usize, round: usize) -> Object {
    let mut value = original.value().clone();
    value["metadata"] = json!({"name": kind(number).to_lowercase()});
    value["spec"]["crd"]["spec"]["names"] = json!({"kind": kind(number)});
    for place in ["/spec/targets/0/rego", "/spec/targets/0/code/0/source/rego", "/spec/targets/0/code/1/source/rego"] {
        if let Some(Value::String(text)) = value.pointer_mut(place) {
            text.push_str(&format!("\n# {round}\n"));
        }
    }
    Object::from_value(value).unwrap()
}

/// As the one that the original has, with another name, and in each round with another criterion.
fn constraint(policies: &[Object], template: &Object, number: usize, round: usize) -> Object {
    let original = &template.value()["spec"]["crd"]["spec"]["names"]["kind"];
    let found = policies.iter().find(|object| original == object.gvk().kind.as_str());
    let mut value = found.map_or_else(|| json!({"spec": {}}), |object| object.value().clone());
    value["apiVersion"] = json!("constraints.gatekeeper.sh/v1beta1");
    value["kind"] = json!(kind(number % TEMPLATES));
    value["metadata"] = json!({"name": format!("bench-{number}")});
    value["spec"]["match"] = json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "name": format!("web-{round}*")});
    Object::from_value(value).unwrap()
}

fn config_map(round: usize) -> Object {
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "one", "namespace": "shop"}, "data": {"round": round.to_string()}});
    Object::from_value(value).unwrap()
}
