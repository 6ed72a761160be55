//! A list of results as Go's encoder writes it: four spaces, `<`, `>` and `&` escaped, `null` for an empty list.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};

use super::result_fields;
use crate::model::object::go_text;
use crate::policy::blame::Blame;
use crate::workbench::judge::Judgement;

/// Order of a result's keys, which Go takes from its struct.
const KEYS: [&str; 9] = [
    "target",
    "msg",
    "metadata",
    "constraint",
    "enforcementAction",
    "scopedActions",
    "violatingObject",
    "trace",
    "blame",
];

pub(super) fn render(judgements: &[Judgement]) -> String {
    if judgements.is_empty() {
        return "null".to_owned();
    }
    go_json(&judgements.iter().map(OrderedResult::new).collect::<Vec<_>>())
}

/// As Go's encoder writes it, four spaces a level.
pub(in crate::workbench) fn go_json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let formatter = GoFormatter { pretty: PrettyFormatter::with_indent(b"    "), compact: CompactFormatter };
    // Writing values to memory cannot fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter));
    String::from_utf8(bytes).unwrap_or_default()
}

struct OrderedResult(Map<String, Value>);

impl OrderedResult {
    fn new(judgement: &Judgement) -> Self {
        let mut fields = result_fields(judgement);
        fields.insert("violatingObject".to_owned(), judgement.object.object.value().clone());
        fields.insert("trace".to_owned(), json!(judgement.trace.as_deref()));
        fields.extend(judgement.blame.as_ref().map(|blame| ("blame".to_owned(), blame_fields(blame, judgement))));
        Self(fields)
    }
}

impl Serialize for OrderedResult {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(KEYS.iter().filter_map(|key| Some((key, self.0.get(*key)?))))
    }
}

/// Beyond what Gatekeeper says; its readers pass over it.
fn blame_fields(blame: &Blame, judgement: &Judgement) -> Value {
    let location = judgement.location();
    let written = |path| judgement.violation.origin_of(path).path.to_string();
    let mut fields = json!({"field": written(&blame.path), "basis": blame.basis.as_str()});
    if let Some(missing) = &blame.missing {
        fields["missing"] = written(missing).into();
    }
    if let Some(location) = location {
        fields["file"] = location.file.as_ref().into();
        fields["line"] = location.line.into();
        fields["column"] = location.column.into();
    }
    fields
}

struct GoFormatter<'a> {
    pretty: PrettyFormatter<'a>,
    compact: CompactFormatter,
}

impl Formatter for GoFormatter<'_> {
    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(go_text::json(&Value::from(value)).as_bytes())
    }

    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let special = ['<', '>', '&', '\u{2028}', '\u{2029}'];
        let mut rest = fragment;
        while let Some(position) = rest.find(special) {
            let (before, after) = rest.split_at(position);
            self.compact.write_string_fragment(writer, before)?;
            let mut characters = after.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        self.compact.write_string_fragment(writer, rest)
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_array(writer)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array(writer)
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_array_value(writer, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }
}
