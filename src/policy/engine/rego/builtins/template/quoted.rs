//! Texts and characters in quotes, as Go writes them.

use super::parse::syntax;
use crate::policy::engine::rego::builtins::BuiltinError;

/// What `text` begins with: a quote, what it means, and how long it is with its quotes. Bytes that are no text stop the
/// evaluation: Go's strings may have them, a value may not.
pub(super) fn unquote(text: &str) -> Result<(String, usize), BuiltinError> {
    let unterminated = || syntax("unterminated quoted string");
    let mut characters = text.char_indices();
    let (_, quote) = characters.next().ok_or_else(unterminated)?;
    let mut bytes = Vec::new();
    loop {
        let (index, character) = characters.next().ok_or_else(unterminated)?;
        if character == quote {
            let meaning = String::from_utf8(bytes);
            let meaning = meaning.map_err(|_| BuiltinError::Halt("template: a string is not UTF-8".to_owned()));
            return Ok((meaning?, index + quote.len_utf8()));
        }
        let escaped = match character {
            '\n' => return Err(unterminated()),
            '\\' => characters.next().ok_or_else(unterminated)?.1,
            plain => {
                bytes.extend(plain.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        let mut digits = |first: &str, count: usize, radix: u32| {
            let more: String = characters.by_ref().take(count).map(|(_, digit)| digit).collect();
            let all = format!("{first}{more}");
            let is_whole = more.chars().count() == count && all.chars().all(|digit| digit.is_digit(radix));
            let number = u32::from_str_radix(&all, radix).ok().filter(|_| is_whole);
            number.ok_or_else(|| syntax("invalid escape"))
        };
        match escaped {
            'x' => bytes.push(digits("", 2, 16)?.to_le_bytes()[0]),
            '0'..='7' => {
                let number = digits(&escaped.to_string(), 2, 8)?;
                bytes.push(u8::try_from(number).map_err(|_| syntax("invalid escape"))?);
            }
            'u' | 'U' => {
                let number = digits("", if escaped == 'u' { 4 } else { 8 }, 16)?;
                let character = char::from_u32(number).ok_or_else(|| syntax("invalid escape"))?;
                bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            _ if escaped == quote => bytes.extend(escaped.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => return Err(syntax("invalid escape")),
        }
    }
}
