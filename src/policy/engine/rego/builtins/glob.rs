//! `glob.match` and `glob.quote_meta`.
//!
//! A glob is translated into a regular expression, so matching takes time in proportion to the text whatever the glob
//! is.

use regex::Regex;

use super::operands::{any, string, undefined, wrong_type};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "glob.match", arity: 3, call: matches },
    Builtin { name: "glob.quote_meta", arity: 1, call: quote_meta },
];

/// Longer patterns are refused: translating them takes longer than anybody waits.
const MAX_PATTERN: usize = 1 << 16;

fn matches(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let pattern = string(operands, 0)?;
    let delimiters = delimiters(any(operands, 1)?)?;
    let text = string(operands, 2)?;
    context.budget.charge(1 + (pattern.len() + text.len()) as u64)?;
    if is_matched_by_quirk(pattern, &delimiters, text) {
        return Ok(Value::Bool(true));
    }
    let key = format!("glob:{delimiters}:{pattern}");
    if pattern.len() > MAX_PATTERN {
        return Err(undefined("pattern too long"));
    }
    let regex = context.caches.pattern(&key, || compile(pattern, &delimiters).map_err(undefined))?;
    Ok(Value::Bool(regex.is_match(text)))
}

/// None for null, a dot for an empty list.
fn delimiters(operand: &Value) -> Result<String, BuiltinError> {
    let items = match operand {
        Value::Null => return Ok(String::new()),
        Value::Array(items) if items.is_empty() => return Ok(".".to_owned()),
        Value::Array(items) => items,
        other => return Err(wrong_type(1, other, "one of {array, null}")),
    };
    let mut delimiters = String::new();
    for item in items.iter() {
        let text = item.as_str().filter(|text| text.chars().count() == 1);
        delimiters.push_str(text.ok_or_else(|| undefined("operand 2 must be array of runes"))?);
    }
    Ok(delimiters)
}

fn quote_meta(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let mut quoted = String::new();
    for character in string(operands, 0)?.chars() {
        quoted.extend("*?\\[]{}".contains(character).then_some('\\'));
        quoted.push(character);
    }
    Ok(Value::string(quoted))
}

fn compile(pattern: &str, delimiters: &str) -> Result<Regex, String> {
    let expression = Translation::new(pattern, delimiters).run()?;
    Regex::new(&expression).map_err(|error| error.to_string())
}

/// Two ways in which OPA's globs match more than they should: one character alone (`?`, `[!a]`) matches nothing, too,
/// and the text before and after a star that stands for anything (`ab*ba`) may overlap.
fn is_matched_by_quirk(pattern: &str, delimiters: &str, text: &str) -> bool {
    if text.is_empty() {
        let class = pattern.strip_prefix("[!").and_then(|rest| rest.strip_suffix(']'));
        return pattern == "?" || class.is_some_and(|class| !class.is_empty() && !class.contains([']', '\\']));
    }
    let star = if delimiters.is_empty() { pattern.find('*') } else { pattern.find("**") };
    let Some((before, rest)) = star.and_then(|star| pattern.split_at_checked(star)) else { return false };
    let after = rest.trim_start_matches('*');
    let is_text = |part: &str| !part.is_empty() && !part.contains(['*', '?', '[', '{', '\\']);
    is_text(before) && is_text(after) && text.starts_with(before) && text.ends_with(after)
}

/// A glob on its way to a regular expression.
struct Translation<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    /// One character that is no delimiter.
    single: String,
    expression: String,
    open_braces: usize,
}

impl<'a> Translation<'a> {
    fn new(pattern: &'a str, delimiters: &str) -> Self {
        let single = if delimiters.is_empty() { ".".to_owned() } else { format!("[^{}]", class(delimiters)) };
        Self { rest: pattern.chars().peekable(), single, expression: String::new(), open_braces: 0 }
    }

