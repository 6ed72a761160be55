//! The objects of a request to the last digit, for the few that are read into types: in a review, numbers are floats.

use serde_json::Value;

use crate::model::object::{Object, parse_json};

/// The objects of a request, read once more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactObjects {
    /// `request.object`; at DELETE the object that goes.
    pub object: Option<Object>,
    /// `request.oldObject`.
    pub old_object: Option<Object>,
}

impl ExactObjects {
    /// Takes them out of the body of an AdmissionReview.
    ///
    /// # Errors
    /// When there is something else in their place.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let mut value = parse_json(body).map_err(|error| error.to_string())?;
        let is_deletion = value.pointer("/request/operation").and_then(Value::as_str) == Some("DELETE");
        let mut take = |key: &str| {
            let found = value.pointer_mut(&format!("/request/{key}")).map(Value::take).filter(|found| !found.is_null());
            found.map(Object::from_value).transpose().map_err(|error| format!("request.{key}: {error}"))
        };
        let (object, old_object) = (take("object")?, take("oldObject")?);
        Ok(Self { object: if is_deletion { old_object.clone() } else { object }, old_object })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_what_they_are() {
        let body =
            br#"{"request": {"operation": "UPDATE", "object": {"apiVersion": "v1", "kind": "A", "n": 9007199254740993},
            "oldObject": null}}"#;
        let objects = ExactObjects::parse(body).unwrap();
        assert_eq!(objects.object.unwrap().field(&["n"]).and_then(Value::as_i64), Some(9_007_199_254_740_993));
        assert_eq!(objects.old_object, None);
        let body = br#"{"request": {"operation": "DELETE", "oldObject": {"apiVersion": "v1", "kind": "A"}}}"#;
        assert!(ExactObjects::parse(body).unwrap().object.is_some());
        let error = ExactObjects::parse(br#"{"request": {"object": 5}}"#).unwrap_err();
        assert!(error.starts_with("request.object: "), "{error}");
    }
}
