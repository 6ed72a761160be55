//! Random documents, written in random ways, and random changes of them: the text says what is wanted, and the rest of it
//! is what it was.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{documents, edit};
use crate::manifest::Source;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,6}",
        1 => "[ -~]{0,8}",
        1 => prop::sample::select(vec!["yes", "", "1", "a: b", "# c", "x #y", "é", "- a", "a\nb\n", "a\n\n b", "*x", "0x1f", "'", "\"", "\\", "a\n"]).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::String),
        1 => any::<i32>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
        1 => (0_i32..1000).prop_map(|number| json!(f64::from(number) / 8.0 + 0.0625)),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(key(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c", "d", "name", "spec", "labels", "image"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["on", "a/b", "1", "x y", "k: l"]).prop_map(str::to_owned),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), value(), 1..5).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Writes values in ways that differ from place to place, a comment behind every line that can have one.
struct Writer {
    choices: Vec<u8>,
    at: usize,
    text: String,
    comments: usize,
    anchored: Vec<Value>,
}

impl Writer {
    fn choose(&mut self, among: u8) -> u8 {
        self.at += 1;
        self.choices[self.at % self.choices.len()] % among
    }

    fn end_line(&mut self) {
        if self.choose(3) > 0 {
            self.comments += 1;
            self.text.push_str(&format!(" # comment {}", self.comments));
        }
        self.text.push('\n');
        if self.choose(5) == 0 {
            self.text.push('\n');
        }
    }

    fn scalar(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) if self.choose(3) == 0 && !text.contains('\n') => {
                format!("'{}'", text.replace('\'', "''"))
            }
            Value::String(text)
                if self.choose(2) == 0
                    && text.chars().all(|one| one.is_ascii_lowercase())
                    && text.len() > 3
                    && text != "null"
                    && text != "true"
                    && text != "false" =>
            {
                text.clone()
            }
            other => other.to_string(),
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(map) => {
                let parts = map.iter().map(|(key, value)| format!("{}: {}", json!(key), self.flow(value)));
                let parts: Vec<String> = parts.collect();
                format!("{{{}}}", parts.join(", "))
            }
            other => self.scalar(other),
        }
    }

    /// The value behind an indicator, up to the end of its last line.
    fn value(&mut self, value: &Value, column: usize, is_item: bool) {
        let is_flow = self.choose(4) == 0;
        let known = self.anchored.iter().rposition(|anchored| anchored == value);
        if let Some(known) = known.filter(|_| self.choose(3) > 0) {
            self.text.push_str(&format!(" *x{known}"));
            return self.end_line();
        }
        let is_compact = is_item && !is_flow && (value.is_object() || value.is_array());
        if !is_compact && self.choose(4) == 0 {
            self.text.push_str(&format!(" &x{}", self.anchored.len()));
            self.anchored.push(value.clone());
        }
        match value {
            Value::Object(map) if !map.is_empty() && !is_flow => {
                let inner = if is_item { column + 2 } else { column + 2 + usize::from(self.choose(2)) * 2 };
                if is_item {
                    self.text.push(' ');
                } else {
                    self.end_line();
                }
                self.entries(map, inner, is_item);
            }
            Value::Array(items) if !items.is_empty() && !is_flow => {
                let inner = if is_item { column + 2 } else { column + 2 * usize::from(self.choose(2)) };
                if is_item {
                    self.text.push(' ');
                } else {
                    self.end_line();
                }
                for (at, item) in items.iter().enumerate() {
                    if !(is_item && at == 0) {
                        self.indent(inner);
                    }
                    self.text.push('-');
                    self.value(item, inner, true);
                }
            }
            Value::String(text) if super::super::scalar_text::fits_literal(text) && self.choose(2) == 0 => {
                self.text.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
                for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                    if !line.is_empty() {
                        self.text.push_str(&" ".repeat(column + 2));
                    }
                    self.text.push_str(line);
                    self.text.push('\n');
                }
            }
            other => {
                let written = self.flow(other);
                self.text.push_str(&format!(" {written}"));
                self.end_line();
            }
        }
    }

    fn indent(&mut self, column: usize) {
        if self.choose(6) == 0 {
            self.comments += 1;
            self.text.push_str(&format!("{}# comment {}\n", " ".repeat(column), self.comments));
        }
        self.text.push_str(&" ".repeat(column));
    }

    fn entries(&mut self, map: &Map<String, Value>, column: usize, is_first_indented: bool) {
        let mut entries: Vec<_> = map.iter().collect();
        if self.choose(2) == 0 {
            entries.reverse();
        }
        for (at, (key, value)) in entries.into_iter().enumerate() {
            if !(is_first_indented && at == 0) {
                self.indent(column);
            }
            let is_plain = key.chars().all(|one| one.is_ascii_lowercase()) && key != "on";
            self.text.push_str(&if is_plain { format!("{key}:") } else { format!("{}:", json!(key)) });
            self.value(value, column, false);
        }
    }
}

