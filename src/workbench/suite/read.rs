//! A document to a [`Suite`]: every mistake at once, each with its place.
//!
//! As Go reads it: keys match whatever their case, `null` is as good as absent, unknown keys are ignored. The last is
//! how a misspelt `violations` turns an assertion into another one, so unknown keys are warned of.

mod mutations;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::assertion::{Assertion, Expected};
use super::definition::{Case, FileReference, Place, Suite, Test};
use crate::manifest::Document;
use crate::model::go_regex;
use crate::model::object::{FieldPath, describe};
use crate::workbench::diagnostic::Diagnostic;

const SUITE_KEYS: [&str; 6] = ["apiVersion", "kind", "metadata", "skip", "tests", "mutations"];
const TEST_KEYS: [&str; 7] = ["name", "template", "constraint", "expansion", "invalid", "skip", "cases"];
const CASE_KEYS: [&str; 5] = ["name", "object", "inventory", "assertions", "skip"];
const ASSERTION_KEYS: [&str; 2] = ["violations", "message"];

/// Reads a suite; what has the wrong type is an error, and read as if it were absent.
pub(super) fn read(document: Document, errors: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) -> Suite {
    let path = document.source().name().to_string();
    let mut reader = Reader { document: Arc::new(document), errors, warnings };
    let root = FieldPath::root();
    let value = reader.document.value().clone();
    let suite = reader.mapping(&value, &root, &SUITE_KEYS);
    Suite {
        skip: reader.flag(&suite, "skip"),
        mutations: reader.list(&suite, "mutations").iter().map(|(at, value)| reader.mutation_test(value, at)).collect(),
        tests: reader.list(&suite, "tests").iter().map(|(at, value)| reader.test(value, at)).collect(),
        path,
    }
}

struct Reader<'a> {
    document: Arc<Document>,
    errors: &'a mut Vec<Diagnostic>,
    warnings: &'a mut Vec<Diagnostic>,
}

/// A mapping and where it stands.
struct Fields<'v> {
    at: FieldPath,
    map: Option<&'v Map<String, Value>>,
}

impl<'v> Fields<'v> {
    /// The field as written, and its value unless that is null.
    fn field(&self, key: &str) -> Option<(FieldPath, &'v Value)> {
        let map = self.map?;
        let exact = map.get_key_value(key);
        let found = exact.or_else(|| map.iter().find(|(written, _)| written.eq_ignore_ascii_case(key)));
        found.filter(|(_, value)| !value.is_null()).map(|(written, value)| (self.at.key(written), value))
    }
}

