//! Changes of collections without brackets, line by line.

use serde_json::Value;

use super::align::Step;
use super::plan::{Place, Plan, Refusal, Slot};
use super::render::Behind;
use super::scalar_text::{Quoting, string};
use super::text::{is_blank, is_blank_or_comment};
use crate::manifest::span_tree::{Content, Entry, Node, NodeId};

/// A key or dash with its value.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Where the key or dash stands.
    start: usize,
    /// Behind the value, and behind the blank lines that belong to it.
    end: usize,
}

impl<'t> Plan<'t> {
    pub(super) fn block_entries(
        &mut self,
        node: &'t Node,
        own: &[&'t Entry],
        is_removed: &[bool],
        added: &[(&String, &Value)],
        merges: bool,
    ) -> Result<(), Refusal> {
        let column = self.text.column(self.text.offset(node.span.start));
        if added.is_empty() && !is_removed.contains(&true) {
            return Ok(());
        }
        let mut parts = Vec::new();
        for entry in own {
            let start = self.text.offset(entry.key_span.start);
            if self.text.column(start) != column {
                return Err(Refusal::Layout("something stands in front of a key"));
            }
            parts.push(Part { start, end: self.end_of(entry.value, self.behind_colon(entry)?) });
        }
        let last_kept = parts.iter().zip(is_removed).rfind(|(_, removed)| !**removed).map(|(part, _)| part.end);
        let all = self.text.range(node.span).end;
        let end = match (merges, is_removed.contains(&true)) {
            (true, true) => return Err(Refusal::Layout("a merge key (`<<`) stands beside a field that has to go")),
            (true, false) => last_kept.unwrap_or(all).max(all),
            (false, _) => last_kept.ok_or(Refusal::Other)?,
        };
        self.remove(&parts, is_removed)?;
        self.check_end(end)?;
        let place = self.text.line_end(end);
        let indent = " ".repeat(column);
        for (key, value) in added {
            let key = format!("{}:", string(key, Quoting::Plain));
            let lines = self.style.entry(&key, value, column, Behind::Key);
            self.insert_below(place, &indent, &lines);
        }
        Ok(())
    }

    pub(super) fn block_items(
        &mut self,
        node: &'t Node,
        items: &'t [NodeId],
        old: &'t [Value],
        new: &'t [Value],
        steps: &[Step],
    ) -> Result<(), Refusal> {
        let first = self.text.offset(node.span.start);
        let column = self.text.column(first);
        let parts = self.items(items, first, column)?;
        let is_removed: Vec<bool> = (0..items.len()).map(|at| steps.contains(&Step::Remove(at))).collect();
        self.remove(&parts, &is_removed)?;
        let indent = " ".repeat(column);
        let mut last: Option<usize> = None;
        for step in steps {
            match step {
                Step::Keep(before, after) => {
                    let (Some(id), Some(part), Some(was), Some(is)) =
                        (items.get(*before), parts.get(*before), old.get(*before), new.get(*after))
                    else {
                        return Err(Refusal::Other);
                    };
                    let slot = Slot { place: Place::Item, after: part.start + 1, column, is_flow: false };
                    self.item(*id, *before, (was, is), slot)?;
                    last = Some(part.end);
                }
                Step::Remove(_) => {}
                Step::Insert(at) => {
                    let item = new.get(*at).ok_or(Refusal::Other)?;
                    let lines = self.style.entry("-", item, column, Behind::Dash);
                    match last {
                        Some(end) => {
                            self.check_end(end)?;
                            self.insert_below(self.text.line_end(end), &indent, &lines);
                        }
                        None => {
                            let lines = lines.join(self.text.newline);
                            self.push(first..first, format!("{lines}{}{indent}", self.text.newline));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Where the dashes stand.
    fn items(&self, items: &[NodeId], first: usize, column: usize) -> Result<Vec<Part>, Refusal> {
        let mut parts: Vec<Part> = Vec::new();
        for id in items {
            let start = match parts.last() {
                None => first,
                Some(last) => self.dash_below(last.end, column)?,
            };
            if !self.text.from(start).starts_with('-') {
                return Err(Refusal::Layout("its first dash is not where it should be"));
            }
            parts.push(Part { start, end: self.end_of(*id, start + 1) });
        }
        Ok(parts)
    }

    fn dash_below(&self, end: usize, column: usize) -> Result<usize, Refusal> {
        let mut line = self.text.next_line(end);
        loop {
            let content = line + self.text.indentation(line).len();
            let behind = self.text.behind(content);
            if behind.starts_with('-') && content - line == column {
                return Ok(content);
            }
            let next = self.text.next_line(line);
            if (!behind.is_empty() && !behind.starts_with('#')) || next == line {
                return Err(Refusal::Layout("a dash is not where it should be"));
            }
            line = next;
        }
    }

    /// Behind a value: behind its last character, or behind its key or dash when it has none.
    fn end_of(&self, id: NodeId, after: usize) -> usize {
        let Some(node) = self.tree.node(id) else { return after };
        let end = self.text.range(node.span).end.max(after);
        if !self.keeps_blank_lines(id) {
            return end;
        }
        let mut end = end;
        loop {
            let next = self.text.next_line(end);
            if next == end || self.text.line_end(next) == next && self.text.next_line(next) == next {
                return end;
            }
            if !is_blank(self.text.behind(next)) {
                return end;
            }
            end = next;
        }
    }

    /// Whether the last scalar is a block scalar that has the blank lines below it as well (`|+`).
    fn keeps_blank_lines(&self, id: NodeId) -> bool {
        let mut node = self.tree.node(id);
        while let Some(next) = node {
            let last = match &next.content {
                Content::Sequence(items) => items.last().copied(),
                Content::Mapping(entries) => {
                    let own = entries.iter().filter(|entry| !entry.is_merged);
                    own.max_by_key(|entry| entry.key_span.start).map(|entry| entry.value)
                }
                Content::Scalar { .. } => {
                    let header = self.text.behind(self.text.offset(next.span.start));
                    let header = header.split([' ', '\t']).next().unwrap_or_default();
                    return header.starts_with(['|', '>']) && header.contains('+');
                }
                Content::Alias(_) => None,
            };
            node = last.and_then(|id| self.tree.node(id));
        }
        false
    }

    fn insert_below(&mut self, place: usize, indent: &str, lines: &[String]) {
        let lines = lines.join(self.text.newline);
        self.push(place..place, format!("{}{indent}{lines}", self.text.newline));
    }

    /// Nothing but a comment may follow what something is put below.
    fn check_end(&self, end: usize) -> Result<(), Refusal> {
        let behind = self.text.behind(end);
        if is_blank_or_comment(behind) { Ok(()) } else { Err(Refusal::Layout("something follows its last value")) }
    }

    fn remove(&mut self, parts: &[Part], is_removed: &[bool]) -> Result<(), Refusal> {
        let mut from = 0;
        if is_removed.first() == Some(&true)
            && parts.first().is_some_and(|part| !is_blank(self.text.before(part.start)))
        {
            from = self.remove_first(parts, is_removed)?;
        }
        for (part, _) in parts.iter().zip(is_removed).skip(from).filter(|(_, removed)| **removed) {
            if !is_blank(self.text.before(part.start)) {
                return Err(Refusal::Layout("something stands in front of a key or dash"));
            }
            self.check_end(part.end)?;
            self.push(self.text.line_start(part.start)..self.text.next_line(part.end), String::new());
        }
        Ok(())
    }

    /// Removes the parts in front of the first that stays, which takes their place behind a dash; says how many it dealt
    /// with.
    fn remove_first(&mut self, parts: &[Part], is_removed: &[bool]) -> Result<usize, Refusal> {
        let kept = is_removed.iter().position(|removed| !removed).ok_or(Refusal::Other)?;
        let (Some(first), Some(last), Some(next)) =
            (parts.first(), kept.checked_sub(1).and_then(|last| parts.get(last)), parts.get(kept))
        else {
            return Err(Refusal::Other);
        };
        self.check_end(first.end)?;
        let has_comment = self.text.get(first.end..next.start).contains('#');
        if has_comment {
            // The dash keeps the comment; the rest goes line by line.
            self.push(first.start..first.end, String::new());
            return Ok(1);
        }
        debug_assert!(last.end <= next.start);
        self.push(first.start..next.start, String::new());
        Ok(kept)
    }
}
