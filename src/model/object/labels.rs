//! Labels, and the selectors that choose by them, as `metav1.LabelSelector` does.

use std::fmt;

use serde_json::{Map, Value};

use super::label_syntax::{key_mistake, value_mistake};
use super::{FieldError, FieldPath, describe};
use crate::model::value::{Object as Mapping, Value as Reviewed};

/// The labels (or annotations) of an object; empty when it has none.
#[derive(Clone, Copy, Debug)]
pub enum Labels<'a> {
    /// In an object as it arrived.
    Json(&'a Map<String, Value>),
    /// In an object as policies see it.
    Value(&'a Mapping),
    /// It has none.
    None,
}

impl<'a> Labels<'a> {
    /// The value of a label, empty where it is null; `None` when the object does not carry it.
    pub fn value(self, key: &str) -> Option<&'a str> {
        match self {
            Self::Json(map) => map.get(key).and_then(|value| if value.is_null() { Some("") } else { value.as_str() }),
            Self::Value(mapping) => match mapping.get_str(key)? {
                Reviewed::Null => Some(""),
                value => value.as_str(),
            },
            Self::None => None,
        }
    }

    /// Whether there is a label of that key, whatever its value.
    pub fn has(self, key: &str) -> bool {
        match self {
            Self::Json(map) => map.contains_key(key),
            Self::Value(mapping) => mapping.get_str(key).is_some(),
            Self::None => false,
        }
    }

    /// The keys of all labels, whatever their values, in order.
    pub fn keys(self) -> impl Iterator<Item = &'a str> {
        let (json, values) = match self {
            Self::Json(map) => (Some(map), None),
            Self::Value(mapping) => (None, Some(mapping)),
            Self::None => (None, None),
        };
        let json = json.into_iter().flatten().map(|(key, _)| key.as_str());
        let entries = values.into_iter().flat_map(|mapping| mapping.entries().iter());
        json.chain(entries.filter_map(|(key, _)| key.as_str()))
    }

    /// Labels whose values are texts, in order of their keys.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.keys().filter_map(move |key| Some((key, self.value(key)?)))
    }
}

/// A selector over labels: all its requirements must hold; with none it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    condition: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Reads a `LabelSelector`; every mistake is returned with its place.
    pub fn parse(value: &Value, at: &FieldPath) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let mut requirements = Vec::new();
        if !value.is_object() {
            errors.push(FieldError::new(at.clone(), format!("expected a mapping, found {}", describe(value))));
        }
        if let Some(labels) = value.get("matchLabels") {
            read_match_labels(labels, &at.key("matchLabels"), &mut requirements, &mut errors);
        }
        if let Some(expressions) = value.get("matchExpressions").filter(|value| !value.is_null()) {
            let at = at.key("matchExpressions");
            match expressions.as_array() {
                Some(list) => {
                    for (position, expression) in list.iter().enumerate() {
                        match read_expression(expression, &at.index(position)) {
                            Ok(requirement) => requirements.push(requirement),
                            Err(error) => errors.push(error),
                        }
                    }
                }
                None => errors.push(FieldError::new(at, format!("expected a list, found {}", describe(expressions)))),
            }
        }
        (Self { requirements }, errors)
    }

    /// A label without which the selector never selects, and the values that it may have; `None` for any value.
    pub fn required(&self) -> Option<(&str, Option<&[String]>)> {
        self.requirements.iter().find_map(|requirement| match &requirement.condition {
            Condition::In(values) => Some((requirement.key.as_str(), Some(values.as_slice()))),
            Condition::Exists => Some((requirement.key.as_str(), None)),
            Condition::NotIn(_) | Condition::DoesNotExist => None,
        })
    }

    /// Whether every requirement holds for these labels.
    pub fn matches(&self, labels: Labels<'_>) -> bool {
        self.unmet(labels).is_none()
    }

    /// The first requirement that does not hold for these labels.
    pub fn unmet(&self, labels: Labels<'_>) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| !requirement.matches(labels))
    }
}

impl Requirement {
    /// The label that it is about.
    pub fn key(&self) -> &str {
        &self.key
    }

    fn matches(&self, labels: Labels<'_>) -> bool {
        let value = labels.value(&self.key);
        match &self.condition {
            Condition::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            // Kubernetes counts an absent label as "not in".
            Condition::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Condition::Exists => value.is_some(),
            Condition::DoesNotExist => value.is_none(),
        }
    }
}

/// What the label must be: `In [a, b]`.
impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.condition {
            Condition::In(values) => write!(formatter, "In [{}]", listed(values)),
            Condition::NotIn(values) => write!(formatter, "NotIn [{}]", listed(values)),
            Condition::Exists => formatter.write_str("Exists"),
            Condition::DoesNotExist => formatter.write_str("DoesNotExist"),
        }
    }
}

