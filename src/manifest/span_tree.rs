//! Where each value of a document stands in its text: [`SpanTree`].
//!
//! The tree has the document's shape as written: an alias is a node that points at the anchored node, and a merged
//! key (`<<`) points at the value it was merged from. So a path through either leads to the line that has to be edited.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::source::{Position, Span};
use crate::model::object::{FieldPath, Segment};

/// Index of a node in the arena.
pub(super) type NodeId = u32;

/// The spans of one document, or of one part of it.
#[derive(Clone, Debug, Default)]
pub struct SpanTree {
    nodes: Arc<[Node]>,
    root: NodeId,
}

/// In mappings of up to so many entries, repeated keys are found by comparing each with each.
const SMALL: usize = 16;

/// How far a path leads into a [`SpanTree`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'t> {
    /// The deepest node that exists on the path.
    pub(super) node: &'t Node,
    /// Its key, when it is a mapping's value.
    pub(super) key: Option<Span>,
    /// How many of the path's segments exist.
    pub(super) depth: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A scalar; `is_literal` for a block scalar with `|`, whose lines are the value's lines.
    Scalar { is_literal: bool },
    /// The nodes of a list's items.
    Sequence(Box<[NodeId]>),
    /// A mapping's entries as read; of two with the same key the later one counts.
    Mapping(Box<[Entry]>),
    /// The anchored node that stands here.
    Alias(NodeId),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Box<str>,
    pub(super) key_span: Span,
    pub(super) value: NodeId,
    /// Taken over by a merge key (`<<`), so that its key stands in another mapping.
    pub(super) is_merged: bool,
}

impl SpanTree {
    pub(super) fn new(nodes: Vec<Node>, root: NodeId) -> Self {
        Self { nodes: nodes.into(), root }
    }

    /// The tree below one list item or mapping value; cheap, the spans are shared.
    pub(super) fn below(&self, path: &[Segment]) -> Option<Self> {
        let mut root = self.root;
        for segment in path {
            root = self.child(root, segment)?.0;
        }
        Some(Self { nodes: Arc::clone(&self.nodes), root })
    }

