//! One document put together from its parts, in the order they are written: values and spans at the same time.
//!
//! Both readers, YAML and JSON, tell [`Tree`] what they meet. It keeps the promises that hold for both: bounded depth,
//! bounded expansion of aliases, the last of equal keys wins. It works on a stack of its own, never by recursion.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::Fault;
use super::scalar::into_json;
use super::source::{Position, Span};
use super::span_tree::{Content, Entry, Node, NodeId, SpanTree};
use crate::model::value::yaml_scalar::Scalar;

/// Levels of nesting. Everything that later walks or drops a value recurses, and has 2 MB of stack for it.
pub(super) const MAX_DEPTH: usize = 1_000;
/// What aliases may copy in every document, in the units of [`weight_of`]; about what go-yaml allows.
const COPY_ALLOWANCE: usize = 32 << 20;
/// What they may copy on top for each byte of the document.
const COPY_ALLOWANCE_PER_BYTE: usize = 8;
/// A node's weight besides its text.
const NODE_WEIGHT: usize = 64;
/// Faults that are collected before the rest of a document is given up.
const MAX_FAULTS: usize = 20;

/// A document under construction.
#[derive(Debug)]
pub(super) struct Tree {
    /// Empty when places are not wanted.
    nodes: Vec<Node>,
    keeps_places: bool,
    /// A key was met again in its mapping; known without places only.
    repeats_keys: bool,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Part>,
    root: Option<Part>,
    copies_left: usize,
    faults: Vec<Fault>,
}

/// A document that was put together.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) value: Value,
    /// Where it begins.
    pub(super) position: Position,
    /// Whether some key stands twice in one mapping.
    pub(super) repeats_keys: bool,
    /// If they were wanted.
    pub(super) places: Option<SpanTree>,
}

/// A scalar as a reader meets it.
#[derive(Debug)]
pub(super) struct ScalarPart<'s> {
    pub(super) scalar: Scalar<'s>,
    pub(super) span: Span,
    /// A block scalar with `|`.
    pub(super) is_literal: bool,
    /// An unquoted `<<`, which merges when it is a key.
    pub(super) is_merge: bool,
    /// The anchor's number; 0 for none.
    pub(super) anchor: usize,
}

/// A complete value.
#[derive(Clone, Debug)]
struct Part {
    value: Value,
    node: NodeId,
    span: Span,
    /// Levels of collections in it.
    height: usize,
    weight: usize,
}

#[derive(Debug)]
struct Frame {
    collection: Collection,
    start: Position,
    /// Where the last part so far ends.
    end: Position,
    anchor: usize,
    height: usize,
    weight: usize,
}

#[derive(Debug)]
enum Collection {
    Sequence { items: Vec<Value>, nodes: Vec<NodeId> },
    Mapping { map: Map<String, Value>, entries: Vec<Entry>, key: Option<Key> },
}

#[derive(Debug)]
enum Key {
    Name(String, Span),
    Merge,
}

/// What the next part of the innermost collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Root,
    Item,
    Key,
    Value,
}

impl Tree {
    /// An empty document whose text has so many bytes. Without places, its text must merge nothing.
    pub(super) fn new(text_length: usize, keeps_places: bool) -> Self {
        Self {
            nodes: Vec::new(),
            keeps_places,
            repeats_keys: false,
            frames: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            copies_left: COPY_ALLOWANCE.saturating_add(text_length.saturating_mul(COPY_ALLOWANCE_PER_BYTE)),
            faults: Vec::new(),
        }
    }

