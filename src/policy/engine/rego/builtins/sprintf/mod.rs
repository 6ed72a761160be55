//! `sprintf`: Go's `fmt.Sprintf` over what OPA hands to it. Integers are Go's `int` or `*big.Int`, other numbers
//! `float64`, strings themselves, everything else its text.
//!
//! Mistakes in the format are part of the result, as in Go: `%!d(string=x)`, `%!v(MISSING)`, `%!(EXTRA int=1)`.

mod verbs;

use std::borrow::Cow;

use super::arguments::{array, charge_text, string};
use super::{Budget, Builtin, BuiltinError, CallContext};
use crate::policy::engine::rego::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[Builtin { name: "sprintf", arity: 2, call: sprintf }];

/// Go's limit for widths and precisions.
const MAX_WIDTH: i64 = 1_000_000;

fn sprintf(context: &mut CallContext<'_>, operands: &[&Value]) -> Result<Value, BuiltinError> {
    let format = string(operands, 0)?;
    let values = array(operands, 1)?;
    for value in values.iter() {
        charge_text(context, value, 0)?;
    }
    let arguments: Vec<Argument<'_>> = values.iter().map(Argument::of).collect();
    format_all(context.budget, format, &arguments).map(Value::from)
}

/// [`sprintf`] for texts that other builtins make.
pub(super) fn format_all(
    budget: &mut Budget,
    format: &str,
    arguments: &[Argument<'_>],
) -> Result<String, BuiltinError> {
    let printer = Printer { budget, output: String::new(), options: Options::default() };
    Formatter { format, offset: 0, arguments, next: 0, is_reordered: false, is_good_index: true, printer }.run()
}

/// What Go would be handed.
#[derive(Clone, Debug)]
pub(super) enum Argument<'a> {
    Int(i64),
    /// Decimal digits, perhaps with a minus.
    Big(Cow<'a, str>),
    Float(f64),
    Text(Cow<'a, str>),
}

impl<'a> Argument<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::of_number(number),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            other => Self::Text(Cow::Owned(other.to_string())),
        }
    }

    fn of_number(number: &'a Number) -> Self {
        if let Some(integer) = number.as_i64() {
            return Self::Int(integer);
        }
        let text = number.text();
        let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let sign = if text.starts_with('-') { "-" } else { "" };
            return Self::Big(Cow::Owned(format!("{sign}{}", digits.trim_start_matches('0'))));
        }
        number.to_f64().map_or(Self::Text(text), Self::Float)
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Big(_) => "*big.Int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }
}

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v` and `%#v` have their own meaning.
    plus_v: bool,
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Writes arguments; see `verbs`.
struct Printer<'b> {
    budget: &'b mut Budget,
    output: String,
    options: Options,
}

/// Reads the format.
struct Formatter<'a, 'b> {
    format: &'a str,
    offset: usize,
    arguments: &'a [Argument<'a>],
    next: usize,
    is_reordered: bool,
    is_good_index: bool,
    printer: Printer<'b>,
}

