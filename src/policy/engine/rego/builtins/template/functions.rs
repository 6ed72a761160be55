//! What templates do with values: print, test, count, compare them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::parse::syntax;
use super::run::Item;
use crate::policy::engine::rego::builtins::encoding::escape as encode_query;
use crate::policy::engine::rego::builtins::sprintf::{self, Argument};
use crate::policy::engine::rego::builtins::{BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Value, format_float, is_printable};

pub(super) fn call(context: &mut CallContext<'_>, name: &str, items: &[Item]) -> Result<Item, BuiltinError> {
    context.budget.charge(16)?;
    match (name, items) {
        ("not", [item]) => Ok(Item::Bool(!is_true(item))),
        ("len", [item]) => length(item),
        ("index", [item, steps @ ..]) => steps.iter().try_fold(item.clone(), |item, step| index(&item, step)),
        ("slice", [item, bounds @ ..]) if bounds.len() <= 2 => slice(item, bounds),
        ("print", _) => print(context, items).map(Item::Text),
        ("println", _) => print_line(context, items).map(Item::Text),
        ("printf", [format, arguments @ ..]) => {
            let format = string(format).ok_or_else(|| syntax("printf needs a format"))?;
            check_verbs(&format, arguments)?;
            let arguments: Vec<Argument<'_>> = arguments.iter().map(argument).collect();
            sprintf::format_all(context.budget, &format, &arguments).map(Item::Text)
        }
        ("eq", [first, rest @ ..]) if !rest.is_empty() => {
            let mut is_equal = false;
            for other in rest {
                is_equal = is_equal || compare(first, other, true)?.is_eq();
            }
            Ok(Item::Bool(is_equal))
        }
        ("ne", [one, other]) => Ok(Item::Bool(compare(one, other, true)?.is_ne())),
        ("lt", [one, other]) => Ok(Item::Bool(compare(one, other, false)?.is_lt())),
        ("le", [one, other]) => Ok(Item::Bool(compare(one, other, false)?.is_le())),
        ("gt", [one, other]) => Ok(Item::Bool(compare(one, other, false)?.is_gt())),
        ("ge", [one, other]) => Ok(Item::Bool(compare(one, other, false)?.is_ge())),
        ("html", _) => escaped(context, items, |text| replaced(text, html_escape)),
        ("js", _) => escaped(context, items, |text| replaced(text, script_escape)),
        ("urlquery", _) => escaped(context, items, encode_query),
        _ => Err(syntax("function is not known or has the wrong number of arguments")),
    }
}

/// As `fmt.Print` does: maps are `map[a:1]`, arrays `[1 2]`, null is `<no value>` alone and `<nil>` inside.
pub(super) fn text(item: &Item) -> String {
    match item {
        Item::Data(Value::Null) => "<no value>".to_owned(),
        Item::Data(value) => data_text(value),
        Item::Int(integer) => integer.to_string(),
        Item::Float(float) => format_float(*float, b'g', None),
        Item::Text(text) => text.clone(),
        Item::Bool(boolean) => boolean.to_string(),
    }
}

