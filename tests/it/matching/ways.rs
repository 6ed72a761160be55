//! The three ways to judge, and what each says about every subject.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use admit::model::api::EnforcementPoint;
use admit::model::object::Object;
use admit::model::review::Review;
use admit::policy::evaluate::{EvalContext, validate};
use admit::policy::snapshot::{BuildOptions, Change, Snapshot, Store, build};
use admit::workbench::suite::{Filter, Suites};
use serde_json::{Value, json};

use super::super::fake_cluster::FakeCluster;
use super::super::webhook::Running;
use super::row::{Expected, Outcome, Row, Table, Way};

/// By constraint; without those that have nothing to say.
type Outcomes = BTreeMap<String, Outcome>;

/// What a way says about a subject.
#[derive(Debug)]
pub(super) enum Answer {
    Judged(Outcomes),
    Failed(String),
    Skipped,
}

pub(super) struct Ways {
    webhook: Vec<Answer>,
    audit: Vec<Answer>,
    /// Subjects without an operation.
    cli: Vec<Answer>,
    /// Subjects with one, by the constraint of the row: what is wrong with the row.
    suite: BTreeMap<String, Option<String>>,
    /// By constraint, why the cluster and the command line refuse it.
    refusals: BTreeMap<String, String>,
    cli_refusals: String,
}

impl Ways {
    pub(super) fn judge(table: &Table) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (snapshot, refusals) = snapshot(table);
        Self {
            webhook: ask_webhook(table),
            audit: table.subjects.iter().map(|subject| audit(&snapshot, subject.at_rest())).collect(),
            cli: run_test(table, directory.path()),
            suite: run_suite(table, directory.path()),
            refusals,
            cli_refusals: run_refused(table, directory.path()),
        }
    }

    pub(super) fn answer(&self, way: Way, subject: usize) -> Option<&Answer> {
        let answers = match way {
            Way::Webhook => &self.webhook,
            Way::Audit => &self.audit,
            Way::Cli => &self.cli,
        };
        answers.get(subject)
    }

    /// What is wrong with what a way says about a row.
    pub(super) fn check(&self, row: &Row, way: Way, expected: &Expected) -> Option<String> {
        if let (Way::Cli, Some(found)) = (way, self.suite.get(&row.constraint)) {
            return found.clone();
        }
        let answer = self.answer(way, row.subject)?;
        match (expected, answer) {
            (Expected::Refused(text), answer) => self.check_refusal(row, way, text, answer),
            (Expected::Fails(text), Answer::Failed(found)) if found.contains(text) => None,
            // An audit would not have got the object; or it would have left it out by itself.
            (Expected::Skipped, _) => None,
            (Expected::Outcome(expected), Answer::Judged(outcomes)) => {
                let found = outcomes.get(&row.constraint).cloned().unwrap_or_default();
                let mut actions = expected.actions.clone();
                if way == Way::Webhook {
                    // Those are not told to the API server.
                    actions.retain(|action| action != "dryrun");
                }
                let message = found.error.as_deref().unwrap_or_default();
                let is_as_expected = found.actions == actions
                    && found.error.is_some() == (expected.error.is_some() && !actions.is_empty())
                    && message.contains(expected.error.as_deref().unwrap_or_default());
                (!is_as_expected).then(|| format!("expected {expected:?}, found {found:?}"))
            }
            (expected, answer) => Some(format!("expected {expected:?}, found {answer:?}")),
        }
    }

    fn check_refusal(&self, row: &Row, way: Way, text: &str, answer: &Answer) -> Option<String> {
        let refusal = match way {
            Way::Webhook => match answer {
                Answer::Judged(outcomes) if !outcomes.contains_key(&row.constraint) => return None,
                answer => return Some(format!("it is in force: {answer:?}")),
            },
            Way::Audit => self.refusals.get(&row.constraint).cloned().unwrap_or_default(),
            Way::Cli => {
                let file = format!("{}.json:", row.constraint);
                self.cli_refusals.lines().filter(|line| line.contains(&file)).collect::<Vec<_>>().join("\n")
            }
        };
        (!refusal.contains(text)).then(|| format!("expected the refusal {text:?}, found {refusal:?}"))
    }
}

