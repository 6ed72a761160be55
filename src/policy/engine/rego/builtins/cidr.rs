//! `net.cidr_*`: blocks of addresses, with Go's view that an IPv4 address inside IPv6 is an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::operands::{any, elements, integer, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "net.cidr_contains", arity: 2, call: contains },
    Builtin { name: "net.cidr_contains_matches", arity: 2, call: contains_matches },
    Builtin { name: "net.cidr_expand", arity: 1, call: expand },
    Builtin { name: "net.cidr_intersects", arity: 2, call: intersects },
    Builtin { name: "net.cidr_is_valid", arity: 1, call: is_valid },
    Builtin { name: "net.cidr_merge", arity: 1, call: merge },
    Builtin { name: "net.cidr_overlap", arity: 2, call: contains },
];

/// Rough size of an address as a value: its text, its counters, its place in the set.
const ADDRESS_BYTES: u128 = 64;

type Answer = Result<Value, BuiltinError>;

fn contains(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let outer = block(string(operands, 0)?)?;
    Ok(Value::Bool(outer.contains_block(&block_or_address(string(operands, 1)?)?)))
}

fn intersects(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let (one, other) = (block(string(operands, 0)?)?, block(string(operands, 1)?)?);
    Ok(Value::Bool(one.contains(other.first) || other.contains(one.first)))
}

fn is_valid(_: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    Ok(Value::Bool(any(operands, 0)?.as_str().and_then(Block::parse).is_some()))
}

/// Pairs of what identifies an outer and an inner block: the index, key or element, or the string itself.
fn contains_matches(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let outers = candidates(any(operands, 0)?, 1)?;
    if outers.is_empty() {
        return Ok(Value::set(Vec::new()));
    }
    let inners = candidates(any(operands, 1)?, 2)?;
    if inners.is_empty() {
        return Ok(Value::set(Vec::new()));
    }
    let text = |value: &Value| string(&[value], 0).map(str::to_owned);
    let inners = inners
        .into_iter()
        .map(|(value, name)| Ok((block_or_address(&text(value)?)?, name)))
        .collect::<Result<Vec<_>, BuiltinError>>()?;
    let mut pairs = Vec::new();
    for (value, outer_name) in outers {
        context.budget.charge(inners.len() as u64)?;
        let outer = block(&text(value)?)?;
        let matching = inners.iter().filter(|(inner, _)| outer.contains_block(inner));
        pairs.extend(matching.map(|(_, inner_name)| Value::array(vec![outer_name.clone(), inner_name.clone()])));
    }
    Ok(Value::set(pairs))
}

/// Blocks in an operand, each with its name.
fn candidates(operand: &Value, position: usize) -> Result<Vec<(&Value, Value)>, BuiltinError> {
    match operand {
        Value::String(_) => Ok(vec![(operand, operand.clone())]),
        Value::Array(items) => {
            items.iter().zip(0..).map(|(item, index)| Ok((block_text(item, position)?, integer(index)))).collect()
        }
        Value::Set(set) => set.items().iter().map(|item| Ok((block_text(item, position)?, item.clone()))).collect(),
        Value::Object(object) => {
            object.entries().iter().map(|(key, item)| Ok((block_text(item, position)?, key.clone()))).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// An element is a block, or an array that begins with one.
fn block_text(element: &Value, position: usize) -> Result<&Value, BuiltinError> {
    match element {
        Value::String(_) => Some(element),
        Value::Array(items) => items.first(),
        _ => None,
    }
    .ok_or_else(|| not_a_match(position))
}

fn not_a_match(position: usize) -> BuiltinError {
    undefined(format!("operand {position}: element must be string or non-empty array"))
}

fn expand(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let block = block(string(operands, 0)?)?;
    let count = 1_u128.checked_shl(block.free_bits()).unwrap_or(u128::MAX);
    // Each address is a string on the heap: pay before allocating.
    context.budget.allocate(u64::try_from(count.saturating_mul(ADDRESS_BYTES)).unwrap_or(u64::MAX))?;
    let addresses = (0..count).map(|offset| Value::string(block.first.plus(offset).to_string()));
    Ok(Value::set(addresses.collect()))
}

fn merge(context: &mut CallContext<'_>, operands: &[&Value]) -> Answer {
    let mut ranges = Vec::new();
    for item in elements(operands, 0)? {
        ranges.push(Range::parse(item.as_str().ok_or_else(|| undefined("element must be string"))?)?);
    }
    context.budget.charge(ranges.len() as u64)?;
    ranges.sort_by_key(|range| (range.last, range.first));
    let mut merged: Vec<Range> = Vec::new();
    // From behind: what was merged last is merged with the next one in front of it.
    for range in ranges.into_iter().rev() {
        match merged.last_mut() {
            Some(next) if next.first.previous() <= range.last => {
                *next = Range { first: next.first.min(range.first), last: next.last, text: None };
            }
            _ => merged.push(range),
        }
    }
    Ok(Value::set(merged.iter().flat_map(Range::blocks).map(Value::string).collect()))
}

fn block(text: &str) -> Result<Block, BuiltinError> {
    Block::parse(text).ok_or_else(|| undefined(format!("invalid CIDR address: {text}")))
}

fn block_or_address(text: &str) -> Result<Block, BuiltinError> {
    let single = |address: IpAddr| {
        let first = Address::of(address);
        Block { first, last: first }
    };
    text.parse()
        .ok()
        .map(single)
        .or_else(|| Block::parse(text))
        .ok_or_else(|| undefined(format!("not a valid textual representation of an IP address or CIDR: {text}")))
}

/// An address, or the end of a range of them; IPv4 as it is mapped into IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address(u128);

/// Where IPv4 is mapped to: `::ffff:0:0`.
const MAPPED: u128 = 0xffff_0000_0000;

impl Address {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(MAPPED | u128::from(address.to_bits())),
            IpAddr::V6(address) => Self(address.to_bits()),
        }
    }

    fn is_v4(self) -> bool {
        self.0 >> 32 == MAPPED >> 32
    }

    fn bits(self) -> u32 {
        if self.is_v4() { 32 } else { 128 }
    }

    fn plus(self, offset: u128) -> Self {
        Self(self.0.wrapping_add(offset))
    }

    /// The address before it; the lowest one of each family is its own.
    fn previous(self) -> Self {
        if matches!(self.0, 0 | MAPPED) { self } else { Self(self.0 - 1) }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_v4() {
            Ipv4Addr::from_bits(self.0 as u32).fmt(formatter)
        } else {
            Ipv6Addr::from_bits(self.0).fmt(formatter)
        }
    }
}

/// `address/prefix`.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: Address,
    last: Address,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u32 = prefix.parse().ok().filter(|_| is_number)?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        Some(Self::around(Address::of(address), bits.checked_sub(prefix)?))
    }

    /// The block of `2^free_bits` addresses around one.
    fn around(address: Address, free_bits: u32) -> Self {
        let free = 1_u128.checked_shl(free_bits).map_or(u128::MAX, |size| size - 1);
        Self { first: Address(address.0 & !free), last: Address(address.0 | free) }
    }

    fn free_bits(&self) -> u32 {
        128 - (self.first.0 ^ self.last.0).leading_zeros()
    }

    /// Addresses of the other family are never in it, though IPv4 is mapped into the middle of IPv6.
    fn contains(&self, address: Address) -> bool {
        self.first.is_v4() == address.is_v4() && (self.first..=self.last).contains(&address)
    }

    fn contains_block(&self, other: &Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }
}

