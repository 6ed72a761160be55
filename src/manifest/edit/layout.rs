//! How a document is laid out: [`style_of`].

use super::render::Style;
use super::text::{Text, is_blank};
use crate::manifest::json;
use crate::manifest::source::Position;
use crate::manifest::span_tree::{Content, Node, SpanTree};
use crate::manifest::split::Segment;

/// Indentation where nothing in a document says another one.
const USUAL: usize = 2;

/// The style of what is there.
pub(super) fn style_of(segment: &Segment<'_>, tree: &SpanTree, text: Text<'_>) -> Style {
    let body = segment.body().0;
    let is_json = body.trim_start().starts_with(['{', '[']) && json::read(body, Position::START, false).is_ok();
    let (unit, dash) = if is_json { (None, None) } else { block_steps(tree, text) };
    let root = tree.node(tree.root());
    let first = root.and_then(|root| first_part(tree, root)).map(|span| text.offset(span));
    let on_own_line = first.filter(|first| is_blank(text.before(*first)) && root_is_above(root, text, *first));
    let outer = root.map_or("", |root| text.indentation(text.offset(root.span.start)));
    let json_unit = on_own_line.map(|first| text.before(first)).and_then(|inner| inner.strip_prefix(outer));
    Style {
        is_json,
        is_pretty: on_own_line.is_some(),
        is_spaced: is_spaced(tree, text),
        json_unit: json_unit.filter(|unit| !unit.is_empty()).unwrap_or("  ").to_owned(),
        unit: unit.unwrap_or(USUAL),
        dash: dash.unwrap_or(unit.unwrap_or(USUAL).min(USUAL)),
        newline: text.newline,
        has_literals: text.from(0).ends_with(['\n', '\r']),
    }
}

fn root_is_above(root: Option<&Node>, text: Text<'_>, first: usize) -> bool {
    root.is_some_and(|root| text.line_end(text.offset(root.span.start)) < first)
}

fn first_part(tree: &SpanTree, node: &Node) -> Option<Position> {
    match &node.content {
        Content::Mapping(entries) => entries.first().map(|entry| entry.key_span.start),
        Content::Sequence(items) => tree.node(*items.first()?).map(|item| item.span.start),
        Content::Scalar { .. } | Content::Alias(_) => None,
    }
}

/// Whether the first colon of a JSON text has a blank behind it.
fn is_spaced(tree: &SpanTree, text: Text<'_>) -> bool {
    let first = tree.nodes().find_map(|node| match &node.content {
        Content::Mapping(entries) => entries.first(),
        _ => None,
    });
    let behind = first.map(|entry| text.from(text.offset(entry.key_span.end)).trim_start());
    behind.is_none_or(|behind| behind.strip_prefix(':').is_none_or(|rest| rest.starts_with(char::is_whitespace)))
}

/// By how many columns mappings, and lists below keys, are indented where they are first.
fn block_steps(tree: &SpanTree, text: Text<'_>) -> (Option<usize>, Option<usize>) {
    let (mut unit, mut dash) = (None, None);
    let mut waiting = vec![tree.root()];
    while let Some(node) = waiting.pop().and_then(|id| tree.node(id)) {
        match &node.content {
            Content::Mapping(entries) => {
                for entry in entries.iter().rev().filter(|entry| !entry.is_merged) {
                    waiting.push(entry.value);
                }
                let own = entries.iter().filter(|entry| !entry.is_merged);
                for (entry, value) in own.filter_map(|entry| Some((entry, tree.node(entry.value)?))) {
                    let start = text.offset(value.span.start);
                    if value.span.start.line <= entry.key_span.start.line || text.from(start).starts_with(['{', '[']) {
                        continue;
                    }
                    let key = text.column(text.offset(entry.key_span.start));
                    let step = text.column(start).checked_sub(key);
                    match value.content {
                        Content::Mapping(_) => unit = unit.or(step.filter(|step| *step > 0)),
                        Content::Sequence(_) => dash = dash.or(step),
                        Content::Scalar { .. } | Content::Alias(_) => {}
                    }
                }
            }
            Content::Sequence(items) => waiting.extend(items.iter().rev().copied()),
            Content::Scalar { .. } | Content::Alias(_) => {}
        }
        if unit.is_some() && dash.is_some() {
            break;
        }
    }
    (unit, dash)
}
