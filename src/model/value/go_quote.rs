//! Strings quoted as Go's `strconv.Quote` does.

use std::fmt::{self, Write};

/// `text` in double quotes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    // Writing to a string cannot fail.
    let _ = write_quoted(&mut quoted, text);
    quoted
}

/// The same, with everything beyond ASCII escaped.
pub fn quote_to_ascii(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let _ = write_escaped(&mut quoted, character, '"', !character.is_ascii());
    }
    quoted.push('"');
    quoted
}

/// A character in single quotes, beyond ASCII escaped if `is_ascii`.
pub fn quote_character(character: char, is_ascii: bool) -> String {
    let mut quoted = String::from("'");
    let _ = write_escaped(&mut quoted, character, '\'', is_ascii && !character.is_ascii());
    quoted.push('\'');
    quoted
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols, and the space.
pub fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // Behind another character a combining mark counts as printable to Rust, too.
    let mut buffer = [b'a'; 5];
    let length = 1 + character.encode_utf8(buffer.get_mut(1..).unwrap_or_default()).len();
    let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    text.escape_debug().nth(1) != Some('\\')
}

pub(super) fn write_quoted(output: &mut impl Write, text: &str) -> fmt::Result {
    output.write_char('"')?;
    let mut rest = text;
    while let Some(index) = rest.bytes().position(|byte| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\')
    {
        let (plain, special) = rest.split_at(index);
        output.write_str(plain)?;
        let mut characters = special.chars();
        if let Some(character) = characters.next() {
            write_escaped(output, character, '"', false)?;
        }
        rest = characters.as_str();
    }
    output.write_str(rest)?;
    output.write_char('"')
}

/// One character of a quoted text.
fn write_escaped(output: &mut impl Write, character: char, quote: char, is_forced: bool) -> fmt::Result {
    match character {
        '\\' => output.write_str("\\\\"),
        _ if character == quote => write!(output, "\\{character}"),
        _ if !is_forced && is_printable(character) => output.write_char(character),
        '\u{7}' => output.write_str("\\a"),
        '\u{8}' => output.write_str("\\b"),
        '\u{c}' => output.write_str("\\f"),
        '\n' => output.write_str("\\n"),
        '\r' => output.write_str("\\r"),
        '\t' => output.write_str("\\t"),
        '\u{b}' => output.write_str("\\v"),
        _ if character < ' ' || character == '\u{7f}' => write!(output, "\\x{:02x}", u32::from(character)),
        _ if u32::from(character) < 0x1_0000 => write!(output, "\\u{:04x}", u32::from(character)),
        _ => write!(output, "\\U{:08x}", u32::from(character)),
    }
}