    fn run(mut self) -> Result<String, String> {
        while let Some(character) = self.rest.next() {
            match character {
                '*' if self.rest.next_if_eq(&'*').is_some() => self.expression.push_str(".*"),
                '*' => {
                    self.expression.push_str(&self.single);
                    self.expression.push('*');
                }
                '?' => self.expression.push_str(&self.single),
                '[' => self.range()?,
                '{' => {
                    self.open_braces += 1;
                    self.expression.push_str("(?:");
                }
                ',' if self.open_braces > 0 => self.expression.push('|'),
                '}' if self.open_braces > 0 => {
                    self.open_braces -= 1;
                    self.expression.push(')');
                }
                // At the end it escapes nothing and is nothing.
                '\\' => self.rest.next().map_or(Ok(()), |escaped| self.literal(escaped))?,
                other => self.literal(other)?,
            }
        }
        // What is still open is closed by the end.
        self.expression.extend(std::iter::repeat_n(')', self.open_braces));
        Ok(format!(r"(?s)\A(?:{})\z", self.expression))
    }

    fn literal(&mut self, character: char) -> Result<(), String> {
        if character == char::REPLACEMENT_CHARACTER {
            return Err("could not read rune".to_owned());
        }
        self.expression.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
        Ok(())
    }

    /// What follows `[`: one range `a-z`, or a list of characters; not both.
    fn range(&mut self) -> Result<(), String> {
        let negation = self.rest.next_if_eq(&'!').map_or("", |_| "^");
        let mut ahead = self.rest.clone();
        let content = match (ahead.next(), ahead.next()) {
            (None, _) => return Err("unexpected end of input".to_owned()),
            (Some(low), Some('-')) => {
                self.rest = ahead;
                let high = self.rest.next().ok_or("unexpected end of input")?;
                if high < low {
                    return Err(format!("hi character '{high}' should be greater than lo '{low}'"));
                }
                self.rest.next_if_eq(&']').ok_or("expected close range character")?;
                let end = |character: char| class(character.encode_utf8(&mut [0; 4]));
                format!("{}-{}", end(low), end(high))
            }
            _ => class(&self.list()?),
        };
        self.expression.push_str(&format!("[{negation}{content}]"));
        Ok(())
    }

    /// Characters up to `]`.
    fn list(&mut self) -> Result<String, String> {
        let mut characters = String::new();
        loop {
            match self.rest.next() {
                None => return Err("unexpected end of input".to_owned()),
                Some(']') if characters.is_empty() => return Err("could not parse range".to_owned()),
                Some(']') => return Ok(characters),
                Some('\\') => characters.extend(self.rest.next()),
                Some(other) => characters.push(other),
            }
        }
    }
}

/// Characters for use within a class of a regular expression.
fn class(characters: &str) -> String {
    characters.chars().map(|character| format!(r"\x{{{:x}}}", u32::from(character))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match() {
        let check = |pattern: &str, delimiters: &str, text: &str, expected: Option<bool>| {
            let answer = compile(pattern, delimiters).ok().map(|regex| regex.is_match(text));
            assert_eq!(answer, expected, "{pattern:?} {delimiters:?} {text:?}");
        };
        check("*.example.com", ".", "api.example.com", Some(true));
        check("*.example.com", ".", "a.b.example.com", Some(false));
        check("**.example.com", ".", "a.b.example.com", Some(true));
        check("*.example.com", "", "a.b.example.com", Some(true));
        check("{a,b*}c", ".", "bxc", Some(true));
        check("[a-c]?", ".", "b.", Some(false));
        check("[!abc]", ".", ".", Some(true));
        check("[a-]", ".", "-", None);
        check("[]", ".", "", None);
        check("[", ".", "", None);
        check("a\\*", ".", "a*", Some(true));
        check("", ".", "", Some(true));
        check("{a,b", ".", "b", Some(true));
        check("}", ".", "}", Some(true));
    }
}
