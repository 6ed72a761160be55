//! Builtins on strings but `sprintf`, templates and regular expressions. Positions count characters, not bytes.

use super::arguments::{
    elements, integer, number, number_error, object, operand, string, strings, undefined, wrong_type,
};
use super::{Builtin, BuiltinError, CallContext, arithmetic, replacer};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "concat", arity: 2, call: concat },
    Builtin {
        name: "contains",
        arity: 2,
        call: |context, operands| test(context, operands, |text, part| text.contains(part)),
    },
    Builtin {
        name: "endswith",
        arity: 2,
        call: |context, operands| test(context, operands, |text, part| text.ends_with(part)),
    },
    Builtin { name: "format_int", arity: 2, call: format_integer },
    Builtin { name: "indexof", arity: 2, call: index },
    Builtin { name: "indexof_n", arity: 2, call: indices },
    Builtin { name: "lower", arity: 1, call: |context, operands| convert(context, operands, lower) },
    Builtin { name: "replace", arity: 3, call: replace },
    Builtin { name: "split", arity: 2, call: split },
    Builtin {
        name: "startswith",
        arity: 2,
        call: |context, operands| test(context, operands, |text, part| text.starts_with(part)),
    },
    Builtin {
        name: "strings.any_prefix_match",
        arity: 2,
        call: |context, operands| any_prefix(context, operands, str::to_owned),
    },
    Builtin {
        name: "strings.any_suffix_match",
        arity: 2,
        call: |context, operands| any_prefix(context, operands, reversed),
    },
    Builtin { name: "strings.count", arity: 2, call: count },
    Builtin { name: "strings.replace_n", arity: 2, call: replace_all },
    Builtin { name: "strings.reverse", arity: 1, call: |context, operands| convert(context, operands, reversed) },
    Builtin { name: "substring", arity: 3, call: substring },
    Builtin {
        name: "trim",
        arity: 2,
        call: |context, operands| trim(context, operands, |text, set| text.trim_matches(|one| set.contains(one))),
    },
    Builtin {
        name: "trim_left",
        arity: 2,
        call: |context, operands| trim(context, operands, |text, set| text.trim_start_matches(|one| set.contains(one))),
    },
    Builtin {
        name: "trim_prefix",
        arity: 2,
        call: |context, operands| trim(context, operands, |text, prefix| text.strip_prefix(prefix).unwrap_or(text)),
    },
    Builtin {
        name: "trim_right",
        arity: 2,
        call: |context, operands| trim(context, operands, |text, set| text.trim_end_matches(|one| set.contains(one))),
    },
    Builtin {
        name: "trim_space",
        arity: 1,
        call: |context, operands| convert(context, operands, |text| text.trim().to_owned()),
    },
    Builtin {
        name: "trim_suffix",
        arity: 2,
        call: |context, operands| trim(context, operands, |text, suffix| text.strip_suffix(suffix).unwrap_or(text)),
    },
    Builtin { name: "upper", arity: 1, call: |context, operands| convert(context, operands, upper) },
];

fn concat(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let separator = string(operands, 0)?;
    let parts = strings(operands, 1)?;
    let length = parts.iter().map(|part| (part.len() + separator.len()) as u64).sum();
    context.budget.allocate(length)?;
    Ok(Value::from(parts.join(separator)))
}

fn test(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    holds: fn(&str, &str) -> bool,
) -> Result<Value, BuiltinError> {
    let (text, part) = (string(operands, 0)?, string(operands, 1)?);
    context.budget.charge(text.len() as u64 / 16)?;
    Ok(Value::Bool(holds(text, part)))
}

fn convert(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    convert: fn(&str) -> String,
) -> Result<Value, BuiltinError> {
    let text = string(operands, 0)?;
    context.budget.allocate(text.len() as u64)?;
    Ok(Value::from(convert(text)))
}

fn trim(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    trim: for<'a> fn(&'a str, &str) -> &'a str,
) -> Result<Value, BuiltinError> {
    let (text, cut) = (string(operands, 0)?, string(operands, 1)?);
    context.budget.allocate(text.len() as u64)?;
    let trimmed = trim(text, cut);
    // Each character that went was looked for in the whole cut set.
    context.budget.charge((text.len() - trimmed.len()) as u64 * (cut.len() as u64 / 16 + 1))?;
    Ok(if trimmed.len() == text.len() { operand(operands, 0).clone() } else { Value::from(trimmed) })
}

/// Bases 2, 8, 10 and 16; fractions are cut off.
fn format_integer(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (input, base) = (number(operands, 0)?, number(operands, 1)?);
    arithmetic::charge(context, &[input])?;
    let radix = match &*base.text() {
        "2" => 2,
        "8" => 8,
        "10" => 10,
        "16" => 16,
        _ => return Err(undefined("operand 2 must be one of {2, 8, 10, 16}")),
    };
    let integer = input.truncated().map_err(|error| number_error(0, error))?;
    context.budget.allocate(integer.bits())?;
    Ok(Value::from(integer.to_str_radix(radix)))
}

fn index(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, part) = (string(operands, 0)?, searched(operands)?);
    context.budget.charge(text.len() as u64 / 16)?;
    let position = text.find(part).and_then(|offset| text.get(..offset)).map(|before| before.chars().count());
    Ok(position.map_or(Value::from(-1_i64), Value::from))
}