    /// Follows a path as far as it exists; `None` only for a tree without nodes, which parsing does not make.
    pub(super) fn follow(&self, path: &[Segment]) -> Option<Step<'_>> {
        let mut id = self.root;
        let (mut key, mut depth) = (None, 0);
        for segment in path {
            let Some((child, child_key)) = self.child(id, segment) else { break };
            (id, key) = (child, child_key);
            depth += 1;
        }
        Some(Step { node: self.node(id)?, key, depth })
    }

    /// The node of the whole.
    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    /// Every node, in no order to rely on; below a part, those around it too.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The nodes that aliases repeat, merge keys among them.
    pub(super) fn aliased(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter_map(|node| match node.content {
            Content::Alias(target) => Some(target),
            Content::Scalar { .. } | Content::Sequence(_) | Content::Mapping(_) => None,
        })
    }

    /// The whole of it.
    pub(super) fn span(&self) -> Option<Span> {
        self.node(self.root).map(|node| node.span)
    }

    /// The field whose key stands at a place, or the list item that starts there, at its dash when it has one, with
    /// everything in it; the outermost of them. Aliases are not followed.
    pub(super) fn part_at(&self, place: Position, has_dash: bool) -> Option<Span> {
        let mut waiting = vec![self.root];
        let mut item = None;
        while let Some(node) = waiting.pop().and_then(|id| self.node(id)) {
            match &node.content {
                Content::Mapping(entries) => {
                    let field = entries.iter().find(|entry| !has_dash && entry.key_span.start == place);
                    if let Some(field) = field {
                        let end = self.node(field.value).map_or(field.key_span.end, |value| value.span.end);
                        return Some(Span { start: place, end: end.max(field.key_span.end) });
                    }
                    waiting.extend(entries.iter().map(|entry| entry.value));
                }
                Content::Sequence(items) => {
                    item = item.or_else(|| self.item_at(node, items, place, has_dash));
                    waiting.extend(items.iter().copied());
                }
                Content::Scalar { .. } | Content::Alias(_) => {}
            }
        }
        item
    }

    fn item_at(&self, list: &Node, items: &[NodeId], place: Position, has_dash: bool) -> Option<Span> {
        let spans: Vec<Span> = items.iter().filter_map(|id| Some(self.node(*id)?.span)).collect();
        if !has_dash {
            return spans.into_iter().find(|span| span.start == place);
        }
        let next = spans.iter().position(|span| span.start > place)?;
        let is_between = match next.checked_sub(1).and_then(|last| spans.get(last)) {
            Some(last) => last.end <= place,
            None => list.span.start == place,
        };
        spans.get(next).copied().filter(|_| is_between)
    }

    /// The node that an alias stands for, or the node itself.
    pub(super) fn resolve<'t>(&'t self, node: &'t Node) -> &'t Node {
        match node.content {
            Content::Alias(target) => self.node(target).unwrap_or(node),
            _ => node,
        }
    }

    /// Whether some key stands twice in one mapping.
    pub(super) fn repeats_keys(&self) -> bool {
        let is_repeated = |(index, entry): (usize, &Entry), entries: &[Entry]| {
            entries.iter().take(index).any(|earlier| earlier.key == entry.key && !earlier.is_merged)
        };
        self.nodes.iter().any(|node| match &node.content {
            Content::Mapping(entries) if entries.len() <= SMALL => {
                entries.iter().enumerate().any(|one| !one.1.is_merged && is_repeated(one, entries))
            }
            Content::Mapping(entries) => {
                let mut seen = HashSet::new();
                entries.iter().any(|entry| !entry.is_merged && !seen.insert(&entry.key))
            }
            Content::Sequence(_) | Content::Scalar { .. } | Content::Alias(_) => false,
        })
    }

    /// Keys that stand twice in one mapping: the field, the key, the key again; in the order of the text.
    pub(super) fn repeated_keys(&self) -> Vec<(FieldPath, Span, Span)> {
        let mut found = Vec::new();
        let mut waiting = vec![(FieldPath::root(), self.root)];
        // What an alias repeats is looked at where it stands.
        while let Some((path, id)) = waiting.pop() {
            match self.node(id).map(|node| &node.content) {
                Some(Content::Sequence(items)) => {
                    let items = items.iter().enumerate().filter(|(_, item)| !self.is_leaf(**item));
                    waiting.extend(items.map(|(index, item)| (path.index(index), *item)));
                }
                Some(Content::Mapping(entries)) => {
                    let mut seen = HashMap::new();
                    for entry in entries.iter().filter(|entry| !entry.is_merged) {
                        if let Some(first) = seen.insert(&entry.key, entry.key_span) {
                            found.push((path.key(&*entry.key), first, entry.key_span));
                        }
                        if !self.is_leaf(entry.value) {
                            waiting.push((path.key(&*entry.key), entry.value));
                        }
                    }
                }
                Some(Content::Scalar { .. } | Content::Alias(_)) | None => {}
            }
        }
        found.sort_by_key(|(_, _, again)| again.start);
        found
    }

    fn is_leaf(&self, id: NodeId) -> bool {
        self.node(id).is_none_or(|node| matches!(node.content, Content::Scalar { .. } | Content::Alias(_)))
    }

    fn child(&self, parent: NodeId, segment: &Segment) -> Option<(NodeId, Option<Span>)> {
        let parent = self.resolve(self.node(parent)?);
        match (&parent.content, segment) {
            (Content::Sequence(items), Segment::Index(index)) => Some((*items.get(*index)?, None)),
            (Content::Mapping(entries), Segment::Key(key)) => {
                let entry = entries.iter().rev().find(|entry| *entry.key == **key)?;
                Some((entry.value, Some(entry.key_span)))
            }
            _ => None,
        }
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }
}
