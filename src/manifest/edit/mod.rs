//! Changed values put back into the text that they came from: [`edit`].
//!
//! Only what changed is touched: comments, the order of keys, quotes and indentation stay, in blocks and brackets, in
//! files of many documents, in the items of a `List`, in JSON. The edited text is read again and has to give exactly the
//! wanted values; a document for which it does not is written anew as a whole, and [`Edited::anew`] says why.
//!
//! What an alias repeats is never changed behind its back: where the anchored value becomes another one and the alias
//! must not, the alias is written out.
//!
//! Deliberately absent: files. The caller reads and writes them.

mod align;
mod block;
mod flow;
mod layout;
mod plan;
mod render;
mod scalar_text;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use self::layout::style_of;
use self::plan::{Anew, Plan, Refusal, Replacement};
use self::text::Text;
use super::document::Document;
use super::parse::{parse, read_segment};
use super::scalar::float_number;
use super::source::{Location, Source, Span};
use super::span_tree::SpanTree;
use super::split::Segment;
use crate::model::object::{FieldPath, Segment as Step};

/// Levels of nesting in a document that is edited. Writing recurses, on any thread's stack.
const MAX_DEPTH: usize = 200;

/// A text after its values were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// What was done to it, in the order of the text.
    pub edits: Vec<TextEdit>,
    /// What could not be changed in place and so lost comments or layout.
    pub anew: Vec<WrittenAnew>,
}

/// A piece of text that takes the place of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// The bytes that go; none for what is put in between.
    pub bytes: Range<usize>,
    /// The same as a place in the file.
    pub location: Location,
    /// What comes there.
    pub text: String,
}

/// A part of a document whose text was replaced as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenAnew {
    /// Where it stood.
    pub location: Location,
    /// Which part it is, from the top of what is written there; the root is all of it.
    pub path: FieldPath,
    /// Why it could not be changed in place.
    pub reason: String,
}

/// Why values cannot be put back into their text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// The document was read from another text.
    #[error("{0} is not in the text to edit")]
    OtherText(Location),
    /// Deeper than anything that Kubernetes has.
    #[error("{0} is nested deeper than {MAX_DEPTH} levels, which is not edited")]
    TooDeep(Location),
    /// The text does not say the wanted value, whichever way it is written.
    #[error("{0} cannot be written so that it reads as the wanted value")]
    Unwritable(Location),
}

/// A value to come, and the way to it below what is written.
type Wanted<'d> = (&'d [Step], Value);