fn data_text(value: &Value) -> String {
    enum Step<'a> {
        Value(&'a Value),
        Text(&'a str),
    }
    let mut output = String::new();
    let mut pending = vec![Step::Value(value)];
    while let Some(step) = pending.pop() {
        match step {
            Step::Text(text) => output.push_str(text),
            Step::Value(Value::Null) => output.push_str("<nil>"),
            Step::Value(Value::String(text)) => output.push_str(text),
            Step::Value(Value::Array(array)) => {
                output.push('[');
                pending.push(Step::Text("]"));
                for (index, item) in array.iter().enumerate().rev() {
                    pending.push(Step::Value(item));
                    pending.push(Step::Text(if index > 0 { " " } else { "" }));
                }
            }
            Step::Value(Value::Object(object)) => {
                output.push_str("map[");
                pending.push(Step::Text("]"));
                for (index, (key, item)) in (0..object.len()).rev().zip(object.entries().reversed()) {
                    pending.extend([Step::Value(item), Step::Text(":"), Step::Value(key)]);
                    pending.push(Step::Text(if index > 0 { " " } else { "" }));
                }
            }
            Step::Value(scalar) => output.push_str(&scalar.to_string()),
        }
    }
    output
}

/// Everything but zero, emptiness, false and null. A number of the data is a text, so 0 counts as true.
pub(super) fn is_true(item: &Item) -> bool {
    match item {
        Item::Data(Value::Null) => false,
        Item::Data(Value::Bool(boolean)) | Item::Bool(boolean) => *boolean,
        Item::Data(Value::Number(_)) => true,
        Item::Data(Value::String(text)) => !text.is_empty(),
        Item::Data(Value::Array(array)) => !array.is_empty(),
        Item::Data(Value::Object(object)) => !object.is_empty(),
        Item::Data(Value::Set(set)) => !set.is_empty(),
        Item::Int(integer) => *integer != 0,
        Item::Float(float) => *float != 0.0,
        Item::Text(text) => !text.is_empty(),
    }
}

/// What `range` goes over, with indices or keys.
pub(super) fn range_over(context: &mut CallContext<'_>, item: &Item) -> Result<Vec<(Item, Item)>, BuiltinError> {
    match item {
        Item::Data(Value::Array(array)) => {
            context.budget.allocate(array.len() as u64 * 128)?;
            let items = array.iter().zip(0..);
            Ok(items.map(|(item, index)| (Item::Int(index), Item::Data(item.clone()))).collect())
        }
        Item::Data(Value::Object(object)) => {
            context.budget.allocate(object.len() as u64 * 128)?;
            let entries = object.entries().iter();
            Ok(entries.map(|(key, item)| (Item::Data(key.clone()), Item::Data(item.clone()))).collect())
        }
        Item::Data(Value::Null) => Ok(Vec::new()),
        Item::Int(count) => {
            let count = (*count).max(0);
            context.budget.allocate(count.unsigned_abs().saturating_mul(128))?;
            Ok((0..count).map(|index| (Item::Int(index), Item::Int(index))).collect())
        }
        _ => Err(syntax("range can't iterate over it")),
    }
}

fn length(item: &Item) -> Result<Item, BuiltinError> {
    let length = match item {
        Item::Data(Value::Array(array)) => array.len(),
        Item::Data(Value::Object(object)) => object.len(),
        other => string(other).ok_or_else(|| syntax("len of a value that has none"))?.len(),
    };
    i64::try_from(length).map(Item::Int).map_err(|_| syntax("too long"))
}

fn index(item: &Item, step: &Item) -> Result<Item, BuiltinError> {
    let position = |length: usize| match step {
        Item::Int(index) => usize::try_from(*index).ok().filter(|index| *index < length),
        _ => None,
    };
    match item {
        Item::Data(Value::Array(array)) => position(array.len())
            .and_then(|index| array.get(index))
            .cloned()
            .map(Item::Data)
            .ok_or_else(|| syntax("index out of range")),
        // A key that is missing gives nothing, which is printed so.
        Item::Data(Value::Object(object)) => match step {
            Item::Data(Value::String(key)) => Ok(Item::Data(object.get_str(key).cloned().unwrap_or(Value::Null))),
            Item::Text(key) => Ok(Item::Data(object.get_str(key).cloned().unwrap_or(Value::Null))),
            _ => Err(syntax("wrong type of key")),
        },
        other => {
            let text = string(other).ok_or_else(|| syntax("can't index it"))?;
            let byte = position(text.len()).and_then(|index| text.as_bytes().get(index).copied());
            byte.map(|byte| Item::Int(i64::from(byte))).ok_or_else(|| syntax("index out of range"))
        }
    }
}

fn slice(item: &Item, bounds: &[Item]) -> Result<Item, BuiltinError> {
    let out_of_range = || syntax("slice index out of range");
    let bound = |index: usize, default: usize| match bounds.get(index) {
        None => Ok(default),
        Some(Item::Int(bound)) => usize::try_from(*bound).map_err(|_| out_of_range()),
        Some(_) => Err(syntax("cannot index slice with it")),
    };
    match item {
        Item::Data(Value::Array(array)) => {
            let range = bound(0, 0)?..bound(1, array.len())?;
            array.get(range).map(|items| Item::Data(Value::array(items.to_vec()))).ok_or_else(out_of_range)
        }
        Item::Data(Value::String(_) | Value::Number(_)) | Item::Text(_) => {
            let text = text(item);
            let range = bound(0, 0)?..bound(1, text.len())?;
            let bytes = text.as_bytes().get(range).ok_or_else(out_of_range)?;
            Ok(Item::Text(String::from_utf8_lossy(bytes).into_owned()))
        }
        _ => Err(syntax("can't slice it")),
    }
}

/// Strings and numbers of the data are Go strings.
fn string(item: &Item) -> Option<String> {
    match item {
        Item::Data(Value::String(_) | Value::Number(_)) | Item::Text(_) => Some(text(item)),
        _ => None,
    }
}

fn compare(one: &Item, other: &Item, is_equality: bool) -> Result<Ordering, BuiltinError> {
    let boolean = |item: &Item| match item {
        Item::Data(Value::Bool(boolean)) | Item::Bool(boolean) => Some(*boolean),
        _ => None,
    };
    match (one, other) {
        (Item::Int(one), Item::Int(other)) => return Ok(one.cmp(other)),
        (Item::Float(one), Item::Float(other)) => return one.partial_cmp(other).ok_or_else(|| syntax("incomparable")),
        (Item::Data(Value::Null), Item::Data(Value::Null)) if is_equality => return Ok(Ordering::Equal),
        _ => {}
    }
    if let (Some(one), Some(other)) = (boolean(one), boolean(other))
        && is_equality
    {
        return Ok(one.cmp(&other));
    }
    match (string(one), string(other)) {
        (Some(one), Some(other)) => Ok(one.cmp(&other)),
        // Null equals nothing else, but may be compared.
        _ if is_equality && [one, other].contains(&&Item::Data(Value::Null)) => Ok(Ordering::Less),
        _ => Err(syntax("incompatible types for comparison")),
    }
}

/// With spaces between operands of which neither is a text.
fn print(context: &mut CallContext<'_>, items: &[Item]) -> Result<String, BuiltinError> {
    let mut output = String::new();
    let mut was_text = true;
    for item in items {
        let is_text = string(item).is_some();
        let space = if is_text || was_text { "" } else { " " };
        let text = inner_text(item);
        context.budget.allocate(text.len() as u64 + 1)?;
        output.push_str(space);
        output.push_str(&text);
        was_text = is_text;
    }
    Ok(output)
}

fn print_line(context: &mut CallContext<'_>, items: &[Item]) -> Result<String, BuiltinError> {
    let texts: Vec<String> = items.iter().map(inner_text).collect();
    context.budget.allocate(texts.iter().map(|text| text.len() as u64 + 1).sum())?;
    Ok(texts.join(" ") + "\n")
}

fn inner_text(item: &Item) -> String {
    if *item == Item::Data(Value::Null) { "<nil>".to_owned() } else { text(item) }
}

fn escaped(context: &mut CallContext<'_>, items: &[Item], escape: fn(&str) -> String) -> Result<Item, BuiltinError> {
    let shown = |item: &Item| if *item == Item::Data(Value::Null) { Item::Text(text(item)) } else { item.clone() };
    let text = print(context, &items.iter().map(shown).collect::<Vec<_>>())?;
    context.budget.allocate(text.len() as u64 * 6)?;
    Ok(Item::Text(escape(&text)))
}

fn replaced(text: &str, escape: fn(char) -> Option<Cow<'static, str>>) -> String {
    let mut output = String::new();
    for character in text.chars() {
        match escape(character) {
            Some(escaped) => output.push_str(&escaped),
            None => output.push(character),
        }
    }
    output
}

fn html_escape(character: char) -> Option<Cow<'static, str>> {
    let escaped = match character {
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\0' => "\u{fffd}",
        _ => return None,
    };
    Some(Cow::Borrowed(escaped))
}

