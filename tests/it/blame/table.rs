//! Tables of template × violation: those of our own policies always, those of the public library when `BLAME_LIBRARY` names
//! its folder: `BLAME_LIBRARY=… cargo test --test all blame_library -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::path::Path;

use admit::workbench::judge::Judgement;
use serde_json::Value;

use super::{Expected, documents, judged, load, shown};

/// Wanted of values, and of missing fields.
const WANTED: f64 = 0.95;

#[test]
fn blame_own_policies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    check(&root.join("policies"), &root.join("tests/it/blame/own.yaml"));
}

#[test]
#[ignore = "needs the public library, which BLAME_LIBRARY names"]
fn blame_library() {
    let library =
        std::env::var("BLAME_LIBRARY").expect("BLAME_LIBRARY names the folder `library` of the public library");
    check(Path::new(&library), &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/blame/library.yaml"));
}

/// How many rows there are, and how many are right.
#[derive(Default)]
struct Share {
    rows: usize,
    right: usize,
}

impl Share {
    fn of_one(&self) -> f64 {
        self.right as f64 / self.rows.max(1) as f64
    }
}

fn check(library: &Path, table: &Path) {
    let rows = documents(table).remove(0);
    let (mut values, mut missing, mut wrong, mut unexpected) =
        (Share::default(), Share::default(), Vec::new(), Vec::new());
    let mut known = BTreeMap::new();
    for row in rows.as_array().unwrap() {
        let case = row["case"].as_str().unwrap();
        let judgements = known.entry(case).or_insert_with(|| judge_case(library, case));
        let says = row["says"].as_str().unwrap_or_default();
        let said: Vec<&Judgement> =
            judgements.iter().filter(|judgement| judgement.violation.message.contains(says)).collect();
        let [judgement] = said.as_slice() else { panic!("{case}: {} violations say {says:?}", said.len()) };
        let expected = Expected::read(row);
        let blame = judgement.blame.as_ref().unwrap();
        let is_right = expected.is(blame, judgement.object.object.value());
        let share = if matches!(expected, Expected::Missing(_)) { &mut missing } else { &mut values };
        share.rows += 1;
        share.right += usize::from(is_right);
        let reason = row["expected_wrong"].as_str();
        let line = format!("{case} {says:?}\n    expected {expected:?}\n    found {}", shown(blame));
        if is_right != reason.is_none() {
            unexpected.push(line);
        } else if let Some(reason) = reason {
            wrong.push(format!("{line}\n    {reason}"));
        }
    }
    for (name, share) in [("values", &values), ("missing fields", &missing)] {
        println!("{name}: {} of {} right, {:.1} %", share.right, share.rows, 100.0 * share.of_one());
    }
    println!("{}", wrong.join("\n"));
    assert!(unexpected.is_empty(), "not as the table says:\n{}", unexpected.join("\n"));
    assert!(values.of_one() >= WANTED && missing.of_one() >= WANTED);
}

/// What is wrong with the object of a case, `suite:test/case`.
fn judge_case(library: &Path, case: &str) -> Vec<Judgement> {
    let (folder, rest) = case.split_once(':').unwrap();
    let (test, case) = rest.split_once('/').unwrap();
    let folder = library.join(folder);
    let suite = documents(&folder.join("suite.yaml")).remove(0);
    let named = |list: &Value, name: &str| {
        // Some names are given twice: meant is the first that violates something.
        let mut found = list.as_array().unwrap().iter().filter(|one| one["name"] == name);
        let violates = |one: &&Value| one["assertions"][0]["violations"] != "no";
        found.find(violates).unwrap_or_else(|| panic!("no {name} in {}", folder.display())).clone()
    };
    let test = named(&suite["tests"], test);
    let case = named(&test["cases"], case);
    let inventory = case["inventory"].as_array().cloned().unwrap_or_default();
    let files = [&test["template"], &test["constraint"], &case["object"]].into_iter().chain(&inventory);
    let paths: Vec<_> = files.map(|file| folder.join(file.as_str().unwrap())).collect();
    let object = documents(&paths[2]).remove(0);
    let judgements = judged(&load(&paths), &object);
    // Constraints that are of another test's kind are not there, so all of these are of this test.
    assert!(!judgements.is_empty(), "{}: nothing is violated", paths[2].display());
    judgements
}