/// Addresses to be merged.
struct Range {
    first: Address,
    last: Address,
    /// How a range is written that is merged with no other one.
    text: Option<String>,
}

impl Range {
    fn parse(text: &str) -> Result<Self, BuiltinError> {
        let (block, text) = match text.parse() {
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
                return Err(undefined("IPv6 invalid: needs prefix length"));
            }
            // A bare address stands for the block of its class, but is written with all its digits.
            Ok(address) => {
                let address = Address::of(address);
                let prefix = match address.0 as u32 >> 30 {
                    0b00 | 0b01 => 8,
                    0b10 => 16,
                    0b11.. => 24,
                };
                (Block::around(address, 32 - prefix), format!("{address}/{prefix}"))
            }
            Err(_) => {
                let block = block(text)?;
                (block, format!("{}/{}", block.first, block.first.bits().saturating_sub(block.free_bits())))
            }
        };
        Ok(Self { first: block.first, last: block.last, text: Some(text) })
    }

    /// The fewest blocks that make up the range.
    fn blocks(&self) -> Vec<String> {
        if let Some(text) = &self.text {
            return vec![text.clone()];
        }
        let mut blocks = Vec::new();
        let mut first = self.first;
        loop {
            let is_in_range = |free_bits: &u32| {
                let block = Block::around(first, *free_bits);
                block.first == first && block.last <= self.last
            };
            let free_bits = (0..=first.bits()).take_while(is_in_range).last().unwrap_or_default();
            blocks.push(format!("{first}/{}", first.bits() - free_bits));
            let last = Block::around(first, free_bits).last;
            if last >= self.last {
                return blocks;
            }
            first = last.plus(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_contain_blocks_of_their_family() {
        let check = |outer: &str, inner: &str, expected: bool| {
            let answer = Block::parse(outer).unwrap().contains_block(&block_or_address(inner).unwrap());
            assert_eq!(answer, expected, "{outer} {inner}");
        };
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "10.0.0.0/7", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("::/0", "10.1.2.3", false);
        check("0.0.0.0/0", "255.255.255.255/32", true);
        check("::/0", "fe80::/10", true);
    }

    #[test]
    fn faults_are_found() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "010.0.0.0/8",
            "fe80::%1/64",
            "::/129",
        ] {
            assert!(Block::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn ranges_become_the_fewest_blocks() {
        let address = |text: &str| Address::of(text.parse().unwrap());
        let check = |first: &str, last: &str, expected: &[&str]| {
            let range = Range { first: address(first), last: address(last), text: None };
            assert_eq!(range.blocks(), expected, "{first} {last}");
        };
        check("10.0.0.0", "10.0.0.255", &["10.0.0.0/24"]);
        check("10.0.0.1", "10.0.0.4", &["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"]);
        check("0.0.0.0", "255.255.255.255", &["0.0.0.0/0"]);
        check("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["::/0"]);
    }
}
