//! What is sent to providers and what they answer: Gatekeeper's wire format, read as Go reads JSON.
//!
//! Fields are found in any case, null is absent, unknown fields are ignored. The status of HTTP, `apiVersion` and `kind`
//! are not looked at: whatever reads as an answer is one, as with Gatekeeper.

use serde_json::{Map, Value, json};

use crate::model::object::describe;
use crate::policy::external_data::{Answer, Item};

const API_VERSION: &str = "externaldata.gatekeeper.sh/v1beta1";

/// The body of a request.
pub(super) fn request(keys: &[String]) -> Vec<u8> {
    json!({"apiVersion": API_VERSION, "kind": "ProviderRequest", "request": {"keys": keys}}).to_string().into_bytes()
}

/// Reads the body of an answer.
///
/// # Errors
/// With what is wrong with it and where.
pub(super) fn answer(body: &[u8], status_code: u16) -> Result<Answer, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let top = mapping(&value, "the answer")?;
    let Some(response) = top.and_then(|top| field(top, "response")) else {
        return Ok(Answer { status_code, ..Answer::default() });
    };
    let Some(response) = mapping(response, "response")? else {
        return Ok(Answer { status_code, ..Answer::default() });
    };
    let items = match field(response, "items") {
        None => &[][..],
        Some(Value::Array(items)) => items,
        Some(other) => return Err(format!("response.items: expected a list, found {}", describe(other))),
    };
    let is_idempotent = match field(response, "idempotent") {
        None => false,
        Some(Value::Bool(is_idempotent)) => *is_idempotent,
        Some(other) => return Err(format!("response.idempotent: expected true or false, found {}", describe(other))),
    };
    Ok(Answer {
        items: items.iter().enumerate().map(|(number, value)| item(number, value)).collect::<Result<_, _>>()?,
        system_error: text(response, "systemError", "response")?,
        is_idempotent,
        status_code,
    })
}

fn item(number: usize, value: &Value) -> Result<Item, String> {
    let place = format!("response.items[{number}]");
    let absent = Map::new();
    let fields = mapping(value, &place)?.unwrap_or(&absent);
    let (key, error) = (text(fields, "key", &place)?, text(fields, "error", &place)?);
    let value = field(fields, "value").cloned().unwrap_or_default();
    Ok(Item { key, value: if error.is_empty() { Ok(value) } else { Err(error) } })
}

fn mapping<'v>(value: &'v Value, place: &str) -> Result<Option<&'v Map<String, Value>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(fields)),
        other => Err(format!("{place}: expected a mapping, found {}", describe(other))),
    }
}

/// By its name, or else by its name in another case.
fn field<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let in_another_case = || fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    fields.get(name).or_else(in_another_case).filter(|value| !value.is_null())
}

fn text(fields: &Map<String, Value>, name: &str, place: &str) -> Result<String, String> {
    match field(fields, name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!("{place}.{name}: expected a string, found {}", describe(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_gatekeepers_form() {
        let body: Value = serde_json::from_slice(&request(&["a".to_owned(), String::new()])).unwrap();
        assert_eq!(
            body,
            json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest",
                "request": {"keys": ["a", ""]}})
        );
    }

    #[test]
    fn answers_are_read_as_go_reads_them() {
        let body = json!({"apiVersion": "x", "Response": {"idempotent": true, "more": 1, "systemError": null, "items": [
            {"key": "a", "value": {"n": 1}}, {"key": "b", "error": "bad", "value": 5}, {"KEY": "c"}, null]}});
        let read = answer(body.to_string().as_bytes(), 503).unwrap();
        let item = |key: &str, value| Item { key: key.to_owned(), value };
        assert_eq!(
            read.items,
            [
                item("a", Ok(json!({"n": 1}))),
                item("b", Err("bad".to_owned())),
                item("c", Ok(Value::Null)),
                item("", Ok(Value::Null))
            ]
        );
        assert_eq!((read.is_idempotent, read.status_code, read.system_error.as_str()), (true, 503, ""));
        for nothing in ["{}", "null", "{\"error\": \"x\"}", "{\"response\": null}"] {
            assert_eq!(answer(nothing.as_bytes(), 200).unwrap(), Answer { status_code: 200, ..Answer::default() });
        }
    }

    #[test]
    fn what_is_no_answer_is_said() {
        for (body, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("<html>", "expected value at line 1 column 1"),
            ("[]", "the answer: expected a mapping, found a list"),
            ("{\"response\": {\"items\": {}}}", "response.items: expected a list, found a mapping"),
            (
                "{\"response\": {\"items\": [{\"key\": 5}]}}",
                "response.items[0].key: expected a string, found a number (5)",
            ),
            (
                "{\"response\": {\"idempotent\": \"yes\"}}",
                "response.idempotent: expected true or false, found a string (\"yes\")",
            ),
        ] {
            assert_eq!(answer(body.as_bytes(), 200).unwrap_err(), expected, "{body}");
        }
        let deep = format!("{{\"response\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(answer(deep.as_bytes(), 200).is_err());
    }
}
