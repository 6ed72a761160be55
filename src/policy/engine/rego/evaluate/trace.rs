//! A readable trace of evaluations: rules entered, expressions with their places, what made them fail, values found.
//!
//! ```text
//! template:3    enter violation[{"msg": msg}]
//! template:4    | holds container := input.review.object.spec.containers[_]; container = {"image": "web"}
//! template:5    | fails endswith(container.image, ":latest"): it is false; container = {"image": "web"}
//! ```
//!
//! Bounded: so many lines are kept, the others are counted; texts and values are cut. What is cut is not even made.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::plan::Place;
use crate::policy::engine::rego::value::Value;

/// The most lines that are kept.
const MAX_LINES: usize = 10_000;
/// The most bytes of one value.
const MAX_VALUE_BYTES: usize = 160;
/// Places are padded to so many characters.
const PLACE_WIDTH: usize = 13;

/// What a plan keeps for people to read.
#[derive(Debug, Default)]
pub struct Watch<'s> {
    /// Printed text begins with its place.
    pub has_print_places: bool,
    /// The modules' texts by their names; present when evaluations are to be traced.
    pub sources: Option<BTreeMap<String, &'s str>>,
}

/// The trace of any number of evaluations.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Vec<String>,
    left_out: usize,
    /// How far lines are indented.
    pub(super) depth: usize,
    /// Expressions that are being evaluated and have not been shown.
    pending: Vec<String>,
    /// The package whose rules are called by their names alone.
    pub(super) package: String,
}

impl Trace {
    /// What happened, line by line.
    pub fn text(&self) -> String {
        let mut text: String = self.lines.iter().flat_map(|line| [line, "\n"]).collect();
        if self.left_out > 0 {
            let plural = if self.left_out == 1 { "line" } else { "lines" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "... {} more {plural} left out ...", self.left_out);
        }
        text
    }

    /// Starts with what is about to be evaluated.
    pub fn begin(&mut self, title: &str) {
        self.pending.clear();
        self.depth = 0;
        self.keep(|| title.to_owned());
    }

    /// One event, `what` being made only if it is kept.
    pub(super) fn line(&mut self, place: Option<&Place>, word: &'static str, what: impl FnOnce() -> String) {
        self.event(place, || (word, what()));
    }

    /// The same where the word depends on the event, too.
    pub(super) fn event(&mut self, place: Option<&Place>, describe: impl FnOnce() -> (&'static str, String)) {
        self.show_pending();
        let depth = self.depth;
        self.keep(|| {
            let (word, what) = describe();
            format_line(place, depth, word, &what)
        });
    }

    /// An expression begins. It is shown if something happens within it; gives what `close` wants.
    pub(super) fn open(&mut self, place: &Place, text: &str) -> usize {
        let before = self.pending.len();
        if !self.is_full() {
            self.pending.push(format_line(Some(place), self.depth, "check", text));
        }
        before
    }

    /// What follows says how the expression went.
    pub(super) fn close(&mut self, before: usize) {
        self.pending.truncate(before);
    }

    fn show_pending(&mut self) {
        for line in std::mem::take(&mut self.pending) {
            self.keep(|| line);
        }
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= MAX_LINES
    }

    fn keep(&mut self, line: impl FnOnce() -> String) {
        if self.is_full() {
            self.left_out = self.left_out.saturating_add(1);
        } else {
            self.lines.push(line());
        }
    }
}

fn format_line(place: Option<&Place>, depth: usize, word: &str, what: &str) -> String {
    let place = place.map(Place::to_string).unwrap_or_default();
    format!("{place:PLACE_WIDTH$} {}{word} {what}", "| ".repeat(depth)).trim_end().to_owned()
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            Some(module) => write!(out, "{module}:{}", self.line),
            None => write!(out, "{}", self.line),
        }
    }
}

/// The value, cut when it is long.
pub(super) fn shown(value: &Value) -> String {
    let mut text = Cut { text: String::new() };
    if write!(text, "{value}").is_err() {
        text.text.push('…');
    }
    text.text
}

/// Takes no more text than a value may have.
struct Cut {
    text: String,
}

impl Write for Cut {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = MAX_VALUE_BYTES.saturating_sub(self.text.len());
        if more.len() <= room {
            self.text.push_str(more);
            return Ok(());
        }
        self.text.push_str(more.get(..more.floor_char_boundary(room)).unwrap_or_default());
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shown(&Value::from("short")), "\"short\"");
        let long = shown(&Value::from("é".repeat(200).as_str()));
        assert!(long.ends_with('…') && long.len() <= MAX_VALUE_BYTES + '…'.len_utf8(), "{long}");
    }

    #[test]
    fn many_lines_are_counted() {
        let mut trace = Trace::default();
        (0..MAX_LINES + 3).for_each(|_| trace.line(None, "enter", || "p".to_owned()));
        let text = trace.text();
        assert_eq!(text.lines().count(), MAX_LINES + 1);
        assert!(text.ends_with("... 3 more lines left out ...\n"));
    }
}
