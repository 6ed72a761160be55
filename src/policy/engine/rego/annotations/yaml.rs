//! YAML as go-yaml v3 reads it, which OPA reads annotations with; `yaml.unmarshal` goes by v2 and is read elsewhere.
//!
//! Nodes stay as written until it is known what they are wanted as: `title: 1` is text, and `yes` is a boolean only where
//! one is asked for. Aliases are written out, up to a bound that no annotation needs. What the parser does not tell
//! exactly enough is refused.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle};

use crate::model::value::yaml_scalar::{Scalar, resolve_plain};
use crate::policy::engine::rego::builtins::timestamp;
use crate::policy::engine::rego::value::{Number, Value, format_float};

/// Deeper annotations would make the tree of a module deeper than its own bound.
const MAX_DEPTH: usize = 32;

/// More nodes than this come from aliases of aliases only.
const MAX_NODES: usize = 100_000;

const TAGS: &str = "tag:yaml.org,2002:";

/// A part of a document.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Scalar {
        text: String,
        /// Without go-yaml's prefix.
        tag: Option<String>,
        is_plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// What a scalar stands for where anything may stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Bool(bool),
    Text(String),
    /// A date or time, as JSON has it.
    Moment(String),
    /// Of an integer or a float, as JSON has it; none for one that JSON does not have.
    Number(Option<Number>),
}

/// The first document of a text; nothing for an empty one.
pub(super) fn read(text: &str) -> Result<Option<Node>, String> {
    let is_forbidden = |character: char| {
        (character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}'))
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(is_forbidden) {
        return Err("yaml: control characters are not allowed".to_owned());
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| format!("yaml: {error}"))?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        reader.event(event, span.byte_range().is_some_and(|range| range.is_empty()))?;
    }
    Ok(reader.root)
}

#[derive(Default)]
struct Reader {
    open: Vec<(usize, Open)>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    nodes: usize,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>, Option<Node>),
}

