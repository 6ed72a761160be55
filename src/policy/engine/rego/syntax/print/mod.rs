//! A tree as canonical Rego text, which OPA and regorus read as the same tree.
//!
//! Not for people (that is `format`): comments are gone, nothing depends on how the source was written. Expressions end
//! with `;`, unions and memberships are in parentheses, strings are escaped as JSON, and wildcards (`$1`) are variables
//! named `__wild1__`. In v1 bodies are behind `if` in braces; in v0 keywords are imported where something has no other
//! form, and only then, because v0 modules may use these words as names.

mod terms;

use std::fmt::Write as _;

use crate::model::api::RegoVersion;

use super::ast::{Body, Else, Expr, ExprKind, Import, Module, Rule, RuleKind, Variable, With};
use super::lexer::Keyword;

/// The text of a module in a version, which need not be the one that it was read with; but a rule that has a keyword as
/// its whole name, as v0 allows, has no form in v1.
pub fn print_module(module: &Module, version: RegoVersion) -> String {
    let mut printer = Printer::new(version);
    printer.renames_keywords = module.version == RegoVersion::V0 && version == RegoVersion::V1;
    for rule in &module.rules {
        printer.rule(rule);
    }
    let rules = printer.text;
    let mut printer = Printer { text: String::new(), ..printer };
    printer.push("package ");
    printer.names(&module.package.path);
    printer.push("\n\n");
    for import in &module.imports {
        printer.import(import);
    }
    for keyword in std::mem::take(&mut printer.keywords) {
        let _ = writeln!(printer.text, "import future.keywords.{keyword}");
    }
    printer.text + &rules
}

/// The text of expressions, separated by `; `.
pub fn print_body(body: &Body, version: RegoVersion) -> String {
    let mut printer = Printer::new(version);
    printer.expressions(body, "; ");
    printer.text
}

pub(super) struct Printer {
    text: String,
    version: RegoVersion,
    /// Variables may be named `if`, `in` or `every`, which are keywords in the text.
    renames_keywords: bool,
    /// What v0 must import.
    keywords: Vec<&'static str>,
}