impl Reader<'_> {
    fn test(&mut self, value: &Value, at: &FieldPath) -> Test {
        let test = self.mapping(value, at, &TEST_KEYS);
        Test {
            name: self.text(&test, "name").unwrap_or_default(),
            template: self.file(&test, "template"),
            constraint: self.file(&test, "constraint"),
            expansion: self.file(&test, "expansion"),
            invalid: self.flag(&test, "invalid"),
            skip: self.flag(&test, "skip"),
            cases: self.list(&test, "cases").iter().map(|(at, value)| self.case(value, at)).collect(),
            place: self.place(at),
        }
    }

    fn case(&mut self, value: &Value, at: &FieldPath) -> Case {
        let case = self.mapping(value, at, &CASE_KEYS);
        Case {
            inventory: self.files(&case, "inventory"),
            name: self.text(&case, "name").unwrap_or_default(),
            object: self.file(&case, "object"),
            assertions: self.list(&case, "assertions").iter().map(|(at, value)| self.assertion(value, at)).collect(),
            skip: self.flag(&case, "skip"),
            place: self.place(at),
        }
    }

    fn assertion(&mut self, value: &Value, at: &FieldPath) -> Assertion {
        let assertion = self.mapping(value, at, &ASSERTION_KEYS);
        let expected = assertion.field("violations").map_or(Some(Expected::Some), |(at, value)| match value {
            // What YAML reads as yes and no.
            Value::Bool(true) => Some(Expected::Some),
            Value::Bool(false) => Some(Expected::None),
            Value::String(word) if word == "yes" => Some(Expected::Some),
            Value::String(word) if word == "no" => Some(Expected::None),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.as_u64().map(Expected::Exactly),
            Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.wrong_type(&at, "a whole number, `yes` or `no`", value);
                None
            }
            Value::String(_) | Value::Null => None,
        });
        let message = self.text(&assertion, "message").filter(|text| !text.is_empty());
        let message = message.map(|text| {
            let compiled = go_regex::compile(&text);
            (text, compiled)
        });
        Assertion { place: self.place(at), expected, message }
    }

    /// The value as a mapping; its keys are checked.
    fn mapping<'v>(&mut self, value: &'v Value, at: &FieldPath, known: &[&str]) -> Fields<'v> {
        if !value.is_object() && !value.is_null() {
            self.wrong_type(at, "a mapping", value);
        }
        let map = value.as_object();
        for key in map.into_iter().flat_map(Map::keys) {
            if !known.iter().any(|one| one.eq_ignore_ascii_case(key)) {
                self.unknown_key(&at.key(key), key, known);
            }
        }
        Fields { at: at.clone(), map }
    }

    fn list<'v>(&mut self, fields: &Fields<'v>, key: &str) -> Vec<(FieldPath, &'v Value)> {
        match fields.field(key) {
            None => Vec::new(),
            Some((at, Value::Array(items))) => {
                items.iter().enumerate().map(|(index, item)| (at.index(index), item)).collect()
            }
            Some((at, other)) => {
                self.wrong_type(&at, "a list", other);
                Vec::new()
            }
        }
    }

    fn flag(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        match fields.field(key) {
            None => false,
            Some((_, Value::Bool(flag))) => *flag,
            Some((at, other)) => {
                self.wrong_type(&at, "true or false", other);
                false
            }
        }
    }

    fn file(&mut self, fields: &Fields<'_>, key: &str) -> Option<FileReference> {
        let (at, value) = fields.field(key)?;
        let path = self.text_at(value, &at).filter(|path| !path.is_empty())?;
        Some(self.reference(&path, &at))
    }

    fn files(&mut self, fields: &Fields<'_>, key: &str) -> Vec<FileReference> {
        let files = self.list(fields, key).into_iter().filter_map(|(at, value)| {
            let path = self.text_at(value, &at)?;
            Some(self.reference(&path, &at))
        });
        files.collect()
    }

    fn text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let (at, value) = fields.field(key)?;
        self.text_at(value, &at)
    }

    fn text_at(&mut self, value: &Value, at: &FieldPath) -> Option<String> {
        let text = match value {
            Value::String(text) => Some(text.clone()),
            // `name: on` is a name; only YAML 1.1 takes it for a boolean.
            Value::Bool(_) => self.written(at).filter(|written| !matches!(written.as_str(), "true" | "false")),
            _ => None,
        };
        if text.is_none() {
            self.wrong_type(at, "a string", value);
        }
        text
    }

    /// A scalar as it stands in the file.
    fn written(&self, at: &FieldPath) -> Option<String> {
        let location = self.document.locate(at).location;
        let line = self.document.source().line(location.line)?;
        let (from, to) = (usize::try_from(location.column).ok()?, usize::try_from(location.end_column).ok()?);
        Some(line.chars().take(to.saturating_sub(1)).skip(from.saturating_sub(1)).collect())
    }

    fn reference(&self, path: &str, at: &FieldPath) -> FileReference {
        let suite = Path::new(self.document.source().name().as_ref());
        FileReference { path: suite.with_file_name("").join(path), place: self.place(at) }
    }

    fn place(&self, at: &FieldPath) -> Place {
        Place { document: Arc::clone(&self.document), path: at.clone() }
    }

    fn wrong_type(&mut self, at: &FieldPath, expected: &str, found: &Value) {
        let message = format!("{at}: expected {expected}, found {}", describe(found));
        self.errors.push(self.place(at).problem(message));
    }

    fn unknown_key(&mut self, at: &FieldPath, key: &str, known: &[&str]) {
        let distance = |one: &&&str| strsim::damerau_levenshtein(one, &key.to_lowercase());
        let nearest = known.iter().min_by_key(distance).filter(|one| distance(one) <= 2);
        let help = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("the keys here are {}", known.join(", ")),
        };
        let location = self.document.locate_key(at).location;
        let problem = Diagnostic::at(&self.document, &location, format!("unknown key {key:?}, which is ignored"));
        self.warnings.push(Diagnostic { help: Some(help), ..problem });
    }
}