/// All of them, overlapping ones included.
fn indices(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, part) = (string(operands, 0)?, searched(operands)?);
    let mut indices = Vec::new();
    let (mut position, mut rest) = (0, text);
    while let Some(offset) = rest.find(part) {
        context.budget.allocate(24 + offset as u64 / 16)?;
        position += rest.get(..offset).map_or(0, |before| before.chars().count());
        indices.push(Value::from(position));
        let mut behind = rest.get(offset..).unwrap_or_default().chars();
        behind.next();
        position += 1;
        rest = behind.as_str();
    }
    Ok(Value::array(indices))
}

fn searched<'a>(operands: &[&'a Value]) -> Result<&'a str, BuiltinError> {
    match string(operands, 1)? {
        "" => Err(undefined("empty search character")),
        part => Ok(part),
    }
}

/// A negative length means the rest.
fn substring(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, start, length) = (string(operands, 0)?, integer(operands, 1)?, integer(operands, 2)?);
    let start = usize::try_from(start).map_err(|_| undefined("negative offset"))?;
    context.budget.allocate(text.len() as u64)?;
    let offset = |count: usize, text: &str| text.char_indices().nth(count).map_or(text.len(), |(offset, _)| offset);
    let rest = text.get(offset(start, text)..).unwrap_or_default();
    let end = usize::try_from(length).map_or(rest.len(), |length| offset(length, rest));
    Ok(Value::from(rest.get(..end).unwrap_or_default()))
}

fn count(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, part) = (string(operands, 0)?, string(operands, 1)?);
    context.budget.charge(text.len() as u64)?;
    Ok(Value::from(text.matches(part).count()))
}

/// By the empty string: into characters. (OPA 1.10 does not come back from that.)
fn split(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, delimiter) = (string(operands, 0)?, string(operands, 1)?);
    context.budget.allocate(text.len() as u64 + 64)?;
    let mut parts: Vec<Value> = Vec::new();
    if delimiter.is_empty() {
        context.budget.allocate(text.len() as u64 * 48)?;
        parts.extend(text.chars().map(|character| Value::string(character.encode_utf8(&mut [0; 4]))));
    } else {
        for part in text.split(delimiter) {
            context.budget.allocate(48)?;
            parts.push(Value::from(part));
        }
    }
    Ok(Value::array(parts))
}

fn replace(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, old, new) = (string(operands, 0)?, string(operands, 1)?, string(operands, 2)?);
    context.budget.charge(text.len() as u64)?;
    let matches = text.matches(old).count();
    if matches == 0 {
        return Ok(operand(operands, 0).clone());
    }
    context.budget.allocate((text.len() as u64).saturating_add((matches as u64).saturating_mul(new.len() as u64)))?;
    Ok(Value::from(text.replace(old, new)))
}

fn replace_all(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let mut pairs = Vec::new();
    let patterns = object(operands, 0)?;
    let text = string(operands, 1)?;
    for (old, new) in patterns.entries() {
        match (old, new) {
            (Value::String(old), Value::String(new)) => pairs.push((&**old, &**new)),
            (Value::String(_), _) => return Err(undefined("operand 1 non-string value found in pattern object")),
            _ => return Err(undefined("operand 1 non-string key found in pattern object")),
        }
    }
    replacer::replace(context, text, &pairs).map(Value::from)
}

/// Whether one of the first operand's strings begins with one of the second operand's, after `prepare`.
fn any_prefix(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    prepare: fn(&str) -> String,
) -> Result<Value, BuiltinError> {
    let mut texts = one_or_more(context, operands, 0, prepare)?;
    let prefixes = one_or_more(context, operands, 1, prepare)?;
    texts.sort_unstable();
    // Whatever begins with a prefix comes right behind it in the order of texts.
    let holds = prefixes.iter().any(|prefix| {
        let first = texts.partition_point(|text| text < prefix);
        texts.get(first).is_some_and(|text| text.starts_with(prefix.as_str()))
    });
    Ok(Value::Bool(holds))
}

fn one_or_more(
    context: &mut CallContext<'_>,
    operands: &[&Value],
    index: usize,
    prepare: fn(&str) -> String,
) -> Result<Vec<String>, BuiltinError> {
    let texts = match operand(operands, index) {
        Value::String(text) => vec![&**text],
        Value::Array(_) | Value::Set(_) => {
            context.budget.charge(elements(operands, index)?.len() as u64)?;
            strings(operands, index)?
        }
        other => return Err(wrong_type(index, other, "one of {string, set, array}")),
    };
    context.budget.allocate(texts.iter().map(|text| text.len() as u64 + 24).sum())?;
    Ok(texts.into_iter().map(prepare).collect())
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// Character by character as in Go: no final sigma.
fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Only `İ` becomes two characters in full; its simple counterpart is `i`.
    text.chars().map(|character| character.to_lowercase().next().unwrap_or(character)).collect()
}

/// Character by character as in Go: `ß` stays.
fn upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(upper_character).collect()
}

fn upper_character(character: char) -> char {
    let mut full = character.to_uppercase();
    match (full.next(), full.next()) {
        (Some(single), None) => single,
        // Greek letters with iota subscript have a counterpart of one character, though not in full.
        _ => match character {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
                char::from_u32(u32::from(character) + 8).unwrap_or(character)
            }
            '\u{1fb3}' => '\u{1fbc}',
            '\u{1fc3}' => '\u{1fcc}',
            '\u{1ff3}' => '\u{1ffc}',
            _ => character,
        },
    }
}
