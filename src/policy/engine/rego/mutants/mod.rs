//! Small changes to a module, each of which a good test notices: a comparison turned around, an expression left out, a
//! constant that is another one, a rule that never holds.
//!
//! Changes are made to the text, so that nothing but the changed place is another. Not all of them compile: who wants only
//! those compiles them. Left alone is what only words a message, because tests seldom look at it to the letter, and what
//! cannot make a difference, as far as that is plain.

mod constants;
mod expressions;

use std::ops::Range;

use super::syntax::ast::{Module, Rule, Span, Term, TermKind};
use super::syntax::parser::parse_module;
use crate::model::api::RegoVersion;

/// One change to one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The bytes that are replaced.
    pub range: Range<usize>,
    /// By this.
    pub replacement: String,
    /// Line of what it is about, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is done, as it follows an "if".
    pub change: String,
}

/// All changes to a module that parses, in the order of the text.
pub fn mutants(text: &str, version: RegoVersion) -> Vec<Mutant> {
    let Ok(module) = parse_module("", text, version) else { return Vec::new() };
    let mut found = Finder { text, found: Vec::new() };
    found.module(&module);
    let mut found = found.found;
    found.sort_by_key(|one| (one.range.start, one.range.end));
    found.dedup_by(|one, other| one.range == other.range && one.replacement == other.replacement);
    found
}

impl Mutant {
    /// The module with the change in it.
    pub fn apply(&self, text: &str) -> String {
        let (before, behind) = (text.get(..self.range.start), text.get(self.range.end..));
        [before.unwrap_or_default(), &self.replacement, behind.unwrap_or_default()].concat()
    }

    /// The line as it is with the change in it; nothing where only a gap would be seen.
    pub fn changed_line(&self, text: &str) -> Option<String> {
        let changed = self.apply(text);
        let start = changed.get(..self.range.start)?.rfind('\n').map_or(0, |newline| newline + 1);
        let line = changed.get(start..)?.lines().next()?.trim();
        (!matches!(line, "" | "true")).then(|| line.to_owned())
    }
}

/// Looks for places to change.
struct Finder<'t> {
    text: &'t str,
    found: Vec<Mutant>,
}

impl Finder<'_> {
    fn module(&mut self, module: &Module) {
        module.rules.iter().for_each(|rule| self.rule(rule));
    }

    fn rule(&mut self, rule: &Rule) {
        let name = rule.head.path.join(".");
        self.head(rule, &name);
        match rule.body.first() {
            Some(_) => self.never(rule.head.span, &rule.body, &format!("this rule of `{name}` never holds")),
            None if !rule.is_default && rule.otherwise.is_empty() => {
                self.replace(rule.span, String::new(), format!("this rule of `{name}` is left out"));
            }
            None => {}
        }
        self.body(&rule.body);
        for branch in &rule.otherwise {
            match branch.body.first() {
                Some(_) => self.never(branch.span, &branch.body, "this `else` never holds"),
                None => self.replace(branch.span, String::new(), "this `else` is left out".to_owned()),
            }
            if let Some(value) = branch.value.as_ref().filter(|_| !is_message(&name)) {
                self.term(value);
            }
            self.body(&branch.body);
        }
    }

    /// What a rule gives is a message in the rule `violation`, and in rules that are called so.
    fn head(&mut self, rule: &Rule, name: &str) {
        let head = &rule.head;
        head.arguments.iter().chain(&head.dynamic).for_each(|term| self.term(term));
        let given = head.key.iter().chain(&head.value);
        given.filter(|term| !is_message(name) && !is_finding(term)).for_each(|term| self.term(term));
    }

    fn replace(&mut self, span: Span, replacement: String, change: String) {
        let Some(range) = self.range(span) else { return };
        self.found.push(Mutant { range, replacement, line: span.line, column: span.column, change });
    }

    fn range(&self, span: Span) -> Option<Range<usize>> {
        let range = usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?;
        (span.line > 0 && self.text.get(range.clone()).is_some()).then_some(range)
    }

    /// As it stands in the source, on one line.
    fn written(&self, span: Span) -> String {
        const MOST: usize = 60;
        let text = self.range(span).and_then(|range| self.text.get(range)).unwrap_or_default();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MOST) {
            Some((cut, _)) => format!("`{}…`", line.get(..cut).unwrap_or_default()),
            None => format!("`{line}`"),
        }
    }
}

/// Names of what people read.
fn is_message(name: &str) -> bool {
    let name = name.to_lowercase();
    ["msg", "message", "details", "description"].iter().any(|part| name.contains(part))
}

/// `{"msg": …}`
fn is_finding(term: &Term) -> bool {
    let TermKind::Object(entries) = &term.kind else { return false };
    entries.iter().any(|(key, _)| matches!(&key.kind, TermKind::String(key) if key == "msg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All changes to one line each: what is said, and the changed line.
    fn check(text: &str, expected: &[&str]) {
        let show = |mutant: &Mutant| {
            let line = mutant.changed_line(text).unwrap_or_default();
            format!("{}:{} {} | {line}", mutant.line, mutant.column, mutant.change)
        };
        let found: Vec<String> = mutants(text, RegoVersion::V0).iter().map(show).collect();
        assert_eq!(found, expected, "{found:#?}");
    }

    #[test]
    fn changes_conditions() {
        check(
            "package a\nviolation[{\"msg\": msg}] {\n  input.x >= 5\n  not ok\n  msg := \"no\"\n}\n",
            &[
                "2:1 this rule of `violation` never holds | false; input.x >= 5",
                "3:3 `input.x >= 5` is left out | ",
                "3:11 `>=` is `>` | input.x > 5",
                "3:11 `>=` is `<` | input.x < 5",
                "3:14 `5` is `6` | input.x >= 6",
                "4:3 `not ok` is left out | ",
                "4:3 the `not` is left out | ok",
            ],
        );
    }

    #[test]
    fn changes_values_but_not_messages() {
        check(
            "package a\ndefault ok = false\nok { startswith(input.x, \"a-\") }\np[\"b\"]\nerr_msg(x) = \"c\" { x }\n",
            &[
                "2:14 `false` is `true` | default ok = true",
                "3:1 this rule of `ok` never holds | ok { false; startswith(input.x, \"a-\") }",
                "3:6 `startswith(input.x, \"a-\")` is negated | ok { not startswith(input.x, \"a-\") }",
                "3:6 `startswith(input.x, \"a-\")` is left out | ok { true }",
                "3:26 `\"a-\"` is `\"a-~\"` | ok { startswith(input.x, \"a-~\") }",
                "4:1 this rule of `p` is left out | ",
                "4:3 `\"b\"` is `\"b~\"` | p[\"b~\"]",
                "5:1 this rule of `err_msg` never holds | err_msg(x) = \"c\" { false; x }",
                "5:20 `x` is negated | err_msg(x) = \"c\" { not x }",
                "5:20 `x` is left out | err_msg(x) = \"c\" { true }",
            ],
        );
    }

    #[test]
    fn looks_into_comprehensions_and_elses() {
        let found = mutants(
            "package a\nf(x) = y { y := count([z | z := x[_]; z != 1]) } else = 2 { x == \"\" }\n",
            RegoVersion::V0,
        );
        let changes: Vec<&str> = found.iter().map(|mutant| mutant.change.as_str()).collect();
        for expected in ["`!=` is `==`", "`1` is `2`", "`z != 1` is left out", "this `else` never holds", "`2` is `3`"]
        {
            assert!(changes.contains(&expected), "{expected} not in {changes:?}");
        }
        assert!(changes.contains(&"`\"\"` is `\"~\"`"), "{changes:?}");
    }
}
