//! DER, read as strictly and as leniently as Go's certificate parser reads it.
//!
//! Lengths and integers must be in their shortest form, tags of several bytes are not known. What stands behind the last
//! field that a structure asks for is ignored.

use num_bigint::{BigInt, BigUint};

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The content of NULL parameters, with its tag.
pub(crate) const NULL: &[u8] = &[0x05, 0x00];

/// Tag of a context-specific primitive field.
pub(crate) const fn field(number: u8) -> u8 {
    0x80 | number
}

/// Tag of a context-specific constructed field.
pub(crate) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// What is left to read. Each method takes what it names from the front, or gives `None` and is not to be used further.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// One element: its tag, its content, and both with the length between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Bits of a bit string, of which the last byte may lack some at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits<'a> {
    missing: u8,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_next(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, header) = if length & 0x80 == 0 {
            (usize::from(length), 2)
        } else {
            let count = usize::from(length & 0x7f);
            let bytes = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
            let length = bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            if length < 128 || bytes.first() == Some(&0) {
                return None;
            }
            (length, 2 + count)
        };
        let (whole, rest) = self.0.split_at_checked(header.checked_add(length)?)?;
        self.0 = rest;
        Some(Element { tag, content: whole.get(header..)?, whole })
    }

    /// The next element, which must have this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|element| element.content)
    }

    /// As [`Reader::read`], to be read on.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.read(tag).map(Reader)
    }

    /// The content if the next element has this tag; the outer `None` is for broken DER.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.is_next(tag) { self.read(tag).map(Some) } else { Some(None) }
    }

    pub(crate) fn boolean(&mut self) -> Option<bool> {
        match self.read(BOOLEAN)? {
            [0] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    pub(crate) fn integer(&mut self) -> Option<BigInt> {
        integer(self.read(INTEGER)?)
    }

    /// An integer of 64 bits.
    pub(crate) fn small(&mut self) -> Option<i64> {
        i64::try_from(self.integer()?).ok()
    }

    /// An integer above zero.
    pub(crate) fn positive(&mut self) -> Option<BigUint> {
        let number = BigUint::try_from(self.integer()?).ok()?;
        (number != BigUint::ZERO).then_some(number)
    }

    /// An object identifier whose parts have 31 bits.
    pub(crate) fn oid(&mut self) -> Option<Vec<u32>> {
        oid_parts(self.read(OBJECT_IDENTIFIER)?)
    }

    pub(crate) fn bits(&mut self) -> Option<Bits<'a>> {
        let (&missing, bytes) = self.read(BIT_STRING)?.split_first()?;
        let is_clean = bytes.last().map_or(missing == 0, |last| missing <= 7 && last & ((1 << missing) - 1) == 0);
        is_clean.then_some(Bits { missing, bytes })
    }
}

impl Bits<'_> {
    pub(crate) fn at(&self, index: usize) -> bool {
        let is_within = index < self.bytes.len() * 8 - usize::from(self.missing);
        is_within && self.bytes.get(index / 8).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
    }

    /// As bytes, the missing bits added at the front.
    pub(crate) fn right_aligned(&self) -> Vec<u8> {
        if self.missing == 0 {
            return self.bytes.to_vec();
        }
        let mut carry = 0;
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for byte in self.bytes {
            bytes.push(carry | byte >> self.missing);
            carry = byte << (8 - self.missing);
        }
        bytes
    }
}

/// The content of an INTEGER.
pub(crate) fn integer(content: &[u8]) -> Option<BigInt> {
    let is_shortest = match content {
        [] => false,
        [_] => true,
        [first, second, ..] => !matches!((first, second >> 7), (0, 0) | (0xff, 1)),
    };
    is_shortest.then(|| BigInt::from_signed_bytes_be(content))
}

/// The parts of an object identifier's content, when each has 31 bits.
pub(crate) fn oid_parts(content: &[u8]) -> Option<Vec<u32>> {
    let mut parts = Vec::with_capacity(content.len() + 1);
    let mut bytes = content.iter().peekable();
    while bytes.peek().is_some() {
        let part = oid_part(&mut bytes)?;
        if parts.is_empty() {
            let first = (part / 40).min(2);
            parts.push(first);
            parts.push(part - first * 40);
        } else {
            parts.push(part);
        }
    }
    (!parts.is_empty()).then_some(parts)
}

fn oid_part<'a>(bytes: &mut impl Iterator<Item = &'a u8>) -> Option<u32> {
    let mut part = 0_u32;
    for (index, byte) in bytes.enumerate() {
        if part >= 1 << 24 || (index == 0 && *byte == 0x80) {
            return None;
        }
        part = part << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(part);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_in_their_shortest_form() {
        let check = |bytes: &[u8], is_valid: bool| assert_eq!(Reader(bytes).any().is_some(), is_valid, "{bytes:x?}");
        check(&[0x04, 0x01, 0x00], true);
        check(&[0x04, 0x02, 0x00], false);
        check(&[0x04, 0x81, 0x01, 0x00], false);
        check(&[0x04, 0x80], false);
        check(&[0x1f, 0x01, 0x00], false);
        check(&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff], false);
        check(&[0x04], false);
        check(&[], false);
    }

    #[test]
    fn bits_move_to_the_right() {
        let bits = Reader(&[0x03, 0x03, 0x04, 0xab, 0xf0]).bits().unwrap();
        assert_eq!(bits.right_aligned(), [0x0a, 0xbf]);
        assert!(bits.at(0) && !bits.at(1) && bits.at(11) && !bits.at(12));
        assert!(Reader(&[0x03, 0x02, 0x04, 0x08]).bits().is_none());
        assert!(Reader(&[0x03, 0x01, 0x01]).bits().is_none());
    }

    #[test]
    fn object_identifiers_have_parts_of_31_bits() {
        assert_eq!(oid_parts(&[0x2a, 0x86, 0x48]), Some(vec![1, 2, 840]));
        assert_eq!(oid_parts(&[0x88, 0x37, 0x03]), Some(vec![2, 999, 3]));
        assert_eq!(oid_parts(&[0x2a, 0x80, 0x01]), None);
        assert_eq!(oid_parts(&[0x2a, 0x88, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(oid_parts(&[0x2a, 0x86]), None);
        assert_eq!(oid_parts(&[]), None);
    }
}
