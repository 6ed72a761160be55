//! Certificate requests, read and written as Go does.

use super::algorithm::SignatureAlgorithm;
use super::certificate::{Extension, parse_key};
use super::der::{BOOLEAN, OCTET_STRING, Reader, SEQUENCE, SET, constructed};
use super::general_names::AlternativeNames;
use super::name::{Name, common_text, list, oid_value};
use crate::policy::engine::rego::builtins::BuiltinError;
use crate::policy::engine::rego::builtins::keys::PublicKey;
use crate::policy::engine::rego::builtins::keys::public::{Algorithm, base64_of, fields};
use crate::policy::engine::rego::builtins::operands::{text_of_bytes, undefined};
use crate::policy::engine::rego::value::Value;

/// The attribute that holds the extensions asked for.
const EXTENSION_REQUEST: &[u32] = &[1, 2, 840, 113549, 1, 9, 14];
const TELETEX: u8 = 0x14;

/// The request that fills the bytes, as Go writes the structure.
pub(crate) fn parse_request(bytes: &[u8]) -> Result<Value, BuiltinError> {
    let broken = || undefined("malformed certificate request");
    let mut outer = Reader(bytes);
    let raw = outer.element(SEQUENCE).filter(|_| outer.is_empty()).ok_or_else(broken)?;
    parse_fields(raw.whole, Reader(raw.content)).ok_or_else(broken)?
}

/// The inner error is for what Go reads and we do not.
fn parse_fields(raw: &[u8], mut outer: Reader<'_>) -> Option<Result<Value, BuiltinError>> {
    let signed = outer.element(SEQUENCE)?;
    let algorithm = SignatureAlgorithm::parse(&Algorithm::parse(outer.enter(SEQUENCE)?)?);
    let signature = outer.bits()?.right_aligned();
    let mut inner = Reader(signed.content);
    let version = inner.small()?;
    let subject = inner.any()?.whole;
    let key = inner.element(SEQUENCE)?.whole;
    let attributes = elements(inner.read(constructed(0))?)?;
    let (key_number, public_key) = parse_key(key)?;
    let extensions = requested_extensions(&attributes)?;
    let mut names = AlternativeNames::default();
    for extension in extensions.iter().filter(|extension| extension.oid == [2, 5, 29, 17]) {
        names = AlternativeNames::parse(&extension.value)?;
    }
    let Some(name) = Name::parse(subject, request_text) else {
        // Go takes values of names that are no texts; without a report of their JSON they cannot be equal.
        let message = "the subject of this certificate request is not supported".to_owned();
        return Some(Err(BuiltinError::Halt(message)));
    };
    let shown = match attributes.iter().filter_map(|attribute| attribute_value(attribute)).collect() {
        Ok(shown) => list(shown),
        Err(error) => return Some(Err(error)),
    };
    let mut entries = vec![
        ("Raw", base64_of(raw)),
        ("RawTBSCertificateRequest", base64_of(signed.whole)),
        ("RawSubjectPublicKeyInfo", base64_of(key)),
        ("RawSubject", base64_of(subject)),
        ("Version", version.into()),
        ("Signature", base64_of(&signature)),
        ("SignatureAlgorithm", algorithm.number().into()),
        ("PublicKeyAlgorithm", key_number.into()),
        ("PublicKey", public_key.as_ref().map_or(Value::Null, PublicKey::to_value)),
        ("Subject", name.to_value()),
        ("Attributes", shown),
        ("Extensions", list(extensions.iter().map(Extension::to_value).collect())),
        ("ExtraExtensions", Value::Null),
    ];
    entries.extend(names.entries());
    Some(Ok(fields(entries)))
}

/// The elements of a content, tags included.
fn elements(content: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut reader, mut elements) = (Reader(content), Vec::new());
    while !reader.is_empty() {
        elements.push(reader.any()?.whole);
    }
    Some(elements)
}

fn requested_extensions(attributes: &[&[u8]]) -> Option<Vec<Extension>> {
    let mut found: Vec<Extension> = Vec::new();
    for attribute in attributes {
        let Some((oid, values)) = split_attribute(attribute) else { continue };
        let Some(first) = values.first().filter(|_| oid == EXTENSION_REQUEST) else { continue };
        let mut sequence = Reader(first).enter(SEQUENCE)?;
        while !sequence.is_empty() {
            let extension = Extension::parse(sequence.enter(SEQUENCE)?)?;
            if found.iter().any(|other| other.oid == extension.oid) {
                return None;
            }
            found.push(extension);
        }
    }
    Some(found)
}

/// Object identifier and values of an attribute; those that do not have this form do not count.
fn split_attribute(attribute: &[u8]) -> Option<(Vec<u32>, Vec<&[u8]>)> {
    let mut attribute = Reader(attribute).enter(SEQUENCE)?;
    let oid = attribute.oid()?;
    Some((oid, elements(attribute.read(SET)?)?))
}

/// An attribute whose values are lists of pairs; `None` for others, which Go leaves out.
fn attribute_value(attribute: &[u8]) -> Option<Result<Value, BuiltinError>> {
    let (oid, values) = split_attribute(attribute)?;
    let mut lists = Vec::new();
    for value in values {
        let mut reader = Reader(value).enter(SEQUENCE)?;
        let mut pairs = Vec::new();
        while !reader.is_empty() {
            let mut pair = reader.enter(SEQUENCE)?;
            let oid = pair.oid()?;
            let element = pair.any()?;
            let value = match any_value(element.tag, element.content)? {
                Ok(value) => value,
                Err(error) => return Some(Err(error)),
            };
            pairs.push(fields(vec![("Type", oid_value(&oid)), ("Value", value)]));
        }
        lists.push(Value::array(pairs));
    }
    Some(Ok(fields(vec![("Type", oid_value(&oid)), ("Value", Value::array(lists))])))
}

/// A value of any type as Go writes it; `None` for a broken one.
fn any_value(tag: u8, content: &[u8]) -> Option<Result<Value, BuiltinError>> {
    match tag {
        BOOLEAN => match content {
            [0] => Some(Ok(false.into())),
            [0xff] => Some(Ok(true.into())),
            _ => None,
        },
        OCTET_STRING => Some(Ok(base64_of(content))),
        TELETEX => Some(Ok(text_of_bytes(content.to_vec()))),
        0x0c | 0x12 | 0x13 | 0x16 | 0x1e => common_text(tag, content).map(|text| Ok(text.into())),
        // Null, enumerations, sequences and sets, and everything specific to a context.
        0x05 | 0x0a | 0x20.. => Some(Ok(Value::Null)),
        _ => Some(Err(BuiltinError::Halt("an attribute of this certificate request is not supported".to_owned()))),
    }
}

/// A text of a request's name.
fn request_text(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        TELETEX => text_of_bytes(content.to_vec()).as_str().map(str::to_owned),
        _ => common_text(tag, content),
    }
}
