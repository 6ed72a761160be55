//! One YAML or JSON document: its value and the place of each part of it.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::origin::Origin;
use super::source::{Location, Position, Source, Span};
use super::span_tree::{Content, Step};
use super::spans::Spans;
use crate::model::object::{FieldPath, Segment};

/// A document that parsed; its value is anything but null, because documents without content are skipped.
///
/// A `List` item is a document too: its paths start at the item, its places are those of the whole file.
#[derive(Clone, Debug)]
pub struct Document {
    source: Arc<Source>,
    position: Position,
    value: Arc<Value>,
    spans: Spans,
    repeats_keys: bool,
    origin: Option<Arc<Origin>>,
}

/// A key that stands twice in one mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedKey {
    /// The field, of which the value at `again` counts.
    pub path: FieldPath,
    /// The key that is overruled.
    pub first: Location,
    /// The key that overrules it.
    pub again: Location,
}

/// The answer to "where is this path".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The place of the value or key, or of its closest ancestor that exists.
    pub location: Location,
    /// Whether the path itself exists, so that the place is its own.
    pub is_exact: bool,
}

impl Document {
    /// With where it begins, and whether it repeats keys.
    pub(super) fn new(source: Arc<Source>, known: (Position, bool), value: Value, spans: Spans) -> Self {
        let (position, repeats_keys) = known;
        Self { source, position, value: Arc::new(value), spans, repeats_keys, origin: None }
    }

