//! `admit rego fmt`: the layout of `opa fmt` for ordinary policies.
//!
//! Works on tokens, so that everything that was written stays (parentheses, raw strings, comments); the tree tells
//! what a bracket encloses and where expressions start. Tabs indent; rules that take several lines have blank lines
//! around them; bodies have one expression per line; lists break where their elements stood on different lines, and
//! have a comma behind the last one then. Imports are sorted. Unlike `opa fmt` it never adds or removes parentheses, a
//! value, or a head.

mod groups;
mod layout;
mod marks;
mod writer;

use crate::model::api::RegoVersion;

use super::ast::{Module, RegoError, Rule, TermKind};
use super::lexer;
use super::parser::parse_module;
use super::print::print_module;
use layout::Layout;
use marks::Marks;

/// The module in the usual layout. Formatting twice changes nothing more.
///
/// # Errors
/// The module's mistakes, when it has some.
pub fn format(source: &str, version: RegoVersion) -> Result<String, Vec<RegoError>> {
    const NAME: &str = "module";
    let module = parse_module(NAME, source, version)?;
    let tokens = lexer::tokenize(source).tokens;
    let marks = Marks::of(&module, &tokens);
    let text = Layout::new(source, &tokens, &module.comments, &marks).module();
    // A layout must not change what a policy does: if one ever would, the source stays as it is.
    match parse_module(NAME, &text, version) {
        Ok(again) if is_same(&module, &again) => Ok(text),
        _ => Ok(source.to_owned()),
    }
}

/// Whether two modules mean the same and say the same.
fn is_same(one: &Module, other: &Module) -> bool {
    let comments = |module: &Module| {
        let mut texts: Vec<String> = module.comments.iter().map(|one| one.text.trim_end().to_owned()).collect();
        texts.sort();
        texts
    };
    let imports = |module: &Module| {
        let mut imports: Vec<_> = module.imports.iter().map(|one| (one.path.clone(), one.alias.clone())).collect();
        imports.sort();
        imports
    };
    let rules = |module: &Module| {
        let mut module = Module { imports: Vec::new(), ..module.clone() };
        module.rules.iter_mut().for_each(without_redundancies);
        print_module(&module, module.version)
    };
    imports(one) == imports(other) && comments(one) == comments(other) && rules(one) == rules(other)
}

/// A value of `true` is as good as none, and a body of `true` is as good as none.
fn without_redundancies(rule: &mut Rule) {
    if rule.head.value.as_ref().is_some_and(|value| matches!(value.kind, TermKind::Bool(true))) {
        rule.head.value = None;
    }
    if rule.otherwise.is_empty() && matches!(rule.body.as_slice(), [only] if only.is_true()) {
        rule.body = Vec::new();
    }
}

#[cfg(test)]
mod tests;