/// For texts within JavaScript's quotes.
fn script_escape(character: char) -> Option<Cow<'static, str>> {
    match character {
        '\\' => Some(Cow::Borrowed("\\\\")),
        '\'' => Some(Cow::Borrowed("\\'")),
        '"' => Some(Cow::Borrowed("\\\"")),
        '<' | '>' | '&' | '=' | '\0'..' ' => Some(Cow::Owned(format!("\\u{:04X}", u32::from(character)))),
        _ if character.is_ascii() || is_printable(character) => None,
        _ => Some(Cow::Owned(format!("\\u{:04X}", u32::from(character)))),
    }
}

/// Booleans, null and collections are handed to `printf` as text, which is right for a plain `%v`; other verbs stop the
/// evaluation rather than give another text than Go's.
fn check_verbs(format: &str, arguments: &[Item]) -> Result<(), BuiltinError> {
    let is_plain =
        |item: &Item| !matches!(item, Item::Bool(_)) && (string(item).is_some() || !matches!(item, Item::Data(_)));
    let only_prints = || format.replace("%%", "").split('%').skip(1).all(|verb| verb.starts_with('v'));
    if arguments.iter().all(is_plain) || only_prints() {
        return Ok(());
    }
    Err(BuiltinError::Halt("template: printf of a boolean, null or a collection needs %v".to_owned()))
}

fn argument(item: &Item) -> Argument<'_> {
    match item {
        Item::Int(integer) => Argument::Int(*integer),
        Item::Float(float) => Argument::Float(*float),
        other => Argument::Text(inner_text(other).into()),
    }
}
