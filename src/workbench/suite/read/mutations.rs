//! The part of a Suite that Gatekeeper does not know: `mutations`, tests of mutators.
//!
//! It stands beside `tests`, so that `gator verify`, which passes over keys that it does not know, runs the rest of the Suite as
//! ever.

use serde_json::Value;

use super::Reader;
use crate::model::go_regex;
use crate::model::object::FieldPath;
use crate::model::review::{Operation, Source};
use crate::workbench::suite::definition::{ErrorPattern, MutationCase, MutationTest};

const TEST_KEYS: [&str; 4] = ["name", "mutators", "skip", "cases"];
const CASE_KEYS: [&str; 8] = ["name", "object", "expected", "error", "inventory", "operation", "source", "skip"];

impl Reader<'_> {
    pub(super) fn mutation_test(&mut self, value: &Value, at: &FieldPath) -> MutationTest {
        let test = self.mapping(value, at, &TEST_KEYS);
        MutationTest {
            name: self.text(&test, "name").unwrap_or_default(),
            mutators: self.files(&test, "mutators"),
            skip: self.flag(&test, "skip"),
            cases: self.list(&test, "cases").iter().map(|(at, value)| self.mutation_case(value, at)).collect(),
            place: self.place(at),
        }
    }

    fn mutation_case(&mut self, value: &Value, at: &FieldPath) -> MutationCase {
        let case = self.mapping(value, at, &CASE_KEYS);
        let error = self.text(&case, "error").map(|text| ErrorPattern {
            compiled: go_regex::compile(&text),
            place: self.place(&at.key("error")),
            text,
        });
        let source = self.word(&case, "source", &[("Original", Source::Original), ("Generated", Source::Generated)]);
        let operations = [("CREATE", Operation::Create), ("UPDATE", Operation::Update)];
        MutationCase {
            name: self.text(&case, "name").unwrap_or_default(),
            object: self.file(&case, "object"),
            expected: self.file(&case, "expected"),
            error,
            inventory: self.files(&case, "inventory"),
            operation: self.word(&case, "operation", &operations),
            source: source.unwrap_or(Source::Original),
            skip: self.flag(&case, "skip"),
            place: self.place(at),
        }
    }

    fn word<T: Copy>(&mut self, fields: &super::Fields<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (at, value) = fields.field(key)?;
        let text = self.text_at(value, &at)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{at}: expected {}, found {text:?}", known.join(" or "));
            self.errors.push(self.place(&at).problem(message));
        }
        found
    }
}
