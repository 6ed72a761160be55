//! Which field a violation is about: what is answered, beside what a person would point at.

mod cases;
mod properties;
mod table;
mod webhook;

use std::path::{Path, PathBuf};

use admit::model::object::{FieldPath, Segment};
use admit::policy::blame::Blame;
use admit::policy::snapshot::BuildOptions;
use admit::workbench::bundle::{self, Bundle};
use admit::workbench::judge::{Judgement, blame_all, judge};
use serde_json::Value;

/// What a person would say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// One of these values is wrong.
    At(Vec<String>),
    /// One of these fields is missing.
    Missing(Vec<String>),
    /// The object as a whole.
    Object,
}

impl Expected {
    /// `at`, `missing`, or neither.
    fn read(row: &Value) -> Self {
        match (&row["at"], &row["missing"]) {
            (Value::Null, Value::Null) => Self::Object,
            (Value::Null, missing) => Self::Missing(texts(missing)),
            (at, _) => Self::At(texts(at)),
        }
    }

    /// Whether that is what was answered.
    fn is(&self, blame: &Blame, object: &Value) -> bool {
        let path = blame.path.to_string();
        match (self, &blame.missing) {
            (Self::Object, None) => blame.path == FieldPath::root(),
            (Self::At(paths), None) => paths.contains(&path),
            (Self::Missing(fields), Some(missing)) => {
                fields.contains(&missing.to_string()) && blame.path == existing(object, missing)
            }
            _ => false,
        }
    }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        other => vec![other.as_str().unwrap().to_owned()],
    }
}

/// The deepest node on the way to a field that there is.
fn existing(object: &Value, field: &FieldPath) -> FieldPath {
    let (mut at, mut path) = (object, FieldPath::root());
    for segment in field.segments() {
        let (found, longer) = match segment {
            Segment::Key(key) => (at.get(key), path.key(key.clone())),
            Segment::Index(index) => (at.get(index), path.index(*index)),
        };
        let Some(found) = found else { break };
        (at, path) = (found, longer);
    }
    path
}

fn shown(blame: &Blame) -> String {
    match &blame.missing {
        Some(missing) => format!("{} (missing {missing})", blame.path),
        None => blame.path.to_string(),
    }
}

/// The documents of a file.
fn documents(path: &Path) -> Vec<Value> {
    let (documents, errors) = admit::manifest::read_file(path);
    assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    documents.into_iter().map(admit::manifest::Document::into_value).collect()
}

/// Policies and objects of files, as `admit test` takes them.
fn load(paths: &[PathBuf]) -> Bundle {
    let (bundle, diagnostics) = bundle::load(paths, None, BuildOptions::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    bundle
}

/// The violations of one of the objects, and what they are about.
fn judged(bundle: &Bundle, object: &Value) -> Vec<Judgement> {
    let mut judgements = judge(bundle).unwrap();
    judgements.retain(|judgement| judgement.object.object.value() == object);
    blame_all(bundle, &mut judgements);
    judgements
}
