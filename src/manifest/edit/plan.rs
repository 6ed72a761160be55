//! From a value to another one by edits of its text: [`Plan`].
//!
//! Goes down the document as it is written. What changed in a collection is changed in place ([`super::block`],
//! [`super::flow`]); where that is not possible the collection is written anew as a whole, and the plan says so. Aliases
//! and merge keys show what stands elsewhere: where that changes and they must not, or the other way around, the value is
//! written out in their place.
//!
//! Deliberately absent: being sure. A plan is only what should do; the caller reads the edited text again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::Value;

use super::align::{Step, align};
use super::render::{Behind, Style};
use super::scalar_text::Quoting;
use super::text::{Text, is_blank};
use crate::manifest::span_tree::{Content, Entry, Node, NodeId, SpanTree};
use crate::model::object::{FieldPath, Segment};

/// Bytes of the text to take out, and what to put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// Why something cannot be changed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has nothing in common with what it becomes.
    Other,
    /// It is written in a way that edits do not know.
    Layout(&'static str),
    /// Something that an alias repeats would be lost.
    Anchor,
}

/// A part that was written anew, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anew {
    pub(super) path: FieldPath,
    pub(super) start: usize,
    pub(super) reason: &'static str,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) place: Place,
    /// Just behind the colon or dash; where the value starts when it has neither.
    pub(super) after: usize,
    /// The column of the key or dash, from 0.
    pub(super) column: usize,
    /// Within brackets.
    pub(super) is_flow: bool,
}

/// What a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Value,
    Item,
}

/// The edits so far, and what they are made from.
pub(super) struct Plan<'t> {
    pub(super) text: Text<'t>,
    pub(super) tree: &'t SpanTree,
    pub(super) style: Style,
    pub(super) replacements: Vec<Replacement>,
    pub(super) anew: Vec<Anew>,
    /// The values that aliases repeat.
    aliased: HashSet<NodeId>,
    /// What is wanted where a value is written.
    wanted: HashMap<NodeId, &'t Value>,
    path: Vec<Segment>,
}

impl<'t> Plan<'t> {
    pub(super) fn new(text: Text<'t>, tree: &'t SpanTree, style: Style) -> Self {
        let aliased = tree.aliased().collect();
        let (replacements, anew, path) = (Vec::new(), Vec::new(), Vec::new());
        Self { text, tree, style, replacements, anew, aliased, wanted: HashMap::new(), path }
    }

    /// Plans all of it.
    pub(super) fn document(&mut self, old: &'t Value, new: &'t Value) -> Result<(), Refusal> {
        let node = self.tree.node(self.tree.root()).ok_or(Refusal::Other)?;
        let after = self.text.offset(node.span.start);
        let column = self.text.column(after);
        let is_flow = self.style.is_json;
        self.change(self.tree.root(), old, new, Slot { place: Place::Root, after, column, is_flow })
    }

    pub(super) fn change(&mut self, id: NodeId, old: &'t Value, new: &'t Value, slot: Slot) -> Result<(), Refusal> {
        let node = self.tree.node(id).ok_or(Refusal::Other)?;
        if let Content::Alias(target) = node.content {
            let shown = self.wanted.get(&target).copied().unwrap_or(old);
            return if shown == new { Ok(()) } else { self.replace(id, new, slot) };
        }
        self.wanted.insert(id, new);
        if old == new && self.aliased.is_empty() {
            return Ok(());
        }
        let (edits, anew) = (self.replacements.len(), self.anew.len());
        match self.within(node, old, new, slot) {
            Ok(()) => Ok(()),
            Err(Refusal::Anchor) => Err(Refusal::Anchor),
            Err(refusal) => {
                self.replacements.truncate(edits);
                self.anew.truncate(anew);
                self.replace(id, new, slot)?;
                if let Refusal::Layout(reason) = refusal {
                    let path = FieldPath::root().join(&self.path);
                    self.anew.push(Anew { path, start: self.text.offset(node.span.start), reason });
                }
                Ok(())
            }
        }
    }

    fn within(&mut self, node: &'t Node, old: &'t Value, new: &'t Value, slot: Slot) -> Result<(), Refusal> {
        match (&node.content, old, new) {
            (Content::Mapping(entries), Value::Object(_), Value::Object(_)) => {
                self.mapping(node, entries, old, new, slot)
            }
            (Content::Sequence(items), Value::Array(old), Value::Array(new)) => {
                self.sequence(node, items, old, new, slot)
            }
            _ if old == new => Ok(()),
            _ => Err(Refusal::Other),
        }
    }

