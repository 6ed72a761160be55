//! `regex.*` and `re_match`, but `regex.globs_match`.

use regex::{Captures, Regex};

use super::arguments::{integer, operand, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::model::go_regex::compile;
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "regex.match", arity: 2, call: is_match },
    Builtin { name: "re_match", arity: 2, call: is_match },
    Builtin { name: "regex.is_valid", arity: 1, call: is_valid },
    Builtin { name: "regex.split", arity: 2, call: split },
    Builtin { name: "regex.find_n", arity: 3, call: find },
    Builtin { name: "regex.find_all_string_submatch_n", arity: 3, call: find_groups },
    Builtin { name: "regex.replace", arity: 3, call: replace },
    Builtin { name: "regex.template_match", arity: 4, call: template_match },
];

fn is_match(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (pattern, text) = (string(operands, 0)?, string(operands, 1)?);
    let regex = context.caches.regex(pattern)?;
    charge_search(context, pattern, text)?;
    Ok(Value::Bool(regex.is_match(text)))
}

fn is_valid(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    match operand(operands, 0).as_str() {
        Some(pattern) => Ok(Value::Bool(context.caches.regex(pattern).is_ok())),
        None => Ok(Value::Bool(false)),
    }
}

/// A match at the very beginning that is empty separates nothing.
fn split(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (pattern, text) = (string(operands, 0)?, string(operands, 1)?);
    let regex = context.caches.regex(pattern)?;
    charge_search(context, pattern, text)?;
    if text.is_empty() && !pattern.is_empty() {
        return Ok(Value::array(vec![Value::from("")]));
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find_iter(text) {
        context.budget.allocate(48 + (found.end() - begin) as u64)?;
        end = found.start();
        if found.end() != 0 {
            parts.push(Value::from(text.get(begin..end).unwrap_or_default()));
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(Value::from(text.get(begin..).unwrap_or_default()));
    }
    Ok(Value::array(parts))
}

/// At most so many matches; all of them if the number is negative.
fn find(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (pattern, text, limit) = (string(operands, 0)?, string(operands, 1)?, limit(operands, 2)?);
    let regex = context.caches.regex(pattern)?;
    charge_search(context, pattern, text)?;
    let mut matches = Vec::new();
    for found in regex.find_iter(text).take(limit) {
        context.budget.allocate(48 + found.len() as u64)?;
        matches.push(Value::from(found.as_str()));
    }
    Ok(Value::array(matches))
}

/// Each match as an array of itself and its groups; groups that took no part are empty.
fn find_groups(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (pattern, text, limit) = (string(operands, 0)?, string(operands, 1)?, limit(operands, 2)?);
    let regex = context.caches.regex(pattern)?;
    charge_search(context, pattern, text)?;
    let mut matches = Vec::new();
    for captures in regex.captures_iter(text).take(limit) {
        let groups: Vec<&str> = captures.iter().map(|group| group.map_or("", |group| group.as_str())).collect();
        context.budget.allocate(groups.iter().map(|group| group.len() as u64 + 48).sum())?;
        matches.push(Value::array(groups.into_iter().map(Value::from).collect()));
    }
    Ok(Value::array(matches))
}

fn limit(operands: &[&Value], index: usize) -> Result<usize, BuiltinError> {
    Ok(usize::try_from(integer(operands, index)?).unwrap_or(usize::MAX))
}

fn replace(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (text, pattern, template) = (string(operands, 0)?, string(operands, 1)?, string(operands, 2)?);
    let regex = context.caches.regex(pattern)?;
    charge_search(context, pattern, text)?;
    let mut output = String::new();
    let mut copied = 0;
    for captures in regex.captures_iter(text) {
        let Some(found) = captures.get(0) else {
            continue;
        };
        output.push_str(text.get(copied..found.start()).unwrap_or_default());
        let length = output.len();
        expand(context, &regex, &captures, template, &mut output)?;
        context.budget.allocate((output.len() - length) as u64 + 16)?;
        copied = found.end();
    }
    output.push_str(text.get(copied..).unwrap_or_default());
    Ok(Value::from(output))
}

/// Go's templates: `$1`, `${1}`, `$name`, `${name}`, `$$`. Unknown groups are empty; a `$` before anything else is itself.
fn expand(
    context: &mut CallContext<'_>,
    regex: &Regex,
    captures: &Captures<'_>,
    template: &str,
    output: &mut String,
) -> Result<(), BuiltinError> {
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('$') {
        output.push_str(before);
        if let Some(after) = behind.strip_prefix('$') {
            output.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = group_name(behind) else {
            output.push('$');
            rest = behind;
            continue;
        };
        let group = match name.parse::<usize>() {
            Ok(index) if name.bytes().all(|byte| byte.is_ascii_digit()) => captures.get(index),
            _ if regex.capture_names().flatten().any(|known| known == name) => captures.name(name),
            _ => None,
        };
        if let Some(group) = group {
            context.budget.allocate(group.len() as u64)?;
            output.push_str(group.as_str());
        }
        rest = after;
    }
    output.push_str(rest);
    Ok(())
}

/// The name of a group at the beginning of `text`, in braces or not, and what is behind it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let (inner, is_braced) = text.strip_prefix('{').map_or((text, false), |inner| (inner, true));
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let end = inner.find(|character| !is_name(character)).unwrap_or(inner.len());
    let (name, after) = inner.split_at_checked(end)?;
    let after = if is_braced { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// A text with regular expressions between delimiters, here often called a template.
fn template_match(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (template, text) = (string(operands, 0)?, string(operands, 1)?);
    let (&[start], &[end]) = (string(operands, 2)?.as_bytes(), string(operands, 3)?.as_bytes()) else {
        return Err(undefined("delimiters have to be exactly one character long"));
    };
    let key = format!("{}{}{template}", char::from(start), char::from(end));
    let regex = context.caches.pattern(&key, || compile_template(template, start, end))?;
    charge_search(context, template, text)?;
    Ok(Value::Bool(regex.is_match(text)))
}

fn compile_template(template: &str, start: u8, end: u8) -> Result<Regex, BuiltinError> {
    let unbalanced = || undefined(format!("unbalanced braces in \"{template}\""));
    let mut pattern = String::from("^");
    let (mut level, mut begin, mut copied) = (0_usize, 0, 0);
    for (index, byte) in template.bytes().enumerate() {
        // The end comes second: with equal delimiters nothing is ever closed, as in OPA.
        if byte == start {
            level += 1;
            if level == 1 {
                begin = index;
            }
        } else if byte == end {
            level = level.checked_sub(1).ok_or_else(unbalanced)?;
            if level == 0 {
                let raw = template.get(copied..begin).ok_or_else(unbalanced)?;
                let inner = template.get(begin + 1..index).ok_or_else(unbalanced)?;
                compile(&format!("^{inner}$")).map_err(undefined)?;
                pattern.push_str(&quote(raw));
                pattern.push_str(&format!("({inner})"));
                copied = index + 1;
            }
        }
    }
    if level != 0 {
        return Err(unbalanced());
    }
    pattern.push_str(&quote(template.get(copied..).unwrap_or_default()));
    pattern.push('$');
    compile(&pattern).map_err(undefined)
}

/// So that it is itself in Go's syntax.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

/// Searching is linear in the text, with a factor for the pattern.
fn charge_search(context: &mut CallContext<'_>, pattern: &str, text: &str) -> Result<(), BuiltinError> {
    context.budget.charge((text.len() as u64 + 1).saturating_mul(pattern.len() as u64 / 64 + 1))
}
