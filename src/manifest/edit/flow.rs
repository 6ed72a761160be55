//! Changes of collections within brackets, JSON's among them.

use std::ops::Range;

use serde_json::Value;

use super::align::Step;
use super::plan::{Place, Plan, Refusal, Slot};
use super::scalar_text::{Quoting, string};
use super::text::is_blank;
use crate::manifest::span_tree::{Entry, Node, NodeId};

const ODD: Refusal = Refusal::Layout("something else than commas stands between its parts");

impl<'t> Plan<'t> {
    pub(super) fn flow_entries(
        &mut self,
        node: &'t Node,
        own: &[&'t Entry],
        is_removed: &[bool],
        added: &[(&String, &Value)],
    ) -> Result<(), Refusal> {
        if added.is_empty() && !is_removed.contains(&true) {
            return Ok(());
        }
        let mut parts = Vec::new();
        for entry in own {
            let value = self.tree.node(entry.value).map_or(0, |value| self.text.offset(value.span.end));
            parts.push(self.text.offset(entry.key_span.start)..value.max(self.behind_colon(entry)?));
        }
        let quoting = own
            .first()
            .map_or(Quoting::Plain, |entry| Quoting::of(self.text.from(self.text.offset(entry.key_span.start))));
        let colon = if self.style.is_json && !self.style.is_spaced { ":" } else { ": " };
        let indentation = parts.last().map_or("", |last| self.text.indentation(last.start)).to_owned();
        let written = added.iter().map(|(key, value)| {
            let key = if self.style.is_json { self.style.flow_key(key) } else { string(key, quoting) };
            format!("{key}{colon}{}", self.style.flow(value, &indentation, Quoting::Plain))
        });
        let written: Vec<String> = written.collect();
        self.check_parts(node, &parts)?;
        self.remove_parts(&parts, is_removed)?;
        self.append(&parts, is_removed, &written)
    }

    pub(super) fn flow_items(
        &mut self,
        node: &'t Node,
        items: &'t [NodeId],
        old: &'t [Value],
        new: &'t [Value],
        steps: &[Step],
    ) -> Result<(), Refusal> {
        let span = |id: &NodeId| self.tree.node(*id).map(|item| self.text.range(item.span)).ok_or(Refusal::Other);
        let parts: Vec<Range<usize>> = items.iter().map(span).collect::<Result<_, _>>()?;
        let is_removed: Vec<bool> = (0..items.len()).map(|at| steps.contains(&Step::Remove(at))).collect();
        let has_changes = steps.iter().any(|step| !matches!(step, Step::Keep(..)));
        if has_changes {
            self.check_parts(node, &parts)?;
            self.remove_parts(&parts, &is_removed)?;
        }
        let mut waiting: Vec<String> = Vec::new();
        for step in steps {
            match step {
                Step::Keep(before, after) => {
                    let (Some(id), Some(part), Some(was), Some(is)) =
                        (items.get(*before), parts.get(*before), old.get(*before), new.get(*after))
                    else {
                        return Err(Refusal::Other);
                    };
                    for item in waiting.drain(..) {
                        self.insert_in_front(part.start, &item);
                    }
                    let slot = Slot { place: Place::Item, after: part.start, column: 0, is_flow: true };
                    self.item(*id, *before, (was, is), slot)?;
                }
                Step::Remove(_) => {}
                Step::Insert(at) => {
                    let item = new.get(*at).ok_or(Refusal::Other)?;
                    let line = parts.last().map_or("", |last| self.text.indentation(last.start));
                    waiting.push(self.style.flow(item, line, Quoting::Plain));
                }
            }
        }
        self.append(&parts, &is_removed, &waiting)
    }

    fn insert_in_front(&mut self, place: usize, item: &str) {
        let between = if is_blank(self.text.before(place)) {
            format!(",{}{}", self.text.newline, self.text.before(place))
        } else {
            self.style.comma().to_owned()
        };
        self.push(place..place, format!("{item}{between}"));
    }

    /// Between the parts, and around them, stands nothing but commas, white space and comments.
    fn check_parts(&self, node: &Node, parts: &[Range<usize>]) -> Result<(), Refusal> {
        let whole = self.text.range(node.span);
        let mut end = whole.start + 1;
        for part in parts {
            if part.start < end || !is_separator(self.text.get(end..part.start)) {
                return Err(ODD);
            }
            end = part.end;
        }
        let last = whole.end.checked_sub(1).filter(|last| *last >= end).ok_or(ODD)?;
        if is_separator(self.text.get(end..last)) { Ok(()) } else { Err(ODD) }
    }

    fn remove_parts(&mut self, parts: &[Range<usize>], is_removed: &[bool]) -> Result<(), Refusal> {
        let last_kept = is_removed.iter().rposition(|removed| !removed);
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| is_removed.get(*at) == Some(&true)) {
            if last_kept.is_none_or(|last| at > last) {
                break;
            }
            let next = parts.get(at + 1).ok_or(Refusal::Other)?;
            if self.text.get(part.end..next.start).contains('#') {
                return Err(Refusal::Layout("a comment stands behind something that has to go"));
            }
            self.push(part.start..next.start, String::new());
        }
        let (Some(kept), Some(last)) = (last_kept.and_then(|at| parts.get(at)), parts.last()) else {
            return Err(Refusal::Other);
        };
        if last.end > kept.end {
            if self.text.get(kept.end..last.start).contains('#') {
                return Err(Refusal::Layout("a comment stands in front of something that has to go"));
            }
            self.push(kept.end..last.end, String::new());
        }
        Ok(())
    }

    /// Puts more parts behind the last that stays.
    fn append(&mut self, parts: &[Range<usize>], is_removed: &[bool], written: &[String]) -> Result<(), Refusal> {
        if written.is_empty() {
            return Ok(());
        }
        let last =
            is_removed.iter().rposition(|removed| !removed).and_then(|at| parts.get(at)).ok_or(Refusal::Other)?;
        let behind = self.text.behind(last.end);
        let has_comma = behind.trim_start().starts_with(',');
        let rest = behind.trim_start().strip_prefix(',').unwrap_or(behind);
        let is_last = parts.last().is_some_and(|one| one.end == last.end);
        let ends_line = rest.trim().is_empty() || rest.trim_start().starts_with('#');
        if !is_blank(self.text.before(last.start)) || !ends_line {
            let comma = self.style.comma();
            self.push(last.end..last.end, format!("{comma}{}", written.join(comma)));
            return Ok(());
        }
        if !is_last {
            return Err(ODD);
        }
        let between = format!(",{}{}", self.text.newline, self.text.indentation(last.start));
        let (first, end) = if has_comma { ("", ",") } else { (",", "") };
        self.push(last.end..last.end, first.to_owned());
        let place = self.text.line_end(last.end);
        let newline = format!("{}{}", self.text.newline, self.text.indentation(last.start));
        self.push(place..place, format!("{newline}{}{end}", written.join(&between)));
        Ok(())
    }
}

/// White space and at most one comma, comments left out.
fn is_separator(text: &str) -> bool {
    let code =
        text.split(['\n', '\r']).map(|line| line.find('#').map_or(line, |at| line.get(..at).unwrap_or_default()));
    let code: String = code.collect();
    code.trim().strip_prefix(',').unwrap_or(code.trim()).trim().is_empty()
}
