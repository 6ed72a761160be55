//! What always holds, whatever the policy and the object: found on the samples of `cases.yaml`, changed at random.

use std::time::{Duration, Instant};

use admit::model::object::{FieldPath, Segment};
use admit::policy::blame::{Blame, MAX_EVALUATIONS, blame, blame_counting};
use admit::policy::engine::Deadline;
use admit::policy::snapshot::BuildOptions;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::cases::{Case, cases};
use super::existing;

/// Objects that are made of the samples.
const MUTATIONS: u32 = 60;
/// Long for evaluating nothing at all.
const AT_ONCE: Duration = Duration::from_millis(50);

#[test]
fn blame_is_the_same_twice_and_in_any_order_of_keys() {
    for case in cases() {
        let (one, twice) = (all(&case, &case.object), all(&case, &case.object));
        assert_eq!(one, twice, "{}", case.name);
        let case = case.with_keys_reversed();
        assert_eq!(one, all(&case, &case.object), "{}", case.name);
    }
}

#[test]
fn blame_is_bounded() {
    for case in cases() {
        let review = case.review(&case.object);
        for violation in case.violations(&review) {
            let (_, evaluations) = blame_counting(&case.snapshot, &review, &violation, Deadline::none());
            assert!(evaluations <= MAX_EVALUATIONS, "{}: {evaluations} evaluations", case.name);
            let begun = Instant::now();
            let late = Deadline::after(Duration::ZERO);
            let (late, evaluations) = blame_counting(&case.snapshot, &review, &violation, late);
            assert_eq!((late.path, late.missing, evaluations), (FieldPath::root(), None, 0), "{}", case.name);
            assert!(begun.elapsed() < AT_ONCE, "{}: {:?}", case.name, begun.elapsed());
        }
    }
}

#[test]
fn a_policy_that_reaches_out_is_not_asked_again() {
    let policy = r#"violation contains {"msg": "nobody answers"} if {
        input.review.object.spec.hostIPC
        answer := http.send({"method": "GET", "url": "http://127.0.0.1:9/", "raise_error": false})
        answer.status_code == 0
    }"#;
    let mut options = BuildOptions::default();
    options.compile.access.enable("http.send").unwrap();
    let case =
        Case::new(&json!({"name": "reaches out", "policy": policy, "object": {"spec": {"hostIPC": true}}}), options);
    let review = case.review(&case.object);
    let violations = case.violations(&review);
    assert_eq!(violations.len(), 1);
    let (blame, evaluations) = blame_counting(&case.snapshot, &review, &violations[0], Deadline::none());
    assert_eq!((blame.path, evaluations), (FieldPath::root(), 0));
}

#[test]
fn the_fields_of_a_bottomless_object_are_not_tried_out() {
    let policy = r#"violation contains {"msg": "hostIPC"} if input.review.object.spec.hostIPC"#;
    for (levels, path, is_tried) in [(90, "spec.hostIPC", true), (900, "<root>", false)] {
        let deep = (0..levels).fold(json!(1), |inner, _| json!({"x": inner}));
        let object = json!({"spec": {"hostIPC": true, "deep": deep}});
        let case = json!({"name": "deep", "policy": policy, "object": object});
        let case = Case::new(&case, BuildOptions::default());
        let review = case.review(&case.object);
        let violations = case.violations(&review);
        let (blame, evaluations) = blame_counting(&case.snapshot, &review, &violations[0], Deadline::none());
        assert_eq!((blame.path.to_string(), evaluations > 0), (path.to_owned(), is_tried), "{levels} levels");
    }
}

#[test]
fn blamed_places_exist_in_any_object() {
    let cases = cases();
    let config = Config { cases: MUTATIONS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (0..cases.len(), prop::collection::vec((any::<prop::sample::Index>(), values()), 1..4));
    let mut blamed = 0;
    let result = runner.run(&strategy, |(number, changes)| {
        let case = &cases[number];
        let mut object = case.object.clone();
        for (place, value) in changes {
            let places = places(&object);
            replace(&mut object, place.get(&places), value);
        }
        let blames = all(case, &object);
        for Blame { path, missing, related, .. } in &blames {
            prop_assert_eq!(&existing(&object, path), path, "{}: {}", case.name, object);
            for other in related {
                prop_assert_eq!(&existing(&object, other), other, "{}: {}", case.name, object);
            }
            if let Some(missing) = missing {
                prop_assert_eq!(&existing(&object, missing), path, "{}: {}", case.name, object);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // The samples themselves are no mutations: at least they are blamed for something.
    cases.iter().for_each(|case| blamed += all(case, &case.object).len());
    assert!(blamed >= cases.len());
}

/// What every violation of an object is about.
fn all(case: &Case, object: &Value) -> Vec<Blame> {
    let review = case.review(object);
    let violations = case.violations(&review);
    violations.iter().map(|violation| blame(&case.snapshot, &review, violation, Deadline::none())).collect()
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3_i64..100_000).prop_map(|number| json!(number)),
        "[a-z:/.*-]{0,9}".prop_map(Value::String),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"name": "app", "image": "a:latest"}, null, 7])),
        Just(json!({"": {"a.b/c": [true]}, "0": 1})),
    ]
}

/// Every place but those that make it an object of its kind.
fn places(object: &Value) -> Vec<FieldPath> {
    let mut open = vec![(FieldPath::root(), object)];
    let mut places = Vec::new();
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(fields) => open.extend(fields.iter().map(|(key, item)| (path.key(key.clone()), item))),
            Value::Array(items) => {
                open.extend(items.iter().enumerate().map(|(index, item)| (path.index(index), item)));
            }
            _ => {}
        }
        let is_fixed = ["", "apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace"];
        if path != FieldPath::root() && !is_fixed.contains(&path.to_string().as_str()) {
            places.push(path);
        }
    }
    places.push(FieldPath::from(["spec"]));
    places.sort();
    places
}

fn replace(object: &mut Value, path: &FieldPath, value: Value) {
    let mut at = object;
    for segment in path.segments() {
        at = match segment {
            Segment::Key(key) => &mut at[key.as_str()],
            Segment::Index(index) => &mut at[*index],
        };
    }
    *at = value;
}
