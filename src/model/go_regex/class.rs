//! Character classes: `[…]`, `\p{…}`, `\d`.

use super::{Translator, invalid, push_literal};

impl Translator<'_> {
    /// `\pN`, `\p{Greek}`, `\p{^Greek}`.
    pub(super) fn unicode_class(&mut self, letter: char) -> Result<(), String> {
        let name: String = match self.rest.next() {
            Some('{') => {
                let mut name = String::new();
                loop {
                    match self.rest.next() {
                        Some('}') => break name,
                        Some(character) => name.push(character),
                        None => return Err(invalid("invalid character class range", &format!("\\{letter}{{{name}"))),
                    }
                }
            }
            Some(character) => character.to_string(),
            None => return Err(invalid("invalid character class range", &format!("\\{letter}"))),
        };
        let (is_negated, bare) = name.strip_prefix('^').map_or((false, name.as_str()), |bare| (true, bare));
        // Go knows general categories and scripts by their exact names; Rust knows more names, in any spelling.
        let is_plain = bare.chars().next().is_some_and(char::is_uppercase)
            && bare.chars().all(|one| one.is_ascii_alphabetic() || one == '_');
        if !is_plain {
            return Err(invalid("invalid character class range", &format!("\\{letter}{{{name}}}")));
        }
        let letter = if is_negated == (letter == 'P') { 'p' } else { 'P' };
        self.output.push_str(&match bare {
            "Any" => format!("\\{letter}{{any}}"),
            _ => format!("\\{letter}{{{bare}}}"),
        });
        Ok(())
    }

    /// Behind `[`. A `]` at the beginning is itself; `[:alpha:]` is a class of ASCII characters.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let missing = || invalid("missing closing ]", "[");
        self.output.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.output.push('^');
        }
        let mut is_first = true;
        loop {
            let character = self.rest.next().ok_or_else(missing)?;
            match character {
                ']' if !is_first => break,
                '[' if self.named_class()? => {}
                '\\' if matches!(self.rest.peek(), Some('p' | 'P')) => {
                    let letter = self.rest.next().unwrap_or('p');
                    self.unicode_class(letter)?;
                }
                '\\' if self.rest.peek().is_some_and(|next| perl_class(*next).is_some()) => {
                    let class = self.rest.next().and_then(perl_class);
                    let (is_negated, ranges) = class.unwrap_or((false, ""));
                    self.output.push_str(if is_negated { "[^" } else { "[" });
                    self.output.push_str(ranges);
                    self.output.push(']');
                }
                _ => self.class_range(character)?,
            }
            is_first = false;
        }
        self.output.push(']');
        Ok(())
    }

    /// A character or a range of them.
    fn class_range(&mut self, first: char) -> Result<(), String> {
        let low = self.class_character(first)?;
        let mut ahead = self.rest.clone();
        push_literal(&mut self.output, low);
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
            self.rest = ahead;
            let next = self.rest.next().unwrap_or('\\');
            let high = self.class_character(next)?;
            if high < low {
                return Err(invalid("invalid character class range", &format!("{low}-{high}")));
            }
            self.output.push('-');
            push_literal(&mut self.output, high);
        }
        Ok(())
    }

    fn class_character(&mut self, character: char) -> Result<char, String> {
        if character != '\\' {
            return Ok(character);
        }
        match self.rest.next() {
            Some(escaped) => self.escaped_character(escaped),
            None => Err("error parsing regexp: trailing backslash at end of expression: ``".to_owned()),
        }
    }

    /// Behind `[` within a class: `:alpha:]`.
    fn named_class(&mut self) -> Result<bool, String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some(':') {
            return Ok(false);
        }
        let mut name = String::new();
        loop {
            match ahead.next() {
                Some(':') if ahead.peek() == Some(&']') => break,
                Some(character) => name.push(character),
                None => return Ok(false),
            }
        }
        ahead.next();
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        if !NAMES.contains(&name.trim_start_matches('^')) {
            return Err(invalid("invalid character class range", &format!("[:{name}:]")));
        }
        self.output.push_str(&format!("[:{name}:]"));
        self.rest = ahead;
        Ok(true)
    }
}

/// Go's `\d`, `\s`, `\w` and their opposites.
pub(super) fn perl_class(letter: char) -> Option<(bool, &'static str)> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\x0C\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((letter.is_ascii_uppercase(), ranges))
}