/// Gives documents of one text other values.
///
/// # Errors
/// When a document is of another text, or its new value cannot be written, such as a null for the whole of it.
pub fn edit(source: &Arc<Source>, changes: &[(&Document, Value)]) -> Result<Edited, EditError> {
    let mut written: BTreeMap<(usize, usize), (&Document, Vec<Wanted<'_>>)> = BTreeMap::new();
    for (document, wanted) in changes {
        if !Arc::ptr_eq(document.source(), source) && document.source().text() != source.text() {
            return Err(EditError::OtherText(document.location()));
        }
        let (bytes, _, index, path) = document.written();
        let entry = written.entry((bytes.start, index)).or_insert_with(|| (*document, Vec::new()));
        entry.1.push((path, normal(wanted.clone())));
    }
    let (mut replacements, mut anew) = (Vec::new(), Vec::new());
    for (document, changes) in written.into_values() {
        let (mut more, mut notes) = edit_written(source, document, &changes)?;
        replacements.append(&mut more);
        anew.append(&mut notes);
    }
    let text = apply(source.text(), 0, &replacements).unwrap_or_else(|| source.text().to_owned());
    let edits = replacements.into_iter().map(|one| text_edit(source, one)).collect();
    let edited = Edited { edits, anew, text };
    match changes.first() {
        Some((first, _)) if !neighbours_stay(source, &edited.text) => Err(EditError::Unwritable(first.location())),
        _ => Ok(edited),
    }
}

/// The edits that give one document another value, for people to look at: nothing is said of the rest of the text.
///
/// # Errors
/// As [`edit`].
pub fn suggest(document: &Document, wanted: &Value) -> Result<(Vec<TextEdit>, Vec<WrittenAnew>), EditError> {
    let source = document.source();
    let (_, _, _, path) = document.written();
    let (replacements, anew) = edit_written(source, document, &[(path, normal(wanted.clone()))])?;
    Ok((replacements.into_iter().map(|one| text_edit(source, one)).collect(), anew))
}

fn text_edit(source: &Source, replacement: Replacement) -> TextEdit {
    let Replacement { range, text } = replacement;
    let span = Span { start: source.position(range.start), end: source.position(range.end) };
    TextEdit { location: source.location(span), bytes: range, text }
}

/// Edits one document, or the items of one list.
fn edit_written(
    source: &Source,
    document: &Document,
    changes: &[Wanted<'_>],
) -> Result<(Vec<Replacement>, Vec<WrittenAnew>), EditError> {
    let unwritable = || EditError::Unwritable(document.location());
    let (bytes, lines_above, index, _) = document.written();
    let text = source.text().get(bytes.clone()).unwrap_or_default();
    let segment = Segment { text, start: bytes.start, lines_above };
    let mut all = read_segment(&segment, source, true).map_err(|_| unwritable())?;
    let parsed = all.get_mut(index).ok_or_else(unwritable)?;
    let (old, tree) = (parsed.value.clone(), parsed.places.take().ok_or_else(unwritable)?);
    let mut new = old.clone();
    for (path, wanted) in changes {
        *at_mut(&mut new, path).ok_or_else(unwritable)? = wanted.clone();
    }
    if let Some(parsed) = all.get_mut(index) {
        parsed.value = new.clone();
    }
    if is_deeper(&old, MAX_DEPTH) || is_deeper(&new, MAX_DEPTH) {
        return Err(EditError::TooDeep(document.location()));
    }
    let wanted: Vec<Value> = all.into_iter().map(|parsed| parsed.value).collect();
    let lines = Text::new(source);
    let reads_as_wanted = |replacements: &[Replacement]| {
        let text = apply(text, bytes.start, replacements)?;
        let found = read_segment(&Segment { text: &text, start: 0, lines_above: 0 }, source, false).ok()?;
        found.iter().map(|parsed| &parsed.value).eq(&wanted).then_some(())
    };
    let located = |anew: Anew| {
        let location = source.location(Span::at(source.position(anew.start)));
        WrittenAnew { location, path: anew.path, reason: anew.reason.to_owned() }
    };
    let mut plan = Plan::new(lines, &tree, style_of(&segment, &tree, lines));
    let refusal = plan.document(&old, &new).err();
    plan.replacements.sort_by_key(|one| (one.range.start, one.range.end));
    if refusal.is_none() && reads_as_wanted(&plan.replacements).is_some() {
        return Ok((plan.replacements, plan.anew.into_iter().map(located).collect()));
    }
    let reason = match refusal {
        Some(Refusal::Anchor) => "an alias repeats something that has to go",
        Some(Refusal::Layout(reason)) => reason,
        Some(Refusal::Other) | None => "edits of it would not have read as the wanted value",
    };
    let whole = whole_anew(&segment, &tree, lines, &new).ok_or_else(unwritable)?;
    reads_as_wanted(&whole).ok_or_else(unwritable)?;
    let start = whole.first().map_or(bytes.start, |first| first.range.start);
    Ok((whole, vec![located(Anew { path: FieldPath::root(), start, reason })]))
}

/// The document written anew between the comments above and below it.
fn whole_anew(segment: &Segment<'_>, tree: &SpanTree, lines: Text<'_>, new: &Value) -> Option<Vec<Replacement>> {
    let style = style_of(segment, tree, lines);
    let range = lines.range(tree.span()?);
    if style.is_json || !(new.is_object() || new.is_array()) {
        return Some(vec![Replacement { text: style.flow(new, "", scalar_text::Quoting::Plain), range }]);
    }
    let before = lines.before(range.start);
    let column = if before.trim().is_empty() { before.chars().count() } else { 0 };
    let mut written = style.root(new, column);
    if !before.trim().is_empty() {
        written.insert(0, String::new());
    }
    let (first, rest) = written.split_first()?;
    let rest: String = rest.iter().map(|line| format!("{}{line}", lines.newline)).collect();
    let end = lines.line_end(range.end);
    Some(vec![Replacement { range, text: first.clone() }, Replacement { range: end..end, text: rest }])
}

/// The text with the replacements made; `None` when they overlap. The text starts at byte `base`.
fn apply(text: &str, base: usize, replacements: &[Replacement]) -> Option<String> {
    let mut edited = String::with_capacity(text.len());
    let mut end = base;
    for replacement in replacements {
        edited.push_str(text.get(end.checked_sub(base)?..replacement.range.start.checked_sub(base)?)?);
        edited.push_str(&replacement.text);
        end = replacement.range.end;
    }
    edited.push_str(text.get(end.checked_sub(base)?..)?);
    Some(edited)
}

/// Whether the edited text has as many documents as it had, and as many that are broken.
fn neighbours_stay(source: &Arc<Source>, edited: &str) -> bool {
    let count = |(documents, errors): (Vec<Document>, Vec<_>)| (documents.len(), errors.len());
    count(parse(source)) == count(parse(&Arc::new(Source::new(Arc::clone(source.name()), edited.to_owned()))))
}

fn at_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key.as_str()),
        Step::Index(index) => value.get_mut(*index),
    })
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let is_deeper = |inner: &Value| levels == 0 || is_deeper(inner, levels - 1);
    match value {
        Value::Array(items) => items.iter().any(is_deeper),
        Value::Object(map) => map.values().any(is_deeper),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// With whole numbers as readers of YAML and JSON have them here, without a point.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            Value::Number(number.as_f64().and_then(float_number).unwrap_or(number))
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