fn to_object(value: &Value) -> Object {
    Object::from_value(value.clone()).unwrap()
}

/// A violation by its message.
fn outcome(actions: Vec<String>, message: &str) -> Outcome {
    Outcome { actions, error: (message != "matched").then(|| message.to_owned()) }
}

fn ask_webhook(table: &Table) -> Vec<Answer> {
    let objects: Vec<Value> = std::iter::once(Table::template())
        .chain(table.rows.iter().map(|row| row.object.clone()))
        .chain(table.namespaces.iter().cloned())
        .collect();
    let cluster = FakeCluster::start(&objects);
    let running = Running::start_in_cluster(cluster.kubeconfig());
    table.subjects.iter().map(|subject| read_response(&running.ask(&subject.review())["response"])).collect()
}

fn read_response(response: &Value) -> Answer {
    let message = response["status"]["message"].as_str().unwrap_or_default();
    if response["status"]["code"] == 500 {
        return Answer::Failed(message.to_owned());
    }
    let mut outcomes = Outcomes::new();
    let warnings = response["warnings"].as_array().into_iter().flatten().map(|line| ("warn", line.as_str().unwrap()));
    for (action, line) in message.lines().map(|line| ("deny", line)).chain(warnings) {
        let (constraint, message) = line.strip_prefix('[').unwrap().split_once("] ").unwrap();
        let found = outcomes.entry(constraint.to_owned()).or_insert_with(|| outcome(Vec::new(), message));
        found.actions.push(action.to_owned());
    }
    Answer::Judged(outcomes)
}

/// All rows' constraints, and why some are refused.
pub(super) fn snapshot(table: &Table) -> (Snapshot, BTreeMap<String, String>) {
    let mut store = Store::default();
    store.apply(Change::Apply(to_object(&Table::template())));
    let objects = table.rows.iter().map(|row| &row.object).chain(&table.namespaces);
    objects.for_each(|object| store.apply(Change::Apply(to_object(object))));
    let (snapshot, errors) = build(&mut store, &Snapshot::default(), BuildOptions::default());
    let mut refusals = BTreeMap::<String, String>::new();
    for error in errors {
        let text = refusals.entry(error.key.name.clone()).or_default();
        text.push_str(&format!("{}\n", error.message));
    }
    (snapshot, refusals)
}

fn audit(snapshot: &Snapshot, object: &Value) -> Answer {
    let object = to_object(object);
    let namespace = snapshot.namespace(object.namespace()).cloned();
    if !object.namespace().is_empty() && namespace.is_none() {
        return Answer::Skipped;
    }
    let context = EvalContext { point: EnforcementPoint::Audit, ..EvalContext::offline() };
    let evaluation = validate(snapshot, &Review::of_object(&object, namespace), context).unwrap();
    let outcomes = evaluation.violations.iter().map(|violation| {
        let mut actions: Vec<String> = violation.actions.iter().map(|action| action.as_str().to_owned()).collect();
        actions.sort();
        (violation.constraint.constraint.name().to_owned(), outcome(actions, &violation.message))
    });
    Answer::Judged(outcomes.collect())
}

/// Constraints in one run of `admit test`. They are judged, too, each by each: few at once are faster.
const AT_ONCE: usize = 20;

