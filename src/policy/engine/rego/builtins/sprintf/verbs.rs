//! One argument by one verb, with Go's flags, width and precision.

use num_bigint::BigInt;

use super::{Argument, BuiltinError, Printer};
use crate::policy::engine::rego::value::{format_float, is_printable, quote, quote_character, quote_to_ascii};

impl Printer<'_> {
    pub(super) fn argument(&mut self, argument: &Argument<'_>, verb: char) -> Result<(), BuiltinError> {
        if verb == 'T' {
            return self.text(argument.type_name());
        }
        match argument {
            Argument::Int(integer) => self.integer(*integer, verb, argument),
            Argument::Big(digits) => self.big_integer(digits, verb),
            Argument::Float(float) => self.float(*float, verb, argument),
            Argument::Text(text) => self.string(text, verb, argument),
        }
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), BuiltinError> {
        self.budget.allocate(text.len() as u64)?;
        self.output.push_str(text);
        Ok(())
    }

    /// `%!d(string=x)`: the argument in its default form, with the same flags.
    fn bad_verb(&mut self, argument: &Argument<'_>, verb: char) -> Result<(), BuiltinError> {
        self.write(&format!("%!{verb}({}=", argument.type_name()))?;
        self.argument(argument, 'v')?;
        self.write(")")
    }

    fn string(&mut self, text: &str, verb: char, argument: &Argument<'_>) -> Result<(), BuiltinError> {
        match verb {
            'v' if self.options.sharp_v => self.quoted(text),
            'v' | 's' => self.text(text),
            'q' => self.quoted(text),
            'x' => self.hexadecimal(text, false),
            'X' => self.hexadecimal(text, true),
            _ => self.bad_verb(argument, verb),
        }
    }

    /// Cut to the precision, padded to the width.
    fn text(&mut self, text: &str) -> Result<(), BuiltinError> {
        let text = self.cut(text);
        self.padded(text)
    }

    fn quoted(&mut self, text: &str) -> Result<(), BuiltinError> {
        let text = self.cut(text);
        self.budget.allocate(text.len() as u64 * 2)?;
        let is_raw = |character: char| {
            character == '\t' || !(character < ' ' || matches!(character, '`' | '\u{7f}' | '\u{feff}'))
        };
        if self.options.sharp && text.chars().all(is_raw) {
            self.padded(&format!("`{text}`"))
        } else if self.options.plus {
            self.padded(&quote_to_ascii(text))
        } else {
            self.padded(&quote(text))
        }
    }

    fn cut<'t>(&self, text: &'t str) -> &'t str {
        let end = self.options.precision.and_then(|count| text.char_indices().nth(count));
        end.and_then(|(offset, _)| text.get(..offset)).unwrap_or(text)
    }

    /// The bytes of a text; the precision counts these.
    fn hexadecimal(&mut self, text: &str, is_upper: bool) -> Result<(), BuiltinError> {
        let length = text.len().min(self.options.precision.unwrap_or(usize::MAX));
        self.budget.allocate(length as u64 * 5)?;
        let prefix = match (self.options.sharp, is_upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut hexadecimal = String::new();
        for (index, byte) in text.bytes().take(length).enumerate() {
            if index > 0 && self.options.space {
                hexadecimal.push(' ');
            }
            if index == 0 || self.options.space {
                hexadecimal.push_str(prefix);
            }
            hexadecimal.push_str(&if is_upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.padded(&hexadecimal)
    }

    fn integer(&mut self, integer: i64, verb: char, argument: &Argument<'_>) -> Result<(), BuiltinError> {
        let magnitude = integer.unsigned_abs();
        match verb {
            'v' | 'd' => self.digits(integer, &magnitude.to_string(), "", verb),
            'b' => self.digits(integer, &format!("{magnitude:b}"), "0b", verb),
            'o' | 'O' => self.digits(integer, &format!("{magnitude:o}"), "0", verb),
            'x' => self.digits(integer, &format!("{magnitude:x}"), "0x", verb),
            'X' => self.digits(integer, &format!("{magnitude:X}"), "0X", verb),
            'c' => self.padded(&to_character(integer).to_string()),
            'q' => self.padded(&quote_character(to_character(integer), self.options.plus)),
            'U' => self.code_point(integer),
            _ => self.bad_verb(argument, verb),
        }
    }

    /// Sign, prefix, zeros up to the precision or (with the flag) the width, digits.
    fn digits(&mut self, integer: i64, digits: &str, prefix: &str, verb: char) -> Result<(), BuiltinError> {
        let options = self.options;
        let sign = if integer < 0 {
            "-"
        } else if options.plus {
            "+"
        } else if options.space {
            " "
        } else {
            ""
        };
        let precision = match (options.precision, options.width) {
            (Some(0), _) if integer == 0 => return self.padding(options.width.unwrap_or(0), b' '),
            (Some(precision), _) => precision,
            (None, Some(width)) if options.zero && !options.minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        let zeros = precision.saturating_sub(digits.len());
        self.budget.allocate(zeros as u64)?;
        let digits = format!("{}{digits}", "0".repeat(zeros));
        let prefix = match (options.sharp, verb) {
            (true, 'o' | 'O') if digits.starts_with('0') => "",
            (true, _) => prefix,
            (false, _) => "",
        };
        let octal = if verb == 'O' { "0o" } else { "" };
        let zero = std::mem::take(&mut self.options.zero);
        let result = self.padded(&format!("{sign}{octal}{prefix}{digits}"));
        self.options.zero = zero;
        result
    }

    /// `U+0041`, and with `#` the character.
    fn code_point(&mut self, integer: i64) -> Result<(), BuiltinError> {
        let precision = self.options.precision.unwrap_or(0).max(4);
        self.budget.allocate(precision as u64)?;
        let digits = format!("{integer:X}");
        let mut text = format!("U+{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        let character =
            u32::try_from(integer).ok().and_then(char::from_u32).filter(|character| is_printable(*character));
        if let Some(character) = character.filter(|_| self.options.sharp) {
            text.push_str(&format!(" '{character}'"));
        }
        let zero = std::mem::take(&mut self.options.zero);
        let result = self.padded(&text);
        self.options.zero = zero;
        result
    }

    /// `*big.Int` formats itself, a little differently.
    fn big_integer(&mut self, decimal: &str, verb: char) -> Result<(), BuiltinError> {
        let options = self.options;
        let (radix, prefix) = match verb {
            'd' | 's' | 'v' => (10, ""),
            'b' => (2, "0b"),
            'o' | 'O' => (8, "0"),
            'x' => (16, "0x"),
            'X' => (16, "0X"),
            _ => return self.write(&format!("%!{verb}(big.Int={decimal})")),
        };
        let (is_negative, digits) = decimal.strip_prefix('-').map_or((false, decimal), |digits| (true, digits));
        let sign = if is_negative {
            "-"
        } else if options.plus || options.plus_v {
            "+"
        } else if options.space {
            " "
        } else {
            ""
        };
        let prefix = match verb {
            'O' => "0o",
            _ if options.sharp || options.sharp_v => prefix,
            _ => "",
        };
        let digits = if radix == 10 { digits.to_owned() } else { self.in_radix(digits, radix)? };
        let digits = if verb == 'X' { digits.to_uppercase() } else { digits };
        let mut zeros = options.precision.unwrap_or(0).saturating_sub(digits.len());
        let length = sign.len() + prefix.len() + zeros + digits.len();
        let missing = options.width.unwrap_or(0).saturating_sub(length);
        if options.zero && !options.minus && options.precision.is_none() {
            zeros = missing;
        }
        self.budget.allocate(zeros as u64)?;
        self.options.zero = false;
        self.padded(&format!("{sign}{prefix}{}{digits}", "0".repeat(zeros)))
    }

    fn in_radix(&mut self, digits: &str, radix: u32) -> Result<String, BuiltinError> {
        let length = digits.len() as u64 / 16;
        self.budget.charge(length * length)?;
        Ok(BigInt::parse_bytes(digits.as_bytes(), 10).unwrap_or_default().to_str_radix(radix))
    }

    fn float(&mut self, float: f64, verb: char, argument: &Argument<'_>) -> Result<(), BuiltinError> {
        let (format, default) = match verb {
            'v' => (b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
            'f' | 'F' => (b'f', Some(6)),
            'e' | 'E' => (verb as u8, Some(6)),
            _ => return self.bad_verb(argument, verb),
        };
        let precision = self.options.precision.or(default);
        self.budget.allocate(precision.unwrap_or(0) as u64 * 3)?;
        let text = format_float(float, format, precision);
        let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
        let unsigned = if self.options.sharp && verb != 'b' {
            with_point(unsigned, format, precision)
        } else {
            unsigned.to_owned()
        };
        let sign = if is_negative {
            "-"
        } else if self.options.plus {
            "+"
        } else if self.options.space {
            " "
        } else {
            ""
        };
        let is_zero_padded = self.options.zero && !self.options.minus && !sign.is_empty();
        if is_zero_padded && let Some(width) = self.options.width.filter(|width| *width > unsigned.len() + 1) {
            self.write(sign)?;
            self.padding(width - unsigned.len() - 1, b'0')?;
            return self.write(&unsigned);
        }
        self.padded(&format!("{sign}{unsigned}"))
    }

    /// Filled up to the width, on the left or (flag `-`) on the right.
    fn padded(&mut self, text: &str) -> Result<(), BuiltinError> {
        let missing = self.options.width.unwrap_or(0);
        let missing = if missing == 0 { 0 } else { missing.saturating_sub(text.chars().count()) };
        if self.options.minus {
            self.write(text)?;
            return self.padding(missing, b' ');
        }
        self.padding(missing, if self.options.zero { b'0' } else { b' ' })?;
        self.write(text)
    }

    fn padding(&mut self, count: usize, with: u8) -> Result<(), BuiltinError> {
        self.budget.allocate(count as u64)?;
        self.output.extend(std::iter::repeat_n(char::from(with), count));
        Ok(())
    }
}

/// What is no character becomes U+FFFD.
fn to_character(integer: i64) -> char {
    u32::try_from(integer).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Flag `#`: always a point, and for `g` and `x` zeros up to the precision (six).
fn with_point(text: &str, format: u8, precision: Option<usize>) -> String {
    let mut wanted = if matches!(format, b'g' | b'G' | b'x') { precision.unwrap_or(6) as i64 } else { 0 };
    let is_exponent = |character: char| match character {
        'p' | 'P' => true,
        'e' | 'E' => !matches!(format, b'x' | b'X'),
        _ => false,
    };
    let (mantissa, exponent) = text.split_at(text.find(is_exponent).unwrap_or(text.len()));
    let mut has_significant = false;
    for character in mantissa.chars().filter(|character| *character != '.') {
        has_significant |= character != '0';
        wanted -= i64::from(has_significant);
    }
    let mut result = mantissa.to_owned();
    if !mantissa.contains('.') {
        wanted -= i64::from(mantissa == "0");
        result.push('.');
    }
    result.extend(std::iter::repeat_n('0', usize::try_from(wanted).unwrap_or(0)));
    result + exponent
}
