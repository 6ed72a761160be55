//! `# METADATA` comments: what policy authors say about packages and rules, in YAML.
//!
//! A block is a comment that starts with `METADATA` and the comments right below it, from the first column on. It is about
//! the next statement below the line of that first comment. What [`read`] gives is what OPA's parser gives when it is
//! asked for annotations, and it refuses what OPA refuses; nothing in the meaning of rules depends on them, unless a
//! policy calls `rego.metadata.rule` or `rego.metadata.chain`. Schemas are read and shown, but types are not checked by
//! them.

mod fields;
mod yaml;

use super::syntax::ast::{Comment, ErrorClass, Module, RegoError, Span};
use super::value::Value;
use fields::Fields;

/// What an annotation holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The rule below it.
    Rule,
    /// All rules with the name of the one below it.
    Document,
    /// The package below it, in any module.
    Package,
    /// As `Package`, and all packages below that.
    Subpackages,
}

/// The statement that an annotation stands above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The module's package.
    Package,
    /// Of the module's rules, by position.
    Rule(usize),
}

/// One block.
#[derive(Clone, Debug)]
pub struct Annotation {
    /// The comment that opens it.
    pub span: Span,
    /// What it holds for, never at odds with its target.
    pub scope: Scope,
    /// What it stands above.
    pub target: Target,
    fields: Fields,
}

impl Annotation {
    /// The object that policies see.
    ///
    /// # Errors
    /// When it holds something that is no JSON.
    pub fn to_value(&self) -> Result<Value, String> {
        self.fields.to_value(self.scope)
    }
}

/// The annotations of a module, in the order of the text.
///
/// # Errors
/// One for each block that OPA would refuse.
pub fn read(module: &Module) -> Result<Vec<Annotation>, Vec<RegoError>> {
    let (mut annotations, mut errors) = (Vec::new(), Vec::new());
    let statements = statements(module);
    for block in blocks(&module.comments) {
        match block.read(&statements) {
            Ok(annotation) => annotations.push(annotation),
            Err(message) => errors.push(RegoError {
                class: ErrorClass::Parse,
                module: module.name.clone(),
                span: block.opening.span,
                message,
                help: None,
            }),
        }
    }
    if errors.is_empty() { Ok(annotations) } else { Err(errors) }
}

/// What a statement is; the first is where it starts.
type Statement = (Span, Option<Target>);

/// All statements in the order of the text; imports are none that can be annotated.
fn statements(module: &Module) -> Vec<Statement> {
    let mut statements = vec![(module.package.span, Some(Target::Package))];
    statements.extend(module.imports.iter().map(|import| (import.span, None)));
    statements.extend(module.rules.iter().enumerate().map(|(index, rule)| (rule.span, Some(Target::Rule(index)))));
    statements.sort_by_key(|(span, _)| span.start);
    statements
}

/// Comments that belong together.
struct Block<'c> {
    opening: &'c Comment,
    lines: Vec<&'c Comment>,
}

fn blocks(comments: &[Comment]) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    // The line that goes on with the last block.
    let mut next_line = None;
    for comment in comments {
        if let Some(block) = blocks.last_mut()
            && next_line == Some(comment.span.line)
            && comment.span.column == 1
        {
            block.lines.push(comment);
            next_line = comment.span.line.checked_add(1);
            continue;
        }
        next_line = None;
        if comment.text.trim().starts_with("METADATA") {
            blocks.push(Block { opening: comment, lines: Vec::new() });
            next_line = comment.span.line.checked_add(1);
        }
    }
    blocks
}

impl Block<'_> {
    fn read(&self, statements: &[Statement]) -> Result<Annotation, String> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line.text.strip_prefix(' ').unwrap_or(&line.text));
            text.push('\n');
        }
        if text.trim().is_empty() {
            return Err("expected METADATA block, found whitespace".to_owned());
        }
        let fields = Fields::read(&text)?;
        let line = self.opening.span.line;
        let below = statements.iter().find(|(span, _)| span.line > line).map(|(_, target)| *target);
        let scope = scope(&fields, below)?;
        let target = match (scope, below.flatten()) {
            (Scope::Rule | Scope::Document, Some(target @ Target::Rule(_)))
            | (Scope::Package | Scope::Subpackages, Some(target @ Target::Package)) => target,
            (Scope::Rule | Scope::Document, _) => {
                return Err(format!("annotation scope '{}' must be applied to rule", scope.as_str()));
            }
            (Scope::Package | Scope::Subpackages, _) => {
                return Err(format!("annotation scope '{}' must be applied to package", scope.as_str()));
            }
        };
        if fields.is_entrypoint() && !matches!(scope, Scope::Document | Scope::Package) {
            let found = scope.as_str();
            return Err(format!("annotation entrypoint applied to non-document or package scope '{found}'"));
        }
        Ok(Annotation { span: self.opening.span, scope, target, fields })
    }
}

/// The scope as written, or the one that fits what is below.
fn scope(fields: &Fields, below: Option<Option<Target>>) -> Result<Scope, String> {
    let unknown = |found: &str| {
        Err(format!("invalid annotation scope '{found}'. Use one of 'rule', 'document', 'package', or 'subpackages'"))
    };
    match (fields.scope(), below) {
        ("", Some(Some(Target::Rule(_)))) if fields.is_entrypoint() => Ok(Scope::Document),
        ("", Some(Some(Target::Rule(_)))) | ("rule", _) => Ok(Scope::Rule),
        ("", Some(Some(Target::Package))) | ("package", _) => Ok(Scope::Package),
        ("document", _) => Ok(Scope::Document),
        ("subpackages", _) => Ok(Scope::Subpackages),
        ("", Some(None)) => unknown("import"),
        (found, _) => unknown(found),
    }
}

impl Scope {
    /// As written in annotations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Document => "document",
            Self::Package => "package",
            Self::Subpackages => "subpackages",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::api::RegoVersion;
    use crate::policy::engine::rego::syntax::parser::parse_module;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        let module = parse_module("m", text, RegoVersion::V1).expect("parses");
        let annotations = read(&module).map_err(|errors| errors[0].message.clone())?;
        annotations.iter().map(|one| one.to_value().map(|value| value.to_json().to_string())).collect()
    }

    #[test]
    fn blocks_are_about_what_is_below_them() {
        let check = |text: &str, expected: Result<&[&str], &str>| {
            let expected = expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
            assert_eq!(shown(text), expected.map_err(str::to_owned), "{text}");
        };
        check("# METADATA\n# title: t\npackage a", Ok(&[r#"{"scope":"package","title":"t"}"#]));
        check(
            "package a\n# METADATA\n# title: no\n# entrypoint: yes\np := 1",
            Ok(&[r#"{"entrypoint":true,"scope":"document","title":"no"}"#]),
        );
        check("package a\n# METADATA\n# a: b\n\n# title: t\np := 1", Ok(&[r#"{"scope":"rule"}"#]));
        check("package a\n# METADATA\n\n# title: t\np := 1", Err("expected METADATA block, found whitespace"));
        check(
            "package a\n# METADATA\n# scope: package\np := 1",
            Err("annotation scope 'package' must be applied to package"),
        );
        let unknown = "invalid annotation scope 'import'. Use one of 'rule', 'document', 'package', or 'subpackages'";
        check("package a\n# METADATA\n# title: t\nimport data.x", Err(unknown));
    }
}
