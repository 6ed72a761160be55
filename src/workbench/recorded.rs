//! What providers of external data said, from a file: so that policies which ask them can be evaluated without them.
//!
//! ```yaml
//! images:                                   # the Provider's name
//!   keys:
//!     registry.example.com/shop:v1: {value: {signed: true}}
//!     registry.example.com/shop:v2: {error: no signature found}
//! signatures:
//!   systemError: the vault is sealed        # what it says when it fails as a whole
//! scores:
//!   failure: connection refused             # why it cannot be asked
//! ```
//!
//! `idempotent: false` beside `keys` is for a provider that says so; mutators refuse its answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostic::Diagnostic;
use crate::manifest::{self, Document};
use crate::model::api::{Recorded, RecordedAnswers};
use crate::model::object::{FieldPath, describe};

const PROVIDER_FIELDS: [&str; 4] = ["keys", "systemError", "failure", "idempotent"];
const KEY_FIELDS: [&str; 2] = ["value", "error"];

/// Reads a file.
///
/// # Errors
/// With everything that is wrong with it, each with its place.
pub fn read(path: &Path) -> Result<RecordedAnswers, Vec<Diagnostic>> {
    let (documents, errors) = manifest::read_file(path);
    let mut problems: Vec<Diagnostic> = errors.into_iter().map(Diagnostic::from).collect();
    let mut answers = RecordedAnswers::new();
    for document in &documents {
        let mut reader = Reader { document, problems: &mut problems };
        reader.repeated_keys();
        let root = FieldPath::root();
        for (name, value) in reader.mapping(&root, document.value()).into_iter().flatten() {
            let recorded = reader.provider(&root.key(name), value);
            if answers.insert(name.clone(), Arc::new(recorded)).is_some() {
                reader.problem(&root.key(name), format!("provider {name:?} is there twice"));
            }
        }
    }
    if problems.is_empty() { Ok(answers) } else { Err(problems) }
}

struct Reader<'r> {
    document: &'r Document,
    problems: &'r mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn provider(&mut self, at: &FieldPath, value: &Value) -> Recorded {
        let Some(fields) = self.mapping(at, value) else { return Recorded::default() };
        self.only(at, fields, &PROVIDER_FIELDS);
        let failure = fields.get("failure").map(|value| self.text(&at.key("failure"), value));
        if fields.is_empty() || (failure.is_some() && fields.len() > 1) {
            let text = "expected what it said of keys, a systemError, or a failure and nothing else";
            self.problem(at, text.to_owned());
        }
        let is_idempotent = match fields.get("idempotent") {
            None => true,
            Some(Value::Bool(is_idempotent)) => *is_idempotent,
            Some(other) => {
                self.problem(&at.key("idempotent"), format!("expected true or false, found {}", describe(other)));
                true
            }
        };
        let system_error = fields.get("systemError").map(|value| self.text(&at.key("systemError"), value));
        let keys_at = at.key("keys");
        let mut keys = BTreeMap::new();
        for (key, value) in fields.get("keys").and_then(|value| self.mapping(&keys_at, value)).into_iter().flatten() {
            keys.extend(self.key(&keys_at.key(key), value).map(|value| (key.clone(), value)));
        }
        Recorded { keys, system_error: system_error.unwrap_or_default(), failure, is_idempotent }
    }

    fn key(&mut self, at: &FieldPath, value: &Value) -> Option<Result<Value, String>> {
        let fields = self.mapping(at, value)?;
        self.only(at, fields, &KEY_FIELDS);
        match (fields.get("value"), fields.get("error")) {
            (Some(value), None) => Some(Ok(value.clone())),
            (None, Some(error)) => Some(Err(self.text(&at.key("error"), error))),
            _ => {
                self.problem(at, "expected a value or an error, and one of them only".to_owned());
                None
            }
        }
    }

    fn text(&mut self, at: &FieldPath, value: &Value) -> String {
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.problem(at, format!("expected words, found {}", describe(value)));
        }
        text.unwrap_or_default().to_owned()
    }

    fn mapping<'v>(&mut self, at: &FieldPath, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let map = value.as_object();
        if map.is_none() {
            self.problem(at, format!("expected a mapping, found {}", describe(value)));
        }
        map
    }

    fn only(&mut self, at: &FieldPath, fields: &Map<String, Value>, known: &[&str]) {
        for field in fields.keys().filter(|field| !known.contains(&field.as_str())) {
            self.problem(&at.key(field), format!("unknown field {field:?}; expected {}", known.join(", ")));
        }
    }

    fn repeated_keys(&mut self) {
        for repeated in self.document.repeated_keys() {
            self.problem(&repeated.path, "the key is there twice".to_owned());
        }
    }

    fn problem(&mut self, at: &FieldPath, message: String) {
        let location = self.document.locate_key(at).location;
        let help = "see the format with `admit test --help`".to_owned();
        let diagnostic = Diagnostic::at(self.document, &location, message);
        self.problems.push(Diagnostic { help: Some(help), ..diagnostic });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_text(text: &str) -> Result<RecordedAnswers, Vec<String>> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let shorten = |one: Diagnostic| {
            let place: Vec<&str> = one.place.rsplitn(3, ':').collect();
            format!("{}:{}: {}", place[1], place[0], one.message)
        };
        read(file.path()).map_err(|problems| problems.into_iter().map(shorten).collect())
    }

    #[test]
    fn reads_what_providers_said() {
        let answers = read_text(
            "images:\n  idempotent: false\n  keys:\n    a:v1: {value: {signed: true}}\n    a:v2: {error: no signature}\n    \
             \"\": {value: null}\nvault:\n  systemError: sealed\n---\ndown:\n  failure: connection refused\n",
        )
        .unwrap();
        let images = &answers["images"];
        assert_eq!(images.keys["a:v1"], Ok(json!({"signed": true})));
        assert_eq!(images.keys["a:v2"], Err("no signature".to_owned()));
        assert_eq!((&images.keys[""], images.is_idempotent), (&Ok(Value::Null), false));
        assert_eq!((answers["vault"].system_error.as_str(), answers["vault"].is_idempotent), ("sealed", true));
        assert_eq!(answers["down"].failure.as_deref(), Some("connection refused"));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, expected) in [
            ("- a\n", "1:1: expected a mapping, found a list"),
            ("a: 5\n", "1:1: expected a mapping, found a number (5)"),
            ("a: {}\n", "1:1: expected what it said of keys, a systemError, or a failure and nothing else"),
            ("a:\n  failure: down\n  keys: {}\n", "1:1: expected what it said of keys"),
            ("a:\n  key: {}\n", "2:3: unknown field \"key\"; expected keys, systemError, failure, idempotent"),
            ("a:\n  keys:\n    b: yes\n", "3:5: expected a mapping, found a boolean (true)"),
            ("a:\n  keys:\n    b: {value: 1, error: x}\n", "3:5: expected a value or an error, and one of them only"),
            ("a:\n  keys:\n    b: {error: 5}\n", "3:9: expected words, found a number (5)"),
            ("a:\n  systemError: \"\"\n", "2:3: expected words, found a string (\"\")"),
            ("a: {systemError: x}\n---\na: {systemError: y}\n", "3:1: provider \"a\" is there twice"),
        ] {
            let problems = read_text(text).unwrap_err();
            assert!(problems.iter().any(|one| one.starts_with(expected)), "{expected}: {problems:?}");
        }
        assert!(read(Path::new("/no/such/file.yaml")).is_err());
    }
}
