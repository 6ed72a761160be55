//! What a finding is recognised by when lines have moved: `IDENTITY-WHERE[-NUMBER]`.
//!
//! The identity is the rule, the object and the words: no line, and no file, as the same file has other names when lint
//! is started elsewhere. The second part is the field, in which list items are called by their names, so that a new
//! neighbour changes nothing. What is still the same is numbered.

use std::collections::HashMap;

use serde_json::Value;

use super::finding::Finding;
use super::manifest::Manifest;
use super::report::Places;
use crate::model::object::{FieldPath, ObjectKey, Segment};
use crate::workbench::bundle::BundledObject;

/// By what the items of Kubernetes' lists are told apart, the most telling first.
const NAMES: [&str; 5] = ["name", "key", "mountPath", "containerPort", "host"];

/// Gives each finding its fingerprint. Findings that are otherwise the same are numbered in the order of their files, by the
/// names that these have for `places`, and of lines.
pub(super) fn assign(findings: &mut [Finding], read: &[Manifest], places: &Places) {
    // Only items of lists have names.
    let is_in_list = |finding: &Finding| path(finding).segments().iter().any(|one| matches!(one, Segment::Index(_)));
    let read = if findings.iter().any(is_in_list) { read } else { &[] };
    let manifests: HashMap<(ObjectKey, &str), &Manifest> =
        read.iter().map(|one| ((one.key(), one.source().name().as_ref()), one)).collect();
    let mut ordered: Vec<(String, &mut Finding)> =
        findings.iter_mut().map(|finding| (places.path(&finding.place.location.file), finding)).collect();
    // Within a file, findings stay in their order.
    ordered.sort_by(|(one, _), (other, _)| one.cmp(other));
    // Findings of one object follow each other.
    let mut last: Option<(&Manifest, Option<BundledObject>)> = None;
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (_, finding) in ordered {
        let manifest = manifests.get(&(finding.object.clone(), finding.place.location.file.as_ref())).copied();
        let manifest = manifest.filter(|_| is_in_list(finding));
        if let Some(manifest) = manifest.filter(|one| last.as_ref().is_none_or(|last| !std::ptr::eq(last.0, *one))) {
            last = Some((manifest, manifest.open().ok()));
        }
        let opened = manifest.and_then(|_| last.as_ref()?.1.as_ref());
        let base = base(finding, opened.map(|opened| opened.document.value()));
        let number = seen.entry(base.clone()).and_modify(|number| *number += 1).or_insert(0);
        finding.fingerprint = if *number == 0 { base } else { format!("{base}-{number}") };
    }
}

/// The part of a fingerprint that does not depend on the field, which is not always known.
pub(super) fn identity(fingerprint: &str) -> &str {
    fingerprint.split('-').next().unwrap_or_default()
}

/// The field that it is about.
fn path(finding: &Finding) -> &FieldPath {
    finding.missing.as_ref().unwrap_or(&finding.field)
}

fn base(finding: &Finding, value: Option<&Value>) -> String {
    let object = finding.object.to_string();
    let implied = finding.implied.as_deref().unwrap_or_default();
    // Advice was a part of messages once, and baselines are older.
    let advice = finding.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
    let words = format!("{}{advice}", finding.message);
    let identity = hash(&[&finding.rule.id, &finding.rule.constraint, &object, implied, &words]);
    let steps = steps(path(finding), value);
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    // 32 bits are enough to tell apart the fields of one object.
    let place = hash(&steps);
    let place = (place ^ (place >> 32) ^ (place >> 64) ^ (place >> 96)) & 0xffff_ffff;
    format!("{identity:032x}-{place:08x}")
}

/// The steps of a path, items of lists by what names them instead of by their number.
fn steps(path: &FieldPath, value: Option<&Value>) -> Vec<String> {
    let mut value = value;
    let mut steps = Vec::new();
    for segment in path.segments() {
        value = value.and_then(|value| match segment {
            Segment::Key(key) => value.get(key.as_str()),
            Segment::Index(index) => value.get(*index),
        });
        steps.push(match segment {
            Segment::Key(key) => format!(".{key}"),
            Segment::Index(_) => format!("[{}]", value.map(item).unwrap_or_default()),
        });
    }
    steps
}

fn item(value: &Value) -> String {
    let named = NAMES.iter().find_map(|name| Some(format!("{name}={}", value.get(name).filter(|it| is_scalar(it))?)));
    named.or_else(|| is_scalar(value).then(|| value.to_string())).unwrap_or_default()
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null)
}

/// FNV-1a of 128 bits: the same in every version of admit, as files are compared with it.
fn hash(parts: &[&str]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    // A byte that is in no text ends each part.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn is_fnv_1a() {
        assert_eq!(hash(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn items_are_called_by_their_names() {
        let value = json!({"a": [{"name": "x", "b": 1}, {"b": [7]}, {"key": {}, "mountPath": "/"}]});
        let path = |index: usize| FieldPath::from(["a"]).index(index).key("b").index(0);
        assert_eq!(steps(&path(0), Some(&value)), [".a", "[name=\"x\"]", ".b", "[]"]);
        assert_eq!(steps(&path(1), Some(&value)), [".a", "[]", ".b", "[7]"]);
        assert_eq!(steps(&path(2), Some(&value)), [".a", "[mountPath=\"/\"]", ".b", "[]"]);
        assert_eq!(steps(&path(0), None), [".a", "[]", ".b", "[]"]);
    }
}