    /// The document, `None` when it has no content, or everything that is wrong with it.
    pub(super) fn finish(self) -> Result<Option<Parsed>, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let Some(root) = self.root.filter(|root| !root.value.is_null()) else { return Ok(None) };
        let places = self.keeps_places.then(|| SpanTree::new(self.nodes, root.node));
        let repeats_keys = places.as_ref().map_or(self.repeats_keys, SpanTree::repeats_keys);
        Ok(Some(Parsed { value: root.value, position: root.span.start, repeats_keys, places }))
    }

    /// The faults so far, when the rest of the document is given up.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    pub(super) fn next(&self) -> Next {
        match self.frames.last().map(|frame| &frame.collection) {
            None => Next::Root,
            Some(Collection::Sequence { .. }) => Next::Item,
            Some(Collection::Mapping { key: None, .. }) => Next::Key,
            Some(Collection::Mapping { key: Some(_), .. }) => Next::Value,
        }
    }

    pub(super) fn open_sequence(&mut self, start: Position, anchor: usize) -> Result<(), Fault> {
        self.open(Collection::Sequence { items: Vec::new(), nodes: Vec::new() }, start, anchor)
    }

    pub(super) fn open_mapping(&mut self, start: Position, anchor: usize) -> Result<(), Fault> {
        self.open(Collection::Mapping { map: Map::new(), entries: Vec::new(), key: None }, start, anchor)
    }

    /// Ends the innermost collection, at its bracket or, when that is `None`, with its last part.
    pub(super) fn close(&mut self, end: Option<Position>) -> Result<(), Fault> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let span = Span { start: frame.start, end: end.unwrap_or(frame.end) };
        let (value, content) = match frame.collection {
            Collection::Sequence { items, nodes } => (Value::Array(items), Content::Sequence(nodes.into())),
            Collection::Mapping { map, entries, .. } => (Value::Object(map), Content::Mapping(entries.into())),
        };
        let node = self.add_node(span, content)?;
        let part = Part { value, node, span, height: frame.height + 1, weight: frame.weight };
        self.complete(part, frame.anchor)
    }

    pub(super) fn scalar(&mut self, part: ScalarPart<'_>) -> Result<(), Fault> {
        let ScalarPart { scalar, span, is_literal, is_merge, anchor } = part;
        if self.next() == Next::Key && (is_merge || anchor == 0) {
            let key = if is_merge { Key::Merge } else { Key::Name(self.key_of(scalar, span)?, span) };
            self.set_key(key, span);
            return Ok(());
        }
        let value = match into_json(scalar) {
            Some(value) => value,
            None => {
                let fault = Fault::new(span, "JSON, and so Kubernetes, has no infinite numbers and no not-a-number");
                self.note(fault.with_help("quote the value if a string is meant"))?;
                Value::Null
            }
        };
        let node = self.add_node(span, Content::Scalar { is_literal })?;
        let weight = weight_of(&value);
        self.complete(Part { value, node, span, height: 0, weight }, anchor)
    }

    /// Puts a copy of an anchored value here.
    pub(super) fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Fault> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Fault::new(span, "this alias stands inside the value that it repeats")
                .with_help("write the value out; a value cannot contain itself"));
        };
        if self.frames.len() + anchored.height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let (weight, target) = (anchored.weight, anchored.node);
        self.charge(weight, span)?;
        let Some(copy) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
        let node = self.add_node(span, Content::Alias(target))?;
        self.complete(Part { node, span, ..copy }, 0)
    }

    fn open(&mut self, collection: Collection, start: Position, anchor: usize) -> Result<(), Fault> {
        if self.next() == Next::Key {
            return Err(complex_key(Span::at(start)));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(too_deep(Span::at(start)));
        }
        self.frames.push(Frame { collection, start, end: start, anchor, height: 0, weight: NODE_WEIGHT });
        Ok(())
    }

    /// Remembers an anchored part and hands the part to the collection it belongs to.
    fn complete(&mut self, part: Part, anchor: usize) -> Result<(), Fault> {
        if anchor != 0 {
            self.charge(part.weight, part.span)?;
            self.anchors.insert(anchor, part.clone());
        }
        match self.next() {
            Next::Root => {
                self.root = Some(part);
                return Ok(());
            }
            Next::Key => return self.complete_key(part),
            Next::Item | Next::Value => {}
        }
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        frame.end = frame.end.max(part.span.end);
        frame.height = frame.height.max(part.height);
        frame.weight = frame.weight.saturating_add(part.weight);
        match &mut frame.collection {
            Collection::Sequence { items, nodes } => {
                items.push(part.value);
                if self.keeps_places {
                    nodes.push(part.node);
                }
            }
            Collection::Mapping { map, entries, key } => match key.take() {
                Some(Key::Name(name, key_span)) => {
                    if self.keeps_places {
                        entries.push(Entry { key: name.as_str().into(), key_span, value: part.node, is_merged: false });
                    }
                    self.repeats_keys |= map.insert(name, part.value).is_some();
                }
                Some(Key::Merge) | None => return self.merge(part),
            },
        }
        Ok(())
    }

    /// A key that has an anchor or is an alias.
    fn complete_key(&mut self, part: Part) -> Result<(), Fault> {
        let scalar = match part.value {
            Value::Null => Scalar::Null,
            Value::Bool(value) => Scalar::Bool(value),
            Value::String(text) => Scalar::Text(text.into()),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Scalar::Integer(value),
                (None, Some(value)) => Scalar::Unsigned(value),
                (None, None) => Scalar::Float(number.as_f64().unwrap_or_default()),
            },
            Value::Array(_) | Value::Object(_) => return Err(complex_key(part.span)),
        };
        let name = self.key_of(scalar, part.span)?;
        self.set_key(Key::Name(name, part.span), part.span);
        Ok(())
    }

    fn key_of(&mut self, scalar: Scalar<'_>, span: Span) -> Result<String, Fault> {
        let found = if scalar == Scalar::Null { "null" } else { "a number beyond 64 bits" };
        if let Some(key) = scalar.into_key() {
            return Ok(key);
        }
        self.note(Fault::new(span, format!("a key must be a string, found {found}")).with_help("quote the key"))?;
        Ok(String::new())
    }

    fn set_key(&mut self, new: Key, span: Span) {
        let Some(frame) = self.frames.last_mut() else { return };
        frame.end = frame.end.max(span.end);
        if let Key::Name(name, _) = &new {
            frame.weight = frame.weight.saturating_add(name.len());
        }
        if let Collection::Mapping { key, .. } = &mut frame.collection {
            *key = Some(new);
        }
    }

    /// `<<`: takes over the entries of a mapping, or of a list of mappings of which the first wins.
    ///
    /// As in go-yaml v2, and other than YAML 1.1 says, an entry above the `<<` is overwritten, one below it overwrites.
    fn merge(&mut self, part: Part) -> Result<(), Fault> {
        let merged = match (self.content(part.node), part.value) {
            (Some(Content::Mapping(_)), Value::Object(map)) => vec![(part.node, map)],
            // An alias of a list is refused there as well.
            (Some(Content::Sequence(nodes)), Value::Array(items)) if !self.is_alias(part.node) => {
                let maps = nodes.iter().zip(items).map(|(node, item)| match item {
                    Value::Object(map) => Some((*node, map)),
                    _ => None,
                });
                maps.collect::<Option<_>>().ok_or_else(|| cannot_merge(part.span))?
            }
            _ => return Err(cannot_merge(part.span)),
        };
        for (node, map) in merged.into_iter().rev() {
            let Some(Content::Mapping(new)) = self.content(node) else { return Err(cannot_merge(part.span)) };
            let weight = new.iter().map(|entry| NODE_WEIGHT + entry.key.len()).sum();
            let new = new.clone();
            self.charge(weight, part.span)?;
            if let Some(Frame { collection: Collection::Mapping { map: target, entries, .. }, .. }) =
                self.frames.last_mut()
            {
                entries.extend(new.into_iter().map(|entry| Entry { is_merged: true, ..entry }));
                target.extend(map);
            }
        }
        Ok(())
    }

    fn content(&self, id: NodeId) -> Option<&Content> {
        let node = self.nodes.get(usize::try_from(id).ok()?)?;
        match node.content {
            Content::Alias(target) => self.nodes.get(usize::try_from(target).ok()?).map(|node| &node.content),
            _ => Some(&node.content),
        }
    }

    fn is_alias(&self, id: NodeId) -> bool {
        let node = usize::try_from(id).ok().and_then(|index| self.nodes.get(index));
        node.is_some_and(|node| matches!(node.content, Content::Alias(_)))
    }

    fn add_node(&mut self, span: Span, content: Content) -> Result<NodeId, Fault> {
        if !self.keeps_places {
            return Ok(0);
        }
        let id = NodeId::try_from(self.nodes.len())
            .map_err(|_| Fault::new(span, "the document has over 4 billion values"))?;
        self.nodes.push(Node { span, content });
        Ok(id)
    }

    fn charge(&mut self, weight: usize, span: Span) -> Result<(), Fault> {
        let left = self.copies_left.checked_sub(weight);
        self.copies_left = left.ok_or_else(|| {
            Fault::new(span, "the aliases of this document expand to far more than the document itself")
                .with_help("write the repeated values out, or split the document")
        })?;
        Ok(())
    }

    /// Keeps a fault that the rest of the document can be read in spite of; when there are too many, the last ends it.
    pub(super) fn note(&mut self, fault: Fault) -> Result<(), Fault> {
        if self.faults.len() + 1 >= MAX_FAULTS {
            return Err(fault);
        }
        self.faults.push(fault);
        Ok(())
    }
}

fn weight_of(scalar: &Value) -> usize {
    NODE_WEIGHT + scalar.as_str().map_or(0, str::len)
}

fn too_deep(span: Span) -> Fault {
    Fault::new(span, format!("nested deeper than {MAX_DEPTH} levels"))
        .with_help("look for brackets that are opened and never closed")
}

fn complex_key(span: Span) -> Fault {
    Fault::new(span, "a key must be a string, found a list or mapping")
        .with_help("quote the key; a template such as `{{ .Values.name }}` must be rendered or quoted first")
}

fn cannot_merge(span: Span) -> Fault {
    Fault::new(span, "a merge key (`<<`) takes a mapping or a list of mappings, found something else")
        .with_help("write `<<: *name`, where `&name` marks a mapping")
}
