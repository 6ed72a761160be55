//! Terms as canonical text.

use std::fmt::Write as _;

use super::{Printer, is_plain_word};
use crate::policy::engine::rego::syntax::ast::{FunctionName, Term, TermKind};
use crate::policy::engine::rego::syntax::lexer::Keyword;

impl Printer {
    /// A term that may be an operation.
    pub(super) fn term(&mut self, term: &Term) {
        match operation(term) {
            Some((symbol, tightness, [left, right])) if tightness != UNION => {
                self.side(left, operation(left).is_none_or(|(_, other, _)| other != UNION && other >= tightness));
                let _ = write!(self.text, " {symbol} ");
                self.side(right, operation(right).is_none_or(|(_, other, _)| other != UNION && other > tightness));
            }
            _ => self.operand(term),
        }
    }

    /// One side of an operator; tighter operations need no parentheses.
    fn side(&mut self, term: &Term, is_tighter: bool) {
        if is_tighter { self.term(term) } else { self.operand(term) }
    }

    pub(super) fn pair(&mut self, left: &Term, between: &str, right: &Term) {
        self.term(left);
        self.push(between);
        self.term(right);
    }

    /// A term where no operation may stand; these are in parentheses.
    pub(super) fn operand(&mut self, term: &Term) {
        match &term.kind {
            TermKind::Null => self.push("null"),
            TermKind::Bool(value) => self.push(if *value { "true" } else { "false" }),
            TermKind::Number(text) => self.number(text),
            TermKind::String(text) => self.string(text),
            TermKind::Variable(name) => self.variable(name),
            TermKind::Reference { head, path } => {
                self.operand(head);
                path.iter().for_each(|step| self.step(step));
            }
            TermKind::Call { function, arguments, .. } => self.call(term, function, arguments),
            TermKind::Array(items) => self.enclosed("[", items, "]"),
            TermKind::Set(items) if items.is_empty() => self.push("set()"),
            TermKind::Set(items) => self.enclosed("{", items, "}"),
            TermKind::Object(entries) => self.object(entries),
            TermKind::ArrayComprehension { head, body } => {
                self.push("[");
                self.operand(head);
                self.push(" | ");
                self.expressions(body, "; ");
                self.push("]");
            }
            TermKind::SetComprehension { head, body } => {
                self.push("{");
                self.operand(head);
                self.push(" | ");
                self.expressions(body, "; ");
                self.push("}");
            }
            TermKind::ObjectComprehension { key, value, body } => {
                self.push("{");
                self.operand(key);
                self.push(": ");
                self.operand(value);
                self.push(" | ");
                self.expressions(body, "; ");
                self.push("}");
            }
        }
    }

    fn call(&mut self, term: &Term, function: &FunctionName, arguments: &[Term]) {
        if let Some((symbol, UNION, [left, right])) = operation(term) {
            self.push("(");
            self.operand(left);
            let _ = write!(self.text, " {symbol} ");
            self.operand(right);
            self.push(")");
        } else if operation(term).is_some() {
            self.push("(");
            self.term(term);
            self.push(")");
        } else if is_membership(function, arguments) {
            self.membership(arguments);
        } else {
            self.names(&function.path);
            self.enclosed("(", arguments, ")");
        }
    }

    /// `(x in xs)`, `(k, v in xs)`: regorus has no function for these.
    fn membership(&mut self, arguments: &[Term]) {
        self.need("in");
        self.push("(");
        for (index, argument) in arguments.iter().enumerate() {
            self.push(match index {
                0 => "",
                _ if index + 1 == arguments.len() => " in ",
                _ => ", ",
            });
            self.operand(argument);
        }
        self.push(")");
    }

    fn enclosed(&mut self, open: &str, items: &[Term], close: &str) {
        self.push(open);
        self.list(items);
        self.push(close);
    }

    pub(super) fn list(&mut self, items: &[Term]) {
        for (index, item) in items.iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " });
            self.term(item);
        }
    }

    fn object(&mut self, entries: &[(Term, Term)]) {
        self.push("{");
        for (index, (key, value)) in entries.iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " });
            self.pair(key, ": ", value);
        }
        self.push("}");
    }

    /// `.a`, `["a b"]`, `[x]`
    pub(super) fn step(&mut self, step: &Term) {
        match &step.kind {
            TermKind::String(name) => self.named_step(name),
            _ => self.enclosed("[", std::slice::from_ref(step), "]"),
        }
    }

    /// A constant path, its first step a word.
    pub(super) fn names(&mut self, path: &[String]) {
        let mut path = path.iter();
        if let Some(first) = path.next() {
            self.push(if first.starts_with('$') { "_" } else { first });
        }
        path.for_each(|name| self.named_step(name));
    }

    fn named_step(&mut self, name: &str) {
        if is_plain_word(name) {
            self.push(".");
            self.push(name);
        } else {
            self.push("[");
            self.string(name);
            self.push("]");
        }
    }

    /// A name that may be that of a wildcard, or a word that only v0 allows.
    pub(super) fn variable(&mut self, name: &str) {
        let is_ours = name.trim_start_matches('_').starts_with("wild") && name.starts_with("__");
        let is_taken = self.renames_keywords && Keyword::parse(name).is_some_and(Keyword::is_future);
        match name.strip_prefix('$') {
            Some(number) => {
                let _ = write!(self.text, "__wild{number}__");
            }
            None if is_taken && name != "contains" => {
                let _ = write!(self.text, "__{name}__");
            }
            None => {
                self.push(if is_ours { "_" } else { "" });
                self.push(name);
            }
        }
    }

    /// OPA accepts `.5`, others do not.
    fn number(&mut self, text: &str) {
        let digits = text.strip_prefix('-').unwrap_or(text);
        self.push(if digits.len() < text.len() { "-" } else { "" });
        self.push(if digits.starts_with('.') { "0" } else { "" });
        self.push(digits);
    }

    fn string(&mut self, text: &str) {
        self.text.push_str(&quote(text));
    }
}

/// A string in double quotes, escaped as JSON.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for one in text.chars() {
        match one {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Byte order marks are illegal in modules, even in strings.
            '\0'..='\x1f' | '\x7f' | '\u{feff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(one));
            }
            _ => quoted.push(one),
        }
    }
    quoted.push('"');
    quoted
}

/// How tight `|` is. Unions are always in parentheses: behind an opening bracket they would make a comprehension.
const UNION: u8 = 2;

/// Symbol, tightness and sides of an operation.
fn operation(term: &Term) -> Option<(&'static str, u8, [&Term; 2])> {
    let TermKind::Call { function, arguments, is_infix: true } = &term.kind else { return None };
    let ([name], [left, right]) = (function.path.as_slice(), arguments.as_slice()) else { return None };
    let (symbol, tightness) = match name.as_str() {
        "equal" => ("==", 1),
        "neq" => ("!=", 1),
        "lt" => ("<", 1),
        "lte" => ("<=", 1),
        "gt" => (">", 1),
        "gte" => (">=", 1),
        "or" => ("|", UNION),
        "and" => ("&", 3),
        "plus" => ("+", 4),
        "minus" => ("-", 4),
        "mul" => ("*", 5),
        "div" => ("/", 5),
        "rem" => ("%", 5),
        _ => return None,
    };
    Some((symbol, tightness, [left, right]))
}

/// Also when it was written as a function.
fn is_membership(function: &FunctionName, arguments: &[Term]) -> bool {
    match function.path.as_slice() {
        [first, second] if first == "internal" => {
            (second == "member_2" && arguments.len() == 2) || (second == "member_3" && arguments.len() == 3)
        }
        _ => false,
    }
}
