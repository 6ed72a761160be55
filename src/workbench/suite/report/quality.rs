//! Coverage and mutants of a template as JSON. Keys are added, never changed.

use serde::Serialize;

use crate::workbench::suite::coverage::{LineRange, TemplateCoverage};
use crate::workbench::suite::mutants::{Survivor, TemplateMutants};

#[derive(Serialize)]
pub(super) struct Coverage<'a> {
    template: &'a str,
    file: &'a str,
    lines: Share,
    rules: Share,
    not_covered: Vec<Range>,
    rules_never_held: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Share {
    covered: usize,
    total: usize,
    percent: f64,
}

#[derive(Serialize)]
struct Range {
    first: u32,
    last: u32,
}

#[derive(Serialize)]
struct Rule<'a> {
    name: &'a str,
    line: u32,
}

#[derive(Serialize)]
pub(super) struct Mutants<'a> {
    template: &'a str,
    file: &'a str,
    killed: usize,
    survived: usize,
    percent: f64,
    killed_by_limit: usize,
    /// They do not compile.
    refused: usize,
    left_out: usize,
    survivors: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Change<'a> {
    line: u32,
    column: u32,
    change: &'a str,
    text: &'a str,
}

impl<'a> Coverage<'a> {
    pub(super) fn new(one: &'a TemplateCoverage) -> Self {
        let range = |LineRange { first, last }| Range { first, last };
        let never = one.rules.iter().filter(|rule| rule.held == 0);
        Self {
            template: &one.name,
            file: &one.file,
            lines: Share { covered: one.covered_lines(), total: one.lines.len(), percent: one.line_percent() },
            rules: Share { covered: one.covered_rules(), total: one.rules.len(), percent: one.rule_percent() },
            not_covered: one.not_covered().into_iter().map(range).collect(),
            rules_never_held: never.map(|rule| Rule { name: &rule.name, line: rule.line }).collect(),
        }
    }
}

impl<'a> Mutants<'a> {
    pub(super) fn new(one: &'a TemplateMutants) -> Self {
        let change = |survivor: &'a Survivor| {
            let Survivor { line, column, change, text, .. } = survivor;
            Change { line: *line, column: *column, change, text }
        };
        Self {
            template: &one.name,
            file: &one.file,
            killed: one.killed,
            survived: one.survivors.len(),
            percent: one.score(),
            killed_by_limit: one.stopped,
            refused: one.refused,
            left_out: one.left_out,
            survivors: one.survivors.iter().map(change).collect(),
        }
    }
}
