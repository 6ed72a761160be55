//! `regex.globs_match`: whether some text matches two simple patterns of characters, `.`, `[a-z]`, each with `*` or `+`.
//!
//! OPA decides with a certain search that does not always find an intersection; the answers here are the same. Results
//! are remembered by position, which bounds a search that is exponential otherwise.

use std::collections::HashMap;

use super::arguments::{string, undefined};
use super::{Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::Value;

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "regex.globs_match", arity: 2, call: globs_match }];

/// The search recurses along the patterns.
const MAX_TOKENS: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    characters: Characters,
    flag: Flag,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Characters {
    One(char),
    Any,
    Ranges(Vec<(char, char)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    None,
    Star,
    Plus,
}

fn globs_match(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let (one, other) = (tokens(string(operands, 0)?)?, tokens(string(operands, 1)?)?);
    if one.len() > MAX_TOKENS || other.len() > MAX_TOKENS {
        return Err(BuiltinError::Halt(format!("regex.globs_match: more than {MAX_TOKENS} tokens")));
    }
    let Some((one, other)) = trim(&one, &other) else {
        return Ok(Value::Bool(false));
    };
    let mut search = Search { context, known: HashMap::new() };
    search.normal(one, other).map(Value::Bool)
}

/// Cuts matching plain tokens at both ends, but for one; None when some do not match.
fn trim<'a>(one: &'a [Token], other: &'a [Token]) -> Option<(&'a [Token], &'a [Token])> {
    let is_plain = |pair: &(&Token, &Token)| pair.0.flag == Flag::None && pair.1.flag == Flag::None;
    let mut prefix = 0;
    for (left, right) in one.iter().zip(other).take_while(is_plain) {
        if !left.matches(right) {
            return None;
        }
        prefix += 1;
    }
    let prefix = prefix - usize::from(prefix > 0);
    let (one, other) = (one.get(prefix..)?, other.get(prefix..)?);
    let mut suffix = 0;
    for (left, right) in one.iter().rev().zip(other.iter().rev()).take_while(is_plain) {
        if !left.matches(right) {
            return None;
        }
        suffix += 1;
    }
    let suffix = suffix - usize::from(suffix > 0);
    Some((one.get(..one.len() - suffix)?, other.get(..other.len() - suffix)?))
}

/// Which function was asked about which rests of the two patterns.
type Key = (bool, *const Token, usize, *const Token, usize);

struct Search<'s, 'c> {
    context: &'s mut CallContext<'c>,
    known: HashMap<Key, bool>,
}

impl Search<'_, '_> {
    fn normal(&mut self, one: &[Token], other: &[Token]) -> Result<bool, BuiltinError> {
        self.remembered(false, one, other, |search| {
            let (mut one, mut other) = (one, other);
            while let ([left, one_rest @ ..], [right, other_rest @ ..]) = (one, other) {
                search.context.budget.charge(1)?;
                match (left.flag, right.flag) {
                    (Flag::None, Flag::None) if !left.matches(right) => return Ok(false),
                    (Flag::None, Flag::None) => (one, other) = (one_rest, other_rest),
                    (Flag::None, _) => return search.repeated(other, one),
                    _ => return search.repeated(one, other),
                }
            }
            Ok(one.is_empty() && other.is_empty())
        })
    }

    /// `repeated` begins with a token that has a flag; neither is empty.
    fn repeated(&mut self, repeated: &[Token], other: &[Token]) -> Result<bool, BuiltinError> {
        match (repeated, other) {
            ([first, ..], _) if first.flag == Flag::Star => self.star(repeated, other),
            ([first, rest @ ..], [next, other_rest @ ..]) => {
                if !first.matches(next) {
                    return Ok(false);
                }
                if self.star(repeated, other_rest)? {
                    return Ok(true);
                }
                Ok(next.flag != Flag::None && self.normal(rest, other)?)
            }
            _ => Ok(false),
        }
    }

    /// The first token takes tokens of `other` until the one behind it matches and all the rest does.
    fn star(&mut self, starred: &[Token], other: &[Token]) -> Result<bool, BuiltinError> {
        self.remembered(true, starred, other, |search| {
            let [star, rest @ ..] = starred else {
                return Ok(false);
            };
            for (index, token) in other.iter().enumerate() {
                search.context.budget.charge(1)?;
                if rest.first().is_some_and(|next| token.matches(next))
                    && search.normal(rest, other.get(index..).unwrap_or_default())?
                {
                    return Ok(true);
                }
                if !token.matches(star) {
                    return Ok(false);
                }
            }
            Ok(rest.is_empty())
        })
    }

    fn remembered(
        &mut self,
        is_star: bool,
        one: &[Token],
        other: &[Token],
        find: impl FnOnce(&mut Self) -> Result<bool, BuiltinError>,
    ) -> Result<bool, BuiltinError> {
        let key = (is_star, one.as_ptr(), one.len(), other.as_ptr(), other.len());
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let found = find(self)?;
        self.context.budget.allocate(64)?;
        self.known.insert(key, found);
        Ok(found)
    }
}

impl Token {
    /// Whether there is a character that both take; flags do not count.
    fn matches(&self, other: &Self) -> bool {
        use Characters::{Any, One, Ranges};
        match (&self.characters, &other.characters) {
            (One(one), One(other)) => one == other,
            (Any, _) | (_, Any) => true,
            (One(one), Ranges(ranges)) | (Ranges(ranges), One(one)) => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&one))
            }
            (Ranges(one), Ranges(other)) => one
                .iter()
                .any(|(low, high)| other.iter().any(|(other_low, other_high)| low <= other_high && other_low <= high)),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, BuiltinError> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = rest.next() {
        let characters = match character {
            '.' => Characters::Any,
            '[' => Characters::Ranges(ranges(&mut rest)?),
            ']' | '+' | '*' => return Err(bad_pattern(text)),
            '\\' => Characters::One(rest.next().ok_or_else(|| bad_pattern(text))?),
            _ => Characters::One(character),
        };
        let flag = match rest.next_if(|next| matches!(next, '+' | '*')) {
            Some('+') => Flag::Plus,
            Some(_) => Flag::Star,
            None => Flag::None,
        };
        tokens.push(Token { characters, flag });
    }
    Ok(tokens)
}

/// Behind `[`, up to and with `]`.
fn ranges(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Vec<(char, char)>, BuiltinError> {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut previous = None;
    loop {
        let character = rest.next().ok_or_else(|| bad_pattern("["))?;
        match character {
            ']' => return Ok(ranges),
            '-' => {
                let low = previous.take().ok_or_else(|| bad_pattern("-"))?;
                let high = match rest.next() {
                    Some('\\') => rest.next(),
                    Some(']' | '-') => None,
                    other => other,
                };
                let high = high.filter(|high| *high >= low && rest.peek().is_some()).ok_or_else(|| bad_pattern("-"))?;
                ranges.push((low, high));
            }
            _ => {
                let character =
                    if character == '\\' { rest.next().ok_or_else(|| bad_pattern("\\"))? } else { character };
                ranges.push((character, character));
                previous = Some(character);
            }
        }
    }
}

fn bad_pattern(text: &str) -> BuiltinError {
    undefined(format!("the input provided is invalid: {text}"))
}
