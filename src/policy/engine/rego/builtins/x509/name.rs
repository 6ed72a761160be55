//! Distinguished names and the kinds of text that DER knows.

use super::der::{Reader, SEQUENCE, SET};
use crate::policy::engine::rego::builtins::keys::public::fields;
use crate::policy::engine::rego::value::Value;

const UTF8: u8 = 0x0c;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const IA5: u8 = 0x16;
const BMP: u8 = 0x1e;

/// A name's attributes in order: the parts of the object identifier, and the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Name(Vec<(Vec<u32>, String)>);

/// What reads the value of an attribute: certificates and requests differ.
pub(crate) type ReadText = fn(u8, &[u8]) -> Option<String>;

impl Name {
    /// From the whole element.
    pub(crate) fn parse(element: &[u8], text: ReadText) -> Option<Self> {
        let mut sets = Reader(element).enter(SEQUENCE)?;
        let mut attributes = Vec::new();
        while !sets.is_empty() {
            let mut set = sets.enter(SET)?;
            while !set.is_empty() {
                let mut attribute = set.enter(SEQUENCE)?;
                let oid = attribute.oid()?;
                let value = attribute.any()?;
                attributes.push((oid, text(value.tag, value.content)?));
            }
        }
        Some(Self(attributes))
    }

    /// As Go writes the structure.
    pub(crate) fn to_value(&self) -> Value {
        let all = |number: u32| list(self.values(number).map(Value::from).collect());
        let last = |number: u32| Value::from(self.values(number).last().unwrap_or_default());
        let attribute =
            |(oid, text): &(Vec<u32>, String)| fields(vec![("Type", oid_value(oid)), ("Value", text.as_str().into())]);
        fields(vec![
            ("Country", all(6)),
            ("Organization", all(10)),
            ("OrganizationalUnit", all(11)),
            ("Locality", all(7)),
            ("Province", all(8)),
            ("StreetAddress", all(9)),
            ("PostalCode", all(17)),
            ("SerialNumber", last(5)),
            ("CommonName", last(3)),
            ("Names", list(self.0.iter().map(attribute).collect())),
            ("ExtraNames", Value::Null),
        ])
    }

    /// The values of the attribute `2.5.4.number`.
    fn values(&self, number: u32) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(oid, _)| **oid == [2, 5, 4, number]).map(|(_, text)| text.as_str())
    }
}

/// A slice as Go writes it: what was never filled is null.
pub(crate) fn list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { Value::array(items) }
}

pub(crate) fn oid_value(oid: &[u32]) -> Value {
    Value::array(oid.iter().map(|part| Value::from(i64::from(*part))).collect())
}

/// A text of a certificate's name.
pub(crate) fn certificate_text(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        // Taken for Latin-1.
        TELETEX => Some(content.iter().copied().map(char::from).collect()),
        _ => common_text(tag, content),
    }
}

/// The kinds of text that mean the same everywhere.
pub(crate) fn common_text(tag: u8, content: &[u8]) -> Option<String> {
    let is_valid = match tag {
        PRINTABLE => content.iter().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(byte)),
        NUMERIC => content.iter().all(|byte| byte.is_ascii_digit() || *byte == b' '),
        IA5 => content.is_ascii(),
        UTF8 => true,
        BMP => return wide_text(content),
        _ => false,
    };
    is_valid.then(|| String::from_utf8(content.to_vec()).ok())?
}

/// Two bytes a character; a zero at the end is dropped.
fn wide_text(content: &[u8]) -> Option<String> {
    let (units, []) = content.as_chunks::<2>() else { return None };
    let units = if let [front @ .., [0, 0]] = units { front } else { units };
    let character = |unit: &[u8; 2]| match u16::from_be_bytes(*unit) {
        0xfffe | 0xffff | 0xfdd0..=0xfdef => None,
        unit => char::from_u32(u32::from(unit)),
    };
    units.iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_their_kind() {
        let check = |tag: u8, content: &[u8], expected: Option<&str>| {
            assert_eq!(certificate_text(tag, content).as_deref(), expected, "{tag:x} {content:x?}");
        };
        check(PRINTABLE, b"a*&", Some("a*&"));
        check(PRINTABLE, b"a_", None);
        check(TELETEX, &[0xe9], Some("é"));
        check(UTF8, &[0xe9], None);
        check(BMP, &[0x20, 0xac, 0, 0], Some("€"));
        check(BMP, &[0xd8, 0], None);
        check(NUMERIC, b"1 2", Some("1 2"));
        check(IA5, &[0x80], None);
        check(0x02, &[1], None);
    }
}