impl<'a> Formatter<'a, '_> {
    fn run(mut self) -> Result<String, BuiltinError> {
        while let Some((before, _)) = self.rest().split_once('%') {
            self.printer.write(before)?;
            self.offset += before.len() + 1;
            self.is_good_index = true;
            self.printer.options = Options::default();
            self.directive()?;
        }
        self.printer.write(self.rest())?;
        self.extra()?;
        Ok(self.printer.output)
    }

    fn directive(&mut self) -> Result<(), BuiltinError> {
        self.flags();
        let mut is_behind_index = self.index();
        self.width(&mut is_behind_index)?;
        self.precision(&mut is_behind_index)?;
        if !is_behind_index {
            self.index();
        }
        let Some(verb) = self.rest().chars().next() else {
            return self.printer.write("%!(NOVERB)");
        };
        self.offset += verb.len_utf8();
        match self.arguments.get(self.next) {
            _ if verb == '%' => self.printer.write("%"),
            _ if !self.is_good_index => self.printer.write(&format!("%!{verb}(BADINDEX)")),
            None => self.printer.write(&format!("%!{verb}(MISSING)")),
            Some(argument) => {
                self.next += 1;
                if matches!(verb, 'v' | 'w') {
                    let options = &mut self.printer.options;
                    options.sharp_v = std::mem::take(&mut options.sharp);
                    options.plus_v = std::mem::take(&mut options.plus);
                }
                self.printer.argument(argument, verb)
            }
        }
    }

    fn flags(&mut self) {
        let options = &mut self.printer.options;
        while let Some(byte) = self.format.as_bytes().get(self.offset) {
            match byte {
                b'#' => options.sharp = true,
                b'0' => options.zero = true,
                b'+' => options.plus = true,
                b'-' => options.minus = true,
                b' ' => options.space = true,
                _ => return,
            }
            self.offset += 1;
        }
    }

    /// `[3]`: the argument that comes next, counted from 1. Tells whether there was one, even a bad one in brackets.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.is_reordered = true;
        let Some(inner) = self.rest().get(1..).and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner) else {
            self.is_good_index = false;
            self.offset += 1;
            return false;
        };
        let number = Some(inner).filter(|inner| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.map(|digits| digits.parse::<i64>().unwrap_or(i64::MAX));
        self.offset += inner.len() + 2;
        let index = number.and_then(|number| usize::try_from(number - 1).ok());
        match index.filter(|index| *index < self.arguments.len()) {
            Some(index) => self.next = index,
            None => self.is_good_index = false,
        }
        number.is_some()
    }

    fn width(&mut self, is_behind_index: &mut bool) -> Result<(), BuiltinError> {
        if self.peek() == Some(b'*') {
            self.offset += 1;
            match self.integer_argument() {
                Some(width) => {
                    let options = &mut self.printer.options;
                    options.width = usize::try_from(width.unsigned_abs()).ok();
                    if width < 0 {
                        options.minus = true;
                        options.zero = false;
                    }
                }
                None => self.printer.write("%!(BADWIDTH)")?,
            }
            *is_behind_index = false;
        } else {
            self.printer.options.width = self.number();
            if *is_behind_index && self.printer.options.width.is_some() {
                self.is_good_index = false;
            }
        }
        Ok(())
    }

    fn precision(&mut self, is_behind_index: &mut bool) -> Result<(), BuiltinError> {
        // A dot at the very end is the verb.
        if self.peek() != Some(b'.') || self.offset + 1 >= self.format.len() {
            return Ok(());
        }
        self.offset += 1;
        if *is_behind_index {
            self.is_good_index = false;
        }
        *is_behind_index = self.index();
        if self.peek() == Some(b'*') {
            self.offset += 1;
            let precision = self.integer_argument().and_then(|precision| usize::try_from(precision).ok());
            self.printer.options.precision = precision;
            *is_behind_index = false;
            return if precision.is_none() { self.printer.write("%!(BADPREC)") } else { Ok(()) };
        }
        self.printer.options.precision = Some(self.number().unwrap_or(0));
        Ok(())
    }

    /// For `*`. What is no integer or too large is consumed, too.
    fn integer_argument(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        match argument {
            Argument::Int(integer) if (-MAX_WIDTH..=MAX_WIDTH).contains(integer) => Some(*integer),
            _ => None,
        }
    }

    /// Decimal digits. Too many of them swallow the rest of the format.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<usize> = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if number.is_some_and(|number| number as i64 > MAX_WIDTH) {
                self.offset = self.format.len();
                return None;
            }
            number = Some(number.unwrap_or(0) * 10 + usize::from(digit - b'0'));
            self.offset += 1;
        }
        number
    }

    /// Arguments that no verb asked for; not looked for when indices were used.
    fn extra(&mut self) -> Result<(), BuiltinError> {
        let extra = self.arguments.get(self.next..).unwrap_or_default();
        if self.is_reordered || extra.is_empty() {
            return Ok(());
        }
        self.printer.options = Options::default();
        self.printer.write("%!(EXTRA ")?;
        for (index, argument) in extra.iter().enumerate() {
            self.printer.write(if index > 0 { ", " } else { "" })?;
            self.printer.write(argument.type_name())?;
            self.printer.write("=")?;
            self.printer.argument(argument, 'v')?;
        }
        self.printer.write(")")
    }

    fn peek(&self) -> Option<u8> {
        self.format.as_bytes().get(self.offset).copied()
    }

    fn rest(&self) -> &'a str {
        self.format.get(self.offset..).unwrap_or_default()
    }
}
