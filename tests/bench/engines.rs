//! `cargo bench`: our evaluator beside regorus' interpreter, policy by policy, on the same Pods in the same run. Figures of
//! one run compare; those of different machines do not.
//!
//! `ADMIT_BENCH_POLICIES=DIR cargo bench` measures the templates and constraints below another directory. What is timed is
//! evaluation alone: reviews are in each engine's own form beforehand. regorus runs templates as their authors wrote them
//! with builtins of its own, which is faster than what it does as second opinion, and not always what OPA would do.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at what is broken")]

mod common;
#[path = "common/report.rs"]
mod report;

use std::sync::Arc;

use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::engine::{Deadline, Document, Input};
use admit::policy::matching;
use admit::policy::snapshot::{BuildOptions, Change, CompiledConstraint, Snapshot, Store, build};
use common::{median_of, pod, policies, snapshot};
use report::{Row, head, micros, row, times};
use serde_json::{Value, json};

fn main() {
    head();
    let objects = policies();
    let snapshot = snapshot(&objects);
    compile(&objects);
    for containers in [2, 12] {
        table(&snapshot, &objects, &Review::of_object(&pod(containers), None), containers);
    }
}

/// What regorus is asked for.
const RULE: &str = "data.bench.violation";

/// One line for each policy that matches.
fn table(snapshot: &Snapshot, objects: &[Object], review: &Review, containers: usize) {
    let part = format!("evaluation, {containers} containers");
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
                let reference =
                    format!("regorus fails: {}", error.lines().last().unwrap_or_default().replace('|', "/"));
                row(&part, Row { case: one.constraint.kind(), reference, ..Row::default() });
                continue;
            }
        };
        let inventory = snapshot.inventory().document();
        let input = Input { review: &document, parameters: &one.parameters, inventory, indexes: None, outside: None };
        let fast = median_of(|| drop(one.program.evaluate(input, Deadline::none())));
        let slow = median_of(|| drop(engine.eval_rule(RULE.to_owned())));
        print(&part, one.constraint.kind(), fast, slow);
        sums = (sums.0 + fast, sums.1 + slow);
        smallest = f64::min(smallest, slow / fast);
    }
    print(&part, &format!("all of them; smallest ratio {smallest:.1}×"), sums.0, sums.1);
}

fn print(part: &str, case: &str, fast: f64, slow: f64) {
    let (figure, reference) = (micros(fast), format!("regorus {}", micros(slow)));
    row(part, Row { case, figure, reference, ratio: times(slow / fast), ..Row::default() });
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
    let object = review.object.as_ref().map(|object| object.value().to_json());
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
    let case = format!("{} templates, from their text to what runs", templates.len());
    row("compilation", Row { case: &case, figure: micros(median), ..Row::default() });
}