/// `admit test` on everything that is not refused.
fn run_test(table: &Table, directory: &Path) -> Vec<Answer> {
    let constraints: Vec<&Row> = table.rows.iter().filter(|row| row.refusal().is_none()).collect();
    let namespaces = table.namespaces.iter().filter(|namespace| namespace["metadata"]["name"] != "default");
    let subjects = table.subjects.iter().filter(|subject| subject.operation.is_none());
    let mut objects: Vec<&Value> = Vec::new();
    for object in namespaces.chain(subjects.map(|subject| &subject.object)) {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    let mut answers: Vec<Outcomes> = table.subjects.iter().map(|_| Outcomes::new()).collect();
    for chunk in constraints.chunks(AT_ONCE) {
        let mut documents = vec![Table::template()];
        documents.extend(chunk.iter().map(|row| row.object.clone()));
        documents.extend(objects.iter().copied().cloned());
        let file = directory.join("all.yaml");
        write_documents(&file, &documents);
        let output = admit(&["test", "--output=json", "-f"], &file);
        assert!(output.status.code().is_some() && output.stderr.is_empty(), "{output:?}");
        let results: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        for result in &results {
            let found = table.subjects.iter().zip(&mut answers);
            let found = found.filter(|(subject, _)| subject.object == result["violatingObject"]);
            found.for_each(|(_, outcomes)| outcomes.extend([read_result(result)]));
        }
    }
    answers.into_iter().map(Answer::Judged).collect()
}

fn read_result(result: &Value) -> (String, Outcome) {
    let action = result["enforcementAction"].as_str().unwrap();
    let scoped = result["scopedActions"].as_array().into_iter().flatten();
    let mut actions: Vec<String> = match action {
        "scoped" => scoped.map(|action| action.as_str().unwrap().to_owned()).collect(),
        action => vec![action.to_owned()],
    };
    actions.sort();
    let name = result["constraint"]["metadata"]["name"].as_str().unwrap().to_owned();
    (name, outcome(actions, result["msg"].as_str().unwrap()))
}

/// What `admit test` says about the constraints that are refused.
fn run_refused(table: &Table, directory: &Path) -> String {
    let directory = directory.join("refused");
    std::fs::create_dir(&directory).unwrap();
    write_documents(&directory.join("template.json"), &[Table::template()]);
    for row in table.rows.iter().filter(|row| row.refusal().is_some()) {
        write_documents(&directory.join(format!("{}.json", row.constraint)), std::slice::from_ref(&row.object));
    }
    let output = admit(&["test", "-f"], &directory);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What is done, as a Suite of AdmissionReviews: one test a row.
fn run_suite(table: &Table, directory: &Path) -> BTreeMap<String, Option<String>> {
    let directory = directory.join("suite");
    std::fs::create_dir(&directory).unwrap();
    let mut tests = Vec::new();
    for row in &table.rows {
        let subject = &table.subjects[row.subject];
        let Expected::Outcome(expected) = &row.expected[&Way::Cli] else { continue };
        if subject.operation.is_none() {
            continue;
        }
        let file = |what: &str| format!("{}-{what}.json", row.constraint);
        write_documents(&directory.join(file("constraint")), std::slice::from_ref(&row.object));
        write_documents(&directory.join(file("review")), &[subject.review()]);
        let mut assertions = vec![json!({"violations": expected.actions.len()})];
        if let Some(error) = &expected.error {
            assertions.push(json!({"violations": 1, "message": error}));
        }
        tests.push(json!({"name": row.constraint, "template": "template.json", "constraint": file("constraint"),
            "cases": [{"name": "case", "object": file("review"), "inventory": ["namespaces.yaml"],
                "assertions": assertions}]}));
    }
    write_documents(&directory.join("template.json"), &[Table::template()]);
    write_documents(&directory.join("namespaces.yaml"), &table.namespaces);
    let written = tests.len();
    let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests});
    write_documents(&directory.join("suite.yaml"), &[suite]);
    let suites = Suites::load(&[directory.join("suite.yaml")]);
    assert!(suites.errors.is_empty(), "{:?}", suites.errors);
    let outcomes = suites.run(&Filter::All, BuildOptions::default());
    let tests = outcomes.iter().flat_map(|suite| &suite.tests);
    assert_eq!(tests.clone().filter(|test| test.cases.len() == 1).count(), written);
    let has_failed = |test: &admit::workbench::suite::TestOutcome| test.has_failed().then(|| format!("{test:?}"));
    tests.map(|test| (test.name.clone(), has_failed(test))).collect()
}

fn write_documents(path: &Path, documents: &[Value]) {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    std::fs::write(path, texts.join("\n---\n")).unwrap();
}

fn admit(arguments: &[&str], path: &Path) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_admit"))
        .args(arguments)
        .arg(path)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}