fn listed(values: &[String]) -> String {
    let shown = |value: &String| if value.is_empty() { "\"\"".to_owned() } else { value.clone() };
    values.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn read_match_labels(
    labels: &Value,
    at: &FieldPath,
    requirements: &mut Vec<Requirement>,
    errors: &mut Vec<FieldError>,
) {
    let Some(map) = labels.as_object() else {
        if !labels.is_null() {
            errors.push(FieldError::new(at.clone(), format!("expected a mapping, found {}", describe(labels))));
        }
        return;
    };
    for (key, value) in map {
        errors.extend(key_mistake(key).map(|detail| invalid(at.key(key), key, detail)));
        match value {
            Value::String(text) => {
                errors.extend(value_mistake(text).map(|detail| invalid(at.key(key), text, detail)));
                requirements.push(Requirement { key: key.clone(), condition: Condition::In(vec![text.clone()]) });
            }
            other => errors.push(FieldError::new(
                at.key(key),
                format!("expected a string, found {}; put the value in quotes", describe(other)),
            )),
        }
    }
}

fn read_expression(expression: &Value, at: &FieldPath) -> Result<Requirement, FieldError> {
    let key = expression.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
    if key.is_empty() {
        return Err(FieldError::required(at.key("key"), "name the label that the expression is about"));
    }
    if let Some(detail) = key_mistake(&key) {
        return Err(invalid(at.key("key"), &key, detail));
    }
    let values = read_values(expression.get("values"), &at.key("values"))?;
    let operator = expression.get("operator").and_then(Value::as_str).unwrap_or_default();
    let condition = match operator {
        "In" | "NotIn" if values.is_empty() => {
            let message = "for 'in', 'notin' operators, values set can't be empty";
            return Err(FieldError::new(at.key("values"), message));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let message = "values set must be empty for exists and does not exist";
            return Err(FieldError::new(at.key("values"), message));
        }
        "In" => Condition::In(values),
        "NotIn" => Condition::NotIn(values),
        "Exists" => Condition::Exists,
        "DoesNotExist" => Condition::DoesNotExist,
        other => {
            let message =
                format!("{other:?} is not a valid label selector operator; use In, NotIn, Exists or DoesNotExist");
            return Err(FieldError::new(at.key("operator"), message));
        }
    };
    Ok(Requirement { key, condition })
}

fn read_values(values: Option<&Value>, at: &FieldPath) -> Result<Vec<String>, FieldError> {
    let Some(values) = values.filter(|values| !values.is_null()) else { return Ok(Vec::new()) };
    let Some(list) = values.as_array() else {
        return Err(FieldError::new(at.clone(), format!("expected a list, found {}", describe(values))));
    };
    list.iter()
        .enumerate()
        .map(|(position, value)| {
            let text = value.as_str().ok_or_else(|| {
                FieldError::new(at.index(position), format!("expected a string, found {}", describe(value)))
            })?;
            value_mistake(text).map_or(Ok(text.to_owned()), |detail| Err(invalid(at.index(position), text, detail)))
        })
        .collect()
}

fn invalid(at: FieldPath, text: &str, detail: &str) -> FieldError {
    FieldError::invalid(at, &Value::from(text), detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(selector: &Value, labels: &Value, expected: bool) {
        let (parsed, errors) = LabelSelector::parse(selector, &FieldPath::root());
        assert!(errors.is_empty(), "{selector}: {errors:?}");
        assert_eq!(
            parsed.matches(labels.as_object().map_or(Labels::None, Labels::Json)),
            expected,
            "{selector} on {labels}"
        );
    }

    #[test]
    fn selects_as_kubernetes_does() {
        let labels = json!({"app": "web", "tier": "front"});
        check(&json!({}), &labels, true);
        check(&json!({"matchLabels": {"app": "web"}}), &labels, true);
        check(&json!({"matchLabels": {"app": "web", "tier": "back"}}), &labels, false);
        check(&json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "web"]}]}), &labels, true);
        check(&json!({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]}), &labels, true);
        check(&json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}), &labels, false);
        check(&json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}), &labels, true);
        check(&json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), &labels, false);
        check(&json!({"matchLabels": {"app": "web"}}), &Value::Null, false);
    }

    #[test]
    fn names_every_mistake() {
        let selector = json!({"matchLabels": {"app": 5},
            "matchExpressions": [{"key": "a", "operator": "in"}, {"key": "b", "operator": "In", "values": []},
                {"operator": "Exists"}, {"key": "c", "operator": "Exists", "values": ["x"]}]});
        let (_, errors) = LabelSelector::parse(&selector, &FieldPath::from(["spec"]));
        let texts: Vec<_> = errors.iter().map(|error| error.path.to_string()).collect();
        assert_eq!(
            texts,
            [
                "spec.matchLabels.app",
                "spec.matchExpressions[0].operator",
                "spec.matchExpressions[1].values",
                "spec.matchExpressions[2].key",
                "spec.matchExpressions[3].values",
            ]
        );
    }
}
