//! A document while nobody looks at it: [`PackedDocument`].
//!
//! A value in memory is ten times as large as its text. Among thousands of documents of which one is looked at at a time,
//! the others wait as compact JSON, which is read back in a tenth of the time that YAML takes.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Deserializer, Value};

use super::document::Document;
use super::source::{Location, Position, Source};

/// A document with its value packed and its places forgotten.
#[derive(Clone, Debug)]
pub struct PackedDocument {
    /// The document; without its value when that is packed.
    document: Document,
    json: Option<Box<str>>,
}

impl Document {
    /// Packs it.
    #[must_use]
    pub fn pack(mut self) -> PackedDocument {
        self.forget_places();
        // Floats may change in their last digit when they are written and read; few manifests have any.
        let json = (!has_float(self.value())).then(|| serde_json::to_string(self.value()).ok()).flatten();
        match json {
            Some(json) => PackedDocument { document: self.with_value(Value::Null), json: Some(json.into()) },
            None => PackedDocument { document: self, json: None },
        }
    }
}

impl PackedDocument {
    /// The document as it was.
    ///
    /// # Errors
    /// When what was packed cannot be read, which is a mistake in this program.
    pub fn open(&self) -> Result<Document, serde_json::Error> {
        let document = self.document.clone();
        let Some(json) = &self.json else { return Ok(document) };
        let mut reader = Deserializer::from_str(json);
        // Documents are deeper than that reader expects; how deep they may be was seen to when they were parsed.
        reader.disable_recursion_limit();
        Ok(document.with_value(Value::deserialize(&mut reader)?))
    }

    /// Its value as JSON; `None` where that could be another one.
    pub fn json(&self) -> Option<&str> {
        self.json.as_deref()
    }

    /// The text that it was read from.
    pub fn source(&self) -> &Arc<Source> {
        self.document.source()
    }

    /// As [`Document::position`].
    pub fn position(&self) -> Position {
        self.document.position()
    }

    /// As [`Document::location`].
    pub fn location(&self) -> Location {
        self.document.location()
    }
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(entries) => entries.values().any(has_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{flatten, parse};
    use crate::model::object::FieldPath;

    #[track_caller]
    fn check(text: &str) {
        let (documents, errors) = parse(&Arc::new(Source::new("f", text.to_owned())));
        assert_eq!(errors, []);
        let documents: Vec<Document> = documents.into_iter().flat_map(|one| flatten(one).0).collect();
        assert!(!documents.is_empty());
        for document in documents {
            let opened = document.clone().pack().open().unwrap();
            assert_eq!(opened.value().to_string(), document.value().to_string());
            assert_eq!((opened.position(), opened.location()), (document.position(), document.location()));
            for path in ["a", "b", "c"].map(|key| FieldPath::root().key(key)) {
                assert_eq!(opened.locate(&path), document.locate(&path));
                assert_eq!(opened.locate_key(&path), document.locate_key(&path));
            }
        }
    }

    #[test]
    fn opens_as_it_was() {
        check(
            "a: &a {x: 1}\nb: *a\n---\n{a: 2}\n---\n# c\nc: [\"\\u0000é\", -9223372036854775808, 18446744073709551615]",
        );
        check("a: 0.1\nb: 1.7976931348623157e308\nc: 123456789012345678901234567890\n");
        check("{\"a\": 1} {\"a\": 2, \"b\": null}");
        check(&format!("a: {}{}\nb: 1\n", "[".repeat(990), "]".repeat(990)));
    }

    #[test]
    fn items_of_lists_keep_their_places() {
        check(
            "a: 1\n---\napiVersion: v1\nkind: List\nitems:\n- a: 1\n- {a: 1, b: 2}\n- kind: List\n  apiVersion: v1\n  items: [{c: 1}]\n",
        );
    }
}
