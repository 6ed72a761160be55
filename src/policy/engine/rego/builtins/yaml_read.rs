//! Reads the first document of a YAML text into a value, aliases and merges resolved.
//!
//! Aliases share what they stand for; how much a document may grow by them is limited as in go-yaml.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle};

use super::yaml_scalar::{into_value, resolve};
use super::{BuiltinError, CallContext};
use crate::model::value::yaml_scalar::Scalar;
use crate::policy::engine::rego::value::{MAX_DEPTH, Value, owned};

/// The value of a text, or why there is none.
pub(super) fn read(text: &str, context: &mut CallContext<'_>) -> Result<Value, Fault> {
    context.budget.charge(text.len() as u64).map_err(Fault::Stop)?;
    let is_forbidden = |character: char| {
        (character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}'))
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(is_forbidden) {
        return Err(Fault::Text("yaml: control characters are not allowed".to_owned()));
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| Fault::Text(format!("yaml: {error}")))?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        let range = span.byte_range();
        let is_absent = range.as_ref().is_some_and(std::ops::Range::is_empty);
        let is_last = range.is_some_and(|range| range.end == text.len());
        let event = if is_last && !text.ends_with(['\n', '\r']) { without_added_break(event) } else { event };
        reader.event(event, is_absent, context)?;
    }
    Ok(reader.root.unwrap_or(Value::Null))
}

/// A block of text at the end of a document that ends without a line break has none either.
fn without_added_break(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Scalar(text, style @ (ScalarStyle::Literal | ScalarStyle::Folded), anchor, tag) => {
            let text = text.strip_suffix('\n').map(str::to_owned).map_or(text, Cow::Owned);
            Event::Scalar(text, style, anchor, tag)
        }
        other => other,
    }
}

/// Why a text could not be read.
pub(super) enum Fault {
    Text(String),
    /// A limit of the evaluation was reached.
    Stop(BuiltinError),
}

fn fault<T>(text: &str) -> Result<T, Fault> {
    Err(Fault::Text(format!("yaml: {text}")))
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    /// Finished nodes that have an anchor.
    anchors: HashMap<usize, Finished>,
    root: Option<Value>,
    /// Nodes so far, those that aliases stand for included, and how many of them aliases stand for.
    nodes: u64,
    by_alias: u64,
}

/// A collection that is being read.
struct Open {
    anchor: usize,
    size: u64,
    content: Content,
}

enum Content {
    Sequence(Vec<Value>),
    Mapping { entries: Vec<(Value, Value)>, key: Option<Key> },
}

enum Key {
    Merge,
    Plain(Value),
}

/// A node that has been read.
#[derive(Clone)]
struct Finished {
    node: Node,
    /// How many nodes it is made of.
    size: u64,
}

#[derive(Clone)]
enum Node {
    Scalar { scalar: Scalar<'static>, is_merge: bool },
    Collection(Value),
}

impl Reader {
    fn event(&mut self, event: Event<'_>, is_absent: bool, context: &mut CallContext<'_>) -> Result<(), Fault> {
        match event {
            Event::SequenceStart(_, anchor, _) => self.start(anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.start(anchor, Content::Mapping { entries: Vec::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(),
            Event::Alias(anchor) => {
                let Some(finished) = self.anchors.get(&anchor).cloned() else {
                    return fault("anchor value contains itself");
                };
                context.budget.charge(finished.size).map_err(Fault::Stop)?;
                self.count_alias(finished.size)?;
                // A merge key is written out, never an alias.
                let node = match finished.node {
                    Node::Scalar { scalar, .. } => Node::Scalar { scalar, is_merge: false },
                    collection => collection,
                };
                return self.finish(Finished { node, ..finished }, 0, true);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                let is_plain = style == ScalarStyle::Plain;
                // A value that is not there is reported as a tilde that takes no room.
                let text = if is_plain && is_absent { Cow::Borrowed("") } else { text };
                let may_merge = tag.as_deref().map_or(is_plain, |tag| tag == "tag:yaml.org,2002:merge");
                let is_merge = may_merge && text == "<<";
                let Some(scalar) = resolve(text, tag.as_deref(), is_plain) else {
                    return fault("cannot decode a value as what its tag says");
                };
                self.nodes += 1;
                let node = Node::Scalar { scalar: scalar.into_owned(), is_merge };
                return self.finish(Finished { node, size: 1 }, anchor, false);
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, content: Content) {
        self.nodes += 1;
        self.open.push(Open { anchor, size: 1, content });
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open { anchor, size, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::Sequence(items) => Value::array(items),
            Content::Mapping { entries, .. } => Value::object(entries),
        };
        self.finish(Finished { node: Node::Collection(value), size }, anchor, false)
    }

    /// Puts a node where it belongs.
    fn finish(&mut self, finished: Finished, anchor: usize, is_alias: bool) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, finished.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(finished.node.into_value()?);
            return Ok(());
        };
        open.size += finished.size;
        match &mut open.content {
            Content::Sequence(items) => items.push(finished.node.into_value()?),
            Content::Mapping { entries, key } => match key.take() {
                None => *key = Some(finished.node.into_key()?),
                Some(Key::Plain(name)) => entries.push((name, finished.node.into_value()?)),
                Some(Key::Merge) => merge(entries, finished.node.into_value()?, is_alias)?,
            },
        }
        Ok(())
    }

    /// go-yaml's measure against small texts that stand for huge documents: the more nodes there are, the fewer of them
    /// may come from aliases; 99 of 100 up to 400,000, 10 of 100 from 4,000,000.
    fn count_alias(&mut self, size: u64) -> Result<(), Fault> {
        const FEW: f64 = 400_000.0;
        const MANY: f64 = 4_000_000.0;
        self.nodes = self.nodes.saturating_add(1 + size);
        self.by_alias = self.by_alias.saturating_add(size);
        let nodes = self.nodes as f64;
        let allowed = 0.99 - 0.89 * ((nodes - FEW) / (MANY - FEW)).clamp(0.0, 1.0);
        if self.by_alias > 100 && self.nodes > 1000 && self.by_alias as f64 / nodes > allowed {
            return fault("document contains excessive aliasing");
        }
        Ok(())
    }
}

impl Node {
    fn into_value(self) -> Result<Value, Fault> {
        match self {
            Self::Scalar { scalar, .. } => into_value(scalar).map_or_else(|| fault("json: unsupported value"), Ok),
            Self::Collection(value) => Ok(value),
        }
    }

    fn into_key(self) -> Result<Key, Fault> {
        match self {
            Self::Scalar { is_merge: true, .. } => Ok(Key::Merge),
            Self::Scalar { scalar, .. } => {
                scalar.into_key().map_or_else(|| fault("unsupported map key"), |key| Ok(Key::Plain(Value::string(key))))
            }
            Self::Collection(_) => fault("invalid map key"),
        }
    }
}

/// Adds the entries of a mapping, or of those in a sequence, the first of them counting most. What was there before is
/// replaced: the order in the text decides.
fn merge(entries: &mut Vec<(Value, Value)>, value: Value, is_alias: bool) -> Result<(), Fault> {
    let sources = match &value {
        Value::Array(items) if !is_alias => items.as_slice(),
        _ => std::slice::from_ref(&value),
    };
    for source in sources.iter().rev() {
        let Value::Object(source) = source else {
            return fault("map merge requires map or sequence of maps as the value");
        };
        entries.extend(source.entries().iter().map(owned));
    }
    Ok(())
}
