//! A value as text in the style of the document around it: [`Style`].

use serde_json::{Map, Value};

use super::scalar_text::{Quoting, fits_literal, quoted, scalar, string};

/// How a document is written.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// It is JSON.
    pub(super) is_json: bool,
    /// The collections of a JSON text have their parts on lines of their own.
    pub(super) is_pretty: bool,
    /// A blank follows the colons and commas of a JSON text.
    pub(super) is_spaced: bool,
    /// What one level of a JSON text is indented by.
    pub(super) json_unit: String,
    /// Columns that a mapping is indented by.
    pub(super) unit: usize,
    /// Columns that a list below a key is indented by.
    pub(super) dash: usize,
    pub(super) newline: &'static str,
    /// Strings of several lines may be block scalars. Where a text ends without a line end, readers do not agree on the line
    /// end of a scalar there.
    pub(super) has_literals: bool,
}

/// What a value in block style stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// A key and its colon.
    Key,
    /// A dash, or nothing at all.
    Dash,
    /// A dash and an anchor, which would belong to the first key of a mapping in its line.
    Anchor,
}

impl Style {
    /// The lines of a value in block style: the first as it goes behind the indicator, which may be nothing, the others
    /// with their indentation. `column` is that of the key or dash.
    pub(super) fn block(&self, value: &Value, column: usize, behind: Behind, quoting: Quoting) -> Vec<String> {
        match (value, behind) {
            (Value::Object(map), Behind::Key) if !map.is_empty() => self.below(value, column + self.unit),
            (Value::Array(items), Behind::Key) if !items.is_empty() => self.below(value, column + self.dash),
            (Value::Object(map), Behind::Dash) if !map.is_empty() => self.collection(value, column + 2),
            (Value::Array(items), Behind::Dash) if !items.is_empty() => self.collection(value, column + 2),
            (Value::Object(map), Behind::Anchor) if !map.is_empty() => self.below(value, column + 2),
            (Value::Array(items), Behind::Anchor) if !items.is_empty() => self.below(value, column + 2),
            (Value::String(text), _) if self.has_literals && fits_literal(text) => {
                let indent = match behind {
                    Behind::Key => column + self.unit,
                    Behind::Dash | Behind::Anchor => column + 2,
                };
                literal(text, indent)
            }
            (Value::Object(_), _) => vec!["{}".to_owned()],
            (Value::Array(_), _) => vec!["[]".to_owned()],
            _ => vec![scalar(value, quoting)],
        }
    }

    /// A whole document.
    pub(super) fn root(&self, value: &Value, column: usize) -> Vec<String> {
        match value {
            Value::Object(map) if map.is_empty() => vec!["{}".to_owned()],
            Value::Array(items) if items.is_empty() => vec!["[]".to_owned()],
            _ => self.collection(value, column),
        }
    }

    /// A collection with parts, its first line at `column` already, the others with their indentation.
    pub(super) fn collection(&self, value: &Value, column: usize) -> Vec<String> {
        let mut lines = Vec::new();
        match value {
            Value::Object(map) => {
                for (key, value) in ordered(map) {
                    self.part(&mut lines, &format!("{}:", string(key, Quoting::Plain)), value, column, Behind::Key);
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.part(&mut lines, "-", item, column, Behind::Dash);
                }
            }
            _ => lines.push(scalar(value, Quoting::Plain)),
        }
        lines
    }

    /// A key or dash with its value, the first line without its indentation.
    pub(super) fn entry(&self, indicator: &str, value: &Value, column: usize, behind: Behind) -> Vec<String> {
        let mut lines = Vec::new();
        self.part(&mut lines, indicator, value, column, behind);
        lines
    }

    fn part(&self, lines: &mut Vec<String>, indicator: &str, value: &Value, column: usize, behind: Behind) {
        let indent = if lines.is_empty() { String::new() } else { " ".repeat(column) };
        let mut written = self.block(value, column, behind, Quoting::Plain).into_iter();
        let first = written.next().unwrap_or_default();
        let blank = if first.is_empty() { "" } else { " " };
        lines.push(format!("{indent}{indicator}{blank}{first}"));
        lines.extend(written);
    }

    fn below(&self, value: &Value, column: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        let mut written = self.collection(value, column).into_iter();
        lines.extend(written.next().map(|first| format!("{}{first}", " ".repeat(column))));
        lines.extend(written);
        lines
    }

    /// A value within brackets. `indentation` is that of the line it stands in.
    pub(super) fn flow(&self, value: &Value, indentation: &str, quoting: Quoting) -> String {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let colon = if self.is_json && !self.is_spaced { ":" } else { ": " };
                let inner = format!("{indentation}{}", self.json_unit);
                let part = |(key, value): (&String, &Value)| {
                    format!("{}{colon}{}", self.flow_key(key), self.flow(value, &inner, Quoting::Plain))
                };
                self.brackets('{', ordered(map).into_iter().map(part).collect(), '}', indentation)
            }
            Value::Array(items) if !items.is_empty() => {
                let inner = format!("{indentation}{}", self.json_unit);
                let items = items.iter().map(|item| self.flow(item, &inner, Quoting::Plain)).collect();
                self.brackets('[', items, ']', indentation)
            }
            Value::Object(_) => "{}".to_owned(),
            Value::Array(_) => "[]".to_owned(),
            Value::String(text) if self.is_json => quoted(text),
            _ if self.is_json => value.to_string(),
            _ => scalar(value, quoting),
        }
    }

    pub(super) fn flow_key(&self, key: &str) -> String {
        if self.is_json { quoted(key) } else { string(key, Quoting::Plain) }
    }

    fn brackets(&self, open: char, parts: Vec<String>, close: char, indentation: &str) -> String {
        if self.is_json && self.is_pretty {
            let (newline, unit) = (self.newline, &self.json_unit);
            let between = format!(",{newline}{indentation}{unit}");
            return format!("{open}{newline}{indentation}{unit}{}{newline}{indentation}{close}", parts.join(&between));
        }
        format!("{open}{}{close}", parts.join(self.comma()))
    }

    pub(super) fn comma(&self) -> &'static str {
        if self.is_json && !self.is_spaced { "," } else { ", " }
    }
}

/// The order that people write: a name in front of what it names.
pub(super) fn ordered(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key != "name");
    entries
}

fn literal(text: &str, column: usize) -> Vec<String> {
    let (header, content) = match text.strip_suffix('\n') {
        Some(content) => ("|", content),
        None => ("|-", text),
    };
    let indent = " ".repeat(column);
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("{indent}{line}") };
    std::iter::once(header.to_owned()).chain(content.split('\n').map(line)).collect()
}