impl Reader {
    fn event(&mut self, event: Event<'_>, is_absent: bool) -> Result<(), String> {
        match event {
            Event::SequenceStart(_, anchor, _) => self.open.push((anchor, Open::Sequence(Vec::new()))),
            Event::MappingStart(_, anchor, _) => self.open.push((anchor, Open::Mapping(Vec::new(), None))),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((anchor, open)) = self.open.pop() else { return Ok(()) };
                let node = match open {
                    Open::Sequence(items) => Node::Sequence(items),
                    Open::Mapping(entries, _) => Node::Mapping(entries),
                };
                return self.finish(node, anchor);
            }
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let (node, size) = found.ok_or("yaml: anchor value contains itself")?;
                self.nodes = self.nodes.saturating_add(size);
                return self.finish(node, 0);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()));
                let tag = tag.map(|tag| tag.strip_prefix(TAGS).map_or(tag.clone(), str::to_owned));
                let is_plain = style == ScalarStyle::Plain;
                // A value that is not there is reported as a tilde that takes no room.
                let text = if is_plain && is_absent { Cow::Borrowed("") } else { text };
                return self.finish(Node::Scalar { text: text.into_owned(), tag, is_plain }, anchor);
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return Err("yaml: document contains excessive aliasing".to_owned());
        }
        if anchor != 0 {
            let size = node.size();
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((_, Open::Sequence(items))) => items.push(node),
            Some((_, Open::Mapping(entries, key))) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

impl Node {
    fn size(&self) -> usize {
        1 + match self {
            Self::Scalar { .. } => 0,
            Self::Sequence(items) => items.iter().map(Self::size).sum(),
            Self::Mapping(entries) => entries.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }

    /// What a scalar stands for; none for collections.
    pub(super) fn meaning(&self) -> Result<Option<Meaning>, String> {
        let Self::Scalar { text, tag, is_plain } = self else { return Ok(None) };
        let plain = || plain_meaning(text);
        let meaning = match tag.as_deref() {
            None if *is_plain => plain(),
            Some("binary") => return Err("yaml: binary values are not supported".to_owned()),
            Some(tag @ ("bool" | "int" | "float" | "null" | "timestamp")) => match (tag, plain()) {
                ("bool", meaning @ Meaning::Bool(_))
                | ("null", meaning @ Meaning::Null)
                | ("timestamp", meaning @ Meaning::Moment(_)) => meaning,
                ("int", meaning @ Meaning::Number(_)) if is_integer(text) => meaning,
                ("float", meaning @ Meaning::Number(_)) => meaning,
                _ => return Err(format!("yaml: cannot decode `{text}` as a !!{tag}")),
            },
            // Text in quotes, and tags that nobody knows.
            _ => Meaning::Text(text.clone()),
        };
        Ok(Some(meaning))
    }

    /// As text, whatever the scalar would otherwise be; nothing for null.
    pub(super) fn text(&self) -> Result<Option<&str>, String> {
        match (self.meaning()?, self) {
            (Some(Meaning::Null), _) => Ok(None),
            (Some(_), Self::Scalar { text, .. }) => Ok(Some(text)),
            _ => Err("yaml: cannot unmarshal a collection into a string".to_owned()),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, String> {
        match self.meaning()? {
            None => Err("yaml: cannot unmarshal a collection into a boolean".to_owned()),
            Some(Meaning::Null) => Ok(false),
            Some(Meaning::Bool(boolean)) => Ok(boolean),
            Some(Meaning::Text(text)) => match text.as_str() {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(true),
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(false),
                _ => Err(format!("yaml: cannot unmarshal `{text}` into a boolean")),
            },
            Some(Meaning::Moment(_) | Meaning::Number(_)) => {
                Err("yaml: cannot unmarshal a scalar into a boolean".to_owned())
            }
        }
    }

    /// The items of a sequence; none for null.
    pub(super) fn items(&self) -> Result<&[Self], String> {
        match (self.meaning()?, self) {
            (_, Self::Sequence(items)) => Ok(items),
            (Some(Meaning::Null), _) => Ok(&[]),
            _ => Err("yaml: expected a sequence".to_owned()),
        }
    }

    /// The entries of a mapping with merged ones, keys being text whatever they look like; nothing for null.
    pub(super) fn fields(&self) -> Result<Option<Vec<(&str, &Self)>>, String> {
        let entries = match (self.meaning()?, self) {
            (Some(Meaning::Null), _) => return Ok(None),
            (_, Self::Mapping(entries)) => entries,
            _ => return Err("yaml: expected a mapping".to_owned()),
        };
        check_unique(entries)?;
        let mut fields: Vec<(&str, &Self)> = Vec::new();
        let mut merged = None;
        for (key, value) in entries {
            if key.is_merge() {
                merged = Some(value);
            } else if let Some(key) = key.text()? {
                fields.push((key, value));
            }
        }
        for source in merged.map_or(Ok([].as_slice()), Self::merge_sources)? {
            for (key, value) in source.fields()?.unwrap_or_default() {
                if fields.iter().all(|(known, _)| *known != key) {
                    fields.push((key, value));
                }
            }
        }
        Ok(Some(fields))
    }

    fn merge_sources(&self) -> Result<&[Self], String> {
        match self {
            Self::Mapping(_) => Ok(std::slice::from_ref(self)),
            Self::Sequence(items) if items.iter().all(|item| matches!(item, Self::Mapping(_))) => Ok(items),
            _ => Err("yaml: map merge requires map or sequence of maps as the value".to_owned()),
        }
    }

    fn is_merge(&self) -> bool {
        let Self::Scalar { text, tag, is_plain } = self else { return false };
        text == "<<"
            && match tag.as_deref() {
                None => *is_plain,
                Some(tag) => tag == "merge",
            }
    }

    /// Whether all keys of a mapping, and of the mappings in it, are text; of what is below such a mapping nothing is
    /// said.
    pub(super) fn has_text_keys(&self) -> Result<bool, String> {
        Ok(match self {
            Self::Scalar { .. } => true,
            Self::Sequence(items) => {
                for item in items {
                    if !item.has_text_keys()? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Mapping(entries) => {
                for (key, _) in entries {
                    if !key.is_merge() && !matches!(key.meaning()?, Some(Meaning::Text(_))) {
                        return Ok(false);
                    }
                }
                true
            }
        })
    }

    /// As a value. What stands in a mapping with keys that are no text is none.
    pub(super) fn to_value(&self) -> Result<Value, String> {
        if !self.has_text_keys()? {
            return Err("ast: interface conversion: json: unsupported type".to_owned());
        }
        match (self.meaning()?, self) {
            (_, Self::Sequence(items)) => Ok(Value::array(items.iter().map(Self::to_value).collect::<Result<_, _>>()?)),
            (Some(Meaning::Bool(boolean)), _) => Ok(Value::Bool(boolean)),
            (Some(Meaning::Text(text) | Meaning::Moment(text)), _) => Ok(Value::string(text)),
            (Some(Meaning::Number(number)), _) => {
                number.map(Value::Number).ok_or_else(|| "json: unsupported value".to_owned())
            }
            (None, Self::Mapping(_)) => {
                let fields = self.fields()?.unwrap_or_default();
                let entry = |(key, value): (&str, &Self)| Ok((Value::string(key), value.to_value()?));
                Ok(Value::object(fields.into_iter().map(entry).collect::<Result<_, String>>()?))
            }
            (Some(Meaning::Null) | None, _) => Ok(Value::Null),
        }
    }

    /// Refuses what go-yaml refuses while it reads the node as anything.
    pub(super) fn check(&self) -> Result<(), String> {
        self.meaning()?;
        match self {
            Self::Scalar { .. } => Ok(()),
            Self::Sequence(items) => items.iter().try_for_each(Self::check),
            Self::Mapping(entries) => {
                check_unique(entries)?;
                for (key, value) in entries {
                    if key.is_merge() {
                        value.merge_sources()?;
                    } else if !matches!(key, Self::Scalar { .. }) {
                        return Err("yaml: invalid map key".to_owned());
                    }
                    key.check()?;
                    value.check()?;
                }
                Ok(())
            }
        }
    }
}

fn check_unique(entries: &[(Node, Node)]) -> Result<(), String> {
    let mut known: Vec<&str> = Vec::new();
    for (key, _) in entries {
        let Node::Scalar { text, .. } = key else { continue };
        if known.contains(&text.as_str()) {
            return Err(format!("yaml: mapping key \"{text}\" already defined"));
        }
        known.push(text);
    }
    Ok(())
}

/// Of a scalar without quotes and tag.
fn plain_meaning(text: &str) -> Meaning {
    if let Some(moment) = timestamp(text) {
        return Meaning::Moment(moment);
    }
    match resolve_plain(Cow::Borrowed(text)) {
        Scalar::Null => Meaning::Null,
        Scalar::Bool(boolean) if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") => {
            Meaning::Bool(boolean)
        }
        Scalar::Bool(_) => Meaning::Text(text.to_owned()),
        Scalar::Integer(integer) => Meaning::Number(Some(Number::Int(integer))),
        // OPA takes the bits for a signed integer.
        Scalar::Unsigned(integer) => Meaning::Number(Some(Number::Int(integer.cast_signed()))),
        Scalar::Float(float) if float.is_finite() => Meaning::Number(Number::parse(&format_float(float, b'g', None))),
        Scalar::Float(_) => Meaning::Number(None),
        Scalar::Text(text) => Meaning::Text(text.into_owned()),
    }
}

fn is_integer(text: &str) -> bool {
    matches!(resolve_plain(Cow::Borrowed(text)), Scalar::Integer(_) | Scalar::Unsigned(_))
}