    /// The text the document was read from.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// What it was rendered from, when a tool made the text.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_deref()
    }

    /// Keys that stand twice in one mapping, in the order of the text. `kubectl` takes the last and says nothing; the
    /// API server refuses such an object.
    pub fn repeated_keys(&self) -> Vec<RepeatedKey> {
        if !self.repeats_keys {
            return Vec::new();
        }
        let repeated = self.spans.tree(&self.source).repeated_keys();
        let location = |span| self.source.location(span);
        let found = repeated.into_iter().map(|(path, first, again)| RepeatedKey {
            path,
            first: location(first),
            again: location(again),
        });
        found.collect()
    }

    /// Whether there are any.
    pub fn repeats_keys(&self) -> bool {
        self.repeats_keys
    }

    /// The document's first content: not the `---`, not a comment above it.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The first content as a location, for complaints about the document as a whole such as a missing `kind`.
    pub fn location(&self) -> Location {
        self.source.location(Span::at(self.position))
    }

    /// The content as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The same, to keep beside the document.
    pub fn shared_value(&self) -> Arc<Value> {
        Arc::clone(&self.value)
    }

    /// The content as JSON, when the places are no longer needed.
    pub fn into_value(self) -> Value {
        Arc::unwrap_or_clone(self.value)
    }

    /// The value at a path.
    pub fn value_at(&self, path: &FieldPath) -> Option<&Value> {
        path.segments().iter().try_fold(&*self.value, |value, segment| match segment {
            Segment::Key(key) => value.get(key.as_str()),
            Segment::Index(index) => value.get(*index),
        })
    }

    /// The place of the value at a path, or of the deepest ancestor that exists.
    ///
    /// A block scalar starts at its `|` or `>`, an alias at its `*`, an absent value (`key:`) at the colon.
    pub fn locate(&self, path: &FieldPath) -> Located {
        self.located(path, |step| step.node.span)
    }

    /// The place of the key at a path, or of the deepest ancestor's key: for a field that is missing, the key of the
    /// mapping it is missing from. List items and the document itself have no key and are shown as values.
    pub fn locate_key(&self, path: &FieldPath) -> Located {
        self.located(path, |step| step.key.unwrap_or(step.node.span))
    }

    /// The place in the file of a line and column inside a string value, both counted from 1.
    ///
    /// Exact for block scalars with `|`. Lines of folded, quoted and plain scalars are not lines of the file, so for
    /// those it is the place where the scalar starts, as it is for a path that is not a string.
    pub fn locate_in_scalar(&self, path: &FieldPath, line: u32, column: u32) -> Location {
        let inside = self.position_in_literal(path, line, column);
        inside.map_or_else(|| self.locate(path).location, |position| self.source.location(Span::at(position)))
    }

    /// The span behind [`Document::locate`].
    pub(super) fn span_of(&self, path: &FieldPath) -> Span {
        self.spans.tree(&self.source).follow(path.segments()).map_or(Span::at(self.position), |step| step.node.span)
    }

    /// The bytes of the text from its `---`, and from the comments above its content, to the next document.
    pub fn text_range(&self) -> Range<usize> {
        self.spans.written().0
    }

    /// Whether it is another document, or an item of it, of the same text.
    pub fn is_in(&self, other: &Self) -> bool {
        let ((bytes, _, index, _), (others, _, other, path)) = (self.written(), other.written());
        bytes == others && index == other && path.is_empty()
    }

    /// What stands in the text that this is, or is a part of: see [`Spans::written`].
    pub(super) fn written(&self) -> (Range<usize>, u32, usize, &[Segment]) {
        self.spans.written()
    }

    pub(super) fn with_part(&self, value: Value, path: &[Segment]) -> Option<Self> {
        let spans = self.spans.below(path, &self.source)?;
        let tree = spans.tree(&self.source);
        let position = tree.follow(&[]).map_or(Position::START, |step| step.node.span.start);
        let known = (position, tree.repeats_keys());
        let part = Self::new(Arc::clone(&self.source), known, value, spans);
        Some(Self { origin: self.origin.clone(), ..part })
    }

    pub(super) fn with_value(self, value: Value) -> Self {
        Self { value: Arc::new(value), ..self }
    }

    /// Frees the memory that places take. Whoever asks for one has the text read again.
    pub(super) fn forget_places(&mut self) {
        self.spans.forget();
    }

    pub(super) fn with_origin(self, origin: Arc<Origin>) -> Self {
        Self { origin: Some(origin), ..self }
    }

    pub(super) fn value_mut(&mut self) -> &mut Value {
        Arc::make_mut(&mut self.value)
    }

    fn located(&self, path: &FieldPath, span_of: impl Fn(Step<'_>) -> Span) -> Located {
        let step = self.spans.tree(&self.source).follow(path.segments());
        let span = step.map_or(Span::at(self.position), span_of);
        let is_exact = step.is_some_and(|step| step.depth == path.segments().len());
        Located { location: self.source.location(span), is_exact }
    }

    fn position_in_literal(&self, path: &FieldPath, line: u32, column: u32) -> Option<Position> {
        let spans = self.spans.tree(&self.source);
        let step = spans.follow(path.segments())?;
        let node = spans.resolve(step.node);
        if step.depth != path.segments().len() || !matches!(node.content, Content::Scalar { is_literal: true }) {
            return None;
        }
        let text = self.value_at(path)?.as_str()?;
        let header = node.span.start.line;
        // The content starts on the line below the `|`. What a line of the file has more than the line of the value
        // is the indentation, whether it was detected or given by an indicator.
        let (index, first) = text.split('\n').enumerate().find(|(_, line)| !line.is_empty())?;
        let in_file = self.source.line(header.checked_add(1)?.checked_add(u32::try_from(index).ok()?)?)?;
        let indent = in_file.chars().count().checked_sub(first.chars().count())?;
        let position = Position {
            line: header.checked_add(line.max(1))?,
            column: u32::try_from(indent).ok()?.checked_add(column.max(1))?,
        };
        let is_inside = usize::try_from(line).is_ok_and(|line| line <= text.split('\n').count());
        Some(if is_inside { position } else { node.span.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse;

    const TEXT: &str = "\
base: &base
  image: nginx
  ports:
  - 80
pod:
  <<: *base
  command: \"é\" # c
again: *base
rego: |-

    package é
      x
kept: |2+ # c
     y

folded: >
  a
  b
empty:
image: 1
image: two words
";

    fn path(text: &str) -> FieldPath {
        text.split('.').filter(|step| !step.is_empty()).fold(FieldPath::root(), |path, step| match step.parse() {
            Ok(index) => path.index(index),
            Err(_) => path.key(step),
        })
    }

    fn document(text: &str) -> Document {
        let (mut documents, errors) = parse(&Arc::new(Source::new("f", text.to_owned())));
        assert_eq!(errors, []);
        documents.remove(0)
    }

    #[track_caller]
    fn check(at: &str, value: &str, key: &str, is_exact: bool) {
        for text in [TEXT.to_owned(), TEXT.replace('\n', "\r\n")] {
            let document = document(&text);
            let show =
                |found: Location| format!("{}:{}-{}:{}", found.line, found.column, found.end_line, found.end_column);
            let found = document.locate(&path(at));
            assert_eq!((show(found.location).as_str(), found.is_exact), (value, is_exact), "value {at}");
            let found = document.locate_key(&path(at));
            assert_eq!((show(found.location).as_str(), found.is_exact), (key, is_exact), "key {at}");
        }
    }

    #[test]
    fn finds_values_and_keys() {
        check("", "1:1-21:17", "1:1-21:17", true);
        check("base", "2:3-4:7", "1:1-1:5", true);
        check("base.ports.0", "4:5-4:7", "4:5-4:7", true);
        check("pod.command", "7:12-7:15", "7:3-7:10", true);
        check("rego", "9:7-12:8", "9:1-9:5", true);
        check("empty", "19:6-19:6", "19:1-19:6", true);
        check("image", "21:8-21:17", "21:1-21:6", true);
    }

    #[test]
    fn follows_aliases_and_merges() {
        check("again", "8:8-8:13", "8:1-8:6", true);
        check("again.image", "2:10-2:15", "2:3-2:8", true);
        check("pod.image", "2:10-2:15", "2:3-2:8", true);
    }

    #[test]
    fn falls_back_to_the_deepest_ancestor() {
        check("nothing.here", "1:1-21:17", "1:1-21:17", false);
        check("pod.ports.7.name", "4:3-4:7", "3:3-3:8", false);
    }

    #[test]
    fn maps_places_inside_literals() {
        for text in [TEXT.to_owned(), TEXT.replace('\n', "\r\n")] {
            let document = document(&text);
            for (at, inside, expected) in [
                ("rego", (2, 9), "f:11:13"),
                ("rego", (3, 3), "f:12:7"),
                ("rego", (9, 1), "f:12:8"),
                ("kept", (1, 4), "f:14:6"),
                ("folded", (2, 1), "f:16:9"),
                ("image", (1, 5), "f:21:8"),
                ("missing", (1, 1), "f:1:1"),
            ] {
                assert_eq!(
                    document.locate_in_scalar(&path(at), inside.0, inside.1).to_string(),
                    expected,
                    "{at} {inside:?}"
                );
            }
        }
    }
}
