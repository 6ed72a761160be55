//! What edits leave as it was, text by text. Any text and any change: `properties.rs`.

mod properties;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{EditError, Edited, edit};
use crate::manifest::{Document, Source, flatten, parse};

fn documents(source: &Arc<Source>) -> Vec<Document> {
    let (documents, errors) = parse(source);
    assert_eq!(errors, []);
    documents.into_iter().flat_map(|one| flatten(one).0).collect()
}

/// Sets what a JSON pointer points at, its last key made up; null as the new value of nothing takes it out.
fn set(value: &mut Value, pointer: &str, new: Option<Value>) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match (value.pointer_mut(parent).unwrap(), new) {
        (Value::Object(map), Some(new)) => drop(map.insert(key, new)),
        (Value::Object(map), None) => drop(map.remove(&key).unwrap()),
        (Value::Array(list), Some(new)) if key == "-" => list.push(new),
        (Value::Array(list), Some(new)) if key.starts_with('+') => list.insert(key[1..].parse().unwrap(), new),
        (Value::Array(list), Some(new)) => list[key.parse::<usize>().unwrap()] = new,
        (Value::Array(list), None) => drop(list.remove(key.parse().unwrap())),
        (other, _) => panic!("{other} has no parts"),
    }
}

type Changes<'a> = &'a [(&'a str, Option<Value>)];

/// The edited text, after changes of the documents of these numbers, and the parts that were written anew.
fn run(before: &str, changes: &[(usize, Changes<'_>)]) -> Result<(Edited, Arc<Source>), EditError> {
    let source = Arc::new(Source::new("f", before.to_owned()));
    let documents = documents(&source);
    let mut wanted = Vec::new();
    for (number, changes) in changes {
        let mut value = documents[*number].value().clone();
        for (pointer, new) in *changes {
            set(&mut value, pointer, new.clone());
        }
        wanted.push((&documents[*number], value));
    }
    edit(&source, &wanted).map(|edited| (edited, source))
}

#[track_caller]
fn check(before: &str, changes: Changes<'_>, after: &str) {
    check_documents(before, &[(0, changes)], after, &[]);
}

#[track_caller]
fn check_documents(before: &str, changes: &[(usize, Changes<'_>)], after: &str, anew: &[&str]) {
    for newline in ["\n", "\r\n"] {
        let (edited, source) = run(&before.replace('\n', newline), changes).unwrap();
        assert_eq!(edited.text.replace("\r\n", "\n"), after);
        assert!(newline == "\n" || edited.text.matches('\n').count() == edited.text.matches("\r\n").count());
        let shown: Vec<String> = edited.anew.iter().map(|one| format!("{}: {}", one.path, one.reason)).collect();
        assert_eq!(shown, anew);
        // The edits, made by somebody else, give the same text.
        let mut text = source.text().to_owned();
        for one in edited.edits.iter().rev() {
            text.replace_range(one.bytes.clone(), &one.text);
        }
        assert_eq!(text, edited.text);
    }
}

const POD: &str = "\
# who: team a
apiVersion: v1
kind: Pod
metadata:
  name: web # the name
  labels: {app: web}
spec:
  containers:
    # the first
    - name: web   # named
      image: 'nginx:1'  # pinned soon
      args: [\"-x\", y]
    - image: \"side:1\"
      name: side
      securityContext:
        # why
        capabilities:
          add: [NET_ADMIN]
  # end of spec
# end
";

#[test]
fn scalars_keep_their_quotes_and_comments() {
    check(
        POD,
        &[
            ("/spec/containers/0/image", Some(json!("nginx:2"))),
            ("/spec/containers/1/image", Some(json!("side:2"))),
            ("/metadata/name", Some(json!("yes"))),
            ("/spec/containers/0/args/1", Some(json!("a,b"))),
        ],
        &POD.replace("'nginx:1'", "'nginx:2'")
            .replace("\"side:1\"", "\"side:2\"")
            .replace("name: web # the", "name: \"yes\" # the")
            .replace(", y]", ", \"a,b\"]"),
    );
    check("a: 1 # c\nb:\nc: ~\n", &[("/a", Some(json!("1"))), ("/b", Some(json!(2)))], "a: \"1\" # c\nb: 2\nc: ~\n");
    check("a: !!str 1\n", &[("/a", Some(json!(2)))], "a: 2\n");
    check(
        "a: |\n  x\n  y\nb: >-\n  z\n",
        &[("/a", Some(json!("x\nz\n"))), ("/b", Some(json!("q")))],
        "a: |\n  x\n  z\nb: q\n",
    );
    check("a: \"x\n  y\" # c\n", &[("/a", Some(json!("z")))], "a: \"z\" # c\n");
}

#[test]
fn new_fields_come_last_and_are_indented_like_the_others() {
    check(
        POD,
        &[
            (
                "/spec/securityContext",
                Some(json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})),
            ),
            ("/spec/containers/0/securityContext", Some(json!({"capabilities": {"drop": ["ALL"]}}))),
            ("/spec/containers/1/securityContext/capabilities/drop", Some(json!(["ALL"]))),
            ("/metadata/labels/team", Some(json!("a"))),
            ("/metadata/annotations", Some(json!({"a/b": "1"}))),
            ("/spec/containers/-", Some(json!({"image": "x", "name": "new", "args": ["a", "b"]}))),
        ],
        "\
# who: team a
apiVersion: v1
kind: Pod
metadata:
  name: web # the name
  labels: {app: web, team: a}
  annotations:
    a/b: \"1\"
spec:
  containers:
    # the first
    - name: web   # named
      image: 'nginx:1'  # pinned soon
      args: [\"-x\", y]
      securityContext:
        capabilities:
          drop:
            - ALL
    - image: \"side:1\"
      name: side
      securityContext:
        # why
        capabilities:
          add: [NET_ADMIN]
          drop:
            - ALL
    - name: new
      args:
        - a
        - b
      image: x
  securityContext:
    runAsNonRoot: true
    seccompProfile:
      type: RuntimeDefault
  # end of spec
# end
",
    );
    // Four columns a level, lists no deeper than their key, no line end at the end.
    check(
        "a:\n    b:\n    - x",
        &[("/a/b/-", Some(json!({"k": {"l": 1}}))), ("/a/c", Some(json!([{"d": "e\nf\n"}])))],
        "a:\n    b:\n    - x\n    - k:\n          l: 1\n    c:\n    - d: \"e\\nf\\n\"",
    );
}

#[test]
fn what_goes_takes_its_line_along() {
    check(
        POD,
        &[
            ("/spec/containers/0/args", None),
            ("/spec/containers/1/securityContext/capabilities", None),
            ("/metadata/name", None),
        ],
        &POD.replace("      args: [\"-x\", y]\n", "").replace("  name: web # the name\n", "").replace(
            "      securityContext:\n        # why\n        capabilities:\n          add: [NET_ADMIN]\n",
            "      securityContext: {}\n        # why\n",
        ),
    );
    check("- a: 1\n  b: 2\n- c: 3\n", &[("/0/a", None)], "- b: 2\n- c: 3\n");
    check("- a: 1 # c\n  b: 2\n", &[("/0/a", None)], "-  # c\n  b: 2\n");
    check("x: [a, b, c]\n", &[("/x/0", None)], "x: [b, c]\n");
    check("x: [a, b, c]\n", &[("/x/2", None)], "x: [a, b]\n");
    check("x: {a: 1, b: 2}\n", &[("/x/b", None)], "x: {a: 1}\n");
    check("x:\n- a\n# about b\n- b # b\n- c\n", &[("/x/1", None)], "x:\n- a\n# about b\n- c\n");
    check("x:\n- - a\n  - b\n", &[("/x/0/0", None)], "x:\n- - b\n");
    check("a: 1\nb: |+\n  x\n\n\nc: 1\n", &[("/b", None)], "a: 1\nc: 1\n");
}

#[test]
fn kinds_of_values_change() {
    check("a: 1 # c\nb: 2\n", &[("/a", Some(json!({"x": 1})))], "a: # c\n  x: 1\nb: 2\n");
    check("a: # c\n  x: 1\nb: 2\n", &[("/a", Some(json!(1)))], "a: 1 # c\nb: 2\n");
    check("a: {}\nb: []\n", &[("/a/x", Some(json!(1))), ("/b/-", Some(json!(1)))], "a:\n  x: 1\nb:\n  - 1\n");
    check("- 1 # c\n- 2\n", &[("/0", Some(json!({"x": 1, "z": 2})))], "- x: 1 # c\n  z: 2\n- 2\n");
    check("a:\nb: 1\n", &[("/a", Some(json!(["x"])))], "a:\n  - x\nb: 1\n");
    check("a: [1, 2]\n", &[("/a/0", Some(json!({"x": [true, null]})))], "a: [{x: [true, null]}, 2]\n");
}

#[test]
fn lists_grow_in_between() {
    check("x:\n  # c\n  - a\n  - b # b\n", &[("/x/+0", Some(json!("p")))], "x:\n  # c\n  - p\n  - a\n  - b # b\n");
    check("x:\n- a # a\n- b\n", &[("/x/+1", Some(json!({"p": 1})))], "x:\n- a # a\n- p: 1\n- b\n");
    check("x: [a, b]\n", &[("/x/+0", Some(json!("p"))), ("/x/-", Some(json!("z")))], "x: [p, a, b, z]\n");
    check(
        "x: [\n  a, # a\n  b # b\n]\nz: {\n  k: 1,\n}\n",
        &[("/x/-", Some(json!("c"))), ("/z/l", Some(json!(2)))],
        "x: [\n  a, # a\n  b, # b\n  c\n]\nz: {\n  k: 1,\n  l: 2,\n}\n",
    );
}

#[test]
fn aliases_show_what_they_showed() {
    let text = "a: &x {p: 1, m: 2}\nb: *x\nc: *x # c\n";
    check(text, &[("/b/p", Some(json!(9)))], "a: &x {p: 1, m: 2}\nb:\n  m: 2\n  p: 9\nc: *x # c\n");
    check(text, &[("/a/p", Some(json!(9)))], "a: &x {p: 9, m: 2}\nb:\n  m: 2\n  p: 1\nc: # c\n  m: 2\n  p: 1\n");
    let all: Changes<'_> = &[("/a/p", Some(json!(9))), ("/b/p", Some(json!(9))), ("/c/p", Some(json!(9)))];
    check(text, all, "a: &x {p: 9, m: 2}\nb: *x\nc: *x # c\n");
    check("a: &x nginx\nb: *x\n", &[("/a", Some(json!("v")))], "a: &x v\nb: nginx\n");
    let merged = "a: &x\n  p: 1\n  l: {k: 1}\nb:\n  <<: *x\n  o: 1 # o\n";
    check(merged, &[("/b/p", Some(json!(2)))], "a: &x\n  p: 1\n  l: {k: 1}\nb:\n  <<: *x\n  o: 1 # o\n  p: 2\n");
    check(merged, &[("/b/l/k", Some(json!(2)))], &format!("{merged}  l:\n    k: 2\n"));
    check(merged, &[("/a/p", Some(json!(2)))], "a: &x\n  p: 2\n  l: {k: 1}\nb:\n  <<: *x\n  o: 1 # o\n  p: 1\n");
}

#[test]
fn what_cannot_be_edited_is_written_anew_and_told() {
    check_documents(
        "# top\na: &x {p: 1}\nb:\n  <<: *x\n  o: 1 # o\n",
        &[(0, &[("/b/p", None)])],
        "# top\na: &x {p: 1}\nb:\n  o: 1\n",
        &["b: a merge key (`<<`) brings a field that has to go"],
    );
}

#[test]
fn other_documents_and_items_stay() {
    let text =
        "---\n# one\na: 1\n...\n---\nb: 1\n--- # three\nkind: List\napiVersion: v1\nitems:\n- c: 1 # c\n- d: 1\n";
    check_documents(
        text,
        &[(0, &[("/a", Some(json!(2)))]), (3, &[("/d", Some(json!(2))), ("/e", Some(json!(3)))])],
        "---\n# one\na: 2\n...\n---\nb: 1\n--- # three\nkind: List\napiVersion: v1\nitems:\n- c: 1 # c\n- d: 2\n  e: 3\n",
        &[],
    );
    // An anchor of one item, an alias in another.
    check_documents(
        "kind: List\napiVersion: v1\nitems:\n- c: &x 1\n- d: *x\n",
        &[(1, &[("/d", Some(json!(2)))])],
        "kind: List\napiVersion: v1\nitems:\n- c: &x 1\n- d: 2\n",
        &[],
    );
}

#[test]
fn json_stays_json_and_as_it_is_laid_out() {
    check(
        "{\n\t\"a\": 1,\n\t\"b\": {\n\t\t\"c\": []\n\t}\n}\n",
        &[("/b/d", Some(json!({"e": [1, "x"]}))), ("/a", Some(json!("é\n"))), ("/b/c/-", Some(json!(1)))],
        "{\n\t\"a\": \"é\\n\",\n\t\"b\": {\n\t\t\"c\": [\n\t\t\t1\n\t\t],\n\t\t\"d\": {\n\t\t\t\"e\": [\n\t\t\t\t1,\n\t\t\t\t\"x\"\n\t\t\t]\n\t\t}\n\t}\n}\n",
    );
    check(
        "{\"a\":1,\"b\":[1]}",
        &[("/c", Some(json!({"d": 1, "e": []}))), ("/b/-", Some(json!(2)))],
        "{\"a\":1,\"b\":[1,2],\"c\":{\"d\":1,\"e\":[]}}",
    );
    check("{\"a\": 1} {\"b\": 2}\n", &[("/c", Some(json!(true)))], "{\"a\": 1, \"c\": true} {\"b\": 2}\n");
    check("{\"a\": 1, \"b\": 2}\n", &[("/a", None)], "{\"b\": 2}\n");
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let source = Arc::new(Source::new("f", "a: 1\n".to_owned()));
    let document = documents(&source).remove(0);
    let found = edit(&source, &[(&document, Value::Null)]);
    assert_eq!(found, Err(EditError::Unwritable(document.location())));
    let other = Arc::new(Source::new("g", "b: 1\n".to_owned()));
    assert_eq!(edit(&other, &[(&document, json!({}))]), Err(EditError::OtherText(document.location())));
    let deep =
        |levels: usize| Arc::new(Source::new("f", format!("a: {}{}\nb: 1\n", "[".repeat(levels), "]".repeat(levels))));
    for (levels, is_fine) in [(150, true), (990, false)] {
        let source = deep(levels);
        let document = documents(&source).remove(0);
        let mut wanted = document.value().clone();
        wanted["b"] = json!(2);
        let edited =
            std::thread::Builder::new().stack_size(2 << 20).spawn(move || edit(&source, &[(&document, wanted)]));
        let edited = edited.unwrap().join().unwrap();
        assert_eq!(edited.is_ok(), is_fine);
        assert!(is_fine || matches!(edited, Err(EditError::TooDeep(_))));
    }
    let emptied = edit(&source, &[(&document, json!({}))]).unwrap();
    assert_eq!(emptied.text, "{}\n");
}
