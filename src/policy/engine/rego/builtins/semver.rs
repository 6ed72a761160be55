//! `semver.*`: versions of three numbers with OPA's leniency about leading zeros.

use std::cmp::Ordering;

use super::operands::{any, integer, string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    Builtin { name: "semver.compare", arity: 2, call: compare },
    Builtin { name: "semver.is_valid", arity: 1, call: is_valid },
];

/// A version; what follows a plus sign has been checked and does not count.
struct Version<'a> {
    numbers: [i64; 3],
    pre_release: &'a str,
}

fn compare(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (one, other) = (string(operands, 0)?, string(operands, 1)?);
    let parse =
        |position: usize, text: &'_ str| undefined(format!("operand {position}: string {text} is not a valid SemVer"));
    let one = Version::parse(one).ok_or_else(|| parse(1, one))?;
    let other = Version::parse(other).ok_or_else(|| parse(2, other))?;
    Ok(integer(one.order(&other) as i64))
}

fn is_valid(_: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    Ok(Value::Bool(any(operands, 0)?.as_str().and_then(Version::parse).is_some()))
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (text, metadata) = text.split_once('+').unwrap_or((text, ""));
        let (text, pre_release) = text.split_once('-').unwrap_or((text, ""));
        let are_valid = are_identifiers(metadata) && are_identifiers(pre_release);
        let mut parts = text.splitn(3, '.').map(|part| part.parse().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        are_valid.then_some(Self { numbers, pre_release })
    }

    fn order(&self, other: &Self) -> Ordering {
        let pre_release = match (self.pre_release, other.pre_release) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, other) => order_of_pre_releases(one, other),
        };
        self.numbers.cmp(&other.numbers).then(pre_release)
    }
}

/// Empty, or names of ASCII letters, digits and hyphens between dots.
fn are_identifiers(text: &str) -> bool {
    let is_identifier =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.is_empty() || text.split('.').all(is_identifier)
}

/// Numbers come before names; of equal beginnings the shorter one comes first.
fn order_of_pre_releases(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let (one, other) = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let order = match (one.parse::<i64>(), other.parse::<i64>()) {
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            // Equal numbers written apart, `1` and `01`, are told apart by their text.
            (Ok(number), Ok(other_number)) => number.cmp(&other_number).then(one.cmp(other)),
            (Err(_), Err(_)) => one.cmp(other),
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        let check = |one: &str, other: &str, expected: Ordering| {
            let order = |one, other| Some(Version::parse(one)?.order(&Version::parse(other)?));
            assert_eq!(order(one, other), Some(expected), "{one} {other}");
            assert_eq!(order(other, one), Some(expected.reverse()), "{other} {one}");
        };
        check("1.2.3", "1.2.3+build", Ordering::Equal);
        check("1.10.0", "1.9.9", Ordering::Greater);
        check("1.0.0-rc.1", "1.0.0", Ordering::Less);
        check("1.0.0-rc.2", "1.0.0-rc.10", Ordering::Less);
        check("1.0.0-1", "1.0.0-a", Ordering::Less);
        check("1.0.0-a", "1.0.0-a.1", Ordering::Less);
        check("01.0.0", "1.0.0", Ordering::Equal);
    }

    #[test]
    fn faults_are_found() {
        for text in [
            "",
            "1",
            "1.2",
            "v1.2.3",
            "1.2.3.4",
            "1.2.x",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3+é",
            "99999999999999999999.0.0",
        ] {
            let is_valid = Version::parse(text).is_some();
            // An empty pre-release is none.
            assert_eq!(is_valid, text == "1.2.3-", "{text:?}");
        }
    }
}
