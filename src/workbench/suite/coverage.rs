//! Which lines and rules of templates the cases of suites evaluate.
//!
//! Counted as OPA counts: the line of an expression is covered when the expression was evaluated, the line of a rule's
//! head, or of its `else`, when the body held. Lines are those of the template's file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::outcome::{CaseOutcome, SuiteOutcome, TestOutcome};
use super::policy::Policy;
use crate::manifest::Document;
use crate::policy::engine::Coverage;
use crate::policy::snapshot::CompiledTemplate;

/// A test's template, and what the cases evaluated of it where that was counted.
#[derive(Clone, Debug)]
pub(super) struct Covered {
    document: Arc<Document>,
    template: Arc<CompiledTemplate>,
    coverage: Coverage,
}

/// What all cases evaluated of one template.
#[derive(Clone, Debug)]
pub struct TemplateCoverage {
    /// The template's name.
    pub name: String,
    /// Its file, relative to the working directory if it is below that.
    pub file: String,
    /// Lines of the file that can be evaluated, and how often they were.
    pub lines: BTreeMap<u32, u64>,
    /// Heads of rules, ordered by line, one for each clause and each `else`.
    pub rules: Vec<RuleCoverage>,
}

/// How often the body of a rule held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCoverage {
    /// The rule's name below its package.
    pub name: String,
    /// Line of the file.
    pub line: u32,
    /// So often.
    pub held: u64,
}

/// Consecutive lines of a file, the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    /// From 1.
    pub first: u32,
    /// Not less.
    pub last: u32,
}

impl Covered {
    pub(super) fn by(policy: &Policy, cases: &[CaseOutcome]) -> Option<Self> {
        let mut coverage = Coverage::default();
        cases.iter().filter_map(|case| case.coverage.as_ref()).for_each(|one| coverage.merge(one));
        Some(Self { document: Arc::clone(policy.document()), template: Arc::clone(policy.template()?), coverage })
    }

    /// A template that no case evaluates.
    pub(super) fn nothing_of(document: Document, template: Arc<CompiledTemplate>) -> Self {
        Self { document: Arc::new(document), template, coverage: Coverage::default() }
    }
}

/// What the outcomes say of each template, ordered by file. A template of several tests is there once.
pub fn summarize(outcomes: &[SuiteOutcome]) -> Vec<TemplateCoverage> {
    let mut by_file: BTreeMap<String, Covered> = BTreeMap::new();
    for covered in outcomes.iter().flat_map(|suite| &suite.tests).filter_map(|test| test.covered.as_ref()) {
        let known = by_file
            .entry(shown_path(&covered.document))
            .or_insert_with(|| Covered { coverage: Coverage::default(), ..covered.clone() });
        known.coverage.merge(&covered.coverage);
    }
    by_file.into_iter().map(|(file, covered)| TemplateCoverage::of(file, &covered)).collect()
}

impl TestOutcome {
    /// The file of its template, as [`TemplateCoverage::file`] has it.
    pub(super) fn template_file(&self) -> Option<String> {
        self.covered.as_ref().map(|covered| shown_path(&covered.document))
    }
}

impl TemplateCoverage {
    fn of(file: String, Covered { document, template, coverage }: &Covered) -> Self {
        let (mut lines, mut rules) = (BTreeMap::new(), Vec::new());
        for coverable in template.program.coverables() {
            let statement = &coverable.statement;
            let line = document.locate_in_scalar(&coverable.field, statement.line, statement.column.max(1)).line;
            let hits = coverable.hits(coverage);
            let count = if coverable.is_head() { hits.held } else { hits.evaluated };
            let most: &mut u64 = lines.entry(line).or_default();
            *most = count.max(*most);
            if coverable.is_head() {
                rules.push(RuleCoverage { name: statement.rule.clone(), line, held: hits.held });
            }
        }
        rules.sort_by_key(|rule| rule.line);
        Self { name: template.template.object.name().to_owned(), file, lines, rules }
    }

    /// How many lines are covered.
    pub fn covered_lines(&self) -> usize {
        self.lines.values().filter(|count| **count > 0).count()
    }

    /// How many rules are covered.
    pub fn covered_rules(&self) -> usize {
        self.rules.iter().filter(|rule| rule.held > 0).count()
    }

    /// Percent of lines; all of none.
    pub fn line_percent(&self) -> f64 {
        percent(self.covered_lines(), self.lines.len())
    }

    /// Percent of rules; all of none.
    pub fn rule_percent(&self) -> f64 {
        percent(self.covered_rules(), self.rules.len())
    }

    /// Lines that are not covered; neighbours are one range.
    pub fn not_covered(&self) -> Vec<LineRange> {
        let mut ranges: Vec<LineRange> = Vec::new();
        for (&line, _) in self.lines.iter().filter(|(_, count)| **count == 0) {
            match ranges.last_mut() {
                Some(range) if range.last + 1 == line => range.last = line,
                _ => ranges.push(LineRange { first: line, last: line }),
            }
        }
        ranges
    }
}

/// Percent; all of nothing is all.
pub(super) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// A file's path from the working directory, whatever way led to it.
pub(super) fn shown_path(document: &Document) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = plain(&here.join(document.source().name().as_ref()));
    path.strip_prefix(plain(&here)).unwrap_or(&path).display().to_string()
}

/// Without `.` and `..`; links are taken for what they look like, so that paths stay as people write them.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            component => plain.push(component),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_lines_are_one_range() {
        let lines = BTreeMap::from([(3, 1), (4, 0), (5, 0), (7, 0), (8, 2)]);
        let rules = vec![RuleCoverage { name: "p".to_owned(), line: 3, held: 1 }];
        let coverage = TemplateCoverage { name: "a".to_owned(), file: "a.yaml".to_owned(), lines, rules };
        assert_eq!(coverage.not_covered(), [LineRange { first: 4, last: 5 }, LineRange { first: 7, last: 7 }]);
        assert_eq!((coverage.line_percent(), coverage.rule_percent()), (40.0, 100.0));
        assert_eq!(percent(0, 0), 100.0);
        assert_eq!(plain(Path::new("/a/./b/c/../d.yaml")), Path::new("/a/b/d.yaml"));
    }
}
