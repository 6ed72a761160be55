//! Values as OPA prints them in messages: `{"a": [1, "x"], "b": {2, 3}}`, `set()`.

use std::fmt::{self, Write};

use super::Value;
use super::go_quote::write_quoted;

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut next = Some(self);
        loop {
            if let Some(value) = next.take()
                && let Some(collection) = write_scalar_or_start(formatter, value)?
            {
                open.push(collection);
            }
            let Some(innermost) = open.last_mut() else {
                return Ok(());
            };
            next = innermost.advance(formatter)?;
            if next.is_none() {
                open.pop();
            }
        }
    }
}

/// A collection of which a part is printed.
enum Open<'a> {
    Items { rest: std::slice::Iter<'a, Value>, is_first: bool, end: char },
    Entries { rest: super::Iter<'a, Value, Value>, is_first: bool, value: Option<&'a Value> },
}

impl<'a> Open<'a> {
    /// Prints what stands between two parts and returns the next one, or prints the end.
    fn advance(&mut self, formatter: &mut fmt::Formatter<'_>) -> Result<Option<&'a Value>, fmt::Error> {
        let (next, is_first, end) = match self {
            Self::Entries { value, .. } if value.is_some() => {
                formatter.write_str(": ")?;
                return Ok(value.take());
            }
            Self::Entries { rest, is_first, value } => {
                let entry = rest.next();
                *value = entry.map(|(_, value)| value);
                (entry.map(|(key, _)| key), is_first, '}')
            }
            Self::Items { rest, is_first, end } => (rest.next(), is_first, *end),
        };
        match next {
            None => formatter.write_char(end)?,
            Some(_) if !*is_first => formatter.write_str(", ")?,
            Some(_) => *is_first = false,
        }
        Ok(next)
    }
}

fn write_scalar_or_start<'a>(
    formatter: &mut fmt::Formatter<'_>,
    value: &'a Value,
) -> Result<Option<Open<'a>>, fmt::Error> {
    match value {
        Value::Null => formatter.write_str("null")?,
        Value::Bool(boolean) => write!(formatter, "{boolean}")?,
        Value::Number(number) => write!(formatter, "{number}")?,
        Value::String(text) => write_quoted(formatter, text)?,
        Value::Set(set) if set.is_empty() => formatter.write_str("set()")?,
        Value::Array(array) => {
            formatter.write_char('[')?;
            return Ok(Some(Open::Items { rest: array.iter(), is_first: true, end: ']' }));
        }
        Value::Set(set) => {
            formatter.write_char('{')?;
            return Ok(Some(Open::Items { rest: set.items().iter(), is_first: true, end: '}' }));
        }
        Value::Object(object) => {
            formatter.write_char('{')?;
            return Ok(Some(Open::Entries { rest: object.entries().iter(), is_first: true, value: None }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_opa_does() {
        let number = |integer: i64| Value::from(integer);
        check(&Value::Null, "null");
        check(&Value::from("a\"\n\u{7}é\u{200b}"), r#""a\"\n\aé\u200b""#);
        check(&Value::set(vec![]), "set()");
        check(&Value::set(vec![number(2), number(1)]), "{1, 2}");
        check(&Value::array(vec![]), "[]");
        check(&Value::object(vec![]), "{}");
        let object = Value::object(vec![
            (Value::from("b"), number(1)),
            (Value::from("a"), Value::array(vec![number(1), Value::from("x")])),
        ]);
        check(&object, r#"{"a": [1, "x"], "b": 1}"#);
    }

    fn check(value: &Value, expected: &str) {
        assert_eq!(value.to_string(), expected);
    }
}