fn write(value: &Value, choices: Vec<u8>, number: usize) -> String {
    let mut writer = Writer { choices, at: 0, text: String::new(), comments: 1_000 * number, anchored: Vec::new() };
    match writer.choose(6) {
        0 => return serde_json::to_string_pretty(value).unwrap(),
        1 => return value.to_string(),
        _ => {}
    }
    writer.entries(value.as_object().unwrap(), 0, false);
    writer.text
}

/// Changes a few places: sets, adds, takes out.
fn mutate(value: &mut Value, choices: &mut impl Iterator<Item = u8>, new: &Value) {
    let mut next = |among: usize| usize::from(choices.next().unwrap_or(0)) % among.max(1);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(next(map.len())).unwrap().clone();
            match next(5) {
                0 => drop(map.insert(["zz", "name", "q r"][next(3)].to_owned(), new.clone())),
                1 => drop(map.remove(&key)),
                _ => mutate(map.get_mut(&key).unwrap(), choices, new),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = next(items.len());
            match next(5) {
                0 => items.insert(at, new.clone()),
                1 => items.push(new.clone()),
                2 => drop(items.remove(at)),
                _ => mutate(&mut items[at], choices, new),
            }
        }
        other => *other = new.clone(),
    }
}

/// The texts of comments.
fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.find("# comment ").map(|at| &line[at..])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_any_text(
        values in prop::collection::vec((document(), document()), 1..4),
        choices in prop::collection::vec(any::<u8>(), 1..60),
        places in prop::collection::vec(any::<u8>(), 12),
        new in value(),
        is_wild in prop::bool::weighted(0.2),
        has_crlf in any::<bool>(),
    ) {
        let texts: Vec<String> =
            values.iter().enumerate().map(|(number, (value, _))| write(value, choices.clone(), number)).collect();
        let text = texts.join("\n---\n").replace('\n', if has_crlf { "\r\n" } else { "\n" });
        let source = Arc::new(Source::new("f", text.clone()));
        let before = documents(&source);
        prop_assert_eq!(before.len(), values.len(), "{}", text);
        let changed = usize::from(places[0]) % values.len();
        let mut wanted = before[changed].value().clone();
        if is_wild {
            wanted = values[changed].1.clone();
        } else {
            let mut places = places.iter().copied().skip(1);
            mutate(&mut wanted, &mut places, &new);
        }
        let edited = edit(&source, &[(&before[changed], wanted.clone())]);
        prop_assert!(edited.is_ok(), "{:?}\n{}\n=>{}", edited, text, wanted);
        let edited = edited.unwrap();
        let after = documents(&Arc::new(Source::new("f", edited.text.clone())));
        for (at, document) in after.iter().enumerate() {
            let expected = if at == changed { super::super::normal(wanted.clone()) } else { before[at].value().clone() };
            prop_assert_eq!(document.value(), &expected, "{}\n=>\n{}", &text, &edited.text);
        }
        prop_assert_eq!(after.len(), before.len());
        if wanted == *before[changed].value() {
            prop_assert_eq!(&edited.text, &text);
        }
        if has_crlf {
            prop_assert_eq!(edited.text.matches('\n').count(), edited.text.matches("\r\n").count());
        }
        if !is_wild {
            // One place changed, so nothing outside of the lines around it does.
            let first = edited.edits.first().map_or(0, |one| one.bytes.start);
            let last = edited.edits.last().map_or(0, |one| one.bytes.end);
            prop_assert!(edited.text.starts_with(&text[..first]) && edited.text.ends_with(&text[last..]));
            let has_alias = text.contains(" *x");
            prop_assert!(has_alias || edited.anew.iter().all(|one| !one.path.segments().is_empty()), "{:?}\n{}\n=>\n{}", edited.anew, text, edited.text);
            // With that, the comments that are left are in their order.
            let mut left = comments(&text).into_iter();
            prop_assert!(comments(&edited.text).into_iter().all(|one| left.any(|other| other == one)), "{}", edited.text);
        }
    }

    #[test]
    fn never_panics_on_any_text(text in "[a-c:{}\\[\\],&*<#'\"|>\\- \n~]{0,60}", new in document()) {
        let source = Arc::new(Source::new("f", text));
        let (found, _) = crate::manifest::parse(&source);
        for document in &found {
            if let Ok(edited) = edit(&source, &[(document, new.clone())]) {
                let (after, _) = crate::manifest::parse(&Arc::new(Source::new("f", edited.text)));
                let wanted = super::super::normal(new.clone());
                prop_assert!(after.iter().any(|one| *one.value() == wanted));
            }
        }
    }
}
