//! AdmissionReviews in files, decoded strictly: a field that no API server sends is a mistake of the suite's author.

use serde_json::Value;

use crate::model::object::FieldPath;

/// What may stand at a place of an AdmissionReview.
enum Shape {
    /// Anything: an object under review, a scalar.
    Any,
    /// A mapping with these fields.
    Fields(&'static [(&'static str, Shape)]),
}

const KIND: Shape = Shape::Fields(&[("group", Shape::Any), ("version", Shape::Any), ("kind", Shape::Any)]);
const RESOURCE: Shape = Shape::Fields(&[("group", Shape::Any), ("version", Shape::Any), ("resource", Shape::Any)]);
const USER: Shape =
    Shape::Fields(&[("username", Shape::Any), ("uid", Shape::Any), ("groups", Shape::Any), ("extra", Shape::Any)]);

/// The fields of `admission.k8s.io/v1`, which are those of `v1beta1`.
const REVIEW: Shape = Shape::Fields(&[
    ("apiVersion", Shape::Any),
    ("kind", Shape::Any),
    (
        "request",
        Shape::Fields(&[
            ("uid", Shape::Any),
            ("kind", KIND),
            ("resource", RESOURCE),
            ("subResource", Shape::Any),
            ("requestKind", KIND),
            ("requestResource", RESOURCE),
            ("requestSubResource", Shape::Any),
            ("name", Shape::Any),
            ("namespace", Shape::Any),
            ("operation", Shape::Any),
            ("userInfo", USER),
            ("object", Shape::Any),
            ("oldObject", Shape::Any),
            ("dryRun", Shape::Any),
            ("options", Shape::Any),
        ]),
    ),
    (
        "response",
        Shape::Fields(&[
            ("uid", Shape::Any),
            ("allowed", Shape::Any),
            ("status", Shape::Any),
            ("patch", Shape::Any),
            ("patchType", Shape::Any),
            ("auditAnnotations", Shape::Any),
            ("warnings", Shape::Any),
        ]),
    ),
]);

/// The fields that an AdmissionReview cannot have, sorted.
pub(super) fn unknown_fields(review: &Value) -> Vec<FieldPath> {
    let mut unknown = Vec::new();
    collect(review, &REVIEW, &FieldPath::root(), &mut unknown);
    unknown.sort_by_key(ToString::to_string);
    unknown
}

fn collect(value: &Value, shape: &Shape, at: &FieldPath, unknown: &mut Vec<FieldPath>) {
    let (Shape::Fields(fields), Value::Object(map)) = (shape, value) else { return };
    for (key, value) in map {
        match fields.iter().find(|(name, _)| name == key) {
            Some((_, shape)) => collect(value, shape, &at.key(key), unknown),
            None => unknown.push(at.key(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_what_no_review_has() {
        let review = json!({"zero": 1, "request": {"two": 2, "kind": {"z": 1}, "object": {"a": 1}, "userInfo": {}}});
        let found: Vec<String> = unknown_fields(&review).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["request.kind.z", "request.two", "zero"]);
    }
}