impl Printer {
    fn new(version: RegoVersion) -> Self {
        Self { text: String::new(), version, renames_keywords: false, keywords: Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Notes that a keyword is used.
    fn need(&mut self, keyword: &'static str) {
        if self.version == RegoVersion::V0 && !self.keywords.contains(&keyword) {
            self.keywords.push(keyword);
        }
    }

    fn import(&mut self, import: &Import) {
        if self.version == RegoVersion::V0 && import.path.first().is_some_and(|root| root == "future" || root == "rego")
        {
            return; // what is needed is known better; `rego.v1` would ask for more than v0 does
        }
        self.push("import ");
        self.names(&import.path);
        if let Some(alias) = &import.alias {
            let _ = write!(self.text, " as {alias}");
        }
        self.push("\n");
    }

    fn rule(&mut self, rule: &Rule) {
        self.push(if rule.is_default { "\ndefault " } else { "\n" });
        let has_body = !rule.is_default && (!rule.body.is_empty() || !rule.otherwise.is_empty());
        let needs_if = self.version == RegoVersion::V1 || needs_if_for_else(rule);
        self.head(rule, has_body && needs_if);
        if has_body {
            self.body(&rule.body, needs_if);
        }
        for branch in &rule.otherwise {
            self.branch(branch);
        }
        self.push("\n");
    }

    fn head(&mut self, rule: &Rule, has_if: bool) {
        let head = &rule.head;
        self.names(&head.path);
        for step in &head.dynamic {
            self.step(step);
        }
        if head.kind == RuleKind::Function {
            self.push("(");
            self.list(&head.arguments);
            self.push(")");
        }
        match &head.key {
            Some(key) if self.version == RegoVersion::V0 && head.path.len() == 1 && head.dynamic.is_empty() => {
                self.push("[");
                self.term(key);
                self.push("]");
            }
            Some(key) => {
                self.need("contains");
                self.push(" contains ");
                self.term(key);
            }
            None => {}
        }
        // Without a value, `p.q { … }` would be a set in v0, and `f(x)` nothing in v1.
        let is_plain = head.kind == RuleKind::Function || (head.kind == RuleKind::Complete && head.path.len() == 1);
        let may_omit = head.kind == RuleKind::PartialSet || has_if || (is_plain && !rule.body.is_empty());
        match &head.value {
            Some(value) => {
                self.push(if head.is_assigned { " := " } else { " = " });
                self.term(value);
            }
            None if may_omit => {}
            None => self.push(" := true"),
        }
    }

    fn branch(&mut self, branch: &Else) {
        self.push(" else");
        if let Some(value) = &branch.value {
            self.push(" := ");
            self.term(value);
        } else if branch.body.is_empty() {
            self.push(" := true");
        }
        if !branch.body.is_empty() {
            self.body(&branch.body, self.version == RegoVersion::V1);
        }
    }

    fn body(&mut self, body: &Body, has_if: bool) {
        if has_if {
            self.need("if");
            self.push(" if");
        }
        self.push(" {\n\t");
        if body.is_empty() {
            self.push("true");
        }
        self.expressions(body, ";\n\t");
        self.push("\n}");
    }

    fn expressions(&mut self, body: &Body, separator: &str) {
        for (index, expression) in body.iter().enumerate() {
            self.push(if index == 0 { "" } else { separator });
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        self.push(if expression.is_negated { "not " } else { "" });
        match &expression.kind {
            ExprKind::Term(term) => self.term(term),
            ExprKind::Unify(left, right) => self.pair(left, " = ", right),
            ExprKind::Assign(left, right) => self.pair(left, " := ", right),
            ExprKind::Some(names) => self.some(names),
            ExprKind::SomeIn { key, value, domain } => {
                self.need("in");
                self.push("some ");
                if let Some(key) = key {
                    self.operand(key);
                    self.push(", ");
                }
                self.operand(value);
                self.push(" in ");
                self.operand(domain);
            }
            ExprKind::Every { key, value, domain, body } => {
                self.need("every");
                self.push("every ");
                if let Some(key) = key {
                    self.variable(&key.name);
                    self.push(", ");
                }
                self.variable(&value.name);
                self.push(" in ");
                self.operand(domain);
                self.push(" { ");
                self.expressions(body, "; ");
                self.push(" }");
            }
        }
        for with in &expression.with {
            self.with(with);
        }
    }

    fn some(&mut self, names: &[Variable]) {
        self.push("some ");
        for (index, name) in names.iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " });
            self.variable(&name.name);
        }
    }

    fn with(&mut self, with: &With) {
        self.push(" with ");
        self.term(&with.target);
        self.push(" as ");
        self.term(&with.value);
    }
}

/// In v0, `p.q := 1 { … }` is one key of an object, which cannot have an `else`, unless there is an `if`.
fn needs_if_for_else(rule: &Rule) -> bool {
    !rule.otherwise.is_empty() && rule.head.path.len() + rule.head.dynamic.len() == 2
}

/// Whether a name can be written as a word, in every version.
pub(super) fn is_plain_word(name: &str) -> bool {
    let mut characters = name.chars();
    let starts = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    starts && characters.all(|one| one.is_ascii_alphanumeric() || one == '_') && Keyword::parse(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::engine::rego::syntax::parser::parse_module;

    #[test]
    fn prints_canonical_text() {
        let cases = [
            (
                "p[x] { x := input.a[_] }",
                "p contains x if {\n\tx := input.a[__wild0__]\n}",
                "p[x] {\n\tx := input.a[__wild0__]\n}",
            ),
            ("p.q = 1 { true }", "p.q = 1 if {\n\ttrue\n}", "p.q = 1 {\n\ttrue\n}"),
            ("p { (a | b) == c; -1 = x }", "p if {\n\t(a | b) == c;\n\t-1 = x\n}", "p {\n\t(a | b) == c;\n\t-1 = x\n}"),
            ("f(x, _) = .5", "f(x, __wild0__) = 0.5", "f(x, __wild0__) = 0.5"),
            ("f(x)", "f(x) := true", "f(x) := true"),
            ("p { a.b[\"c d\"][\"if\"] }", "p if {\n\ta.b[\"c d\"][\"if\"]\n}", "p {\n\ta.b[\"c d\"][\"if\"]\n}"),
            ("p = \"é\\n\\u0001\" ", "p = \"é\\n\\u0001\"", "p = \"é\\n\\u0001\""),
            (
                "p { not f(x) with input as {1} } else = 2 { [x | x = 1; y] }",
                "p if {\n\tnot f(x) with input as {1}\n} else := 2 if {\n\t[x | x = 1; y]\n}",
                "p {\n\tnot f(x) with input as {1}\n} else := 2 {\n\t[x | x = 1; y]\n}",
            ),
        ];
        for (source, v1, v0) in cases {
            check(source, RegoVersion::V1, v1);
            check(source, RegoVersion::V0, v0);
        }
    }

    fn check(rule: &str, version: RegoVersion, expected: &str) {
        let source = format!("package a\n{rule}\n");
        let module = parse_module("m", &source, RegoVersion::V0).expect("parses");
        assert_eq!(print_module(&module, version), format!("package a\n\n\n{expected}\n"), "{rule}");
    }
}