    fn mapping(
        &mut self,
        node: &'t Node,
        entries: &'t [Entry],
        old: &'t Value,
        new: &'t Value,
        slot: Slot,
    ) -> Result<(), Refusal> {
        let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return Err(Refusal::Other) };
        let own: Vec<&'t Entry> = entries.iter().filter(|entry| !entry.is_merged).collect();
        let merges = own.len() < entries.len();
        let is_removed: Vec<bool> = own.iter().map(|entry| !new.contains_key(&*entry.key)).collect();
        if !own.is_empty() && !merges && is_removed.iter().all(|removed| *removed) {
            return Err(Refusal::Other);
        }
        let is_merged = |key: &str| entries.iter().any(|entry| entry.is_merged && *entry.key == *key);
        if old.keys().any(|key| !new.contains_key(key) && is_merged(key)) {
            return Err(Refusal::Layout("a merge key (`<<`) brings a field that has to go"));
        }
        let is_flow = self.is_in_brackets(node, '{', slot)?;
        let column = self.text.column(self.text.offset(node.span.start));
        let mut added = Vec::new();
        for (key, value) in super::render::ordered(new) {
            let Some(before) = old.get(key) else {
                added.push((key, value));
                continue;
            };
            let Some(entry) = entries.iter().rev().find(|entry| *entry.key == **key) else {
                return Err(Refusal::Other);
            };
            if entry.is_merged {
                if self.wanted.get(&entry.value).copied().unwrap_or(before) != value {
                    added.push((key, value));
                }
                continue;
            }
            if before == value && self.aliased.is_empty() {
                continue;
            }
            let after = self.behind_colon(entry)?;
            self.path.push(Segment::Key(key.clone()));
            let done = self.change(entry.value, before, value, Slot { place: Place::Value, after, column, is_flow });
            self.path.pop();
            done?;
        }
        if let Some(lost) =
            own.iter().zip(&is_removed).find(|(entry, removed)| **removed && self.is_aliased(entry.value))
        {
            tracing::trace!(key = &*lost.0.key, "an anchor would be lost");
            return Err(Refusal::Anchor);
        }
        if is_flow {
            self.flow_entries(node, &own, &is_removed, &added)
        } else {
            self.block_entries(node, &own, &is_removed, &added, merges)
        }
    }

    fn sequence(
        &mut self,
        node: &'t Node,
        items: &'t [NodeId],
        old: &'t [Value],
        new: &'t [Value],
        slot: Slot,
    ) -> Result<(), Refusal> {
        let steps = align(old, new);
        if !steps.iter().any(|step| matches!(step, Step::Keep(..))) && old != new {
            return Err(Refusal::Other);
        }
        let is_flow = self.is_in_brackets(node, '[', slot)?;
        let lost = |step: &Step| match step {
            Step::Remove(at) => items.get(*at).is_some_and(|id| self.is_aliased(*id)),
            Step::Keep(..) | Step::Insert(_) => false,
        };
        if steps.iter().any(lost) {
            return Err(Refusal::Anchor);
        }
        if is_flow {
            self.flow_items(node, items, old, new, &steps)
        } else {
            self.block_items(node, items, old, new, &steps)
        }
    }

    /// Changes the item that is kept.
    pub(super) fn item(
        &mut self,
        id: NodeId,
        at: usize,
        values: (&'t Value, &'t Value),
        slot: Slot,
    ) -> Result<(), Refusal> {
        self.path.push(Segment::Index(at));
        let done = self.change(id, values.0, values.1, slot);
        self.path.pop();
        done
    }

    /// Whether a collection is written with brackets; one within brackets must have its own.
    fn is_in_brackets(&self, node: &Node, bracket: char, slot: Slot) -> Result<bool, Refusal> {
        let has_bracket = self.text.from(self.text.offset(node.span.start)).starts_with(bracket);
        if slot.is_flow && !has_bracket {
            return Err(Refusal::Layout("it is a pair without brackets"));
        }
        Ok(has_bracket)
    }

    pub(super) fn behind_colon(&self, entry: &Entry) -> Result<usize, Refusal> {
        let end = self.text.offset(entry.key_span.end);
        let rest = self.text.from(end);
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if !rest.get(blanks..).is_some_and(|rest| rest.starts_with(':')) {
            return Err(Refusal::Layout("a key is marked with `?`, or has no colon behind it"));
        }
        Ok(end + blanks + 1)
    }

    /// Writes a value anew in its place.
    fn replace(&mut self, id: NodeId, new: &Value, slot: Slot) -> Result<(), Refusal> {
        if self.is_aliased(id) && self.aliased_below(id) {
            return Err(Refusal::Anchor);
        }
        let node = self.tree.node(id).ok_or(Refusal::Other)?;
        let range = self.text.range(node.span);
        let between = self.text.get(slot.after..range.start.max(slot.after));
        let properties = Properties::of(between, slot.after);
        let old = self.text.get(range.clone());
        let quoting = Quoting::of(old);
        if slot.is_flow {
            let value = self.style.flow(new, self.text.indentation(slot.after), quoting);
            let is_absent = old.is_empty() || (slot.place == Place::Value && range.start < slot.after);
            let (from, blank) = match (is_absent, properties.tag) {
                (true, _) => (properties.end, " "),
                (false, Some(tag)) => (tag, ""),
                (false, None) => (range.start, ""),
            };
            self.push(from..range.end.max(from), format!("{blank}{value}"));
            return Ok(());
        }
        let behind = match slot.place {
            Place::Value => Behind::Key,
            Place::Item if properties.end > slot.after => Behind::Anchor,
            Place::Root | Place::Item => Behind::Dash,
        };
        let lines = match slot.place {
            Place::Root => self.style.root(new, slot.column),
            Place::Value | Place::Item => self.style.block(new, slot.column, behind, quoting),
        };
        self.put(&lines, range, &properties, slot)
    }

    /// Puts lines where a value stands: the first behind the key or dash, the others below its line.
    fn put(
        &mut self,
        lines: &[String],
        range: Range<usize>,
        properties: &Properties,
        slot: Slot,
    ) -> Result<(), Refusal> {
        let (first, rest) = lines.split_first().ok_or(Refusal::Other)?;
        let rest: String = rest.iter().map(|line| format!("{}{line}", self.text.newline)).collect();
        let keep = properties.end;
        if slot.place == Place::Root {
            // Below a comment that stands behind the last line, which would be text in a block scalar.
            let line_end = self.text.line_end(range.end);
            self.push(range, first.clone());
            self.push(line_end..line_end, rest);
            return Ok(());
        }
        let is_absent = range.is_empty() || range.start < slot.after;
        let start = if is_absent { keep } else { range.start };
        let end = if is_absent { keep } else { range.end };
        let between = self.text.get(keep..start);
        if between.contains(['\n', '\r']) {
            if !is_blank(self.text.before(start)) {
                return Err(Refusal::Layout("its first line starts with something else"));
            }
            let blank = if first.is_empty() { "" } else { " " };
            self.push(keep..keep, format!("{blank}{first}"));
            let line_end = self.text.line_end(keep);
            self.push(line_end..line_end, rest);
            let (from, mut to) = (self.text.line_start(start), self.text.next_line(end));
            // The last line of a text without a line end at its end.
            if to == end && !self.text.get(end..to).ends_with(['\n', '\r']) {
                to = end;
            }
            self.push(from..to, String::new());
            return Ok(());
        }
        if first.is_empty() {
            self.push(keep..end, String::new());
        } else if between.is_empty() || properties.tag.is_some() {
            self.push(keep..end, format!(" {first}"));
        } else {
            self.push(start..end, first.clone());
        }
        let line_end = self.text.line_end(end);
        self.push(line_end..line_end, rest);
        Ok(())
    }

    pub(super) fn push(&mut self, range: Range<usize>, text: String) {
        if !range.is_empty() || !text.is_empty() {
            self.replacements.push(Replacement { range, text });
        }
    }

    /// Whether an alias repeats the value or something in it.
    pub(super) fn is_aliased(&self, id: NodeId) -> bool {
        !self.aliased.is_empty() && (self.aliased.contains(&id) || self.aliased_below(id))
    }

    /// Whether that is more than the value itself, whose anchor stays in front of what replaces it.
    fn aliased_below(&self, id: NodeId) -> bool {
        let mut waiting = vec![id];
        while let Some(next) = waiting.pop() {
            if next != id && self.aliased.contains(&next) {
                return true;
            }
            match self.tree.node(next).map(|node| &node.content) {
                Some(Content::Sequence(items)) => waiting.extend(items.iter().copied()),
                Some(Content::Mapping(entries)) => {
                    waiting.extend(entries.iter().filter(|entry| !entry.is_merged).map(|entry| entry.value));
                }
                Some(Content::Scalar { .. } | Content::Alias(_)) | None => {}
            }
        }
        false
    }
}

/// The anchor and tag in front of a value.
struct Properties {
    /// Behind the anchor, which stays; behind the colon or dash when there is none.
    end: usize,
    /// Where the tag starts that stands behind that, which goes with the value.
    tag: Option<usize>,
}

impl Properties {
    fn of(between: &str, offset: usize) -> Self {
        let (mut end, mut tag) = (offset, None);
        let mut is_comment = false;
        let mut word = None;
        for (at, character) in between.char_indices().chain([(between.len(), ' ')]) {
            if matches!(character, '\n' | '\r') {
                is_comment = false;
            }
            match (word, character.is_whitespace()) {
                _ if is_comment => {}
                (None, false) if character == '#' => is_comment = true,
                (None, false) => word = Some((at, character)),
                (Some((_, '&')), true) => (end, word) = (offset + at, None),
                (Some((start, '!')), true) => (tag, word) = (tag.or(Some(offset + start)), None),
                (Some(_), true) => word = None,
                _ => {}
            }
        }
        Self { end, tag: tag.filter(|tag| *tag >= end) }
    }
}
